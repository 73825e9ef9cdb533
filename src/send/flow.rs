//! The spine of way 3. What is asked for becomes mails: who sends each is decided, it is written, and it is
//! recorded with its place in the outbox, in one transaction. Read this first; how it goes out from
//! there stands in `driver`.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::relay;
use super::unsubscribe::Links;
use crate::clock;
use crate::decide::send::{self, Choice, Refusal, Sender, Sending};
use crate::decide::{self, Facts, Submission};
use crate::ingest::prepare::Reader;
use crate::mail::compose::{self, Draft, NewFile};
use crate::mail::thread_index::ThreadIndex;
use crate::model::outgoing::Route;
use crate::model::{
    Address, ConversationId, Door, Message, MessageId, NewIds, Outgoing, Person, SendKind,
    SendStatus, StoredMessageId, SubAccountId, Time, Trust, TrustResults, UserId,
};
use crate::secrets::Secrets;
use crate::store::{self, Answered, Filing, RawMail, Store};

/// What the CRM asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub sub_account: SubAccountId,
    pub kind: SendKind,
    pub user: UserId,
    /// The From that is asked for.
    pub from: Option<Person>,
    pub to: Vec<Person>,
    pub cc: Vec<Person>,
    pub bcc: Vec<Person>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    pub files: Vec<NewFile>,
    pub conversation: Option<ConversationId>,
    pub reply_to: Option<StoredMessageId>,
    pub send_at: Option<Time>,
    /// The caller's Idempotency-Key.
    pub key: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    pub mails: Vec<Answered>,
    /// They want no bulk mail any more (S9), and get none.
    pub unsubscribed: Vec<Person>,
}

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("refused by the rules")]
    Refused(Refusal),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// What is asked for does not fit together.
    #[error("{0}")]
    Unfit(&'static str),
    /// Everybody has unsubscribed.
    #[error("they have unsubscribed")]
    Unsubscribed,
    /// The mail is larger than is sent.
    #[error("the mail is too large")]
    TooLarge,
    /// Our own code failed; the log says where.
    #[error("the mail could not be written")]
    Failed,
}

/// What the flow needs.
#[derive(Clone)]
pub struct Office {
    pub store: Arc<Store>,
    pub secrets: Secrets,
    pub reader: Reader,
    pub links: Links,
    /// Without a final slash.
    pub public_url: String,
    pub message_bytes_max: usize,
}

/// So long is a call known by its key (S5).
const KEY_SECONDS: i64 = 24 * 3_600;

/// Takes a request: its mails are in the outbox, durably, when this returns.
pub async fn enqueue(office: &Office, request: Request) -> Result<Queued, Error> {
    let now = clock::now();
    if let Some(queued) = known(office, &request, now).await? {
        return Ok(queued);
    }
    let sender = sender(office, request.sub_account, request.user).await?;
    let choice =
        send::choose(request.kind, request.from.as_ref(), &sender).map_err(Error::Refused)?;
    let parent = parent(office, &request).await?;
    let (request, unsubscribed) = without_unsubscribed(office, request).await?;
    let writer = office.clone();
    let work = move || write_all(&writer, &request, &sender, &choice, parent.as_ref(), now);
    // Writing megabytes of mail is work of its own.
    let written = tokio::task::spawn_blocking(work).await.map_err(|_| Error::Failed)??;
    let mails = record(office, &written, now).await?;
    Ok(Queued { mails, unsubscribed })
}

/// S5: a call that is repeated with its key has its answer, whatever happened in between.
async fn known(office: &Office, request: &Request, now: Time) -> Result<Option<Queued>, Error> {
    let Some(key) = &request.key else { return Ok(None) };
    let since = now.plus_seconds(-KEY_SECONDS);
    let mails = office.store.answered(request.sub_account, key, since).await?;
    let is_known = !mails.is_empty();
    Ok(is_known.then_some(Queued { mails, unsubscribed: Vec::new() }))
}

/// As whom an individual mail of a user goes out now; `None`: there is no way to send.
pub async fn sent_as(
    office: &Office,
    of: SubAccountId,
    user: UserId,
) -> Result<Option<Person>, Error> {
    let sender = sender(office, of, user).await?;
    Ok(send::choose(SendKind::Individual, None, &sender).ok().map(|choice| choice.from))
}

