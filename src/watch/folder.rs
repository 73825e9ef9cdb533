//! A folder that is read: its mails as they become known, and the steps in which its cursor moves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock;
use crate::decide::{Fetched, Found, Submission};
use crate::mail::Automatic;
use crate::model::{Address, Door, Folder, FolderRole, MessageId, Trust, TrustResults};
use crate::store::{Advance, Page, RawMail};

use super::caution::{self, Caution};
use super::flow::{self, Progress, Step, Way};
use super::mailbox::{Among, Error, Header, Mailbox};

/// UIDs that are looked through at once where mails are far apart.
const SPARSE_PAGE_MAX: u32 = 1 << 18;
/// T10: how far back what a thread needs is searched for.
const SEARCH_SECONDS: i64 = 30 * 24 * 3600;
/// The field by which what the CRM sent is known, whatever id a server gave it (S7).
pub const OWN_ID: &str = "X-MAILWEAVE-MESSAGE-ID";
/// Ids of a thread that are searched for.
const SEARCH_IDS_MAX: usize = 20;
/// Mails that a search may find, the newest: no thread has more in a month.
const SEARCH_HITS_MAX: usize = 2_000;
/// So many of them are judged at once.
const SEARCH_PAGE: usize = 100;
/// So many of the last mails of a folder are looked at for those that came since the connection; and as
/// many before them, so often at most, when all of those did.
const LOOK_BACK: u32 = 200;
const LOOKS_BACK_MAX: usize = 50;
/// The clocks of two servers may differ by this.
const CLOCK_SECONDS: i64 = 60;

/// A mail of a page, with what is known of it so far.
pub struct Mail {
    pub uid: u32,
    pub submission: Submission,
    /// The mail, once it is fetched.
    pub content: RawMail,
    /// It was removed meanwhile.
    pub is_gone: bool,
    fields: Vec<u8>,
}

impl Mail {
    /// Known by its header fields alone. `None`: it is a draft, in a folder that is not known for drafts (T8).
    pub fn of(way: &Way, role: FolderRole, header: Header) -> Option<Self> {
        if header.is_draft && role == FolderRole::Other {
            return None;
        }
        let found = Found {
            connection: way.watched.connection,
            mailbox: Address::parse(&way.watched.account.username),
            folder: role,
            knows_sent: way.knows_sent.load(Ordering::Relaxed),
            received_at: header.received_at,
            fetched: Fetched::Ids,
            reports_on: Vec::new(),
        };
        let submission = submission(way, header.fields.clone(), found);
        let (uid, fields) = (header.uid, header.fields);
        Some(Self { uid, submission, content: RawMail::default(), is_gone: false, fields })
    }

    /// Is it a delivery report?
    pub fn is_report(&self) -> bool {
        self.submission.email.automatic == Some(Automatic::DeliveryReport)
    }

    /// To and Cc are known, too, and what a delivery report is about.
    pub fn add_people(&mut self, way: &Way, people: &[u8], reports_on: Vec<MessageId>) {
        let Some(found) = self.submission.found.take() else { return };
        let found = Found { fetched: Fetched::People, reports_on, ..found };
        // The fields end with the empty line that ends a header.
        let mut fields = self.fields.trim_ascii_end().to_vec();
        fields.extend(b"\r\n");
        fields.extend(people);
        self.submission = submission(way, fields, found);
    }

    /// All of it is known.
    pub fn become_whole(&mut self, way: &Way, content: Vec<u8>, fetched: Fetched) {
        let Some(found) = self.submission.found.take() else { return };
        self.content = RawMail::pack(&content);
        self.submission = submission(way, content, Found { fetched, ..found });
    }
}

fn submission(way: &Way, content: Vec<u8>, found: Found) -> Submission {
    let read = way.reader.read(Arc::new(content));
    let (of, owners) = (way.watched.sub_account, vec![way.watched.user]);
    let trust = TrustResults::without_checks(Trust::Local);
    let submission = way.reader.submission(&read, Door::Imap, of, owners, trust, clock::now());
    Submission { found: Some(found), ..submission }
}

