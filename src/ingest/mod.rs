//! Way 1, from the bytes of a mail to its verdict, whichever door it came by: `smtp`, `import`, or a
//! held mail that is released. `flow` is the spine; `batch` lets concurrent deliveries share one
//! transaction; `trust` asks DNS whether the author is who they say.

pub mod dns;
pub mod trust;
