//! Whose mail a forward forwards (B6): the attached mail, else the first block of header lines in
//! the text. It does not ask whether the mail was meant to be filed; decisions do.

pub(super) mod attribution;
pub(super) mod block;
mod date;
mod language;
pub(super) mod line;
mod people;
pub(super) mod phrase;
mod subject;

use super::{Email, Forward, Forwarded};
use crate::model::{MessageId, Person, Time};
use attribution::Attribution;
use block::{Block, Opening};
use language::Field;
use line::{Kind, Line};
use people::Author;
use subject::Prefix;

/// Addresses that are offered when it is not certain whose mail it is.
const CANDIDATES_MAX: usize = 20;
/// Characters of a subject that are kept (RFC 5322 2.1.1).
const SUBJECT_MAX: usize = 998;

/// What a forward says of the mail that was forwarded.
pub fn find(email: &Email) -> Forward {
    match &email.attached_mail {
        Some(attached) if is_only_mail(email) => of_attached(attached),
        // Several mails at once: only the first was read, and which of them is meant is not said.
        Some(attached) => Forward::Unsure(attached.headers.from.iter().cloned().collect()),
        None => Inline { email, lines: line::read(&email.text) }.find(),
    }
}

/// What an unclear forward says of the mail of somebody who was chosen (V3): the attached one, or the first
/// block that may be of that person and does not name another, nor that person as who it went to.
pub fn find_by(email: &Email, author: &Person) -> Forward {
    match &email.attached_mail {
        Some(attached) => match &attached.headers.from {
            Some(from) if from.email == author.email => of_attached(attached),
            _ => Forward::None,
        },
        None => Inline { email, lines: line::read(&email.text) }.find_by(author),
    }
}

/// What is shown of a mail, which may be a forward that was filed as a mail of `author` (B6): the mail that is
/// attached to it, as it came; else the forward, of which only the text beside it was forwarded. The words of
/// who forwarded it are for the CRM, not for the customer.
pub fn shown(email: Email, author: Option<&Person>) -> (Email, Option<String>) {
    let Some(author) = author else { return (email, None) };
    let found = match find(&email) {
        Forward::Unsure(_) => find_by(&email, author),
        found => found,
    };
    match found {
        Forward::Of(forwarded) if forwarded.is_attached => {
            (email.attached_mail.map_or_else(Email::default, |attached| *attached), None)
        }
        Forward::Of(forwarded) => (email, Some(forwarded.text)),
        Forward::Unsure(_) | Forward::None => (email, None),
    }
}

/// The text of it.
pub fn text(email: Email, author: Option<&Person>) -> String {
    let (email, text) = shown(email, author);
    text.unwrap_or(email.text)
}

fn is_only_mail(email: &Email) -> bool {
    email.files.iter().filter(|file| file.content_type == "message/rfc822").count() <= 1
}

/// A mail forwarded as an attachment tells everything itself.
fn of_attached(attached: &Email) -> Forward {
    let headers = &attached.headers;
    let Some(from) = headers.from.clone() else {
        return Forward::Unsure(headers.other_authors.clone());
    };
    Forward::Of(Box::new(Forwarded {
        from,
        to: headers.to.clone(),
        cc: headers.cc.clone(),
        subject: headers.subject.clone(),
        date: headers.date,
        message_id: headers.message_id.clone(),
        in_reply_to: headers.in_reply_to.clone(),
        references: headers.references.clone(),
        text: attached.text.clone(),
        is_attached: true,
    }))
}

/// What introduces the mail that is forwarded or answered.
enum Head {
    Block(Block),
    /// `forwarded`: below words that say that it was.
    Attribution {
        attribution: Attribution,
        forwarded: bool,
    },
}

/// A mail that may be forwarded in the text.
struct Inline<'a> {
    email: &'a Email,
    lines: Vec<Line<'a>>,
}

