//! However the bytes of a session are cut on their way, it says and does the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweave_fuzz::dialog::{Dialog, small_limits};

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (cuts, bytes) = input;
    let mut whole = Dialog::new(small_limits());
    whole.send(bytes);

    let mut pieces = Dialog::new(small_limits());
    let mut rest = bytes;
    for cut in cuts {
        let (piece, after) = rest.split_at(usize::from(cut).min(rest.len()));
        pieces.send(piece);
        rest = after;
    }
    pieces.send(rest);

    let text = String::from_utf8_lossy;
    assert_eq!(text(&whole.replies), text(&pieces.replies));
    assert_eq!(whole.asked, pieces.asked);
    assert_eq!(whole.is_over, pieces.is_over);
});
