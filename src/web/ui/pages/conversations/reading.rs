//! What a page shows of a mail, read from the mail itself and kept for the next who looks: a mail never
//! changes. Reading is done off the threads that answer requests, and what is kept is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::mail::safe::{self, Remote};
use crate::mail::{self, Defect, Limits};
use crate::model::{Message, Person, State as MessageState, StoredMessageId, SubAccountId};
use crate::web::State;
use crate::web::error::Problem;

/// What is shown of a mail.
#[derive(Debug, Default)]
pub struct Reading {
    /// What its author wrote just now, as safe HTML.
    pub new: String,
    /// All of it, with what was quoted, when that is more.
    pub whole: Option<String>,
    /// It has a formatted body.
    pub has_html: bool,
    /// Pictures on other people's servers, in the formatted body.
    pub remote: usize,
    /// Pictures too small to see.
    pub trackers: usize,
    /// How high a frame for the formatted body is to be, in pixels.
    pub height: u32,
    /// Whom its author wants to be answered to.
    pub reply_to: Vec<Person>,
    /// The mail is longer than what is shown.
    pub is_shortened: bool,
    /// The first words of what is new, as text.
    preview: String,
}

/// What was read lately.
#[derive(Default)]
pub struct Readings {
    // A mutex: held while something is put or taken, never while waiting.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    readings: BTreeMap<(SubAccountId, StoredMessageId), Arc<Reading>>,
    order: VecDeque<(SubAccountId, StoredMessageId)>,
    bytes: usize,
}

/// Bytes that are kept.
const HELD_BYTES_MAX: usize = 12 * 1_048_576;
/// Text of one mail that is shown in a thread; all of it is in the mail itself.
const TEXT_CHARS_MAX: usize = 60_000;
/// People whom an author wants to be answered to.
const REPLY_TO_MAX: usize = 20;
/// First words of a mail.
const PREVIEW_CHARS_MAX: usize = 200;

impl Readings {
    fn find(&self, key: (SubAccountId, StoredMessageId)) -> Option<Arc<Reading>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.readings.get(&key).cloned()
    }

    fn keep(&self, key: (SubAccountId, StoredMessageId), reading: &Arc<Reading>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.readings.insert(key, Arc::clone(reading)).is_none() {
            held.order.push_back(key);
            held.bytes += reading.size();
        }
        while held.bytes > HELD_BYTES_MAX {
            let Some(oldest) = held.order.pop_front() else { break };
            let gone = held.readings.remove(&oldest);
            held.bytes = held.bytes.saturating_sub(gone.map_or(0, |gone| gone.size()));
        }
    }
}

impl Reading {
    fn size(&self) -> usize {
        256 + self.new.len() + self.whole.as_ref().map_or(0, String::len)
    }

    /// The first words of what is new, as text.
    pub fn beginning(&self) -> String {
        self.preview.clone()
    }

    fn of(raw: &[u8], author: Option<&Person>) -> Self {
        let email = mail::parse::read(raw, &Limits::default());
        let (mut email, forwarded) = mail::forward::shown(email, author);
        // Of a forward in the text it is the wish of who forwarded.
        let asks = if forwarded.is_some() { &[][..] } else { &email.headers.reply_to };
        let reply_to = asks.iter().take(REPLY_TO_MAX).cloned().collect();
        let (text, new) = match forwarded {
            Some(text) => {
                // In the formatted body it is one with the words of who forwarded it.
                email.html = None;
                let new = mail::text::new_text(&text);
                (text, new)
            }
            None => {
                let new = email.new_text();
                (email.text, new)
            }
        };
        let is_more = words(&text) > words(&new);
        let preview: String = new.chars().take(PREVIEW_CHARS_MAX).collect();
        let (new, is_new_shortened) = clipped(&new);
        let (whole, is_whole_shortened) = clipped(&text);
        let counted =
            email.html.as_deref().map(|html| safe::html(html, &Arc::default(), Remote::Blocked));
        let counted = counted.unwrap_or_default();
        Self {
            new: safe::text::linked(new.trim()),
            whole: is_more.then(|| safe::text::linked(whole.trim())),
            has_html: email.html.is_some(),
            remote: counted.remote,
            trackers: counted.trackers,
            height: height(&text, counted.html.matches("<img").count()),
            reply_to,
            is_shortened: is_new_shortened
                || (is_more && is_whole_shortened)
                || email.defects.contains(&Defect::Clipped),
            preview: preview.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }
}

/// What is shown of a message; of one that was left out, nothing (A2).
pub async fn reading(
    state: &State,
    of: SubAccountId,
    message: &Message,
) -> Result<Arc<Reading>, Problem> {
    if message.state == MessageState::Skipped {
        return Ok(Arc::default());
    }
    let key = (of, message.id);
    if let Some(known) = state.readings.find(key) {
        return Ok(known);
    }
    let author = message.forwarded_of().cloned();
    let turn = state.raw_reads.turn().await;
    let Some(raw) = state.store.beginning(of, message.id).await? else { return Ok(Arc::default()) };
    let read = tokio::task::spawn_blocking(move || Reading::of(&raw, author.as_ref())).await;
    drop(turn);
    let reading = Arc::new(read.map_err(|_| Problem::internal())?);
    state.readings.keep(key, &reading);
    Ok(reading)
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn clipped(text: &str) -> (&str, bool) {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => (text.get(..end).unwrap_or(text), true),
        None => (text, false),
    }
}

/// About as high as the formatted body will be: nothing in the frame can say it.
fn height(text: &str, pictures: usize) -> u32 {
    let lines: usize = text.lines().map(|line| 1 + line.chars().count() / 95).sum();
    let pixels = 48 + lines * 22 + pictures * 40;
    u32::try_from(pixels.clamp(160, 900)).unwrap_or(900)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let readings = Readings::default();
        let key = |n| (SubAccountId::OPERATOR, StoredMessageId(uuid::Uuid::from_u128(n)));
        let large = || Arc::new(Reading { new: "x".repeat(1_048_576), ..Reading::default() });
        for n in 0..40 {
            readings.keep(key(n), &large());
        }
        assert!(readings.find(key(0)).is_none() && readings.find(key(39)).is_some());
        assert!(readings.held.lock().unwrap().bytes <= HELD_BYTES_MAX);
        readings.keep(key(39), &large());
        assert!(readings.held.lock().unwrap().bytes <= HELD_BYTES_MAX);
    }

    #[test]
    fn new_text_comes_first_and_history_is_folded() {
        let raw = b"From: a@x.example\r\nSubject: Re: x\r\n\r\nYes <b>.\r\n\r\nOn Monday Bob wrote:\r\n> old\r\n";
        let reading = Reading::of(raw, None);
        assert_eq!(reading.new, "Yes &lt;b&gt;.");
        assert!(reading.whole.unwrap().contains("&gt; old"));
        let short = Reading::of(b"From: a@x.example\r\n\r\nHello\r\n", None);
        assert_eq!((short.new.as_str(), short.whole, short.has_html), ("Hello", None, false));
    }
}