impl Inline<'_> {
    fn find(&self) -> Forward {
        let (prefix, _) = subject::prefix(&self.email.headers.subject);
        match self.head() {
            Some(Head::Block(block)) if self.is_forward(&block, prefix) => self.of_block(&block),
            Some(Head::Attribution { attribution, forwarded })
                if forwarded || prefix == Prefix::Forward =>
            {
                self.of_attribution(&attribution)
            }
            None if prefix == Prefix::Forward => Forward::Unsure(self.candidates(0)),
            _ => Forward::None,
        }
    }

    /// The first introduction: everything below it belongs to the mail that it introduces.
    fn head(&self) -> Option<Head> {
        let mut at = 0;
        while let Some(line) = self.lines.get(at) {
            let (block, next) = Block::read(&self.lines, at);
            if let Some(block) = block {
                return Some(self.attributed(&block).unwrap_or(Head::Block(block)));
            }
            let attribution = Some(at).filter(|_| line.kind == Kind::Plain);
            let attribution = attribution.and_then(|at| Attribution::ending_at(&self.lines, at));
            if let Some(attribution) = attribution.filter(|it| it.is_certain) {
                return Some(Head::Attribution { attribution, forwarded: false });
            }
            at = next;
        }
        None
    }

    /// Yandex writes an attribution below "Forwarded message" instead of fields.
    fn attributed(&self, block: &Block) -> Option<Head> {
        if !block.is_empty() {
            return None;
        }
        let below =
            (block.end..block.end + 4).find_map(|at| Attribution::ending_at(&self.lines, at))?;
        Some(Head::Attribution { attribution: below, forwarded: true })
    }

    /// Outlook puts the same block over mails that it forwards and over mails that it answers; the
    /// subject tells. With no other recipient, a block under a subject without prefix is a forward.
    fn is_forward(&self, block: &Block, prefix: Prefix) -> bool {
        let says_so = block.opening == Opening::Forwarded;
        match prefix {
            Prefix::Forward => true,
            // An answer may quote a forward; who forwards does not quote the words that say so.
            Prefix::Reply => says_so && block.depth == 0,
            // "VS" is a forward in Danish and Norwegian, and an answer in Finnish.
            Prefix::Ambiguous => {
                says_so || !block.languages().iter().any(|language| language.name == "fi")
            }
            Prefix::None => says_so || self.author_or_all(block),
        }
    }

    /// A block that nothing but its shape tells must show an address or be whole.
    fn author_or_all(&self, block: &Block) -> bool {
        let all = [Field::From, Field::Date, Field::To, Field::Subject];
        matches!(author(block), Author::One(_)) || all.iter().all(|it| block.value(*it).is_some())
    }

    fn of_block(&self, block: &Block) -> Forward {
        let from = match author(block) {
            Author::One(person) => person,
            Author::Unclear(people) if !people.is_empty() => return Forward::Unsure(people),
            // Outlook shows people that it knows without their addresses.
            Author::Unclear(_) => return Forward::Unsure(self.candidates(block.end)),
        };
        if let Some(other) = self.contradicts(block, &from) {
            return Forward::Unsure(vec![from, other]);
        }
        self.of_block_by(block, from)
    }

    fn find_by(&self, chosen: &Person) -> Forward {
        let mut at = 0;
        while at < self.lines.len() {
            let (block, next) = Block::read(&self.lines, at);
            at = next;
            let Some(block) = block else { continue };
            let may_be_of = match author(&block) {
                Author::One(person) => person.email == chosen.email,
                Author::Unclear(people) => {
                    people.is_empty() || people.iter().any(|it| it.email == chosen.email)
                }
            };
            let went_to = block.values(Field::To).flat_map(people::people);
            if may_be_of && went_to.into_iter().all(|it| it.email != chosen.email) {
                return self.of_block_by(&block, chosen.clone());
            }
        }
        Forward::None
    }

    fn of_block_by(&self, block: &Block, from: Person) -> Forward {
        let people = |field| block.values(field).flat_map(people::people).collect();
        let subject = block.value(Field::Subject).map(str::to_owned);
        let date = block.values(Field::Date).find_map(|value| {
            date::read(value, &block.languages(), self.email.headers.date_offset_seconds)
        });
        self.forwarded(Known {
            from,
            to: people(Field::To),
            cc: people(Field::Cc),
            subject,
            date,
            text: self.body(block.end, block.depth),
        })
    }

    fn of_attribution(&self, attribution: &Attribution) -> Forward {
        let Some(from) = attribution.author() else {
            let people = people::people(&attribution.text);
            let is_named = !people.is_empty();
            return Forward::Unsure(if is_named { people } else { self.candidates(0) });
        };
        let start = attribution.last + 1;
        let below = self.lines.iter().skip(start).find(|line| !line.is_blank());
        self.forwarded(Known {
            from,
            to: Vec::new(),
            cc: Vec::new(),
            subject: None,
            date: attribution.date(self.email.headers.date_offset_seconds),
            text: self.body(start, below.map_or(0, |line| line.depth.min(1))),
        })
    }

    /// Two blocks, one of the matter that the forward names and before it one of another: somebody
    /// pasted a block over a forward, or the other way round. Which one is meant cannot be known.
    fn contradicts(&self, first: &Block, from: &Person) -> Option<Person> {
        let matter = subject::matter(&self.email.headers.subject);
        let is_meant = |block: &Block| {
            block.value(Field::Subject).is_some_and(|subject| subject::matter(subject) == matter)
        };
        if matter.is_empty() || first.value(Field::Subject).is_none() || is_meant(first) {
            return None;
        }
        let mut at = first.end;
        while at < self.lines.len() {
            let (block, next) = Block::read(&self.lines, at);
            at = next;
            let meant = block.filter(|block| block.depth == first.depth && is_meant(block));
            if let Some(Author::One(other)) = meant.map(|block| author(&block)) {
                return (other.email != from.email).then_some(other);
            }
        }
        None
    }

    /// Addresses in the text from a line on, for a human to choose from; not who forwards.
    fn candidates(&self, from: usize) -> Vec<Person> {
        let own = self.email.headers.from.as_ref().map(|person| &person.email);
        let text = self.body(from, 0);
        let mut people = people::mentioned(&text, CANDIDATES_MAX);
        people.retain(|person| Some(&person.email) != own);
        people
    }

    /// The text from a line on, without so many quote marks. A quotation ends with its marks, and a
    /// forward with the words that say so.
    fn body(&self, start: usize, depth: u32) -> String {
        // Zoho repeats its marker below the block.
        let repeated = self.lines.get(start).is_some_and(|line| line.kind == Kind::Forwarded);
        let start = start + usize::from(repeated);
        let kept = self.lines.iter().skip(start).take_while(|line| {
            line.kind != Kind::EndForwarded && (line.depth >= depth || line.is_blank())
        });
        let kept: Vec<&Line<'_>> = kept.collect();
        // Notes draws a rule above the text, KMail below it.
        let is_rule =
            |line: &&&Line<'_>| matches!(line.kind, Kind::Blank | Kind::Rule | Kind::Underscores);
        let above = kept.iter().take_while(is_rule).count();
        let below = kept.iter().rev().take_while(is_rule).count();
        let count = kept.len().saturating_sub(above + below);
        let raw = self.email.text.lines().skip(start + above).take(count);
        let text: Vec<&str> = raw.map(|line| line::unquoted_by(line, depth)).collect();
        text.join("\n").trim().to_owned()
    }

    fn forwarded(&self, known: Known) -> Forward {
        let headers = &self.email.headers;
        let subject =
            known.subject.unwrap_or_else(|| subject::prefix(&headers.subject).1.to_owned());
        // RFC 5322 3.6.4: References are those of the original, and its id.
        let is_own = |id: &&MessageId| !headers.in_reply_to.contains(id);
        Forward::Of(Box::new(Forwarded {
            from: known.from,
            to: known.to,
            cc: known.cc,
            subject: subject.chars().filter(|c| !c.is_control()).take(SUBJECT_MAX).collect(),
            date: known.date,
            message_id: None,
            in_reply_to: Vec::new(),
            references: headers.references.iter().filter(is_own).cloned().collect(),
            text: known.text,
            is_attached: false,
        }))
    }
}

/// What the introduction told.
struct Known {
    from: Person,
    to: Vec<Person>,
    cc: Vec<Person>,
    subject: Option<String>,
    date: Option<Time>,
    text: String,
}

/// The author of a block; two From lines that differ are unclear.
fn author(block: &Block) -> Author {
    let all: Vec<&str> = block.values(Field::From).collect();
    people::author(&all.join(", "))
}
