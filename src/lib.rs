//! Mailweave: a mail gateway that gives any CRM a smart BCC address and two-way sync.

pub mod decide;
pub mod ingest;
pub mod mail;
pub mod model;
pub mod smtp;
pub mod store;
pub mod web;
