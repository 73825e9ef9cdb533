//! What is being written: its content as it is kept, and as the form shows it.

use std::collections::BTreeSet;

use askama::filters::Safe;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::files::{self, Attached, FILES_MAX, FORM_BYTES_MAX};
use crate::mail::compose::NewFile;
use crate::mail::safe;
use crate::model::{Address, Message, Person};
use crate::web::ui::{Errors, Fields};

/// Addresses on one line at most: as many as the API takes.
pub const ADDRESSES_MAX: usize = 500;
/// As long a line as they have, each with a name.
const LINE_BYTES_MAX: usize = 100_000;
/// As much as is kept of a text.
const TEXT_BYTES_MAX: usize = 500_000;

/// What somebody has written so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    pub to: String,
    pub cc: String,
    pub bcc: String,
    pub subject: String,
    pub text: String,
    /// Empty when it was written without formats.
    pub html: String,
    pub reply_to: Option<Uuid>,
    /// It has below it what it answers, by itself.
    pub has_quote: bool,
    /// Files of a mail that was taken back.
    pub attached: Vec<Attached>,
    /// Names of files that are to be attached again.
    pub missing: Vec<String>,
    /// It was sent as this message, and can still be taken back.
    pub sent_as: Option<Uuid>,
}

/// The form in which one writes.
#[derive(Clone, Default)]
pub struct Composer {
    pub draft: Uuid,
    pub conversation: String,
    pub reply_to: String,
    pub has_quote: bool,
    pub to: String,
    pub cc: String,
    pub bcc: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub attached: Vec<Attached>,
    pub missing: Vec<String>,
    /// As whom it is sent; `None`: there is no way to send.
    pub from: Option<String>,
    /// How large each file may be, in words.
    pub file_max: String,
    pub send_at: String,
    /// The time zone of who writes.
    pub zone: String,
    /// The mail that is answered, as it will stand below: safe HTML.
    pub quote: Option<String>,
    pub errors: Errors,
}

impl Content {
    /// Reads what a form sent. Its HTML is made safe: it may have been pasted from anywhere.
    pub fn of_fields(fields: &Fields) -> Self {
        let line =
            |name: &str| clipped(fields.text(name), LINE_BYTES_MAX).replace(['\r', '\n'], " ");
        Self {
            to: line("to"),
            cc: line("cc"),
            bcc: line("bcc"),
            subject: clipped(&line("subject"), 900).to_owned(),
            text: clipped(&fields.raw("text").replace("\r\n", "\n"), TEXT_BYTES_MAX).to_owned(),
            html: safe::tidy(clipped(fields.raw("html"), TEXT_BYTES_MAX)),
            reply_to: fields.text("reply_to").parse().ok(),
            has_quote: fields.is_on("has_quote"),
            attached: fields.all("attached").filter_map(Attached::parse).take(FILES_MAX).collect(),
            missing: distinct(fields.all("missing").map(|name| clipped(name, 200))),
            sent_as: None,
        }
    }

    /// A mail that a program has sent, with all that it says, and those it went to in Bcc. What it quotes is
    /// told from its own words in its text alone, so it keeps both.
    pub fn of_message(
        message: &Message,
        (text, html): (String, Option<String>),
        bcc: &[Person],
    ) -> Self {
        Self {
            to: lines_of(&message.to),
            cc: lines_of(&message.cc),
            bcc: lines_of(bcc),
            subject: message.subject.clone(),
            text: clipped(&text, TEXT_BYTES_MAX).to_owned(),
            html: html.map(|html| safe::tidy(clipped(&html, TEXT_BYTES_MAX))).unwrap_or_default(),
            has_quote: true,
            attached: Attached::all_of(message),
            ..Self::default()
        }
    }

