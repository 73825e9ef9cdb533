//! Way 3, mail is sent: what the CRM asks for is recorded with its place in the outbox, and then it goes,
//! once, through the user's mailbox or the sub-account's relay.
//!
//! `flow` is the spine: read it first. `retry` says what follows from an answer; `driver` is the only loop
//! that waits; `notice` sends what the gateway itself has to say; `recorder` lets many mails share one transaction. The ways do not know each other: that a
//! Sent copy was seen, or that one is to be filed, the watch of the mailbox reads and writes in the store.

pub mod driver;
pub mod flow;
pub mod notice;
mod recorder;
pub mod relay;
pub mod retry;
pub mod unsubscribe;

pub use driver::{Bell, Options};
