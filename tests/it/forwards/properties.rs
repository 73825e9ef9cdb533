//! What holds for any text: no panic, nothing grows, and the work stays linear on bait (ATTACKS B17).

use mailweave::mail::text::new_text;
use mailweave::mail::{Forward, forward, tnef};
use proptest::prelude::*;

use super::mail;

/// Pieces of which mails are made, and of which bait is.
const PIECES: &[&str] = &[
    "From: ",
    "Ann Lee <ann@example.com>",
    "Sent: ",
    "Date: ",
    "To: ",
    "Cc:",
    "Subject: ",
    "Offer",
    "\n",
    "\n\n",
    "> ",
    ">",
    " ",
    "On ",
    " wrote:",
    "Mon, Jan 5, 2026 at 3:04 PM",
    "5. ledna 2026 15:04",
    "-----Original Message-----",
    "---------- Forwarded message ---------",
    "Begin forwarded message:",
    "________________________________",
    "-- \n",
    "Sent from my iPhone",
    ":",
    "：",
    "@",
    "<",
    ">",
    "**",
    "发件人：",
    "差出人:",
    "\u{200b}",
    "\u{a0}",
    "İ",
    "ß",
    "-",
    "1",
    "2026",
    "年",
    ",",
    ";",
    "[mailto:",
    "]",
    "\"",
    "'",
    "\u{1f600}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        9 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn new_text_is_never_longer(text in text()) {
        prop_assert!(new_text(&text).len() <= text.len());
    }

    #[test]
    fn the_text_of_a_forward_is_never_longer(subject in text(), text in text()) {
        if let Forward::Of(forwarded) = forward::find(&mail(&subject, &text)) {
            prop_assert!(forwarded.text.len() <= text.len());
            prop_assert!(text.contains(forwarded.from.email.written()));
            for person in forwarded.to.iter().chain(&forwarded.cc) {
                prop_assert!(text.contains(person.email.written()));
            }
        }
    }

    #[test]
    fn candidates_stand_in_the_text(text in text()) {
        if let Forward::Unsure(candidates) = forward::find(&mail("Fwd: x", &text)) {
            for person in candidates {
                prop_assert!(text.contains(person.email.written()));
            }
        }
    }

    #[test]
    fn tnef_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut stream = vec![0x78, 0x9F, 0x3E, 0x22, 0, 0];
        stream.extend(bytes);
        let opened = tnef::open(&stream).unwrap();
        let held: usize = opened.files.iter().map(|file| file.content.len()).sum();
        prop_assert!(held <= stream.len());
    }
}

#[test]
fn bait_is_read_in_one_pass() {
    let many = 300_000;
    for bait in [
        ">".repeat(many),
        "> ".repeat(many),
        "On ".repeat(many) + " wrote:",
        "x".repeat(5 * many),
        "From: ".repeat(many),
        "-".repeat(many),
        "@".repeat(many),
        "a@b.c ".repeat(many / 6),
        "To:\n".repeat(many / 4),
        "Cc: a\n".repeat(64) + "<a@b.c>\n".repeat(many / 8).as_str(),
        "To:\n<a@b.c>\n".repeat(many / 12),
        "1:11 a@b:\n".repeat(many / 10),
        "Begin forwarded message:\n".repeat(many / 25),
        "----- Forwarded Message -----".repeat(many / 29),
        "________________________________\n".repeat(many / 33),
        "\n".repeat(many),
        "From: a\nFrom: b\n\n".repeat(many / 17),
        "-- \n".repeat(many / 4),
        " ".repeat(many) + ">",
    ] {
        assert!(new_text(&bait).len() <= bait.len());
        let _ = forward::find(&mail("Fwd: Offer", &bait));
        let _ = forward::find(&mail(&bait, "From: a@b.c"));
    }
}
