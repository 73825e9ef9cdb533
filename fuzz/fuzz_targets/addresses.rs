//! An address has one normal form: reading it again, or what was written, or another case of it,
//! leads to the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweave::model::Address;

fuzz_target!(|text: &str| {
    let Some(address) = Address::parse(text) else { return };
    for form in [address.normal(), address.written(), &text.to_ascii_uppercase()] {
        let again = Address::parse(form);
        let again = again.as_ref().map(Address::normal);
        assert_eq!(again, Some(address.normal()), "{form:?}");
    }
    assert_eq!(format!("{}@{}", address.local(), address.domain()), address.normal());
    assert!(!address.normal().chars().any(|c| c.is_control() || c.is_ascii_uppercase()));
    assert!(address.domain().is_ascii(), "{}", address.domain());
});
