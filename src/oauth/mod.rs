//! OAuth 2.0 (RFC 6749) with PKCE (RFC 7636), as mailbox providers ask for it: consent, tokens, their
//! renewal and their revocation (RFC 7009). Keeps nothing; who asks stores what comes, before it is used.
//! `openid` signs people in by it.

mod client;
mod error;
mod http;
mod identity;
pub mod openid;

pub use client::{Asked, Client, Granted};
pub use error::{Error, in_words};
pub use identity::{Identity, is_issuer};
