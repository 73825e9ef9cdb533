//! Header blocks: the lines that mail programs put over a mail that they forward or quote, told from
//! other text by the labels. Whether it is a forward is not decided here.

use super::language::{self, Field, Language};
use super::line::{Kind, Line, clean, folded};

/// A header block.
#[derive(Debug)]
pub struct Block {
    /// What stands over it.
    pub opening: Opening,
    /// How deep it is quoted.
    pub depth: u32,
    /// The line after its last.
    pub end: usize,
    /// The values in their order, and their labels.
    fields: Vec<(Field, String)>,
    labels: Vec<(Field, String)>,
}

/// What stands over a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Words that say that the mail below was forwarded.
    Forwarded,
    /// A rule, with words or without, that stands over answered mails as well.
    Rule,
    /// Nothing.
    Bare,
}

/// Fields of one block; real ones have ten.
const FIELDS_MAX: usize = 64;
/// Empty lines between a rule and its block.
const GAP_MAX: usize = 3;
/// How far a continued value is followed in search of the next label.
const LOOK_AHEAD: usize = 40;
/// A line at least so long was wrapped, in bytes.
const WRAPPED_FROM: usize = 70;
/// Bytes behind a marker that are searched for labels.
const GLUED_MAX: usize = 4_000;
/// And so many colons in them: real blocks have ten, and some in their times.
const COLONS_MAX: usize = 64;
/// No label is longer, in characters.
const LABEL_MAX: usize = 24;

impl Block {
    /// Reads the block that begins on this line with a rule or a label. What comes back besides is
    /// the line to go on from, always behind this one.
    pub fn read(lines: &[Line<'_>], at: usize) -> (Option<Self>, usize) {
        let Some(line) = lines.get(at) else { return (None, at + 1) };
        let opening = match line.kind {
            Kind::Forwarded => Opening::Forwarded,
            Kind::Original | Kind::Underscores => Opening::Rule,
            Kind::Field(_) => Opening::Bare,
            _ => return (None, at + 1),
        };
        let mut reader = Reader::new(lines, line.depth);
        if opening == Opening::Bare {
            reader.read(at);
        } else if line.behind_marker().is_empty() {
            reader.read(after_gap(lines, at));
        } else {
            reader.unglue(line.behind_marker());
            reader.at = at + 1;
        }
        let Reader { at: end, fields, labels, .. } = reader;
        let end = end.max(at + 1);
        let depth = lines.get(end - 1).map_or(line.depth, |last| last.depth.max(line.depth));
        let block = Self { opening, depth, end, fields, labels };
        (block.is_complete().then_some(block), end)
    }

    /// Words that say "forwarded" are enough; a rule must have From and one more field below it; and
    /// without a rule three fields make a block, or anybody who writes "To: all" would have one.
    fn is_complete(&self) -> bool {
        let known = [Field::From, Field::Date, Field::To, Field::Cc, Field::Subject];
        let count = known.into_iter().filter(|field| self.value(*field).is_some()).count();
        let has_from = self.value(Field::From).is_some();
        match self.opening {
            Opening::Forwarded => true,
            Opening::Rule => has_from && count >= 2,
            Opening::Bare => has_from && count >= 3,
        }
    }

    /// The first value of a field.
    pub fn value(&self, field: Field) -> Option<&str> {
        self.values(field).next()
    }

    /// All values of a field.
    pub fn values(&self, field: Field) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(it, _)| *it == field).map(|(_, value)| value.as_str())
    }

    /// No field stood below the words.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The languages that it may be in, by its labels.
    pub fn languages(&self) -> Vec<&'static Language> {
        language::spoken_in(&self.labels)
    }
}

/// The line after a rule, empty lines and further rules.
fn after_gap(lines: &[Line<'_>], rule: usize) -> usize {
    let is_gap =
        |line: &Line<'_>| matches!(line.kind, Kind::Blank | Kind::Rule | Kind::Underscores);
    let gap = lines.iter().skip(rule + 1).take(GAP_MAX).take_while(|line| is_gap(line)).count();
    rule + 1 + gap
}

/// Reads the fields of one block.
struct Reader<'a> {
    lines: &'a [Line<'a>],
    depth: u32,
    at: usize,
    /// Each field is a paragraph of its own.
    is_spaced: bool,
    fields: Vec<(Field, String)>,
    labels: Vec<(Field, String)>,
}

