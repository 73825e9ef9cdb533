//! A mailbox as the flow sees it: whatever protocol is behind it.

use std::collections::BTreeMap;
use std::future::Future;

use crate::access::Trouble;
use crate::model::{MessageId, Time};

/// A mail of a folder, before it is known whether it belongs to anybody here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub uid: u32,
    /// When the server got it.
    pub received_at: Option<Time>,
    /// It is not finished (RFC 3501 2.3.2).
    pub is_draft: bool,
    /// The header fields that decide, without To and Cc.
    pub fields: Vec<u8>,
}

/// A mail that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Whole(Vec<u8>),
    /// It is more than is taken; its header.
    TooLarge(Vec<u8>),
    /// It is not there any more.
    Gone,
}

/// Why a mailbox did not answer; by what its watcher does about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection is lost: try again later.
    #[error("{0}")]
    Lost(String),
    /// It cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// There is nothing to sign in with just now.
    #[error("{0}")]
    Unready(String),
    /// It refuses what was asked; perhaps not later.
    #[error("{0}")]
    Refused(String),
    /// What it answers about these mails cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The sign-in is refused.
    #[error("{0}")]
    Denied(String),
    /// Its certificate is not to be believed; not soon again.
    #[error("TLS failed: {0}")]
    Untrusted(String),
    /// It answers what no server should; not soon again.
    #[error("{0}")]
    Broken(String),
    /// Our own code failed over it; not soon again.
    #[error("our own code failed")]
    Failed,
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// The connection has ended here: nothing is to be done any more.
    #[error("the connection has ended")]
    Ended,
}

impl Error {
    /// What its user should know of it.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Unreachable(why) => Some(Trouble::Unreachable(why.clone())),
            Self::Lost(why) => Some(Trouble::Lost(why.clone())),
            Self::Refused(why) => Some(Trouble::Refused(why.clone())),
            Self::Untrusted(why) => Some(Trouble::Untrusted(why.clone())),
            Self::Broken(why) => Some(Trouble::Broken(why.clone())),
            Self::Unreadable(why) => Some(Trouble::Unreadable(why.clone())),
            Self::Failed => Some(Trouble::Failed),
            // Who signs in tells of that; the rest is ours.
            Self::Unready(_) | Self::Denied(_) | Self::Store(_) | Self::Ended => None,
        }
    }
}

/// Where it is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Mails that came since that day, as the server says.
    Since(Time),
    /// The newest, from this UID on, whatever the server says of when they came (F12).
    From(u32),
}

/// What the flow asks of a mailbox, about the folder that is open.
pub trait Mailbox {
    /// The headers of the mails with these UIDs, in ascending order. Those that are not there are left
    /// out; none beyond the range comes.
    fn headers(
        &mut self,
        from: u32,
        to: u32,
    ) -> impl Future<Output = Result<Vec<Header>, Error>> + Send;

    /// Which UIDs of a range are there.
    fn uids(&mut self, from: u32, to: u32) -> impl Future<Output = Result<Vec<u32>, Error>> + Send;

    /// The UIDs of mails whose field names this id, among those there.
    fn search(
        &mut self,
        among: Among,
        field: &'static str,
        id: &MessageId,
    ) -> impl Future<Output = Result<Vec<u32>, Error>> + Send;

    /// The fields To and Cc of a mail.
    fn people(&mut self, uid: u32) -> impl Future<Output = Result<Vec<u8>, Error>> + Send;

    /// Of a delivery report, the ids in the header of the mail that it gives back.
    fn reported(&mut self, uid: u32) -> impl Future<Output = Result<Vec<MessageId>, Error>> + Send;

    /// How these mails begin, of which little is in memory at once. Any may be missing.
    fn beginnings(
        &mut self,
        uids: &[u32],
    ) -> impl Future<Output = Result<BTreeMap<u32, Vec<u8>>, Error>> + Send;

    /// A whole mail, at most `bytes_max`; of its beginning, if it is known, no more is asked for.
    fn body(
        &mut self,
        uid: u32,
        beginning: Option<Vec<u8>>,
        bytes_max: usize,
    ) -> impl Future<Output = Result<Body, Error>> + Send;
}
