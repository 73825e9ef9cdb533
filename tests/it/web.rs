//! The REST API, on both databases. The client of these tests holds every answer against the OpenAPI
//! description, so that each test is a test of the description too.

mod actions;
mod api;
mod conversations;
mod developers;
mod events;
mod hostile;
mod mail;
mod mailboxes;
mod resources;
mod server;
mod ui;
mod webhooks;
mod writing;
