//! What the tests share: a gateway in a throw-away directory, databases, real servers.

pub mod postgres;
