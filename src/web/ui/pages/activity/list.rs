//! The list: filters, search, and the box that asks why a mail is not here.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::response::Response;

use super::{colour, door_words, outcome_words, sentence, title};
use crate::mail::pretence;
use crate::model::{MessageId, Outcome, Person, Time, User, UserId};
use crate::store::{Position, Seen, VerdictFilter};
use crate::web::State;
use crate::web::page::Listing;
use crate::web::ui::failure::Failure;
use crate::web::ui::people::{self, Shown};
use crate::web::ui::{Fields, Shell, SignedIn, Tab, filters, page, text};

/// Rows of a page.
const ROWS: u32 = 50;
/// Characters of a search.
const SEARCH_CHARS_MAX: usize = 1_000;

#[derive(Template)]
#[template(path = "activity.html", config = "src/web/ui/askama.toml")]
struct Activity {
    shell: Shell,
    tabs: Vec<OutcomeTab>,
    outcome: &'static str,
    search: String,
    /// A Message-ID was asked for, and this is the answer.
    is_why: bool,
    /// It begins with the latest, and follows what comes. A search is dear, and is asked once.
    is_live: bool,
    rows: Vec<Row>,
    more: Option<String>,
    /// The search has not looked at all there is.
    is_further: bool,
}

struct OutcomeTab {
    words: &'static str,
    href: String,
    count: Option<i64>,
    is_here: bool,
}

struct Row {
    href: String,
    tag: &'static str,
    colour: &'static str,
    title: String,
    is_kept: bool,
    people: String,
    /// What one of them pretends, in words.
    warning: Option<String>,
    sentence: String,
    door: &'static str,
    /// Whose mail it is, of one that is not the reader's.
    owner: Option<String>,
    at: Time,
    is_held: bool,
    release: Option<String>,
}

/// What is asked for.
struct Asked {
    outcome: Option<Outcome>,
    search: String,
    cursor: Option<String>,
}

