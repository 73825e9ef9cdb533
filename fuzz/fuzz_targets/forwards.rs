//! Whose mail a forward forwards is somebody whom its text names; and the user's own words before a
//! block never change whose it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweave::mail::{Email, Forward, Headers, forward};

fuzz_target!(|text: &str| {
    names_people_of_the_text(text);
    finds_the_block_behind(text);
});

fn found(text: &str) -> Forward {
    let headers = Headers { subject: "FW: The offer".to_owned(), ..Headers::default() };
    forward::find(&Email { headers, text: text.to_owned(), ..Email::default() })
}

fn names_people_of_the_text(text: &str) {
    // Marks of writing direction stand even inside addresses, and are no part of them.
    let is_mark = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace() && !is_mark(*c)).collect();
    let people = match found(text) {
        Forward::None => Vec::new(),
        Forward::Of(mail) => {
            [&mail.from].into_iter().chain(&mail.to).chain(&mail.cc).cloned().collect()
        }
        Forward::Unsure(candidates) => candidates,
    };
    for person in people {
        let address = person.email.written();
        assert!(squeezed.contains(address), "{address} is not in {text:?}");
    }
}

fn finds_the_block_behind(words: &str) {
    let words: String =
        words.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '\n')).collect();
    let text = format!(
        "{words}\n\n________________________________\nFrom: Carl Customer <carl@customer.test>\n\
         Sent: Monday, November 16, 2026 10:00 AM\nTo: Anna Actor <anna@acme.test>\n\
         Subject: The offer\n\nDear Anna,\nyes.\n"
    );
    match found(&text) {
        Forward::Of(mail) => assert_eq!(mail.from.email.normal(), "carl@customer.test"),
        other => panic!("{other:?} of {text:?}"),
    }
}
