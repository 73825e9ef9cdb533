//! Users, the addresses they write from, and their smart BCC addresses.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::messages::known;
use super::value::{Value, values};
use super::{Error, Result, Store, Tx, Window};
use crate::model::{Address, Role, SubAccountId, Time, User, UserId};

statements! {
    USERS = "select id, name, time_zone, role, created_at from users
        where sub_account = $1 and id > $2 order by id limit $3";
    USER = "select id, name, time_zone, role, created_at from users
        where sub_account = $1 and id = $2";
    /// Changes nothing, and makes later writers of the row wait, on both databases.
    LOCK_USER = "update users set name = name where sub_account = $1 and id = $2";
    USER_ADDRESSES = "select user_id, written, is_alias from user_addresses
        where (sub_account, user_id) in {rows uuid uuid} order by address";
    USERS_AMONG = "select user_addresses.address
        from {rows uuid text} as asked cross join user_addresses
        where user_addresses.sub_account = asked.column1
            and user_addresses.address = asked.column2 and user_addresses.confirmed";
    CURRENT_BCC_ADDRESSES = "select user_id, address from bcc_addresses
        where (sub_account, user_id) in {rows uuid uuid} and revoked_at is null
        order by created_at";
    ADD_USER = "insert into users (sub_account, id, name, email, time_zone, role, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)";
    SET_USER = "update users set name = $3, email = $4, time_zone = $5, role = $6
        where sub_account = $1 and id = $2";
    ADD_USER_ADDRESS = "insert into user_addresses
        (sub_account, address, user_id, written, is_alias, confirmed)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    CLEAR_USER_ADDRESSES = "delete from user_addresses where sub_account = $1 and user_id = $2";
    ADD_BCC_ADDRESS = "insert into bcc_addresses (sub_account, address, user_id, created_at)
        values ($1, $2, $3, $4)";
    REVOKE_BCC_ADDRESSES = "update bcc_addresses set revoked_at = $3
        where sub_account = $1 and user_id = $2 and revoked_at is null";
}

type Row = (Uuid, String, String, String, i64);

impl Store {
    /// The users of a sub-account, by the time they were made.
    pub async fn users(&self, of: SubAccountId, window: Window) -> Result<Vec<User>> {
        let mut tx = self.reader().await?;
        let values = values![of, window.ascending_start().id, window.limit];
        let rows: Vec<Row> = tx.all(USERS, values).await?;
        with_addresses(&mut tx, of, rows).await
    }

    /// A user.
    pub async fn user(&self, of: SubAccountId, id: UserId) -> Result<Option<User>> {
        let mut tx = self.reader().await?;
        read_user(&mut tx, of, id).await
    }

    /// Which of these addresses are users'.
    pub async fn users_among(
        &self,
        of: SubAccountId,
        addresses: impl IntoIterator<Item = &Address>,
    ) -> Result<BTreeSet<String>> {
        let mut tx = self.reader().await?;
        let asked = addresses.into_iter().flat_map(|it| values![of, it.normal()]).collect();
        let rows: Vec<(String,)> = tx.all_of_rows(USERS_AMONG, asked).await?;
        Ok(rows.into_iter().map(|(address,)| address).collect())
    }

    /// Adds a user. [`Error::Conflict`]: another has the sign-in address.
    pub async fn add_user(&self, of: SubAccountId, user: &User) -> Result<()> {
        let mut tx = self.writer().await?;
        let email = user.email.normal();
        let mut values = values![of, user.id, &user.name, email, &user.time_zone];
        values.extend(values![user.role.name(), user.created_at]);
        tx.execute(ADD_USER, values).await?;
        write_addresses(&mut tx, of, user).await?;
        if let Some(address) = &user.bcc_address {
            let values = values![of, address.normal(), user.id, user.created_at];
            tx.execute(ADD_BCC_ADDRESS, values).await?;
        }
        tx.commit().await
    }

