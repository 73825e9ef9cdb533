//! One test binary: it links once.

mod commands;
mod crash;
mod decide;
mod forwards;
mod house;
mod lab;
mod mail;
mod smtp;
mod store;
mod support;
mod trust;
mod web;
mod whole;
