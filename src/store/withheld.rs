//! Mail that a server lists and does not give: its folder is read on without it, and what it was stays known,
//! so that it can be asked for again (V1). When that is done is the watcher's to say.

use super::columns::verdict_row;
use super::value::{Value, values};
use super::watching::{Advance, Advanced};
use super::{Error, Page, Result, Store, events, record};
use crate::model::{ConnectionId, SubAccountId, Time, Verdict};

statements! {
    /// A folder that is read anew comes to it again: it is known since then.
    ADD = "insert into withheld (sub_account, connection_id, folder, uid_validity, uid, tries, \
            created_at, next_at) \
        values ($1, $2, $3, $4, $5, 0, $6, $7) on conflict do nothing";
    DUE = "select folder, uid_validity, uid, tries, created_at from withheld \
        where sub_account = $1 and connection_id = $2 and next_at <= $3 \
        order by folder, uid limit 50";
    PUT_OFF = "update withheld set tries = tries + 1, next_at = $6 \
        where sub_account = $1 and connection_id = $2 and folder = $3 and uid_validity = $4 \
            and uid = $5";
    REMOVE = "delete from withheld where sub_account = $1 and connection_id = $2 and folder = $3 \
        and uid_validity = $4 and uid = $5";
}

/// A mail that was not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// By its name on the wire.
    pub folder: String,
    pub uid_validity: u32,
    pub uid: u32,
    /// How often it was asked for since it was left out.
    pub tries: u32,
    /// When it was left out.
    pub since: Time,
}

type Place = (SubAccountId, ConnectionId);

impl Store {
    /// Moves a folder's cursor over the mail that it is at, and remembers to ask for it then; in one
    /// transaction, so that none is passed over unknown (T7).
    pub async fn withhold(&self, advance: &Advance<'_>, next_at: Time) -> Result<Page> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[advance.sub_account]).await?;
        match advance.apply(&mut tx).await? {
            Advanced::Yes => {}
            Advanced::Moved => return Ok(Page::Moved),
            Advanced::Gone => return Ok(Page::Gone),
        }
        let folder = advance.folder;
        let mut values = values![advance.sub_account, advance.connection, folder.name.as_str()];
        values.extend(values![folder.uid_validity, folder.uid_next, advance.now, next_at]);
        tx.execute(ADD, values).await?;
        tx.commit().await?;
        Ok(Page::Filed(Vec::new()))
    }

    /// What is to be asked for again in a connection by now.
    pub async fn withheld(&self, (of, id): Place, now: Time) -> Result<Vec<Withheld>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(String, i64, i64, i64, i64)> = tx.all(DUE, values![of, id, now]).await?;
        rows.into_iter().map(withheld).collect()
    }

    /// A mail is asked for once more, and again then.
    pub async fn put_withheld_off(
        &self,
        place: Place,
        mail: &Withheld,
        next_at: Time,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(PUT_OFF, [key(place, mail), values![next_at]].concat()).await?;
        tx.commit().await
    }

    /// A mail was asked for often enough: that is its verdict (V1).
    pub async fn give_up_withheld(
        &self,
        place: Place,
        mail: &Withheld,
        verdict: &Verdict,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[place.0]).await?;
        // Once: the sessions of two gateways may have asked.
        if tx.execute(REMOVE, key(place, mail)).await? > 0 {
            tx.execute_rows(record::ADD_VERDICTS, verdict_row(place.0, verdict)?).await?;
        }
        tx.commit().await
    }

    /// A mail is not to be asked for any more.
    pub async fn forget_withheld(&self, place: Place, mail: &Withheld) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(REMOVE, key(place, mail)).await?;
        tx.commit().await
    }
}

fn key((of, id): Place, mail: &Withheld) -> Vec<Value> {
    values![of, id, mail.folder.as_str(), mail.uid_validity, mail.uid]
}

fn withheld(
    (folder, uid_validity, uid, tries, since): (String, i64, i64, i64, i64),
) -> Result<Withheld> {
    let number = |value: i64| u32::try_from(value).map_err(Error::damaged);
    Ok(Withheld {
        folder,
        uid_validity: number(uid_validity)?,
        uid: number(uid)?,
        tries: number(tries)?,
        since: Time::from_micros(since),
    })
}
