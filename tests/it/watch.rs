//! Way 2 against real servers and hostile ones: what is found in a mailbox is filed once, whatever the
//! server, the network or the user do.

mod dovecot;
mod hostile;
mod laboratory;
mod patience;
mod scripted;
mod unsteady;
mod withheld;
mod world;