    /// Nobody of these is written to.
    pub fn leave_out(&mut self, addresses: &[Address]) {
        for line in [&mut self.to, &mut self.cc, &mut self.bcc] {
            if let Ok(mut left) = people(line).map(|people| people.into_iter().collect::<Vec<_>>())
            {
                let count = left.len();
                left.retain(|person| !addresses.contains(&person.email));
                if left.len() < count {
                    *line = lines_of(&left);
                }
            }
        }
    }

    /// Who has a copy of that one, and is not named here.
    pub fn lacks_of(&self, other: &Self) -> Vec<Person> {
        let named = |line| people(line).unwrap_or_default();
        let (to, cc) = (named(&self.to), named(&self.cc));
        let is_here = |it: &Person| to.iter().chain(&cc).any(|known| known.email == it.email);
        named(&other.cc).into_iter().filter(|it| !is_here(it)).collect()
    }

    /// They have a copy of this, too.
    pub fn copy_to_all_of(&mut self, other: &Self) {
        let more = lines_of(&self.lacks_of(other));
        let lines = [self.cc.trim().trim_end_matches(','), &more];
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        self.cc = lines.join(", ");
    }

    /// These files came with the form, and go with it: when it comes back, they are to be attached again.
    pub fn miss(&mut self, files: &[NewFile]) {
        let names = files.iter().map(|file| clipped(&file.file_name, 200));
        self.missing = distinct(names.chain(self.missing.iter().map(String::as_str)));
    }

    /// Has nothing been written?
    pub fn is_empty(&self) -> bool {
        self.subject.trim().is_empty() && self.text.trim().is_empty()
    }

    /// The form with it.
    pub fn composer(&self, draft: Uuid, conversation: Option<Uuid>, zone: &str) -> Composer {
        Composer {
            draft,
            conversation: conversation.map(|id| id.to_string()).unwrap_or_default(),
            reply_to: self.reply_to.map(|id| id.to_string()).unwrap_or_default(),
            has_quote: self.has_quote,
            to: self.to.clone(),
            cc: self.cc.clone(),
            bcc: self.bcc.clone(),
            subject: self.subject.clone(),
            text: self.text.clone(),
            html: self.html.clone(),
            attached: self.attached.clone(),
            missing: self.missing.clone(),
            zone: zone.to_owned(),
            ..Composer::default()
        }
    }
}

impl Composer {
    /// What is quoted. It was made safe when it was read.
    pub fn quoted(&self) -> Option<Safe<&str>> {
        self.quote.as_deref().map(Safe)
    }

    /// So many bytes all files may have.
    pub const fn bytes_max(&self) -> usize {
        FORM_BYTES_MAX
    }

    /// What is said where they have more.
    pub fn too_large(&self) -> String {
        files::too_large()
    }

    /// So many files there may be.
    pub const fn files_max(&self) -> usize {
        FILES_MAX
    }

    /// What is said where there are more.
    pub fn too_many(&self) -> String {
        files::too_many()
    }

    /// Is there more than whom it goes to?
    pub fn has_copies(&self) -> bool {
        !self.cc.is_empty() || !self.bcc.is_empty()
    }
}

/// Why a line is no line of addresses.
#[derive(Debug, PartialEq, Eq)]
pub enum BadLine<'a> {
    /// This is none.
    NoAddress(&'a str),
    TooMany,
}

/// Reads addresses with commas or semicolons between: `Ann <ann@x.example>, bob@y.example`.
pub fn people(line: &str) -> Result<Vec<Person>, BadLine<'_>> {
    let mut people: Vec<Person> = Vec::new();
    for part in entries(line) {
        let person = person(part).ok_or(BadLine::NoAddress(part))?;
        if !people.iter().any(|known| known.email == person.email) {
            people.push(person);
        }
        if people.len() > ADDRESSES_MAX {
            return Err(BadLine::TooMany);
        }
    }
    Ok(people)
}

/// A person as one types it.
fn line_of(person: &Person) -> String {
    match person.name.as_deref().filter(|name| !name.trim().is_empty()) {
        Some(name) => {
            let plain: String =
                name.chars().filter(|c| !matches!(c, '"' | '<' | '>' | '\\')).collect();
            format!("\"{plain}\" <{}>", person.email.written())
        }
        None => person.email.written().to_owned(),
    }
}

