//! The SMTP listener (RFC 5321): `session` is the machine, `driver` the only IO loop. What becomes of
//! a mail is not decided here: the listener hands it to a [`Receiver`].

pub mod driver;
pub mod limits;
pub mod reply;
pub mod session;

mod command;
mod path;

use std::future::Future;

use crate::model::{Address, Envelope, Reason, Recipient};

/// A mail as SMTP carries it (RFC 5321 2.3.1): envelope and content, the content byte by byte as the
/// client meant it (dots unstuffed, nothing added).
#[derive(Clone, Debug)]
pub struct MailObject {
    pub envelope: Envelope,
    pub content: Vec<u8>,
}

/// What became of a mail object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is on stable storage: `250 2.0.0`.
    Durable,
    /// The store cannot be reached: `451 4.3.0`.
    Unavailable,
    /// The disk is full: `452 4.3.1`.
    Full,
    /// It is large, and others are, too: `452 4.3.1`.
    Busy,
    /// This sender has sent too much of late: `451 4.7.1`.
    Throttled,
}

/// The store cannot say: `451 4.3.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Something that was refused, of which its sub-account is told.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// To whom: the recipients accepted so far, or the one refused.
    pub recipients: Vec<Recipient>,
    pub reason: Reason,
    /// What was wrong, in a few words.
    pub what: String,
    /// Its header, when so much had arrived; for the Message-ID.
    pub header: Vec<u8>,
}

/// Where the listener's mail goes: the gateway, or a test's stand-in.
pub trait Receiver: Send + Sync + 'static {
    /// Whom an address of our domains belongs to.
    fn route(
        &self,
        address: &Address,
    ) -> impl Future<Output = Result<crate::model::Route, Unavailable>> + Send;

    /// Takes a mail. The answer is given when it is durable, or is known not to be.
    fn deliver(&self, mail: MailObject) -> impl Future<Output = Delivery> + Send;

    /// Is told of a refusal.
    fn reject(&self, rejection: Rejection) -> impl Future<Output = ()> + Send;
}