    /// Changes a user, unless `change` refuses; two changes cannot cross.
    /// [`Error::Conflict`]: another has the sign-in address.
    pub async fn change_user<E>(
        &self,
        of: SubAccountId,
        id: UserId,
        change: impl FnOnce(&mut User) -> Result<(), E>,
    ) -> Result<Option<Result<User, E>>> {
        let mut tx = self.writer().await?;
        tx.execute(LOCK_USER, values![of, id]).await?;
        let Some(mut user) = read_user(&mut tx, of, id).await? else { return Ok(None) };
        if let Err(refusal) = change(&mut user) {
            return Ok(Some(Err(refusal)));
        }
        let mut values = values![of, id, &user.name, user.email.normal(), &user.time_zone];
        values.extend(values![user.role.name()]);
        tx.execute(SET_USER, values).await?;
        tx.execute(CLEAR_USER_ADDRESSES, values![of, id]).await?;
        write_addresses(&mut tx, of, &user).await?;
        tx.commit().await?;
        Ok(Some(Ok(user)))
    }

    /// Gives a user a new smart BCC address; the old one stops. `false`: there is no such user.
    pub async fn replace_bcc_address(
        &self,
        of: SubAccountId,
        id: UserId,
        address: &Address,
        now: Time,
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        if tx.execute(LOCK_USER, values![of, id]).await? == 0 {
            return Ok(false);
        }
        tx.revokes = true;
        tx.execute(REVOKE_BCC_ADDRESSES, values![of, id, now]).await?;
        tx.execute(ADD_BCC_ADDRESS, values![of, address.normal(), id, now]).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn read_user(tx: &mut Tx<'_>, of: SubAccountId, id: UserId) -> Result<Option<User>> {
    let row: Option<Row> = tx.optional(USER, values![of, id]).await?;
    let users = with_addresses(tx, of, row.into_iter().collect()).await?;
    Ok(users.into_iter().next())
}

async fn with_addresses(tx: &mut Tx<'_>, of: SubAccountId, rows: Vec<Row>) -> Result<Vec<User>> {
    let asked: Vec<Value> = rows.iter().flat_map(|row| values![of, row.0]).collect();
    let written: Vec<(Uuid, String, bool)> = tx.all_of_rows(USER_ADDRESSES, asked.clone()).await?;
    let current: Vec<(Uuid, String)> = tx.all_of_rows(CURRENT_BCC_ADDRESSES, asked).await?;
    let current: BTreeMap<Uuid, String> = current.into_iter().collect();
    let mut emails = BTreeMap::new();
    let mut aliases: BTreeMap<Uuid, Vec<Address>> = BTreeMap::new();
    for (user, text, is_alias) in written {
        match (is_alias, address(&text)?) {
            (true, alias) => aliases.entry(user).or_default().push(alias),
            (false, email) => drop(emails.insert(user, email)),
        }
    }
    rows.into_iter()
        .map(|(id, name, time_zone, role, created_at)| {
            let email = emails.remove(&id);
            Ok(User {
                id: UserId(id),
                name,
                email: email.ok_or_else(|| Error::damaged(format!("user {id} has no address")))?,
                aliases: aliases.remove(&id).unwrap_or_default(),
                time_zone,
                bcc_address: current.get(&id).map(|text| address(text)).transpose()?,
                role: known(Role::parse(&role), &role)?,
                created_at: Time::from_micros(created_at),
            })
        })
        .collect()
}

async fn write_addresses(tx: &mut Tx<'_>, of: SubAccountId, user: &User) -> Result<()> {
    let aliases = user.aliases.iter().map(|alias| (alias, true));
    for (address, is_alias) in std::iter::once((&user.email, false)).chain(aliases) {
        let (normal, written) = (address.normal(), address.written());
        let values = values![of, normal, user.id, written, is_alias, true];
        tx.execute(ADD_USER_ADDRESS, values).await?;
    }
    Ok(())
}

/// An address that was stored as one.
pub(super) fn address(text: &str) -> Result<Address> {
    Address::parse(text).ok_or_else(|| Error::damaged(format!("{text:?} is no address")))
}
