//! The SMTP listener: dialogs and properties against the machine, attacks against a real socket.

mod dialogs;
mod properties;
