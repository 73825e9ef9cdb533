//! What the author of a mail wrote just now: its text without quoted history and without signature.
//! The text itself is kept in full (B10); this is for the eye.

mod signature;

use super::forward::attribution::Attribution;
use super::forward::block::Block;
use super::forward::line::{self, Kind, Line};

/// The text without what is quoted, introduced or forwarded in it and without signatures. Answers
/// between quotations are kept, one paragraph each. When nothing would be left, the whole text.
pub fn new_text(text: &str) -> String {
    let lines = line::read(text);
    let own = own_lines(&lines);
    let mut pieces = Vec::new();
    for piece in own.split(Option::is_none) {
        let piece: Vec<&str> = piece.iter().flatten().copied().collect();
        let piece = signature::without(&piece).join("\n");
        if !piece.trim().is_empty() {
            pieces.push(piece.trim_matches('\n').trim_end().to_owned());
        }
    }
    match pieces.is_empty() {
        true => text.trim().to_owned(),
        false => pieces.join("\n\n"),
    }
}

/// The lines up to where history begins, `None` in the place of those that are not the author's own.
fn own_lines<'a>(lines: &[Line<'a>]) -> Vec<Option<&'a str>> {
    let mut own: Vec<Option<&str>> = Vec::with_capacity(lines.len());
    while own.len() < lines.len() {
        let at = own.len();
        match part(lines, at) {
            Part::Own { end } => {
                own.extend(lines.iter().take(end).skip(at).map(|line| Some(line.text)));
            }
            Part::Quoted { first } => {
                own.truncate(first);
                own.resize(at + 1, None);
            }
            Part::History { first } => {
                own.truncate(first);
                break;
            }
        }
    }
    // Rules and empty lines over the history belong to it.
    let is_over = |line: &Line<'_>| matches!(line.kind, Kind::Rule | Kind::Blank);
    while own.len().checked_sub(1).and_then(|last| lines.get(last)).is_some_and(is_over) {
        own.pop();
    }
    own
}

/// What lines are, seen from one of them.
enum Part {
    /// This one and those before `end` are the author's.
    Own { end: usize },
    /// Those from `first` to this one are a quotation or introduce one.
    Quoted { first: usize },
    /// Those from `first` on, all of them, are history.
    History { first: usize },
}

fn part(lines: &[Line<'_>], at: usize) -> Part {
    let own = Part::Own { end: at + 1 };
    let Some(line) = lines.get(at) else { return own };
    match line.kind {
        _ if line.depth > 0 => Part::Quoted { first: at },
        Kind::Original | Kind::Forwarded => Part::History { first: at },
        Kind::Underscores if ends_the_mail(lines, at) => Part::History { first: at },
        Kind::Field(_) => match Block::read(lines, at) {
            (Some(_), _) => Part::History { first: at },
            (None, end) => Part::Own { end },
        },
        Kind::Plain => introduced(lines, at).unwrap_or(own),
        _ => own,
    }
}

/// Underscores are a rule that anybody may draw: behind them comes a header block, or the few lines that a
/// list puts below a mail.
fn ends_the_mail(lines: &[Line<'_>], at: usize) -> bool {
    let mut below = lines.iter().skip(at + 1).filter(|line| !line.is_blank());
    let is_footer = |line: &Line<'_>| line.text.contains("://") || line.text.contains('@');
    let footer: Vec<_> = below.by_ref().take(FOOTER_LINES_MAX).collect();
    let is_short = below.next().is_none();
    Block::read(lines, at).0.is_some() || (is_short && footer.into_iter().any(is_footer))
}

/// Lines below a list's mail at most.
const FOOTER_LINES_MAX: usize = 6;

/// Over quote marks an attribution introduces them; without any, the rest of the mail, as Outlook for
/// telephones and texts made from HTML have it.
fn introduced(lines: &[Line<'_>], at: usize) -> Option<Part> {
    let attribution = Attribution::ending_at(lines, at)?;
    let first = attribution.first;
    match lines.iter().skip(at + 1).find(|line| !line.is_blank()) {
        Some(below) if below.depth > 0 => Some(Part::Quoted { first }),
        _ => attribution.is_certain.then_some(Part::History { first }),
    }
}
