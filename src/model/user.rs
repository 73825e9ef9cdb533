//! People of a sub-account.

use super::{Address, Time, UserId};

/// A person of a sub-account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub name: String,
    /// The sign-in address; no other user of the sub-account has it.
    pub email: Address,
    /// Confirmed addresses that the user writes from, too; several users may share one.
    pub aliases: Vec<Address>,
    /// A name of the IANA time zone database.
    pub time_zone: String,
    /// Where copies for the CRM are sent; `None` when it was stopped.
    pub bcc_address: Option<Address>,
    pub created_at: Time,
}
