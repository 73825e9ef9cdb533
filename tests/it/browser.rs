//! Whole ways through the pages in a real browser.

mod conversations;
mod journeys;
mod mail;
mod mailbox;
mod organisation;
mod pages;
mod visitor;