/// Reads all that is new up to `uid_next`, as the server told it.
pub async fn catch_up<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    folder: &mut Folder,
    uid_next: u32,
    caution: &mut Caution,
) -> Result<Progress, Error> {
    let mut all = Progress::default();
    let mut were_there = true;
    let mut ahead = None;
    while folder.uid_next < uid_next {
        if !were_there {
            skip_nothing(way, mailbox, folder, uid_next).await?;
        }
        if folder.uid_next >= uid_next {
            break;
        }
        let (from, to) = (folder.uid_next, page_end(folder.uid_next, uid_next, *caution));
        let headers = match ahead.take() {
            Some(headers) => without_gaps(mailbox, headers?, from, to - 1).await?,
            None if caution.gives_up() => {
                others_are_given(mailbox, from, uid_next - 1).await?;
                leave_out(way, folder).await?;
                caution.handle_page();
                continue;
            }
            None => {
                let headers = mailbox.headers(from, to - 1).await?;
                without_gaps(mailbox, headers, from, to - 1).await?
            }
        };
        were_there = !headers.is_empty();
        let mut after = *caution;
        after.handle_page();
        let is_more = were_there && to < uid_next;
        let next = is_more.then(|| (to, page_end(to, uid_next, after) - 1));
        let step = Step { ahead: next, ..Step::to(to) };
        let progress = flow::page(way, mailbox, folder, headers, step).await?;
        *caution = after;
        ahead = progress.ahead;
        all.verdicts += progress.verdicts;
        all.found_sent |= progress.found_sent;
    }
    Ok(all)
}

/// Where the page ends that begins at `from`: before this UID.
fn page_end(from: u32, uid_next: u32, caution: Caution) -> u32 {
    from.saturating_add(caution.page()).min(uid_next)
}

/// Moves the cursor over UIDs that no mail has, in ever larger steps: UIDs may be far apart.
async fn skip_nothing<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    folder: &mut Folder,
    uid_next: u32,
) -> Result<(), Error> {
    let mut step = 1_000;
    while folder.uid_next < uid_next {
        let to = folder.uid_next.saturating_add(step).min(uid_next);
        let first = mailbox.uids(folder.uid_next, to - 1).await?.first().copied();
        if first != Some(folder.uid_next) {
            flow::page(way, mailbox, folder, Vec::new(), Step::to(first.unwrap_or(to))).await?;
        }
        if first.is_some() {
            break;
        }
        step = step.saturating_mul(4).min(SPARSE_PAGE_MAX);
    }
    Ok(())
}

/// One mail is left out when it is about that mail alone: an outage is no reason to pass over what came in
/// it. The newest mail is asked for, and the one before, as far as there are such.
async fn others_are_given<M: Mailbox>(mailbox: &mut M, uid: u32, last: u32) -> Result<(), Error> {
    let mut refusal = Ok(());
    for other in [last, uid - 1].into_iter().filter(|it| *it != uid && *it > 0) {
        match mailbox.headers(other, other).await {
            Ok(headers) if headers.is_empty() => {}
            Ok(_) => return Ok(()),
            Err(error @ Error::Refused(_)) => refusal = Err(error),
            Err(error) => return Err(error),
        }
    }
    refusal
}

/// The next mail keeps all others from being read: it is left out for now, and asked for again later (V1).
async fn leave_out(way: &Way, folder: &mut Folder) -> Result<(), Error> {
    let (connection, uid) = (way.watched.connection, folder.uid_next);
    let (now, after) = (clock::now(), uid.saturating_add(1));
    let (sub_account, uid_next) = (way.watched.sub_account, Some(after));
    let advance = Advance { sub_account, connection, folder, uid_next, now };
    let next_at = caution::ask_again(now, 0, now).unwrap_or(now);
    match way.store.withhold(&advance, next_at).await? {
        Page::Filed(_) | Page::Incomplete => {}
        Page::Moved => return Err(Error::Lost("another watcher was here".to_owned())),
        Page::Gone => return Err(Error::Ended),
    }
    folder.uid_next = after;
    metrics::counter!("mailweave_unfetchable_mails_total").increment(1);
    tracing::error!(connection.id = %connection, code = "mail_unreadable", uid, "The server of connection {connection} does not give mail {uid}; it is left out, and asked for again later.");
    Ok(())
}

/// Reads what came since the last look, when the server only told that something did.
pub async fn look<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    folder: &mut Folder,
    caution: &mut Caution,
) -> Result<Progress, Error> {
    let headers = mailbox.headers(folder.uid_next, u32::MAX).await?;
    let Some(last) = headers.last().map(|header| header.uid) else {
        return Ok(Progress::default());
    };
    Box::pin(read(way, mailbox, folder, (headers, last), caution)).await
}

