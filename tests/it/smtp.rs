//! The SMTP listener: dialogs and properties against the machine, attacks against a real socket.

mod attacks;
mod dialogs;
mod listener;
mod pressure;
mod properties;
mod proxy;
mod tls;
