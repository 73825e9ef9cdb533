//! Every word that people read, by key: on pages, in the sentences of verdicts, of what failed and what helps, in
//! what the gateway writes. The words are in `text/en/`, a file for each part, a line `key = words` for each; `{}`
//! stands for what is put in. A translation is a second folder like it, with a rule of its own for [`counted`].
//! Pure.
//!
//! The API speaks to programs, and the command line to who runs the gateway: their words stay where they are made.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

const FILES: &[&str] = &[
    include_str!("text/en/admin.txt"),
    include_str!("text/en/developers.txt"),
    include_str!("text/en/reference.txt"),
    include_str!("text/en/shell.txt"),
    include_str!("text/en/sign_in.txt"),
    include_str!("text/en/account.txt"),
    include_str!("text/en/activity.txt"),
    include_str!("text/en/email.txt"),
    include_str!("text/en/settings.txt"),
    include_str!("text/en/contacts.txt"),
    include_str!("text/en/people.txt"),
    include_str!("text/en/conversations.txt"),
    include_str!("text/en/callback.txt"),
    include_str!("text/en/mail.txt"),
    include_str!("text/en/verdicts.txt"),
    include_str!("text/en/unsubscribe.txt"),
    include_str!("text/en/remedies.txt"),
];

static ENGLISH: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let lines = FILES.iter().flat_map(|file| file.lines());
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = ")).collect()
});

/// The words of a key; a key without words stands for itself, so that nobody looks at nothing.
pub fn words(key: &str) -> &str {
    ENGLISH.get(key).copied().unwrap_or(key)
}

/// The words of a key that came from outside.
pub fn known(key: &str) -> Option<&'static str> {
    ENGLISH.get(key).copied()
}

/// The words of a key with something put in.
pub fn with(key: &str, what: impl Display) -> String {
    fill(key, &[&what])
}

/// The words of a key with several things put in, in their order.
pub fn fill(key: &str, what: &[&dyn Display]) -> String {
    let mut parts = words(key).split("{}");
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut what = what.iter();
    for part in parts {
        match what.next() {
            Some(what) => text.push_str(&what.to_string()),
            None => text.push_str("{}"),
        }
        text.push_str(part);
    }
    text
}

/// The words of a key for so many of something: English has others for one, by the key with `_one` behind it.
pub fn counted(key: &str, count: impl Display) -> String {
    let count = count.to_string();
    let one = format!("{key}_one");
    let is_one = count == "1" && known(&one).is_some();
    with(if is_one { &one } else { key }, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    /// Every text in quotes that looks like a key.
    fn keys(text: &str) -> impl Iterator<Item = &str> {
        text.split('"').skip(1).step_by(2).filter(|key| {
            let mut parts = key.split('.');
            let is_part = |part: &str| {
                part.starts_with(|c: char| c.is_ascii_lowercase())
                    && part.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
            };
            parts.clone().count() == 2 && parts.all(is_part)
        })
    }

    #[test]
    fn every_key_of_the_templates_has_words_and_all_words_have_their_own_key() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        files(&source.join("web/ui/templates"), &mut found);
        for path in found {
            let text = std::fs::read_to_string(&path).unwrap();
            for key in keys(&text).filter(|key| text.contains(&format!("\"{key}\"|"))) {
                assert!(known(key).is_some(), "{key} of {}", path.display());
            }
        }
        let lines = FILES.iter().flat_map(|file| file.lines()).filter(|line| line.contains(" = "));
        assert_eq!(lines.filter(|line| !line.starts_with('#')).count(), ENGLISH.len());
        let mut written = Vec::new();
        files(&source.join("text/en"), &mut written);
        assert_eq!(written.len(), FILES.len(), "a file of words is not read");
    }

    #[test]
    fn what_is_put_in_stands_in_its_place() {
        assert_eq!(fill("compose.wrote", &[&"Monday", &"{}"]), "On Monday, {} wrote:");
        assert_eq!(fill("compose.wrote", &[&"Monday"]), "On Monday, {} wrote:");
        assert_eq!(with("common.copy", "nothing"), "Copy");
    }

    #[test]
    fn one_is_said_otherwise_than_many() {
        let said = [0, 1, 2, 11].map(|count| counted("admin.days", count));
        assert_eq!(said, ["0 days left", "1 day left", "2 days left", "11 days left"]);
        assert_eq!(counted("settings.effect_hold", 1), with("settings.effect_hold", 1));
        let ones = ENGLISH.keys().filter_map(|key| key.strip_suffix("_one"));
        ones.for_each(|key| assert!(known(key).is_some(), "{key} has words for one alone"));
    }
}
