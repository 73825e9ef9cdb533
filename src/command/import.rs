//! `mailweave import`: stored mail filed as smart BCC copies of a user (B12), by the same way that
//! arriving mail takes. Safe to run twice, and to interrupt: what is filed already is a duplicate.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::mpsc;

use super::progress::Progress;
use super::{Ending, Error, open_secrets, open_store, print, print_json};
use crate::clock;
use crate::config::Config;
use crate::decide::Submission;
use crate::import::{self, Mails, Piece};
use crate::ingest::batch::{Batch, Outcome, Refused};
use crate::ingest::flow::Pending;
use crate::ingest::prepare::Reader;
use crate::mail;
use crate::model::{self, Address, Door, SubAccountId, Trust, TrustResults, UserId};
use crate::store::{RawMail, Store, VerdictFilter, Window};

/// Mails that are filed together.
const BATCH_MAX: usize = 64;
/// Bytes of mail that are read ahead.
const BATCH_BYTES_MAX: usize = 16 * 1_048_576;
/// Different mails of one Message-ID that are compared.
const SAME_ID_MAX: i64 = 20;
/// Problems that are told one by one.
const PROBLEMS_MAX: usize = 50;

/// File mbox files, Maildirs and .eml files as smart BCC copies of a user
///
/// The user's own mails are outbound; mails to the user are inbound. Running it again files nothing
/// twice. Exit code 1: something could not be read or filed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mailweave import Sent.mbox --user ann@example.com
  mailweave import ~/Maildir exported/*.eml --user ann@example.com --json")]
pub struct Arguments {
    /// mbox files, Maildirs, .eml files, and folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Whose mail it is: the user's sign-in address or an alias
    #[arg(long, value_name = "ADDRESS")]
    user: String,
    /// The user's sub-account, when several have a user of that address
    #[arg(long, value_name = "ID")]
    sub_account: Option<SubAccountId>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// What became of the mails.
#[derive(Debug, Default, Serialize)]
struct Summary {
    mails: u64,
    /// How many of each outcome and reason.
    outcomes: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Held by an earlier run, and still waiting.
    waiting: u64,
    /// Drafts, spam and what was thrown away.
    left: u64,
    failed: u64,
    /// The first of what failed.
    problems: Vec<String>,
    /// The store took no more: what came behind was not read.
    is_stopped: bool,
}

impl Summary {
    fn note(&mut self, place: &import::Origin, outcome: &Outcome) {
        match outcome {
            Ok(Some(decision)) => {
                let reason = decision.verdict.reason;
                let reasons = self.outcomes.entry(reason.outcome().name()).or_default();
                *reasons.entry(reason.name()).or_default() += 1;
            }
            Ok(None) => self.fail(format!("{place} was not filed: its sub-account is gone")),
            Err(refused) => {
                self.is_stopped = true;
                self.fail(format!("{place} was not filed: {}", remedy(*refused)));
            }
        }
    }

    fn fail(&mut self, problem: String) {
        self.failed += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    fn in_words(&self) -> String {
        let mut text = format!("{} mails were read\n", self.mails);
        for (outcome, reasons) in &self.outcomes {
            for (reason, count) in reasons {
                text.push_str(&format!("{count:>9}  {outcome:<10} {reason}\n"));
            }
        }
        if self.waiting > 0 {
            text.push_str(&format!("{:>9}  held       by an earlier run\n", self.waiting));
        }
        if self.left > 0 {
            text.push_str(&format!("{:>9}  left       drafts, spam, thrown away\n", self.left));
        }
        if self.failed > 0 {
            text.push_str(&format!("{:>9}  could not be read or filed:\n", self.failed));
        }
        for problem in &self.problems {
            text.push_str(&format!("           {problem}\n"));
        }
        if self.is_stopped {
            text.push_str("Stopped early. Run it again then: what is filed is not filed twice.\n");
        }
        text
    }
}

/// Whose mail it is, and the way it takes.
struct Import {
    store: Arc<Store>,
    reader: Reader,
    way: Batch,
    sub_account: SubAccountId,
    user: UserId,
    summary: Summary,
}

pub(super) async fn run(config: Config, arguments: Arguments) -> Result<Ending, Error> {
    let store = Arc::new(open_store(&config).await?);
    let (sub_account, user) = whose(&store, &arguments.user, arguments.sub_account).await?;
    let reader = Reader {
        bcc_domains: config.smtp.domains.clone().into(),
        limits: mail::Limits::default(),
        pepper: open_secrets(&config, &store).await?.pepper(),
    };
    let way = Batch::start(Arc::clone(&store));
    let summary = Summary::default();
    let mut import = Import { store, reader, way, sub_account, user, summary };
    import.run(&arguments.paths, config.smtp.max_message_bytes).await;
    let summary = import.summary;
    if arguments.json {
        print_json(&summary)?;
    } else {
        print(&summary.in_words())?;
    }
    Ok(if summary.failed == 0 { Ending::Good } else { Ending::Bad })
}

impl Import {
    async fn run(&mut self, paths: &[PathBuf], max_bytes: usize) {
        let mut progress = Progress::new(import::measure(paths));
        let mut batches = read_ahead(Mails::new(paths, max_bytes));
        while let Some(batch) = batches.recv().await {
            let bytes = batch.iter().map(|piece| piece.bytes).sum();
            self.file(batch).await;
            progress.advance(self.summary.mails, bytes);
            if self.summary.is_stopped {
                break;
            }
        }
        progress.finish();
    }

    async fn file(&mut self, batch: Vec<Piece>) {
        let mut waiting = Vec::with_capacity(batch.len());
        for piece in batch {
            self.summary.mails += 1;
            match piece.content {
                Ok(content) if import::is_left(&piece.origin.path, &content) => {
                    self.summary.left += 1;
                }
                Ok(content) => {
                    let (way, pending) = (self.way.clone(), self.prepare(content));
                    if self.is_held(&pending.submission).await {
                        self.summary.waiting += 1;
                        continue;
                    }
                    waiting.push(async move { (piece.origin, way.file(pending).await) });
                }
                Err(problem) => self.summary.fail(format!("{} {problem}", piece.origin)),
            }
        }
        for (place, outcome) in join_all(waiting).await {
            self.summary.note(&place, &outcome);
        }
    }

    /// Does it wait since an earlier run? A held mail makes no later one a duplicate (B9). When that cannot
    /// be read, filing it will say why.
    async fn is_held(&self, submission: &Submission) -> bool {
        let filter = VerdictFilter {
            message_id: Some(submission.message_id.clone()),
            outcome: Some(model::Outcome::Held),
            door: Some(Door::Import),
            ..VerdictFilter::default()
        };
        let window = Window { after: None, limit: SAME_ID_MAX };
        let held = self.store.verdicts(self.sub_account, &filter, window).await;
        let ids = held.unwrap_or_default().into_iter().filter_map(|it| it.stored_message_id);
        let messages = self.store.messages(self.sub_account, ids).await.unwrap_or_default();
        messages.iter().any(|message| message.text_hash == submission.email.text_hash)
    }

    fn prepare(&self, content: Vec<u8>) -> Pending {
        let read = self.reader.read(Arc::new(content));
        // B12: an import is trusted by the operator.
        let trust = TrustResults::without_checks(Trust::Operator);
        let (account, owners) = (self.sub_account, vec![self.user]);
        let submission =
            self.reader.submission(&read, Door::Import, account, owners, trust, clock::now());
        Pending { submission, content: RawMail::pack(&read.content), envelope: None, again: None }
    }
}

/// Reads on a thread of its own, one batch ahead of what is being filed.
fn read_ahead(mails: Mails) -> mpsc::Receiver<Vec<Piece>> {
    let (ahead, batches) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for piece in mails {
            bytes += piece.content.as_ref().map_or(0, Vec::len);
            batch.push(piece);
            if batch.len() == BATCH_MAX || bytes >= BATCH_BYTES_MAX {
                bytes = 0;
                if ahead.blocking_send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
            }
        }
        // Nobody waits any more: then there is nobody to tell.
        let _ = ahead.blocking_send(batch);
    });
    batches
}

/// Who is named by an address, in that sub-account where one is named.
pub(super) async fn whose(
    store: &Store,
    user: &str,
    sub_account: Option<SubAccountId>,
) -> Result<(SubAccountId, UserId), Error> {
    let Some(address) = Address::parse(user) else {
        return Err(Error::Usage(format!("--user {user:?} is no e-mail address")));
    };
    let mut found = store.users_with_address(&address).await?;
    found.retain(|(account, _)| sub_account.is_none_or(|only| only == *account));
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::Usage(nobody(&address, &store.first_users().await?))),
        several => {
            let mut text =
                format!("{address} is a user more than once; choose with --sub-account:");
            for (account, user) in several {
                text.push_str(&format!("\n  --sub-account {account}  (user {user})"));
            }
            Err(Error::Usage(text))
        }
    }
}

const fn remedy(refused: Refused) -> &'static str {
    match refused {
        Refused::Unavailable => "the store cannot be written just now; see `mailweave doctor`",
        Refused::Full => "the disk is full; make room",
    }
}

fn nobody(address: &Address, users: &[String]) -> String {
    let advice = "make the user first (POST /api/v1/users), or name another";
    if users.is_empty() {
        return format!("no user has the address {address}, and there is no user yet: {advice}");
    }
    format!("no user has the address {address}: {advice}. There are:\n  {}", users.join("\n  "))
}
