//! Way 2, mail is found: connected mailboxes are watched, and what belongs to a CRM thread is filed.
//!
//! `flow` is the spine: a page of headers, what belongs of it, and the cursor, in one transaction.
//! `plan` says when to try again; `driver` is the only loop that waits.

pub mod caution;
mod changes;
pub mod driver;
pub mod flow;
pub mod folder;
pub mod imap;
mod leg;
pub mod mailbox;
pub mod pause;
pub mod plan;
mod turns;

pub use mailbox::{Among, Body, Error, Header, Mailbox};
