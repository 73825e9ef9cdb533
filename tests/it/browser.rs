//! Whole ways through the pages in a real browser.

mod mail;
mod pages;
mod visitor;
