//! A mail transaction (RFC 5321 3.3), from MAIL to the end of the content.

use std::collections::BTreeSet;

use super::content::{Content, Fault, Whole};
use crate::model::{Address, Reason, Recipient, Route};
use crate::smtp::Rejection;
use crate::smtp::command::{Encoding, Mail};

/// Everything since MAIL.
#[derive(Debug)]
pub struct Transaction {
    pub reverse_path: Option<Address>,
    pub encoding: Encoding,
    pub content: Content,
    pub stage: Stage,
    recipients: Vec<Recipient>,
    known: BTreeSet<Address>,
    /// How often a recipient was named that had been accepted before.
    repeats: usize,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No RCPT yet.
    Sender,
    /// RCPT was used, accepted or not.
    Recipients,
    /// BDAT was used (RFC 3030): only BDAT follows.
    Chunks,
}

impl Transaction {
    /// Begins with MAIL.
    pub fn new(mail: Mail, limit: u64) -> Self {
        Self {
            reverse_path: mail.reverse_path,
            encoding: mail.encoding,
            content: Content::new(limit, mail.size),
            stage: Stage::Sender,
            recipients: Vec::new(),
            known: BTreeSet::new(),
            repeats: 0,
        }
    }

    /// The recipient was accepted before.
    pub fn has(&self, address: &Address) -> bool {
        self.known.contains(address)
    }

    /// How many recipients were accepted.
    pub fn count(&self) -> usize {
        self.recipients.len()
    }

    /// Accepts a recipient; the same one counts once.
    pub fn accept(&mut self, address: Address, route: Route) {
        if self.known.insert(address.clone()) {
            self.recipients.push(Recipient { address, route });
        }
    }

    /// A recipient is named once more; answers how often that was done.
    pub fn repeat(&mut self) -> usize {
        self.repeats += 1;
        self.repeats
    }

    /// The end of the content: what was sent to whom, or what its recipients are told. They are told
    /// nothing of what the sender will send again.
    pub fn finish(self, hops_max: usize) -> Result<Finished, (Fault, Option<Rejection>)> {
        let Self { reverse_path, content, recipients, .. } = self;
        match content.finish(hops_max) {
            Ok(content) => Ok(Finished { reverse_path, recipients, content }),
            Err((fault, header)) => Err((fault, rejection(fault, recipients, header))),
        }
    }
}

/// A transaction whose content is whole.
#[derive(Debug)]
pub struct Finished {
    pub reverse_path: Option<Address>,
    pub recipients: Vec<Recipient>,
    pub content: Whole,
}

fn rejection(fault: Fault, recipients: Vec<Recipient>, header: Vec<u8>) -> Option<Rejection> {
    let (reason, what) = match fault {
        Fault::TooLarge => (Reason::TooLarge, "larger than this server accepts"),
        Fault::Smuggling => {
            (Reason::ProtocolError, "a lone dot beside CR or LF where a line must end with CRLF")
        }
        Fault::Loop => (Reason::ProtocolError, "too many Received fields: the mail goes in a loop"),
        Fault::NoRoom => return None,
    };
    Some(Rejection { recipients, reason, what: what.to_owned(), header })
}
