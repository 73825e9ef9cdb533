//! Mailboxes as a CRM connects them, against the laboratory's servers: consent, proof, tokens, update,
//! disconnect and resume, on both databases.

mod consent;
mod desk;
mod ends;
mod gateway;
mod listing;
mod password;
mod tokens;

pub use desk::configuration;
