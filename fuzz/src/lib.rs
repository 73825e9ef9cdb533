//! What the targets share: a client of the SMTP session, and a sub-account before which mails stand.

pub mod dialog;
pub mod judge;