async fn sender(office: &Office, of: SubAccountId, user: UserId) -> Result<Sender, Error> {
    let user = office.store.user(of, user).await?.ok_or(Error::NotFound("user"))?;
    let settings =
        office.store.account_settings(of).await?.ok_or(Error::NotFound("sub-account"))?;
    let sealed = settings.provider.as_deref();
    // A relay that cannot be read counts as none: who set it up is told so by the settings.
    let relay = sealed.and_then(|sealed| relay::unseal(&office.secrets, of, sealed).ok());
    Ok(Sender {
        mailbox: office.store.sending_mailbox(of, user.id).await?,
        user,
        relay: relay.as_ref().and_then(relay::names),
        settings: settings.switches,
    })
}

/// The mail that is answered.
#[derive(Clone, Debug)]
struct Parent {
    message: Message,
    thread_index: Option<ThreadIndex>,
}

async fn parent(office: &Office, request: &Request) -> Result<Option<Parent>, Error> {
    let of = request.sub_account;
    if let Some(id) = request.conversation {
        office.store.conversation(of, id).await?.ok_or(Error::NotFound("conversation"))?;
    }
    let Some(id) = request.reply_to else { return Ok(None) };
    let message = office.store.message(of, id).await?.ok_or(Error::NotFound("message"))?;
    if !send::can_be_answered(message.state, message.kind) {
        let detail = "This message cannot be answered: it is held, or a delivery report.";
        return Err(Error::Unfit(detail));
    }
    if request.conversation.is_some_and(|here| message.conversation_id != Some(here)) {
        return Err(Error::Unfit("The message to be answered is in another conversation."));
    }
    let raw = office.store.raw(of, id).await?.unwrap_or_default();
    let thread_index = ThreadIndex::of_mail(&raw);
    Ok(Some(Parent { message, thread_index }))
}

/// S9: who has unsubscribed gets no bulk mail.
async fn without_unsubscribed(
    office: &Office,
    mut request: Request,
) -> Result<(Request, Vec<Person>), Error> {
    if request.kind != SendKind::Bulk {
        return Ok((request, Vec::new()));
    }
    let addresses = request.to.iter().map(|person| person.email.normal().to_owned());
    let gone = office.store.unsubscribed(request.sub_account, addresses).await?;
    let is_gone = |person: &Person| gone.iter().any(|address| address == person.email.normal());
    let (unsubscribed, to): (Vec<_>, Vec<_>) = request.to.into_iter().partition(is_gone);
    if to.is_empty() {
        return Err(Error::Unsubscribed);
    }
    request.to = to;
    Ok((request, unsubscribed))
}

/// A mail that is written and not yet recorded.
struct Written {
    submission: Submission,
    content: RawMail,
}

fn write_all(
    office: &Office,
    request: &Request,
    sender: &Sender,
    choice: &Choice,
    parent: Option<&Parent>,
    now: Time,
) -> Result<Vec<Written>, Error> {
    let mut ids = NewIds::new(now, clock::seed());
    let bulk = (request.kind == SendKind::Bulk).then(|| ids.next_id());
    let mut written = Vec::new();
    for (place, to) in lots(request).into_iter().enumerate() {
        let id = StoredMessageId(ids.next_id());
        let draft = draft(office, request, (sender, choice), parent, (id, to, now));
        let content = compose::write(&draft);
        if content.len() > office.message_bytes_max {
            return Err(Error::TooLarge);
        }
        let recipients = draft.to.iter().chain(&draft.cc).chain(&request.bcc);
        let recipients = recipients.map(|person| person.email.clone());
        let outgoing = Outgoing {
            message: id,
            kind: request.kind,
            user: request.user,
            via: choice.via,
            route: Route::new(choice.from.email.clone(), recipients),
            send_at: request.send_at,
            bulk,
            request: request.key.clone().map(|key| (key, i64::try_from(place).unwrap_or(i64::MAX))),
        };
        written.push(read_back(office, request, sender, outgoing, (content, now))?);
    }
    Ok(written)
}

/// T6: of bulk mail everybody gets their own, in a thread of their own. Nobody gets two, however often they
/// are named.
fn lots(request: &Request) -> Vec<Vec<Person>> {
    let mut named = BTreeSet::new();
    let once = request.to.iter().filter(|person| named.insert(person.email.normal())).cloned();
    match request.kind {
        SendKind::Bulk => once.map(|person| vec![person]).collect(),
        SendKind::Individual | SendKind::Workflow => vec![once.collect()],
    }
}

