//! What the tests share: a gateway in a throw-away directory, databases, real servers.

pub mod browser;
pub mod gateway;
pub mod http;
#[allow(dead_code, reason = "it offers what a test may want of a mail provider")]
pub mod lab;
pub mod load;
pub mod openid;
#[allow(dead_code, reason = "the load generator uses the rest")]
pub mod postfix;
pub mod postgres;
pub mod relay;
pub mod sender;
pub mod totp;
pub mod trap;
pub mod vectors;
