//! Keeps the index of words and the inboxes up with the events, some mails at a time, and leaves the
//! writer to filing in between: mail that arrives goes before mail that is searched for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::mail::{self, Limits};
use crate::model::words::Words;
use crate::model::{EventType, Message, Person, State, StoredMessageId, SubAccountId};
use crate::store::{Error, Indexed, News, Store};

/// Events of a batch. The index is made with less work the more there are.
const BATCH: u32 = 200;
/// Events of a batch while mail comes: so few keep the writer from it for a few milliseconds.
const BATCH_BESIDE_MAIL: u32 = 16;
/// And so many times as long as such a batch took it rests.
const REST_FACTOR: u32 = 9;
/// What comes together is read together: so long it waits for more.
const REST: Duration = Duration::from_millis(150);
/// Other processes may write, too, and tell nobody.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Works until it is told to stop.
pub async fn run(store: Arc<Store>, stop: CancellationToken) {
    let mut news = store.news();
    let mut tide = Tide::default();
    loop {
        match keep_up(&store, &stop, || tide.pace(commits(&mut news), Instant::now())).await {
            Ok(()) => {}
            // Another was first.
            Err(Error::Conflict(_)) => {
                tokio::time::sleep(REST).await;
                continue;
            }
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
        tokio::time::sleep(REST).await;
    }
}

/// How often something was committed since it was asked before.
fn commits(news: &mut Receiver<News>) -> u64 {
    let mut count = 0;
    loop {
        match news.try_recv() {
            Ok(_) => count += 1,
            Err(TryRecvError::Lagged(missed)) => count += missed,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return count,
        }
    }
}

/// Reads all that there is, at once.
pub async fn catch_up(store: &Store, stop: &CancellationToken) -> Result<(), Error> {
    keep_up(store, stop, || Pace::Fast).await
}

/// Reads all that there is, at the pace that is asked for before each batch.
async fn keep_up(
    store: &Store,
    stop: &CancellationToken,
    mut pace: impl FnMut() -> Pace,
) -> Result<(), Error> {
    while !stop.is_cancelled() {
        let behind = store.behind_in_search().await?;
        if behind.is_empty() {
            return Ok(());
        }
        for (of, reach) in behind {
            let began = Instant::now();
            let (size, rest) = match pace() {
                Pace::Fast => (BATCH, 0),
                Pace::Slow => (BATCH_BESIDE_MAIL, REST_FACTOR),
                Pace::Wait => {
                    tokio::time::sleep(REST).await;
                    break;
                }
            };
            if batch(store, of, reach.done, size).await? == 0 {
                return Ok(());
            }
            tokio::time::sleep(began.elapsed() * rest).await;
        }
    }
    Ok(())
}

/// How the next batch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Fast,
    Slow,
    Wait,
}

/// How fast mail comes. In a flood, a mail that is read for its words is another one that waits to be
/// filed; so for a minute the flood has the machine to itself.
#[derive(Debug, Default)]
struct Tide {
    looked_at: Option<Instant>,
    rising_since: Option<Instant>,
}

/// More commits a second are a flood: as many as a slow disk takes.
const FLOOD: f64 = 30.0;
/// A flood that lasts longer is the weather here.
const FLOOD_MAX: Duration = Duration::from_secs(60);

impl Tide {
    /// The pace at this time, with so many commits since the last time.
    fn pace(&mut self, commits: u64, now: Instant) -> Pace {
        let seconds = self.looked_at.replace(now).map_or(1.0, |at| (now - at).as_secs_f64());
        if commits as f64 <= FLOOD * seconds {
            self.rising_since = None;
            return if commits == 0 { Pace::Fast } else { Pace::Slow };
        }
        let since = *self.rising_since.get_or_insert(now);
        if now - since < FLOOD_MAX { Pace::Wait } else { Pace::Slow }
    }
}

/// Reads the next events of a sub-account; answers how many there were.
async fn batch(store: &Store, of: SubAccountId, done: i64, size: u32) -> Result<usize, Error> {
    let events = store.events_after(of, done, size).await?;
    let Some(last) = events.last().map(|event| event.position) else { return Ok(0) };
    let told = events.iter().filter(|event| {
        matches!(event.event_type, EventType::MessageFiled | EventType::MessageQueued)
    });
    let ids: Vec<_> = told.filter_map(|event| event.object_id).map(StoredMessageId).collect();
    let mut indexed = Vec::with_capacity(ids.len());
    for ids in ids.chunks(AT_ONCE) {
        let messages = store.messages(of, ids.iter().copied()).await?;
        let readable = messages.iter().filter(|message| message.state != State::Skipped);
        let raw = store.beginnings(of, readable.map(|it| it.id), BEGINNING_BYTES).await?;
        let read = tokio::task::spawn_blocking(move || read_all(of, messages, &raw)).await;
        indexed.extend(read.unwrap_or_default());
    }
    store.index(of, (done, last), &indexed).await?;
    Ok(events.len())
}

/// Mails that are held in memory at once, and as much of each as is read: its text stands in front.
const AT_ONCE: usize = 16;
const BEGINNING_BYTES: i64 = 262_144;

fn read_all(
    of: SubAccountId,
    messages: Vec<Message>,
    raw: &BTreeMap<StoredMessageId, Vec<u8>>,
) -> Vec<Indexed> {
    let read = |message: Message| {
        let raw = raw.get(&message.id);
        read(of, message, raw.map(Vec::as_slice))
    };
    messages.into_iter().map(read).collect()
}

fn read(of: SubAccountId, message: Message, raw: Option<&[u8]>) -> Indexed {
    let mut words = Words::new(of, message.user_id);
    words.add(&message.subject);
    for person in message.from.iter().chain(&message.to).chain(&message.cc).take(PEOPLE_MAX) {
        add_person(&mut words, person);
    }
    for file in &message.attachments {
        words.add(&file.file_name);
    }
    let mut preview = String::new();
    if let Some(raw) = raw {
        let text = new_text(raw, message.forwarded_of());
        words.add(&text);
        preview = beginning(&text);
    }
    Indexed { message, words, preview }
}

/// What is new in a mail; what was forwarded is the mail, and new in the whole.
fn new_text(raw: &[u8], author: Option<&Person>) -> String {
    let limits = Limits::default();
    if author.is_none() {
        return mail::text::new_text(&mail::parse::text(raw, &limits));
    }
    mail::forward::text(mail::parse::read(raw, &limits), author)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    #[test]
    fn the_note_of_who_forwarded_is_no_preview() {
        let raw = include_bytes!("../../tests/data/forwards/gmail_en.txt");
        let author = Address::parse("ann@example.com").map(Person::new);
        assert_eq!(new_text(raw, author.as_ref()).trim(), "Could you send us an offer?");
    }

    #[test]
    fn a_flood_goes_first_for_a_minute() {
        let mut tide = Tide::default();
        let began = Instant::now();
        for (tenths, commits, expected) in [
            (0, 0, Pace::Fast),
            (10, 20, Pace::Slow),
            (12, 40, Pace::Wait),
            (20, 400, Pace::Wait),
            (22, 1, Pace::Slow),
            (24, 0, Pace::Fast),
            (26, 40, Pace::Wait),
            (625, 30_000, Pace::Wait),
            (627, 40, Pace::Slow),
            (700, 0, Pace::Fast),
        ] {
            let now = began + Duration::from_millis(100 * tenths);
            assert_eq!(tide.pace(commits, now), expected, "at {tenths} tenths of a second");
        }
    }
}
