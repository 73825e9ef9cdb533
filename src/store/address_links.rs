//! Links that are sent to an address which a user wants to have, and prove that its mail is the user's.

use super::messages::known;
use super::users::address;
use super::value::values;
use super::{Result, Store};
use crate::model::{Address, SubAccountId, Time, UserId};

statements! {
    COUNT_ADDRESS_LINKS = "select count(*) from address_links
        where sub_account = $1 and user_id = $2 and expires_at > $3";
    ADD_ADDRESS_LINK = "insert into address_links
        (sub_account, hash, user_id, address, purpose, expires_at) values ($1, $2, $3, $4, $5, $6)";
    ADDRESS_LINK = "select address, purpose from address_links
        where sub_account = $1 and user_id = $2 and hash = $3 and expires_at > $4";
    REMOVE_ADDRESS_LINKS = "delete from address_links
        where sub_account = $1 and user_id = $2 and address = $3 and purpose = $4";
    ADDRESS_LINKS_OF = "select address, purpose, max(expires_at) from address_links
        where sub_account = $1 and user_id = $2 and expires_at > $3
        group by address, purpose order by address, purpose";
}

/// What an address is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressUse {
    /// To write from.
    Alias,
    /// To sign in by.
    Email,
}

impl AddressUse {
    /// As it is stored, and as forms write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alias => "alias",
            Self::Email => "email",
        }
    }

    /// Reads it.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Alias, Self::Email].into_iter().find(|it| it.name() == name)
    }
}

/// An address that somebody wants to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAddress {
    pub address: Address,
    pub purpose: AddressUse,
}

/// Links of a user that wait at once, so that nobody sends mail to strangers by them.
const WAITING_MAX: i64 = 10;

impl Store {
    /// Keeps the hash of a link's code. `false`: too many of the user's wait already.
    pub async fn add_address_link(
        &self,
        (of, user): (SubAccountId, UserId),
        wanted: &NewAddress,
        hash: [u8; 32],
        (now, expires_at): (Time, Time),
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        let waiting: Option<(i64,)> =
            tx.optional(COUNT_ADDRESS_LINKS, values![of, user, now]).await?;
        if waiting.is_none_or(|(count,)| count >= WAITING_MAX) {
            return Ok(false);
        }
        let (text, purpose) = (wanted.address.written(), wanted.purpose.name());
        tx.execute(ADD_ADDRESS_LINK, values![of, hash, user, text, purpose, expires_at]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What a link of the user's proves, if it is still good.
    pub async fn address_link(
        &self,
        (of, user): (SubAccountId, UserId),
        hash: [u8; 32],
        now: Time,
    ) -> Result<Option<NewAddress>> {
        let mut tx = self.reader().await?;
        let row: Option<(String, String)> =
            tx.optional(ADDRESS_LINK, values![of, user, hash, now]).await?;
        row.map(|(text, purpose)| wanted(&text, &purpose)).transpose()
    }

    /// The address is the user's: no link to it waits any more.
    pub async fn remove_address_links(
        &self,
        (of, user): (SubAccountId, UserId),
        wanted: &NewAddress,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        let (text, purpose) = (wanted.address.written(), wanted.purpose.name());
        tx.execute(REMOVE_ADDRESS_LINKS, values![of, user, text, purpose]).await?;
        tx.commit().await
    }

    /// What a user waits for, and until when.
    pub async fn address_links(
        &self,
        (of, user): (SubAccountId, UserId),
        now: Time,
    ) -> Result<Vec<(NewAddress, Time)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(String, String, i64)> =
            tx.all(ADDRESS_LINKS_OF, values![of, user, now]).await?;
        let row = |(text, purpose, until): (String, String, i64)| {
            Ok((wanted(&text, &purpose)?, Time::from_micros(until)))
        };
        rows.into_iter().map(row).collect()
    }
}

fn wanted(text: &str, purpose: &str) -> Result<NewAddress> {
    Ok(NewAddress {
        address: address(text)?,
        purpose: known(AddressUse::parse(purpose), &purpose.to_owned())?,
    })
}
