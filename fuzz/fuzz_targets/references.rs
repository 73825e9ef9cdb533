//! Ids read from a References field are few, each once, and read again as themselves.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use mailweave::mail::references::ids;
use mailweave::model::MessageId;

fuzz_target!(|input: (u8, &str)| {
    let (count_max, value) = input;
    let count_max = usize::from(count_max);
    let found = ids(value, count_max);
    assert!(found.len() <= count_max);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "an id twice");
    for id in &found {
        assert_eq!(MessageId::parse(id.as_str()).as_ref(), Some(id));
    }
    let written: Vec<String> = found.iter().map(|id| format!("<{}>", id.as_str())).collect();
    assert_eq!(ids(&written.join("\r\n "), count_max), found, "written and read again");
    // Of more than are asked for, the newest are kept.
    let all = ids(value, usize::MAX);
    assert_eq!(found, all[all.len() - found.len()..]);
});
