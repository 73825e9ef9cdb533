//! New text: mails with history and signatures, in `tests/data/quotes`, and what is the author's own.

use mailweave::mail::text::new_text;

use super::{compare, files};

#[test]
fn tells_the_authors_words_from_quotations_and_signatures() {
    let mut faults = String::new();
    let files = files("quotes", "txt");
    assert!(files.len() >= 30, "only {} quotes", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        compare(&path, &format!("{}\n", new_text(&text)), &mut faults);
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn a_text_that_is_all_history_stays_whole() {
    for text in [
        "> quoted\n> all of it",
        "-- \nonly a signature",
        "Sent from my iPhone",
        "-----Original Message-----\nFrom: Ann <ann@example.com>\nSent: today\n\nHello",
        "",
    ] {
        assert_eq!(new_text(text), text);
    }
}
