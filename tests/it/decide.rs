//! The policy as tables: a mail and what is known of it, and what must become of it.

mod build;
mod places;
mod reasons;
mod send;
mod threads;
mod track;
