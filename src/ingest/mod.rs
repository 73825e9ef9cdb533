//! Way 1, from the bytes of a mail to its verdict, whichever door it came by: `smtp`, `import`, or a
//! held mail that is judged again. `prepare` reads the mail (pure), `flow` is the spine, `batch` lets
//! concurrent deliveries share one transaction, `trust` asks DNS whether the author is who they say;
//! `index` follows behind, so that what was filed is found.

pub mod batch;
pub mod dns;
pub mod flow;
pub mod index;
pub mod maintain;
pub mod prepare;
pub mod rate;
pub mod receiver;
pub mod release;
pub mod trust;