impl<'a> Reader<'a> {
    fn new(lines: &'a [Line<'a>], depth: u32) -> Self {
        Self { lines, depth, at: 0, is_spaced: false, fields: Vec::new(), labels: Vec::new() }
    }

    fn read(&mut self, start: usize) {
        self.at = start;
        // Apple Mail: the announcement may stand outside the quotation.
        self.depth = self.line(start).map_or(self.depth, |line| line.depth.max(self.depth));
        while let Some(line) = self.line(self.at).filter(|_| self.fields.len() < FIELDS_MAX) {
            match line.kind {
                Kind::Field(field) if !self.is_over(field) => self.take(line, field),
                Kind::Blank if self.goes_on_behind_gap() => {}
                Kind::Plain if self.continues(line) => self.append(line),
                _ => break,
            }
            self.at += 1;
        }
    }

    /// The line, if it is quoted as deep as the block.
    fn line(&self, at: usize) -> Option<Line<'a>> {
        self.lines
            .get(at)
            .copied()
            .filter(|line| line.depth == self.depth)
            .or_else(|| self.lines.get(at).copied().filter(|_| self.fields.is_empty()))
    }

    fn take(&mut self, line: Line<'_>, field: Field) {
        let Some((label, value)) = line.field() else { return };
        self.labels.push((field, label));
        self.fields.push((field, clean(value)));
    }

    fn append(&mut self, line: Line<'_>) {
        if let Some((_, value)) = self.fields.last_mut() {
            value.push(' ');
            value.push_str(&clean(line.text));
        }
    }

    fn has(&self, field: Field) -> bool {
        field != Field::Other && self.fields.iter().any(|(it, _)| *it == field)
    }

    /// A second From below a whole block belongs to the next one, a mail without text between them.
    /// Directly below the first one it contradicts it, and is kept for that.
    fn is_over(&self, field: Field) -> bool {
        field == Field::From && self.has(Field::From) && self.fields.len() >= 4
    }

    /// After an empty line another field may follow, in programs that make each a paragraph.
    fn goes_on_behind_gap(&mut self) -> bool {
        let next = (self.at..self.at + GAP_MAX)
            .find(|at| self.line(*at).is_some_and(|line| !line.is_blank()));
        let Some(next) = next else { return false };
        let is_new_field = |at: usize| match self.line(at).map(|line| line.kind) {
            Some(Kind::Field(field)) => !self.has(field),
            _ => false,
        };
        let is_first_gap = self.fields.len() == 1 && !is_new_field(next + 1);
        if !is_new_field(next) || !(self.is_spaced || is_first_gap) {
            return false;
        }
        self.is_spaced = true;
        self.at = next - 1;
        true
    }

    /// A line without a label goes on with the value above it, if that is open or another label
    /// follows in the same paragraph.
    fn continues(&self, line: Line<'_>) -> bool {
        let Some((field, value)) = self.fields.last() else { return false };
        let above = self.at.checked_sub(1).and_then(|at| self.lines.get(at));
        let is_open = value.is_empty() || value.ends_with([',', ';']);
        let is_address = line.text.contains('@') && line.text.contains('<');
        let names_people = !matches!(field, Field::Subject | Field::Date);
        if value.is_empty() || (names_people && (is_open || is_address)) {
            return true;
        }
        if above.is_some_and(|above| above.text.len() >= WRAPPED_FROM)
            && self.line(self.at + 1).is_none_or(|below| below.is_blank())
        {
            return true;
        }
        let ahead = (self.at + 1..self.at + LOOK_AHEAD).map_while(|at| self.line(at));
        ahead.take_while(|line| !line.is_blank()).any(|line| match line.kind {
            Kind::Field(field) => !self.has(field),
            _ => false,
        })
    }

    /// Yahoo's text has the whole block on the line of the marker, without a space between one value
    /// and the next label: `… 15:04:00 MEZBetreff: …`.
    fn unglue(&mut self, text: &str) {
        let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= GLUED_MAX);
        let mut rest = cut.and_then(|at| text.get(..at)).unwrap_or(text);
        while let Some((before, label, behind)) = next_label(rest, self) {
            if let Some((_, value)) = self.fields.last_mut() {
                *value = clean(before);
            }
            let field = language::field(&label).unwrap_or(Field::Other);
            self.labels.push((field, label));
            self.fields.push((field, clean(behind)));
            rest = behind;
            // The subject is the last, and may hold anything.
            if field == Field::Subject {
                break;
            }
        }
    }
}

/// The next label that is not known yet: what stands before it, the label, what stands behind it.
fn next_label<'a>(text: &'a str, reader: &Reader<'_>) -> Option<(&'a str, String, &'a str)> {
    text.match_indices(':').take(COLONS_MAX).find_map(|(colon, _)| {
        let (before, behind) = text.split_at_checked(colon)?;
        let starts = before.char_indices().rev().take(LABEL_MAX).filter(|(_, c)| !c.is_lowercase());
        let labels = starts.filter_map(|(start, _)| {
            let (value, label) = before.split_at_checked(start)?;
            let label = folded(label);
            let field = language::field(&label)?;
            (!reader.has(field)).then_some((value, label))
        });
        let (value, label) = labels.last()?;
        Some((value, label, behind.strip_prefix(':')?))
    })
}
