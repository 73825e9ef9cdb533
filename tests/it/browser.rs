//! Whole ways through the pages in a real browser.

mod conversations;
mod mail;
mod pages;
mod visitor;
