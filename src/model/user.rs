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
    pub role: Role,
    pub created_at: Time,
}

/// What a user may do in the pages. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees the own mail and the own settings.
    User,
    /// Sees and changes what belongs to the sub-account.
    Admin,
    /// Sees how the whole gateway is, too.
    Operator,
}

impl Role {
    /// Every role, from the least.
    pub const ALL: [Self; 3] = [Self::User, Self::Admin, Self::Operator];

    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}
