//! Fetching: header fields in pages, bodies in pieces. Only what was asked for is taken from the answers.

use std::collections::{BTreeMap, BTreeSet};

use async_imap::imap_proto::{AttributeValue, Response};
use jiff::fmt::strtime;

use super::super::mailbox::{self, Among, Body, Header, Mailbox};
use super::Error;
use super::session::{SMALL, Session, quoted};
use crate::mail;
use crate::model::{MessageId, Time};

/// The fields by which it is known whether a mail belongs (T3). No subject, no recipients.
const FIELDS: &str = "MESSAGE-ID IN-REPLY-TO REFERENCES THREAD-INDEX FROM DATE CONTENT-TYPE \
    X-FAILED-RECIPIENTS X-MAILWEAVE-MESSAGE-ID X-MICROSOFT-ORIGINAL-MESSAGE-ID";
/// More of the fields of one mail is not read: a References field may be endless.
const FIELDS_BYTES_MAX: usize = 16_384;
/// Bytes of a page of headers.
const PAGE_BYTES_MAX: u64 = 64 * 1_048_576;
/// Bytes of a list of UIDs, for as many as are asked for at once.
const UIDS_BYTES_MAX: u64 = 16 * 1_048_576;
/// A piece of a body. Each announces its size, and the guard lets no larger one pass.
const PIECE_BYTES: usize = 524_288;
/// So much of several mails is asked for in one command, which must end in time on a slow line, too.
const BEGINNING_BYTES: usize = 65_536;
/// Of a mail that is too large, so much of its header is kept.
const HEADER_BYTES_MAX: usize = 262_144;

/// What an answer says of one mail.
#[derive(Default)]
struct Fetched {
    received_at: Option<Time>,
    is_draft: bool,
    sections: Vec<Vec<u8>>,
}

impl Session {
    /// What is said of the mails asked for, by UID. What others say, or the same twice, is left out.
    async fn fetch(
        &mut self,
        (from, to): (u32, u32),
        items: &str,
        bytes_max: u64,
    ) -> Result<BTreeMap<u32, Fetched>, Error> {
        let range = match to {
            u32::MAX => format!("{from}:*"),
            _ if from == to => from.to_string(),
            _ => format!("{from}:{to}"),
        };
        // `n:*` answers with the last mail, whatever its UID (RFC 3501 6.4.8).
        self.fetch_all(&range, |uid| (from..=to).contains(&uid), items, bytes_max).await
    }

    async fn fetch_all(
        &mut self,
        range: &str,
        is_asked: impl Fn(u32) -> bool,
        items: &str,
        bytes_max: u64,
    ) -> Result<BTreeMap<u32, Fetched>, Error> {
        let mut all: BTreeMap<u32, Fetched> = BTreeMap::new();
        self.run(&format!("UID FETCH {range} (UID {items})"), bytes_max, |response| {
            let Response::Fetch(_, attributes) = response else { return };
            let uid = attributes.iter().find_map(uid_of);
            let Some(uid) = uid.filter(|uid| is_asked(*uid)) else { return };
            let fetched = read(attributes);
            // An unsolicited FETCH tells of flags, and has no section; NIL is no answer either.
            if !fetched.sections.is_empty() {
                all.entry(uid).or_insert(fetched);
            }
        })
        .await?;
        Ok(all)
    }

    /// Which UIDs of a range are there. Not by SEARCH: its answers are wrong at several servers, or come
    /// as ESEARCH, and one line of them may be as long as a folder is large.
    async fn list_uids(&mut self, from: u32, to: u32) -> Result<BTreeSet<u32>, Error> {
        let mut uids = BTreeSet::new();
        let command = format!("UID FETCH {from}:{to} (UID)");
        self.run(&command, UIDS_BYTES_MAX, |response| {
            let Response::Fetch(_, attributes) = response else { return };
            uids.extend(attributes.iter().filter_map(uid_of).filter(|it| (from..=to).contains(it)));
        })
        .await?;
        Ok(uids)
    }

