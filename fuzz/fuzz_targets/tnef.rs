//! A winmail.dat cannot make more of itself than it is: its files are pieces of it, its texts bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweave::mail::tnef::{FILES_MAX, open};

/// Bodies are unpacked (MS-OXRTFCP) and mails inside count once a level; nothing grows beyond this.
const GROWTH_MAX: usize = 64;
const SMALL: usize = 65_536;

fuzz_target!(|bytes: &[u8]| {
    let Some(tnef) = open(bytes) else { return };
    assert!(tnef.files.len() <= FILES_MAX);
    let files: usize = tnef.files.iter().map(|file| file.content.len()).sum();
    let bodies = [&tnef.text, &tnef.html].into_iter().flatten().map(String::len).sum::<usize>();
    let room = bytes.len() * GROWTH_MAX + SMALL;
    assert!(files + bodies <= room, "{files} + {bodies} bytes of {}", bytes.len());
    assert_eq!(open(bytes).as_ref(), Some(&tnef));
});
