//! Every word of the pages, by key. The words are in `text/en/`, a file for each part of the pages, a line
//! `key = words` for each; `{}` stands for what is put in. A translation is a second folder like it.

use std::collections::BTreeMap;
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
pub fn with(key: &str, what: impl std::fmt::Display) -> String {
    words(key).replacen("{}", &what.to_string(), 1)
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
        let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/ui");
        let mut found = Vec::new();
        files(&ui.join("templates"), &mut found);
        for path in found {
            let text = std::fs::read_to_string(&path).unwrap();
            for key in keys(&text).filter(|key| text.contains(&format!("\"{key}\"|"))) {
                assert!(known(key).is_some(), "{key} of {}", path.display());
            }
        }
        let lines = FILES.iter().flat_map(|file| file.lines()).filter(|line| line.contains(" = "));
        assert_eq!(lines.filter(|line| !line.starts_with('#')).count(), ENGLISH.len());
        let mut written = Vec::new();
        files(&ui.join("text/en"), &mut written);
        assert_eq!(written.len(), FILES.len(), "a file of words is not read");
    }
}
