//! Keeps the index of words and the inboxes up with the events, some mails at a time, and leaves the
//! writer to filing in between: mail that arrives goes before mail that is searched for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::mail::{self, Limits};
use crate::model::words::Words;
use crate::model::{EventType, Message, Person, State, StoredMessageId, SubAccountId};
use crate::store::{Error, Indexed, Store};

/// Events of a batch.
const BATCH: u32 = 200;
/// After a batch it rests as long as this, and the longer the longer the batch took.
const REST: Duration = Duration::from_millis(150);
/// So many times as long as the batch took.
const REST_FACTOR: u32 = 2;
/// Other processes may write, too, and tell nobody.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Works until it is told to stop.
pub async fn run(store: Arc<Store>, stop: CancellationToken) {
    let mut news = store.news();
    loop {
        match catch_up(&store, &stop).await {
            Ok(()) => {}
            Err(Error::Conflict(_)) => continue,
            Err(error) => {
                tracing::warn!(code = "index_failed", %error, "The search index could not be brought up to date; it is tried again.");
            }
        }
        if stop.is_cancelled() {
            return;
        }
        let wait = async {
            let heard = tokio::time::timeout(LOOK_EVERY, news.recv()).await;
            matches!(heard, Ok(Err(RecvError::Closed)))
        };
        match stop.run_until_cancelled(wait).await {
            Some(false) => {}
            Some(true) | None => return,
        }
        // What comes together is read together.
        tokio::time::sleep(REST).await;
        while !matches!(news.try_recv(), Err(tokio::sync::broadcast::error::TryRecvError::Empty)) {}
    }
}

/// Reads all that there is.
pub async fn catch_up(store: &Store, stop: &CancellationToken) -> Result<(), Error> {
    while !stop.is_cancelled() {
        let behind = store.behind_in_search().await?;
        if behind.is_empty() {
            return Ok(());
        }
        for (of, reach) in behind {
            let began = tokio::time::Instant::now();
            if batch(store, of, reach.done).await? == 0 {
                return Ok(());
            }
            if reach.last - reach.done > i64::from(BATCH) {
                tokio::time::sleep(began.elapsed() * REST_FACTOR).await;
            }
        }
    }
    Ok(())
}

/// Reads the next events of a sub-account; answers how many there were.
async fn batch(store: &Store, of: SubAccountId, done: i64) -> Result<usize, Error> {
    let events = store.events_after(of, done, BATCH).await?;
    let Some(last) = events.last().map(|event| event.position) else { return Ok(0) };
    let mut messages = Vec::new();
    for event in &events {
        let is_message =
            matches!(event.event_type, EventType::MessageFiled | EventType::MessageQueued);
        let Some(id) = event.object_id.filter(|_| is_message).map(StoredMessageId) else {
            continue;
        };
        if let Some(message) = store.message(of, id).await? {
            messages.push(read(store, of, message).await?);
        }
    }
    store.index(of, (done, last), &messages).await?;
    Ok(events.len())
}

async fn read(store: &Store, of: SubAccountId, message: Message) -> Result<Indexed, Error> {
    let mut words = Words::new(of, message.user_id);
    words.add(&message.subject);
    for person in message.from.iter().chain(&message.to).chain(&message.cc).take(PEOPLE_MAX) {
        add_person(&mut words, person);
    }
    for file in &message.attachments {
        words.add(&file.file_name);
    }
    let mut preview = String::new();
    let raw = match message.state {
        State::Skipped => None,
        State::Filed | State::Held => store.beginning(of, message.id).await?,
    };
    if let Some(raw) = raw {
        let is_forwarded = message.forwarded;
        let text = tokio::task::spawn_blocking(move || {
            let email = mail::parse::read(&raw, &Limits::default());
            // What was forwarded is the mail, and new in the whole.
            if is_forwarded { email.text } else { email.new_text() }
        });
        let text = text.await.unwrap_or_default();
        words.add(&text);
        preview = beginning(&text);
    }
    Ok(Indexed { message, words, preview })
}

/// The first words of a text, on one line.
fn beginning(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > PREVIEW_BYTES_MAX {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// A preview at most.
const PREVIEW_BYTES_MAX: usize = 200;

/// People of a message who are found by their names.
const PEOPLE_MAX: usize = 100;

/// By name, by the address as it was written, and by its ASCII form (B25).
fn add_person(words: &mut Words, person: &Person) {
    words.add(person.name.as_deref().unwrap_or_default());
    words.add(person.email.written());
    words.add(person.email.normal());
}
