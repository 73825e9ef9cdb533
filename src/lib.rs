//! Mailweave: a mail gateway that gives any CRM a smart BCC address and two-way sync with Outlook.
//!
//! # The house
//!
//! There are three ways: mail arrives (`smtp`, `ingest`), mail is found (`watch`), mail is sent. Each way
//! has a **machine** (pure), a **driver** (the only IO loop) and a **flow** (the spine; read it first).
//! Between the ways lies a pure middle: `model` (nouns), `mail` (bytes to nouns), `decide` (policy). Below
//! lies `store`, the only place with SQL; the ways meet nowhere else. What opens a mailbox to the second
//! and third way is `connect`.
//!
//! ```text
//! main -> command -> app -> web   smtp   import   watch::driver   send::driver   events
//!                            |      |      |        |               |        drivers: what the world
//!                            |      |      |        |               |        or the clock calls
//!                            |      +- ingest ------+---------- send::flow   the spines, and `watch::flow`
//!                         connect      |                            |        consent, proof, tokens, the end
//!                            |         |                            |
//!               oauth   submission   store -------------------------+        the only SQL; one transaction type
//!                                      |
//!                          decide -> mail -> model -> text   pure; `text` has every word that people read
//! ```
//!
//! # How a mail becomes a conversation
//!
//! ```text
//! socket --bytes--> smtp::session --MailObject--> ingest::receiver
//!   content --mail::parse--> Email --decide::Submission--> Question      what must I know?
//!   ingest::batch: what waits together is judged together, in one transaction:
//!     [Question] --store--> Facts --decide::ingest--> Decision --store--> rows and events, one fsync
//! Decision --> 250
//! ```
//!
//! # How a mailbox is connected
//!
//! ```text
//! Wanted --connect::begin--> connection row + URL with state, PKCE and nonce        a consent under way
//! browser --GET /oauth/callback--> connect::finish: state, issuer, code -> tokens -> account, scopes
//!   refresh token, sealed --store--> and only then
//!   connect::settle: IMAP sign-in, IDLE, Sent, SMTP sign-in --Proved--> active, former one ended, event
//! watch, send --access::Logins--> connect::tokens: a token that is good, renewed once for all who ask
//! ```
//!
//! # How a mail is sent
//!
//! ```text
//! POST /messages --Sending--> send::flow: who sends (decide::send), the mail (mail::compose)
//!   message, place in the outbox, event --store--> one transaction, then 202
//! send::driver: what is due --claim--> one connection, one mail --Answer--> send::retry --Next--> store
//!   an answer that was lost --> unknown, until the watch sees the copy in Sent, or the user says
//! events: rows in the order of commits --> streams at once, webhooks from queues
//! ```
//!
//! # Invariants
//!
//! - Nothing in `model`, `mail`, `decide`, nor the SMTP machine, waits, logs, opens a file or socket,
//!   reads a clock or a random number.
//! - SQL appears only in `store`.
//! - A 250 is written after the commit, never before. A mail is never sent again on a guess.
//! - A cursor moves only in the transaction that records what it passed.
//! - Every mail that came near us has one stored verdict with a reason.
//! - An event is written in the transaction that made it true.
//! - A refresh token is stored before it is used, and is asked about by one gateway at a time.
//! - Hostile input is not an error: reading returns values and defects, policy returns verdicts.
//!
//! `tests/it/house.rs` holds the code to these.

#![cfg_attr(test, allow(clippy::string_slice, reason = "tests know their texts"))]

// L0: words and nouns, pure
pub mod model;
pub mod text;
// L1: bytes to nouns, and policy; pure
pub mod decide;
pub mod mail;
// L2: adapters
pub mod access;
pub mod clock;
pub mod oauth;
pub mod perimeter;
pub mod reach;
pub mod secrets;
pub mod store;
pub mod submission;
pub mod tls;
// L3: the spines
pub mod connect;
pub mod ingest;
pub mod send;
pub mod watch;
// L4: drivers
pub mod events;
pub mod import;
pub mod smtp;
pub mod web;
// L5: the whole
pub mod app;
pub mod command;
pub mod config;
