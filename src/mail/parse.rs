//! Reads a mail: the parts of this module in their order, and nothing else. It never fails and never
//! panics; what could not be read is a [`Defect`].

use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};

use super::body::{self, Body};
use super::fields::Head;
use super::lines::Lines;
use super::structure::Structure;
use super::{Defect, Email, Headers, Limits, attachment, auto, headers, report, values};

/// Reads a mail. What the limits cut off is missing from the result, and it says so.
pub fn read(raw: &[u8], limits: &Limits) -> Email {
    let whole = guarded(|| {
        let mail = Mail::split(raw, limits);
        let attached = attachment::attached_mail(&mail.structure.parts);
        let attached = attached.map(|raw| Box::new(Mail::split(&raw, limits).read(limits)));
        Email { attached_mail: attached, ..mail.read(limits) }
    });
    whole.unwrap_or_else(|| Email {
        headers: self::headers(raw, limits),
        defects: vec![Defect::Unreadable],
        ..Email::default()
    })
}

/// Reads only the text of a mail, for its words; of its files nothing is read.
pub fn text(raw: &[u8], limits: &Limits) -> String {
    guarded(|| Mail::split(raw, limits).body(limits).text).unwrap_or_default()
}

/// Reads only the header of a mail.
pub fn headers(raw: &[u8], limits: &Limits) -> Headers {
    let read = || headers::read(&Head::of_mail(&mut Lines::new(raw), limits), limits).0;
    guarded(read).unwrap_or_default()
}

/// What the first field of each of these names, in lower case, says on one line; nothing where there is none.
pub fn fields<const N: usize>(raw: &[u8], names: [&str; N]) -> [String; N] {
    let read = || {
        let head = Head::of_mail(&mut Lines::new(raw), &Limits::default());
        names.map(|name| head.first(name).map(values::line).unwrap_or_default())
    };
    guarded(read).unwrap_or_else(|| names.map(|_| String::new()))
}

/// SHA-256 of the text without white space (ASCII's), so that neither line ends nor the folding and
/// the padding of transfer encodings count (B9).
pub fn text_hash(text: &str) -> [u8; 32] {
    /// A power of two, so that no place is outside.
    const BLOCK: usize = 4_096;
    let mut hash = Sha256::new();
    let mut block = [0_u8; BLOCK];
    for piece in text.as_bytes().chunks(BLOCK) {
        // Every byte is written, and white space is written over: no branch, for every mail comes here.
        let mut length = 0;
        for byte in piece {
            if let Some(place) = block.get_mut(length % BLOCK) {
                *place = *byte;
            }
            length += usize::from(!byte.is_ascii_whitespace());
        }
        hash.update(block.get(..length).unwrap_or_default());
    }
    hash.finalize().into()
}

/// The second wall: no bug on a hostile mail, in mail-parser or here, takes the process with it.
pub(super) fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

/// A mail in its pieces.
pub(super) struct Mail<'a> {
    head: Head<'a>,
    pub structure: Structure<'a>,
}

impl<'a> Mail<'a> {
    /// Finds the header and the parts.
    pub(super) fn split(raw: &'a [u8], limits: &Limits) -> Self {
        let mut lines = Lines::new(raw);
        let head = Head::of_mail(&mut lines, limits);
        let structure = Structure::read(&head, lines, limits);
        Self { head, structure }
    }

    /// The body, be it hidden in a `winmail.dat`.
    pub(super) fn body(&self, limits: &Limits) -> Body {
        let body = body::read(&self.structure.parts, limits);
        if !body.text.trim().is_empty() || body.html.is_some() {
            return body;
        }
        match attachment::hidden_body(&self.structure.parts) {
            Some((text, html)) => Body::of(text, html, body.defects, limits),
            None => body,
        }
    }

    /// Reads all but the mails that are attached: nothing here calls itself.
    fn read(&self, limits: &Limits) -> Email {
        let (head, structure) = (&self.head, &self.structure);
        let (headers, mut defects) = headers::read(head, limits);
        let body = self.body(limits);
        let (files, bad_files) = attachment::read(&structure.parts, body.html.as_deref(), limits);
        let automatic = auto::judge(head, &headers, structure, &body.text);
        let report = report::read(automatic.as_ref(), head, structure, &body.text, limits);
        if head.fields.is_empty() && body.text.trim().is_empty() && files.is_empty() {
            defects.push(Defect::Unreadable);
        }
        defects.extend(structure.defects.iter().chain(&body.defects).chain(&bad_files));
        defects.sort_unstable();
        defects.dedup();
        Email {
            headers,
            text_hash: text_hash(&body.text),
            text: body.text,
            html: body.html,
            files,
            attached_mail: None,
            automatic,
            report,
            defects,
        }
    }
}
