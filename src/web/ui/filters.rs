//! What templates call on values: `{{ "email.title"|t }}`.

use askama::Values;
use askama::filters::Safe;

use super::time::Shown;
use super::{icons, text};

/// The words of a key.
#[askama::filter_fn]
pub fn t<'a>(key: &'a str, _: &dyn Values) -> askama::Result<&'a str> {
    Ok(text::words(key))
}

/// The words of a key with something put in.
#[askama::filter_fn]
pub fn with<D: std::fmt::Display>(key: &str, _: &dyn Values, what: D) -> askama::Result<String> {
    Ok(text::with(key, what))
}

/// The words of a key for so many of something.
#[askama::filter_fn]
pub fn counted<D: std::fmt::Display>(
    key: &str,
    _: &dyn Values,
    count: D,
) -> askama::Result<String> {
    Ok(text::counted(key, count))
}

/// The words of a key with a time put in.
#[askama::filter_fn]
pub fn at(key: &str, _: &dyn Values, time: Shown) -> askama::Result<Safe<String>> {
    // The words are ours, and a time is made of digits and names.
    Ok(Safe(text::with(key, time)))
}

/// The drawing of that name.
#[askama::filter_fn]
pub fn icon(name: &str, _: &dyn Values) -> askama::Result<Safe<&'static str>> {
    Ok(Safe(icons::drawing(name)))
}
