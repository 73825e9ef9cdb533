//! What somebody wrote just now is a part of the text, in its order, and is never nothing when there
//! is something.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweave::mail::text::new_text;

fuzz_target!(|text: &str| {
    let new = new_text(text);
    assert_eq!(new.trim().is_empty(), text.trim().is_empty(), "{text:?}");
    let mut rest = text.chars();
    for wanted in new.chars().filter(|c| !c.is_whitespace()) {
        assert!(rest.any(|c| c == wanted), "{wanted:?} of {new:?} is not in {text:?}");
    }
});