async fn read<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    folder: &mut Folder,
    (headers, last): (Vec<Header>, u32),
    caution: &mut Caution,
) -> Result<Progress, Error> {
    let headers = without_gaps(mailbox, headers, folder.uid_next, last).await?;
    let to = last.saturating_add(1);
    let progress = flow::page(way, mailbox, folder, headers, Step::to(to)).await?;
    match folder.uid_next < to {
        true => catch_up(way, mailbox, folder, to, caution).await,
        false => Ok(progress),
    }
}

/// Exchange sometimes leaves a mail out of an answer (seen at MailKit#1615): where there are gaps, it is
/// asked which UIDs there are, and those are asked for alone.
async fn without_gaps<M: Mailbox>(
    mailbox: &mut M,
    mut headers: Vec<Header>,
    from: u32,
    to: u32,
) -> Result<Vec<Header>, Error> {
    let wanted = to.saturating_sub(from) as usize + 1;
    if headers.len() == wanted {
        return Ok(headers);
    }
    let there = mailbox.uids(from, to).await?;
    let missing = there.iter().filter(|uid| !headers.iter().any(|header| header.uid == **uid));
    let missing: Vec<u32> = missing.copied().collect();
    for uid in missing {
        let again = mailbox.headers(uid, uid).await?;
        if again.is_empty() {
            return Err(Error::Unreadable(format!("mail {uid} is listed and is not given")));
        }
        headers.extend(again);
    }
    headers.sort_by_key(|header| header.uid);
    Ok(headers)
}

/// Where a folder without a cursor begins: at the first mail that came since the mailbox was connected.
pub async fn beginning<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    uid_next: u32,
) -> Result<u32, Error> {
    let since = way.watched.connected_at.plus_seconds(-CLOCK_SECONDS);
    let mut end = uid_next.max(1);
    for _ in 0..LOOKS_BACK_MAX {
        let from = look_back(end);
        if from >= end {
            break;
        }
        let headers = mailbox.headers(from, end - 1).await?;
        let headers = without_gaps(mailbox, headers, from, end - 1).await?;
        // A date that cannot be read says nothing against it, and nothing of those before.
        let new = |header: &&Header| header.received_at.is_none_or(|at| at >= since);
        let Some(first_new) = headers.iter().find(new) else { break };
        end = first_new.uid;
        let is_first = headers.first().is_some_and(|first| first.uid == end);
        if !is_first || first_new.received_at.is_none() {
            break;
        }
    }
    Ok(end)
}

/// Where the look back begins.
pub fn look_back(uid_next: u32) -> u32 {
    uid_next.saturating_sub(LOOK_BACK).max(1)
}

/// T10: searches a folder for the ids of a thread, and judges what it finds.
pub async fn search<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    folder: &mut Folder,
    ids: &[MessageId],
) -> Result<(), Error> {
    let since = Among::Since(clock::now().plus_seconds(-SEARCH_SECONDS));
    let mut uids = found(mailbox, folder.role, ids, since).await?;
    if uids.is_empty() {
        // A server whose dates are absurd finds nothing since any day (F12).
        let newest = Among::From(look_back(folder.uid_next));
        uids = found(mailbox, folder.role, ids, newest).await?;
    }
    uids.sort_unstable();
    uids.dedup();
    // What is new comes by itself.
    uids.retain(|uid| *uid < folder.uid_next);
    let excess = uids.len().saturating_sub(SEARCH_HITS_MAX);
    let mut left = uids.split_off(excess);
    while let Some(first) = left.first().copied() {
        let mut headers = Vec::new();
        for uid in left.iter().take(SEARCH_PAGE) {
            headers.extend(mailbox.headers(*uid, *uid).await?);
        }
        let next = left.get(SEARCH_PAGE).copied();
        let progress = flow::page(way, mailbox, folder, headers, Step::default()).await?;
        let next = progress.left.or(next).unwrap_or(u32::MAX);
        left.retain(|uid| *uid >= next.max(first.saturating_add(1)));
    }
    Ok(())
}

/// The mails that name one of these ids.
async fn found<M: Mailbox>(
    mailbox: &mut M,
    role: FolderRole,
    ids: &[MessageId],
    among: Among,
) -> Result<Vec<u32>, Error> {
    let mut uids = Vec::new();
    for id in ids.iter().take(SEARCH_IDS_MAX) {
        for field in ["REFERENCES", "IN-REPLY-TO", "MESSAGE-ID"] {
            uids.extend(mailbox.search(among, field, id).await?);
        }
        if role == FolderRole::Sent {
            // S7: the copy of what the CRM sent, whatever id the server gave it.
            uids.extend(mailbox.search(among, OWN_ID, id).await?);
        }
    }
    Ok(uids)
}
