//! Opens `winmail.dat` (MS-OXTNEF): the files and the body that Outlook hides in it from everybody
//! else. It does not judge them, and what it cannot read it leaves out.

mod code_page;
mod lzfu;
mod properties;
mod rtf;
mod stream;

use code_page::CodePage;
use properties::{Properties, Property, tag};
use stream::{Attribute, Stream, attribute};

/// What was inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tnef {
    /// The attachments in their order, at most [`FILES_MAX`]; those of a mail that is itself an
    /// attachment follow it, and its body is a file.
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
/// Mails in mails in mails that are opened.
const DEPTH_MAX: usize = 5;

/// Opens a `winmail.dat`; `None` when it is not one.
pub fn open(bytes: &[u8]) -> Option<Tnef> {
    let outer = Message::read(bytes)?;
    let mut tnef = Tnef { files: Vec::new(), text: outer.text, html: outer.html };
    // Mails that are attachments wait here: no recursion over what a stranger nested.
    let mut waiting: Vec<(usize, Attachment)> = Vec::new();
    waiting.extend(outer.attachments.into_iter().rev().map(|attachment| (1, attachment)));
    while let Some((depth, attachment)) = waiting.pop() {
        if tnef.files.len() >= FILES_MAX {
            break;
        }
        match attachment.mail.as_deref().filter(|_| depth < DEPTH_MAX).and_then(Message::read) {
            Some(inner) => {
                tnef.files.extend(inner.body_as_file(&attachment.file.name));
                let deeper = inner.attachments.into_iter().rev();
                waiting.extend(deeper.map(|attachment| (depth + 1, attachment)));
            }
            None => tnef.files.push(attachment.file),
        }
    }
    Some(tnef)
}

/// One mail in its TNEF form.
#[derive(Default)]
struct Message {
    attachments: Vec<Attachment>,
    text: Option<String>,
    html: Option<String>,
}

/// One attachment of it.
#[derive(Default)]
struct Attachment {
    file: TnefFile,
    /// The TNEF stream of a mail that is the attachment.
    mail: Option<Vec<u8>>,
}

impl Message {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut message = Self::default();
        let mut code_page = CodePage::default();
        for Attribute { id, data } in Stream::open(bytes)? {
            match id {
                attribute::CODE_PAGE => code_page = CodePage::read(data),
                attribute::BODY => message.text = Some(code_page.decode(data)),
                attribute::MESSAGE_PROPERTIES => message.take_body(data, code_page),
                attribute::ATTACH_BEGIN if message.attachments.len() >= FILES_MAX => break,
                attribute::ATTACH_BEGIN => message.attachments.push(Attachment::default()),
                _ => {
                    if let Some(attachment) = message.attachments.last_mut() {
                        attachment.take(id, data, code_page);
                    }
                }
            }
        }
        Some(message)
    }

    /// The body in the properties: HTML as such, or wrapped in compressed RTF.
    fn take_body(&mut self, data: &[u8], code_page: CodePage) {
        // HTML has a code page of its own, which may stand behind it.
        let own = Properties::read(data).find(|property| property.id == tag::INTERNET_CPID);
        let html_page = own.map_or(code_page, |property| CodePage::read(property.value));
        let mut rich = None;
        for property in Properties::read(data) {
            match property.id {
                tag::BODY => self.text = Some(property.text(code_page)),
                tag::BODY_HTML => self.html = Some(property.text(html_page)),
                tag::RTF_COMPRESSED => rich = lzfu::decompress(property.value),
                _ => {}
            }
        }
        match rich.as_deref().map(rtf::body) {
            Some(rtf::Body::Html(html)) => self.html = self.html.take().or(Some(html)),
            Some(rtf::Body::Text(text)) => self.text = self.text.take().or(Some(text)),
            None => {}
        }
    }

    /// The body of a mail that is an attachment, as a file named after it.
    fn body_as_file(&self, name: &str) -> Option<TnefFile> {
        let (body, ending, content_type) = match (&self.html, &self.text) {
            (Some(html), _) => (html, "html", "text/html"),
            (None, Some(text)) => (text, "txt", "text/plain"),
            (None, None) => return None,
        };
        Some(TnefFile {
            name: format!("{name}.{ending}"),
            content_type: Some(content_type.to_owned()),
            content_id: None,
            content: body.clone().into_bytes(),
        })
    }
}

impl Attachment {
    fn take(&mut self, id: u32, data: &[u8], code_page: CodePage) {
        match id {
            attribute::ATTACH_DATA => self.file.content = data.to_vec(),
            // The short name; a long one among the properties is better, wherever it stands.
            attribute::ATTACH_TITLE if self.file.name.is_empty() => {
                self.file.name = code_page.decode(data);
            }
            attribute::ATTACH_PROPERTIES => {
                for property in Properties::read(data) {
                    self.take_property(&property, code_page);
                }
            }
            _ => {}
        }
    }

    fn take_property(&mut self, property: &Property<'_>, code_page: CodePage) {
        let file = &mut self.file;
        match property.id {
            tag::ATTACH_LONG_FILENAME => file.name = property.text(code_page),
            tag::ATTACH_FILENAME | tag::DISPLAY_NAME if file.name.is_empty() => {
                file.name = property.text(code_page);
            }
            tag::ATTACH_MIME_TAG => {
                let content_type = property.text(code_page).to_ascii_lowercase();
                file.content_type = Some(content_type).filter(|text| text.contains('/'));
            }
            tag::ATTACH_CONTENT_ID => {
                let id = property.text(code_page);
                file.content_id = Some(id.trim_matches(['<', '>', ' ']).to_owned());
            }
            tag::ATTACH_DATA if property.is_object() => self.take_object(property.value),
            tag::ATTACH_DATA => file.content = property.value.to_vec(),
            _ => {}
        }
    }

    /// MS-OXTNEF 2.1.3.4: an object opens with the 16 bytes that name its interface; for a mail the
    /// rest is a TNEF stream again.
    fn take_object(&mut self, value: &[u8]) {
        let content = value.get(16..).unwrap_or_default();
        if Stream::open(content).is_some() {
            self.mail = Some(content.to_vec());
        }
        self.file.content = content.to_vec();
    }
}
