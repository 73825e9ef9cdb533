//! References and In-Reply-To (RFC 5322 3.6.4), read as programs write them: folded inside ids,
//! with words between ids, with brackets that never close, with commas, with no brackets at all.

use std::collections::BTreeSet;

use crate::model::MessageId;

/// The ids of a field, oldest first: no id twice, and of more than `count_max` the newest.
pub fn ids(value: &str, count_max: usize) -> Vec<MessageId> {
    if value.is_empty() {
        return Vec::new();
    }
    let bracketed = bracketed(value);
    if bracketed.is_empty() { newest(bare(value), count_max) } else { newest(bracketed, count_max) }
}

/// Everything between brackets. One that never closes ends at the next white space or comma.
fn bracketed(value: &str) -> Vec<&str> {
    let pieces = value.split('<').skip(1);
    pieces
        .filter_map(|piece| match piece.split_once('>') {
            Some((id, _)) => Some(id),
            None => bare(piece).into_iter().next(),
        })
        .collect()
}

/// Words that look like ids, for a field whose author knew of no brackets.
fn bare(value: &str) -> Vec<&str> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '>');
    value.split(is_between).filter(|word| word.contains('@')).collect()
}

/// The last `count_max` different ids in their order; of two that are equal, the later counts.
fn newest(written: Vec<&str>, count_max: usize) -> Vec<MessageId> {
    if let [id] = written.as_slice() {
        return MessageId::parse(id).into_iter().take(count_max).collect();
    }
    let mut seen = BTreeSet::new();
    let mut ids = Vec::new();
    for id in written.into_iter().rev().filter_map(MessageId::parse) {
        if ids.len() >= count_max {
            break;
        }
        if seen.insert(id.clone()) {
            ids.push(id);
        }
    }
    ids.reverse();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_as_they_are_written() {
        for (value, expected) in [
            ("", ""),
            ("<a@b>", "a@b"),
            ("<a@b> <c@d>", "a@b c@d"),
            ("<a@b><c@d>", "a@b c@d"),
            ("<a@b>,<c@d>,\r\n <e@f>", "a@b c@d e@f"),
            ("<a@b>\r\n\t<c@d>\r\n", "a@b c@d"),
            ("<a-long-id\r\n -folded@b> <c@d>", "a-long-id-folded@b c@d"),
            ("< a@b >", "a@b"),
            ("\"<a@b>\"", "a@b"),
            ("Your message of Mon, 1 Jan <a@b> (was: <c@d>)", "a@b c@d"),
            ("john@example.com wrote in <a@b>", "a@b"),
            ("<a@b> junk <c@d", "a@b c@d"),
            ("<a@b <c@d>", "a@b c@d"),
            ("<a@b\r\n <c@d>", "a@b c@d"),
            ("<unclosed words that are no id", ""),
            ("a@b", "a@b"),
            ("a@b, c@d", "a@b c@d"),
            ("no ids here", ""),
            ("<>", ""),
            ("<> <a@b>", "a@b"),
            ("<a@b> <c@d> <a@b>", "c@d a@b"),
            ("<a@b> <a@b>", "a@b"),
            ("<no-at-sign>", "no-at-sign"),
            ("<\"quoted\"@b>", "\"quoted\"@b"),
            ("<a@b>> <<c@d>", "a@b c@d"),
            ("<a\0@b> <c@d>", "c@d"),
        ] {
            let found: Vec<String> = ids(value, 100).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{value:?}");
        }
    }

    #[test]
    fn keeps_the_newest() {
        let value: String = (0..500_000).map(|n| format!("<{n}@x> ")).collect();
        let ids = ids(&value, 100);
        assert_eq!(ids.len(), 100);
        assert_eq!(ids.first().unwrap().as_str(), "499900@x");
        assert_eq!(ids.last().unwrap().as_str(), "499999@x");
    }
}
