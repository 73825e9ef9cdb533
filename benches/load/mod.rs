//! A load generator of our own, and the servers it is given to: the same code sends the same mails to
//! Mailweave and to its peer.

pub mod client;
pub mod mail;
pub mod process;
pub mod server;

// The tests' own gateway, HTTP client and Postfix.
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/it/support/gateway.rs"]
mod gateway;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/it/support/http.rs"]
mod http;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/it/support/postfix.rs"]
mod postfix;
