//! Opens `winmail.dat` (MS-OXTNEF): the files and the body that Outlook hides in it from everybody
//! else. It does not judge them, and what it cannot read it leaves out.

mod stream;

use stream::{Attribute, Stream};

/// What was inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tnef {
    /// The attachments in their order, at most [`FILES_MAX`].
    pub files: Vec<TnefFile>,
    /// The plain body, if there is one.
    pub text: Option<String>,
    /// The HTML body, if there is one.
    pub html: Option<String>,
}

/// A file inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TnefFile {
    /// As Outlook names it, not made safe; may be empty.
    pub name: String,
    /// Its media type, where Outlook says one.
    pub content_type: Option<String>,
    /// Its Content-ID without brackets.
    pub content_id: Option<String>,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// More files than a mail may have are not looked at.
pub const FILES_MAX: usize = 200;

/// Opens a `winmail.dat`; `None` when it is not one.
pub fn open(bytes: &[u8]) -> Option<Tnef> {
    let mut tnef = Tnef::default();
    for Attribute { id, data } in Stream::open(bytes)? {
        match id {
            stream::ATTACH_REND_DATA if tnef.files.len() >= FILES_MAX => break,
            stream::ATTACH_REND_DATA => tnef.files.push(TnefFile::default()),
            stream::ATTACH_DATA => {
                if let Some(file) = tnef.files.last_mut() {
                    file.content = data.to_vec();
                }
            }
            _ => {}
        }
    }
    Some(tnef)
}
