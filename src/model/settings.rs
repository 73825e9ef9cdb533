//! The switches of a sub-account, by the names of the rules.

use serde::{Deserialize, Serialize};

use super::Time;

/// The switches, with the defaults of the rules. Stored as JSON: a switch that a row lacks has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// B2: what becomes of mail whose sender is not verified.
    pub untrusted_sender: UntrustedSender,
    /// B3: domains whose people are colleagues, never contacts. Normal forms.
    pub colleague_domains: Vec<String>,
    /// B3: people in Cc become contacts too.
    pub contacts_from_cc: bool,
    /// T1: a smart BCC mail opens a tracked thread.
    pub bcc_starts_thread: bool,
    /// T9: all mail with contacts is followed.
    pub follow_contacts: bool,
    /// T9: when that was switched on; earlier mail is nobody's business here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_contacts_since: Option<Time>,
    /// S2: which mailbox bulk mail goes through.
    pub bulk_sender: BulkSender,
    /// A1: the largest file, in decoded bytes.
    pub attachment_limit: u64,
    /// A1: the types that are kept, by their usual extension in lower case.
    pub attachment_types: Vec<String>,
    /// A2: what an oversize file does to its message.
    pub oversize_attachment: OversizeAttachment,
}

/// B2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UntrustedSender {
    Hold,
    Accept,
}

/// S2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkSender {
    MailboxWhenFromMatches,
    AlwaysProvider,
}

/// A2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OversizeAttachment {
    SkipMessage,
    DropFile,
}

impl Settings {
    /// Follows contacts from now on, or no more (T9).
    pub fn set_follow_contacts(&mut self, follow: bool, now: Time) {
        if self.follow_contacts != follow {
            self.follow_contacts = follow;
            self.follow_contacts_since = follow.then_some(now);
        }
    }
}

impl OversizeAttachment {
    /// Does an oversize file keep its whole message out?
    pub const fn skips_message(self) -> bool {
        matches!(self, Self::SkipMessage)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let types =
            ["jpg", "jpeg", "png", "mp4", "mpeg", "zip", "rar", "pdf", "doc", "docx", "txt"];
        Self {
            untrusted_sender: UntrustedSender::Hold,
            colleague_domains: Vec::new(),
            contacts_from_cc: false,
            bcc_starts_thread: true,
            follow_contacts: false,
            follow_contacts_since: None,
            bulk_sender: BulkSender::MailboxWhenFromMatches,
            attachment_limit: 3_145_728,
            attachment_types: types.map(str::to_owned).to_vec(),
            oversize_attachment: OversizeAttachment::SkipMessage,
        }
    }
}
