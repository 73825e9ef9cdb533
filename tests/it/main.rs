//! One test binary: it links once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice)]
#![allow(clippy::panic, clippy::print_stderr, clippy::disallowed_methods)]

mod backup;
mod browser;
mod certificates;
mod commands;
mod crash;
mod decide;
mod deliveries;
mod faults;
mod forwards;
mod house;
mod lab;
mod mail;
mod oauth;
mod safe;
mod send;
mod smtp;
mod store;
mod submission;
mod support;
mod trust;
mod watch;
mod web;
mod whole;