fn draft(
    office: &Office,
    request: &Request,
    (sender, choice): (&Sender, &Choice),
    parent: Option<&Parent>,
    (id, to, now): (StoredMessageId, Vec<Person>, Time),
) -> Draft {
    let message_id = new_message_id(&choice.from.email);
    let mut references = Vec::new();
    if let Some(Parent { message, .. }) = parent {
        references.extend(message.references.iter().cloned());
        references.retain(|id| *id != message.message_id);
        references.push(message.message_id.clone());
    }
    if choice.rewrites_ids {
        // S7: what the server replaces stands here, too.
        references.push(message_id.clone());
    }
    let [random, ..] = clock::random_bytes::<1>();
    let date = request.send_at.filter(|at| *at > now).unwrap_or(now);
    let thread_index = match parent.and_then(|parent| parent.thread_index.as_ref()) {
        Some(index) => index.answer(date, random),
        None => ThreadIndex::begin(date, clock::random_bytes()),
    };
    let unsubscribe = |to: &Person| {
        let token = office.links.token(request.sub_account, id, &to.email);
        format!("{}/unsubscribe/{token}", office.public_url)
    };
    let reader = to.first().filter(|_| request.kind == SendKind::Bulk);
    let unsubscribe_url = reader.map(unsubscribe);
    Draft {
        message_id,
        from: choice.from.clone(),
        reply_to: choice.reply_to.clone(),
        to,
        cc: request.cc.clone(),
        subject: request.subject.clone(),
        // Whole seconds: a header holds no less, and copies are compared by it (B9).
        date: Time::from_seconds(date.as_seconds()),
        time_zone: sender.user.time_zone.clone(),
        in_reply_to: parent.map(|parent| parent.message.message_id.clone()),
        references,
        thread_index,
        text: request.text.clone(),
        html: request.html.clone(),
        files: request.files.clone(),
        unsubscribe_url,
    }
}

/// 144 random bits, at the domain that the mail is from.
pub(super) fn new_message_id(from: &Address) -> MessageId {
    let random = URL_SAFE_NO_PAD.encode(clock::random_bytes::<18>());
    let id = format!("{random}@{}", from.domain());
    MessageId::parse(&id).unwrap_or_else(|| MessageId::synthetic(id.as_bytes()))
}

/// What was written is read as every mail is, so that a Sent copy of it is known for the same mail; and
/// its files obey the rule for files (S10).
fn read_back(
    office: &Office,
    request: &Request,
    sender: &Sender,
    outgoing: Outgoing,
    (content, now): (Vec<u8>, Time),
) -> Result<Written, Error> {
    let content = Arc::new(content);
    let read = office.reader.read(Arc::clone(&content));
    if send::is_empty(&read.email, &read.email.headers.subject) {
        return Err(Error::Unfit("Give it a subject, a text or a file."));
    }
    send::check_files(&read.email.files, &sender.settings).map_err(Error::Refused)?;
    let trust = TrustResults::without_checks(Trust::Local);
    let (of, owners) = (request.sub_account, vec![request.user]);
    let submission = office.reader.submission(&read, Door::Send, of, owners, trust, now);
    let sending = Some(Sending { outgoing, conversation: request.conversation });
    Ok(Written {
        submission: Submission { sending, ..submission },
        content: RawMail::pack(&content),
    })
}

async fn record(office: &Office, written: &[Written], now: Time) -> Result<Vec<Answered>, Error> {
    let question = |mail: &Written| (mail.submission.sub_account, mail.submission.question());
    let questions: Vec<_> = written.iter().map(question).collect();
    let seed = clock::seed();
    let filings = office.store.file(&questions, |facts| judge(written, facts, now, seed)).await?;
    if filings.len() < written.len() {
        return Err(Error::NotFound("sub-account"));
    }
    Ok(written.iter().filter_map(answered).collect())
}

fn judge(written: &[Written], mut facts: Facts, now: Time, seed: u128) -> Vec<Filing> {
    let mut ids = NewIds::new(now, seed);
    let mut filings = Vec::with_capacity(written.len());
    for mail in written {
        let Some(decision) = decide::send(&facts, &mail.submission, &mut ids) else { continue };
        facts.apply(&decision);
        let content = mail.content.clone();
        filings.push(Filing { decision, content, envelope: None, again: None });
    }
    filings
}

fn answered(mail: &Written) -> Option<Answered> {
    let outgoing = &mail.submission.sending.as_ref()?.outgoing;
    Some(Answered {
        message: outgoing.message,
        message_id: mail.submission.message_id.clone(),
        status: SendStatus::Queued,
        bulk: outgoing.bulk,
        to: outgoing.route.recipients.first().map(|it| it.address.clone()),
    })
}
