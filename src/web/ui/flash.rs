//! A message for the next page, after a form has led to it: its key travels in a cookie that the page which
//! shows it removes. Only keys that begin with `flash.` are shown.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use super::text;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flash {
    pub words: &'static str,
    /// Is it bad news?
    pub is_bad: bool,
}

/// The cookie.
pub const NAME: &str = "flash";

/// The message that came with a request. The keys of bad news begin with `flash.not_`.
pub fn read(jar: &CookieJar) -> Option<Flash> {
    let key = jar.get(NAME)?.value().to_owned();
    let key = key.strip_prefix("flash.").map(|_| key.as_str())?;
    let words = text::known(key)?;
    Some(Flash { words, is_bad: key.starts_with("flash.not_") })
}

/// Leaves a message for the next page.
pub fn leave(jar: CookieJar, key: &'static str) -> CookieJar {
    jar.add(cookie(key))
}

/// Removes the message that was shown.
pub fn gone() -> Cookie<'static> {
    let mut cookie = cookie("");
    cookie.make_removal();
    cookie
}

fn cookie(key: &'static str) -> Cookie<'static> {
    Cookie::build((NAME, key)).path("/").http_only(true).same_site(SameSite::Lax).build()
}