impl Asked {
    fn read(uri: &Uri) -> Self {
        let fields = Fields::parse(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
        let asked = Self {
            outcome: Outcome::parse(fields.text("outcome")),
            search: fields.text("q").chars().take(SEARCH_CHARS_MAX).collect(),
            cursor: fields.filled("cursor").map(str::to_owned),
        };
        let outcome = asked.outcome.filter(|_| asked.message_id().is_none());
        Self { outcome, ..asked }
    }

    /// A Message-ID is searched for exactly, and found even of mail that was never stored (V2).
    fn message_id(&self) -> Option<MessageId> {
        let text = self.search.trim();
        let is_id = text.starts_with('<') && text.ends_with('>') && text.contains('@');
        is_id.then(|| MessageId::parse(text)).flatten()
    }

    fn href(&self, outcome: Option<Outcome>, cursor: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(outcome) = outcome {
            query.append_pair("outcome", outcome.name());
        }
        if !self.search.is_empty() {
            query.append_pair("q", &self.search);
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        let query = query.finish();
        if query.is_empty() { "/activity".to_owned() } else { format!("/activity?{query}") }
    }
}

pub async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    uri: Uri,
) -> Result<Response, Failure> {
    let asked = Asked::read(&uri);
    let of = signed_in.sub_account();
    let marks = [asked.outcome.map_or("", Outcome::name), &asked.search];
    let list = ["activity", marks[0], marks[1]];
    let listing = Listing::open(of, &list, Some(ROWS), asked.cursor.as_deref())?;
    let (found, further) = found(&state, &signed_in, &asked, &listing).await?;
    let position = |seen: &Seen| Position { at: 0, id: seen.verdict.id.0 };
    let readers = Readers::of(&state, &signed_in, &found).await?;
    let rows = listing.page(found, position, |seen| row(seen, &readers));
    let further = further.map(|upto| listing.cursor(upto));
    let activity = Activity {
        shell: signed_in.shell(Tab::Activity),
        tabs: tabs(&asked, signed_in.held),
        outcome: asked.outcome.map_or("", Outcome::name),
        is_why: asked.message_id().is_some(),
        is_live: asked.cursor.is_none() && asked.search.is_empty(),
        is_further: further.is_some(),
        more: rows.next_cursor.or(further).map(|it| asked.href(asked.outcome, Some(&it))),
        rows: rows.items,
        search: asked.search,
    };
    Ok(page(&activity))
}

/// What is as asked; and where a search looks further.
async fn found(
    state: &State,
    signed_in: &SignedIn,
    asked: &Asked,
    listing: &Listing,
) -> Result<(Vec<Seen>, Option<Position>), Failure> {
    let (of, scope) = (signed_in.sub_account(), signed_in.scope());
    let message_id = asked.message_id();
    let mut further = None;
    if message_id.is_none() && !asked.search.is_empty() {
        let only = (asked.outcome, scope);
        let window = listing.window();
        let found = state.store.search_activity(of, only, &asked.search, window).await?;
        if !found.0.is_empty() {
            return Ok(found);
        }
        further = found.1;
    }
    // A Message-ID may have lost its brackets.
    let message_id = message_id.or_else(|| MessageId::parse(asked.search.trim()));
    if message_id.is_none() && !asked.search.is_empty() {
        return Ok((Vec::new(), further));
    }
    let filter = VerdictFilter {
        private_key: message_id.as_ref().map(|id| state.reader.pepper.key(of, id)),
        // What became of that one mail is the question, whatever is listed otherwise.
        outcome: asked.outcome.filter(|_| message_id.is_none()),
        message_id,
        user_id: scope,
        ..VerdictFilter::default()
    };
    Ok((state.store.activity(of, &filter, listing.window()).await?, further))
}

fn tabs(asked: &Asked, held: i64) -> Vec<OutcomeTab> {
    let order = [
        Outcome::Held,
        Outcome::Filed,
        Outcome::Skipped,
        Outcome::Ignored,
        Outcome::Duplicate,
        Outcome::Rejected,
    ];
    let all = std::iter::once(None).chain(order.into_iter().map(Some));
    all.map(|outcome| OutcomeTab {
        words: outcome.map_or(text::words("activity.all"), outcome_words),
        href: asked.href(outcome, None),
        count: (outcome == Some(Outcome::Held) && held > 0).then_some(held),
        is_here: outcome == asked.outcome,
    })
    .collect()
}

/// Who reads, and whose mail is read along.
struct Readers {
    reader: UserId,
    others: BTreeMap<UserId, User>,
}

impl Readers {
    async fn of(state: &State, signed_in: &SignedIn, found: &[Seen]) -> Result<Self, Failure> {
        let reader = signed_in.user.id;
        let owners = found.iter().filter_map(|seen| seen.verdict.user_id);
        let others = owners.filter(|user| *user != reader);
        let others = people::users(&state.store, signed_in.sub_account(), others).await?;
        Ok(Self { reader, others })
    }
}

fn row(seen: Seen, readers: &Readers) -> Row {
    let verdict = &seen.verdict;
    let outcome = verdict.outcome();
    let href = format!("/activity/{}", verdict.id);
    let is_held = super::one::is_held(verdict);
    let owner = verdict.user_id.and_then(|user| readers.others.get(&user));
    Row {
        release: (is_held && !super::one::needs_contact(verdict))
            .then(|| format!("{href}/release")),
        tag: outcome_words(outcome),
        colour: colour(outcome),
        title: title(&seen),
        is_kept: seen.mail.is_some(),
        people: line(&seen),
        warning: people_of(&seen).find_map(|person| Shown::person(person).warning),
        sentence: sentence(verdict),
        door: door_words(verdict, readers.reader),
        owner: owner.map(|user| user.name.clone()),
        at: verdict.at,
        is_held,
        href,
    }
}

/// From whom to whom, as far as it is known; of mail that is not kept, its Message-ID, where that is.
fn line(seen: &Seen) -> String {
    let Some(mail) = &seen.mail else {
        let id = seen.verdict.message_id.as_ref();
        return id.map(|id| pretence::visible(&format!("<{id}>"))).unwrap_or_default();
    };
    let name = |person: &Person| Shown::person(person).line();
    let from = mail.from.as_ref().map(name).unwrap_or_default();
    match mail.to.split_first() {
        Some((first, [])) => format!("{from} → {}", name(first)),
        Some((first, others)) => format!("{from} → {} +{}", name(first), others.len()),
        None => from,
    }
}

/// Who is named by it.
fn people_of(seen: &Seen) -> impl Iterator<Item = &Person> {
    let mail = seen.mail.iter();
    mail.flat_map(|mail| mail.from.iter().chain(mail.to.first()))
}