    /// One section of one mail; `None` when it is not there.
    async fn section(&mut self, uid: u32, section: &str) -> Result<Option<Vec<u8>>, Error> {
        let budget = SMALL + 2 * PIECE_BYTES as u64;
        let items = format!("BODY.PEEK{section}");
        let fetched = self.fetch((uid, uid), &items, budget).await?;
        Ok(fetched.into_values().next().and_then(|it| it.sections.into_iter().next()))
    }

    /// The same, of a part that the mail need not have.
    async fn part(&mut self, uid: u32, section: &str) -> Result<Vec<u8>, Error> {
        match self.section(uid, section).await {
            Ok(found) => Ok(found.unwrap_or_default()),
            Err(Error::Refused { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// How several mails begin, in one command.
    async fn first_bytes(&mut self, uids: &[u32]) -> Result<BTreeMap<u32, Vec<u8>>, Error> {
        let range: Vec<String> = uids.iter().map(u32::to_string).collect();
        let (range, items) = (range.join(","), format!("BODY.PEEK[]<0.{BEGINNING_BYTES}>"));
        let budget = SMALL + 2 * (BEGINNING_BYTES * uids.len()) as u64;
        let found = self.fetch_all(&range, |uid| uids.contains(&uid), &items, budget).await?;
        let pieces =
            found.into_iter().filter_map(|(uid, it)| Some((uid, it.sections.into_iter().next()?)));
        Ok(pieces.collect())
    }

    async fn pieces(
        &mut self,
        uid: u32,
        beginning: Option<Vec<u8>>,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut content = match beginning {
            Some(whole) if whole.len() < BEGINNING_BYTES => return Ok(Some(whole)),
            beginning => beginning.unwrap_or_default(),
        };
        loop {
            let section = format!("[]<{}.{PIECE_BYTES}>", content.len());
            let piece = match self.section(uid, &section).await? {
                Some(piece) => piece,
                None if content.is_empty() => return Ok(None),
                // Behind its end a mail has nothing, and neither has one that was moved away meanwhile.
                None if !self.list_uids(uid, uid).await?.contains(&uid) => return Ok(None),
                None => Vec::new(),
            };
            let is_last = piece.len() < PIECE_BYTES;
            content.extend(piece);
            if is_last || content.len() > bytes_max {
                return Ok(Some(content));
            }
        }
    }
}

const fn uid_of(attribute: &AttributeValue<'_>) -> Option<u32> {
    match attribute {
        AttributeValue::Uid(uid) => Some(*uid),
        _ => None,
    }
}

fn read(attributes: &[AttributeValue<'_>]) -> Fetched {
    let mut fetched = Fetched::default();
    for attribute in attributes {
        match attribute {
            AttributeValue::InternalDate(text) => fetched.received_at = internal_date(text),
            AttributeValue::Flags(flags) => {
                fetched.is_draft = flags.iter().any(|flag| flag.eq_ignore_ascii_case("\\Draft"));
            }
            AttributeValue::BodySection { data: Some(data), .. } => {
                fetched.sections.push(data.to_vec());
            }
            _ => {}
        }
    }
    fetched
}

/// RFC 3501 9: `date-time`, the day with a leading space.
fn internal_date(text: &str) -> Option<Time> {
    let parsed = strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim()).ok()?;
    Some(Time::from_seconds(parsed.to_timestamp().ok()?.as_second()))
}

/// RFC 3501 9: the `date` of a search.
fn search_date(time: Time) -> Option<String> {
    let timestamp = jiff::Timestamp::from_second(time.as_seconds()).ok()?;
    Some(timestamp.strftime("%-d-%b-%Y").to_string())
}

/// An answer about mails that cannot be read is first of all a matter of these mails.
fn of_mails(error: Error) -> mailbox::Error {
    match error {
        Error::Hostile(why) => mailbox::Error::Unreadable(why),
        error => error.into(),
    }
}

impl Mailbox for Session {
    async fn headers(&mut self, from: u32, to: u32) -> Result<Vec<Header>, mailbox::Error> {
        let items =
            format!("FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS ({FIELDS})]<0.{FIELDS_BYTES_MAX}>");
        let fetched = self.fetch((from, to), &items, PAGE_BYTES_MAX).await.map_err(of_mails)?;
        let header = |(uid, fetched): (u32, Fetched)| Header {
            uid,
            received_at: fetched.received_at,
            is_draft: fetched.is_draft,
            fields: fetched.sections.into_iter().next().unwrap_or_default(),
        };
        Ok(fetched.into_iter().map(header).collect())
    }

    async fn uids(&mut self, from: u32, to: u32) -> Result<Vec<u32>, mailbox::Error> {
        let there = self.list_uids(from, to).await.map_err(of_mails)?;
        Ok(there.into_iter().collect())
    }

    async fn search(
        &mut self,
        among: Among,
        field: &'static str,
        id: &MessageId,
    ) -> Result<Vec<u32>, mailbox::Error> {
        // An id that cannot be asked for is in no mail that a search would find.
        let Ok(id) = quoted(id.as_str()) else { return Ok(Vec::new()) };
        let among = match among {
            Among::Since(time) => search_date(time).map(|date| format!("SINCE {date}")),
            Among::From(uid) => Some(format!("UID {uid}:*")),
        };
        let Some(among) = among else { return Ok(Vec::new()) };
        Ok(self.search_uids(&format!("{among} HEADER {field} {id}")).await?)
    }

    async fn people(&mut self, uid: u32) -> Result<Vec<u8>, mailbox::Error> {
        let section = format!("[HEADER.FIELDS (TO CC)]<0.{FIELDS_BYTES_MAX}>");
        Ok(self.section(uid, &section).await.map_err(of_mails)?.unwrap_or_default())
    }

    /// RFC 3464 2: the third part gives the mail back, whole or its header. Only the id is fetched.
    async fn reported(&mut self, uid: u32) -> Result<Vec<MessageId>, mailbox::Error> {
        let part = "[3.HEADER.FIELDS (MESSAGE-ID)]<0.2048>";
        let mut header = self.part(uid, part).await.map_err(of_mails)?;
        if header.trim_ascii().is_empty() {
            let kind = self.part(uid, "[3.MIME]<0.2048>").await.map_err(of_mails)?;
            if String::from_utf8_lossy(&kind).to_ascii_lowercase().contains("rfc822-headers") {
                header = self.part(uid, "[3]<0.16384>").await.map_err(of_mails)?;
            }
        }
        let headers = mail::parse::headers(&header, &mail::Limits::default());
        Ok(headers.message_id.into_iter().collect())
    }

    async fn beginnings(&mut self, uids: &[u32]) -> Result<BTreeMap<u32, Vec<u8>>, mailbox::Error> {
        match self.first_bytes(uids).await {
            // One of them may be the reason: each is asked for alone.
            Err(Error::Refused { .. }) => Ok(BTreeMap::new()),
            pieces => pieces.map_err(of_mails),
        }
    }

    async fn body(
        &mut self,
        uid: u32,
        beginning: Option<Vec<u8>>,
        bytes_max: usize,
    ) -> Result<Body, mailbox::Error> {
        Ok(match self.pieces(uid, beginning, bytes_max).await.map_err(of_mails)? {
            // Exchange sometimes gives nothing of a mail that is there (MailKit#1615).
            None if self.uids(uid, uid).await?.contains(&uid) => {
                let why = format!("mail {uid} is there and is not given");
                return Err(mailbox::Error::Unreadable(why));
            }
            None => Body::Gone,
            Some(content) if content.len() > bytes_max => {
                let section = format!("[HEADER]<0.{HEADER_BYTES_MAX}>");
                let header = self.section(uid, &section).await.map_err(of_mails)?;
                Body::TooLarge(header.unwrap_or_default())
            }
            Some(content) => Body::Whole(content),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_dates_of_servers() {
        for (text, seconds) in [
            ("17-Jul-1996 02:44:25 -0700", 837_596_665),
            (" 7-Jul-1996 02:44:25 +0000", 836_707_465),
            ("07-Jul-1996 02:44:25 +0000", 836_707_465),
        ] {
            assert_eq!(internal_date(text).map(Time::as_seconds), Some(seconds), "{text}");
        }
        assert_eq!(internal_date("yesterday"), None);
        assert_eq!(search_date(Time::from_seconds(836_707_465)).unwrap(), "7-Jul-1996");
    }
}
