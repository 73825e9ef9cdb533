//! A mail that is held and comes again, because its sender did not hear the `250` (RFC 5321 4.5.4.1): it is
//! held once, and has the verdict that it has (V1). What is filed is known by its id instead, and a mail that
//! is like it has a verdict of its own, which says so (B9).

use std::collections::BTreeSet;

use super::Result;
use super::file::Filing;
use super::tx::Tx;
use super::value::{Value, values};
use crate::model::{Door, Outcome};

statements! {
    /// `coalesce`: SQLite would go through all verdicts of the user.
    HELD_BEFORE = "select asked.column5 \
        from {rows uuid bytea uuid bytea bigint} as asked cross join verdicts cross join messages \
        where verdicts.sub_account = asked.column1 and verdicts.message_key = asked.column2 \
            and coalesce(verdicts.user_id, null) = asked.column3 and verdicts.outcome = 'held' \
            and verdicts.door = 'smtp' and messages.sub_account = verdicts.sub_account \
            and messages.id = verdicts.stored_message_id and messages.raw = asked.column4";
}

/// The filings that are to be recorded: those of mail that is held already, byte for byte, are left out.
pub(super) async fn first_seen<'f>(
    tx: &mut Tx<'_>,
    filings: &'f [Filing],
) -> Result<Vec<&'f Filing>> {
    let numbered = || (0_i64..).zip(filings);
    let asked: Vec<Value> =
        numbered().filter_map(|(number, it)| asked(it, number)).flatten().collect();
    let held: Vec<(i64,)> = tx.all_of_rows(HELD_BEFORE, asked).await?;
    let held: BTreeSet<i64> = held.into_iter().map(|(number,)| number).collect();
    Ok(numbered().filter(|(number, _)| !held.contains(number)).map(|(_, it)| it).collect())
}

/// `None`: the mail is not one that could be held twice.
fn asked(filing: &Filing, number: i64) -> Option<Vec<Value>> {
    let verdict = &filing.decision.verdict;
    let is_new = filing.again.is_none() && verdict.door == Door::Smtp;
    if !is_new || verdict.outcome() != Outcome::Held {
        return None;
    }
    let key = verdict.message_id.as_ref()?.key();
    let of = filing.decision.sub_account;
    Some(values![of, key, verdict.user_id?, filing.content.kept(), number])
}