/// People as one types them.
pub fn lines_of(people: &[Person]) -> String {
    people.iter().map(line_of).collect::<Vec<_>>().join(", ")
}

/// Cut at commas and semicolons outside quotes.
fn entries(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let parts = line.split(move |c: char| {
        is_quoted ^= c == '"';
        matches!(c, ',' | ';') && !is_quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn person(text: &str) -> Option<Person> {
    let Some((name, rest)) = text.split_once('<') else {
        return Some(Person { email: Address::parse(text)?, name: None });
    };
    let email = Address::parse(rest.strip_suffix('>')?)?;
    let name = name.trim().trim_matches('"').trim();
    let is_good = !name.is_empty() && !name.chars().any(char::is_control);
    Some(Person { email, name: is_good.then(|| name.to_owned()) })
}

/// Names, each once.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).take(FILES_MAX).collect();
    names.into_iter().map(str::to_owned).collect()
}

fn clipped(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_as_people_type_them() {
        fn read(line: &str) -> Result<String, BadLine<'_>> {
            people(line).map(|people| people.iter().map(line_of).collect::<Vec<_>>().join(" | "))
        }
        for (line, expected) in [
            ("ann@x.example", Ok("ann@x.example")),
            (
                "Ann Lee <ann@x.example>; bob@y.example,",
                Ok("\"Ann Lee\" <ann@x.example> | bob@y.example"),
            ),
            ("\"Lee, Ann\" <ann@x.example>", Ok("\"Lee, Ann\" <ann@x.example>")),
            ("ann@x.example, ANN@x.example", Ok("ann@x.example")),
            ("", Ok("")),
            ("ann", Err(BadLine::NoAddress("ann"))),
            ("ann@x.example, <b", Err(BadLine::NoAddress("<b"))),
        ] {
            assert_eq!(read(line), expected.map(str::to_owned), "{line}");
        }
        assert!(people(&"a@x.example,".repeat(1_000)).is_ok());
        let many =
            |count: usize| (0..count).map(|n| format!("a{n}@x.example,")).collect::<String>();
        assert!(people(&many(ADDRESSES_MAX)).is_ok());
        assert_eq!(people(&many(ADDRESSES_MAX + 1)), Err(BadLine::TooMany));
    }

    #[test]
    fn what_was_begun_to_one_goes_to_all_when_asked() {
        let content = |to: &str, cc: &str| Content {
            to: to.to_owned(),
            cc: cc.to_owned(),
            ..Content::default()
        };
        let all = content("ann@x.example", "bob@x.example, \"Cleo\" <cleo@x.example>");
        for (mine, cc) in [
            ("", "bob@x.example, \"Cleo\" <cleo@x.example>"),
            ("BOB@x.example,", "BOB@x.example, \"Cleo\" <cleo@x.example>"),
            ("dan@x.example, cleo@x.example", "dan@x.example, cleo@x.example, bob@x.example"),
        ] {
            let mut begun = content("ann@x.example", mine);
            begun.copy_to_all_of(&all);
            assert_eq!(begun.cc, cc);
            assert!(begun.lacks_of(&all).is_empty());
        }
    }

    #[test]
    fn what_is_kept_is_safe_and_comes_back() {
        let body = b"to=a%40x.example&subject=Hi%0d%0aBcc%3a+x&text=a&html=%3Cb+onclick%3dx%3Ea%3C%2fb%3E%3Cscript%3Ex%3C%2fscript%3E";
        let content = Content::of_fields(&Fields::parse(body).unwrap());
        assert_eq!((content.html.as_str(), content.subject.contains('\n')), ("<b>a</b>", false));
        let json = serde_json::to_string(&content).unwrap();
        assert_eq!(serde_json::from_str::<Content>(&json).unwrap(), content);
    }
}
