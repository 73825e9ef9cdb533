//! `/admin`: is all well, and if not, what exactly is not; for who runs the gateway.

mod postmaster;

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use crate::clock;
use crate::model::{MailboxState, Time};
use crate::store::{AccountOverview, OutboxWaiting, Rates};
use crate::tls::DAYS_LOW;
use crate::web::input::Query;
use crate::web::page::List;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Operator, Shell, Tab, filters, page, text};
use crate::web::{State, health};
use postmaster::Post;

/// Mail that waits so long to be sent is looked after.
const WAITS_MINUTES: i64 = 60;
/// So many events are behind when lists are not what they should be.
const UNINDEXED: i64 = 1_000;
/// A certificate that is good for longer is good for years.
const YEARS_DAYS: i64 = 730;
const DAY_SECONDS: i64 = 24 * 3_600;
/// Of a graph, in its own units.
const GRAPH_HEIGHT: i64 = 48;
const BAR_WIDTH: usize = 10;

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/admin", get(show)).merge(postmaster::router())
}

#[derive(Template)]
#[template(path = "admin.html", config = "src/web/ui/askama.toml")]
struct Page {
    shell: Shell,
    /// Why it is not ready, if it is not.
    trouble: Option<&'static str>,
    /// What somebody should look after, in words.
    problems: Vec<String>,
    version: &'static str,
    database: &'static str,
    started_at: Time,
    listeners: Vec<(String, String)>,
    certificate: Option<Certificate>,
    /// How they stand, in words; the class of that; how many.
    mailboxes: Vec<(&'static str, &'static str, i64)>,
    outbox: OutboxWaiting,
    waiting: i64,
    readers: usize,
    /// Mail to the operator.
    posts: List<Post>,
    graph: Graph,
    accounts: Vec<Row>,
    /// So many there are, more of which may be than are shown.
    account_count: i64,
}

struct Certificate {
    until: Time,
    days: i64,
}

impl Certificate {
    /// Nobody counts the days of one that was made here, and is good for centuries.
    const fn is_for_years(&self) -> bool {
        self.days > YEARS_DAYS
    }

    /// The class of its state.
    const fn class(&self) -> &'static str {
        match self.days {
            ..0 => "bad",
            0..DAYS_LOW => "warn",
            _ => "good",
        }
    }
}

/// A sub-account with its graph.
struct Row {
    account: AccountOverview,
    graph: Graph,
}

/// Bars, one an hour.
struct Graph {
    bars: Vec<Bar>,
    total: i64,
    most: i64,
}

struct Bar {
    /// So many hours ago.
    ago: usize,
    /// Filed, held, other.
    counts: [i64; 3],
    x: usize,
    filed: Piece,
    held: Piece,
    other: Piece,
    words: String,
}

/// A piece of a bar, from the foot up.
struct Piece {
    y: i64,
    height: i64,
}

impl Page {
    /// Why the numbers are not of all sub-accounts, where they are not.
    fn part(&self) -> Option<String> {
        let shown = self.accounts.len();
        let is_part = i64::try_from(shown).is_ok_and(|shown| shown < self.account_count);
        is_part.then(|| text::fill("admin.part", &[&shown, &self.account_count]))
    }
}

impl Graph {
    fn new(rates: &Rates) -> Self {
        let total = rates.total();
        let most = total.iter().copied().max().unwrap_or(0);
        let hours = rates.filed.iter().zip(&rates.held).zip(&rates.other).enumerate();
        let bars =
            hours.map(|(hour, ((filed, held), other))| bar(hour, [*filed, *held, *other], most));
        Self { bars: bars.collect(), total: total.iter().sum(), most }
    }
}

fn bar(hour: usize, [filed, held, other]: [i64; 3], most: i64) -> Bar {
    let scale = |count: i64| match count {
        0 => 0,
        // What is there is seen, however little it is.
        count => (count * GRAPH_HEIGHT / most.max(1)).max(1),
    };
    let mut foot = GRAPH_HEIGHT;
    let mut piece = |count: i64| {
        let height = scale(count).min(foot);
        foot -= height;
        Piece { y: foot, height }
    };
    let (filed_piece, held_piece, other_piece) = (piece(filed), piece(held), piece(other));
    let ago = crate::store::HOURS - 1 - hour;
    Bar {
        ago,
        counts: [filed, held, other],
        x: hour * BAR_WIDTH,
        filed: filed_piece,
        held: held_piece,
        other: other_piece,
        words: text::fill("admin.bar", &[&ago, &filed, &held, &other]),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// From where on mail to the operator is shown.
    posts: Option<String>,
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    Operator(operator): Operator,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let now = clock::now();
    let (accounts, account_count) = state.store.overview(now).await?;
    let mut all = Rates::default();
    accounts.iter().for_each(|account| all.add(&account.rates));
    let row = |account: AccountOverview| Row { graph: Graph::new(&account.rates), account };
    let shown = |(state, count)| {
        let (words, class) = standing(state);
        (words, class, count)
    };
    let running = &state.running;
    let certificate = certificate(&state, now);
    let mailboxes = state.store.mailbox_states().await?;
    let outbox = state.store.outbox_waiting().await?;
    let problems = Problems {
        certificate_days: certificate.as_ref().map(|it| it.days),
        to_consent: mailboxes
            .iter()
            .filter(|it| it.0 == MailboxState::NeedsReauth)
            .map(|it| it.1)
            .sum(),
        failing: state.store.failing_deliveries().await?,
        waits_seconds: outbox.since.map_or(0, |since| now.as_seconds() - since.as_seconds()),
        unindexed: state
            .store
            .behind_in_search()
            .await?
            .iter()
            .map(|it| it.1.last - it.1.done)
            .sum(),
    };
    Ok(page(&Page {
        shell: operator.shell(Tab::Admin),
        version: env!("CARGO_PKG_VERSION"),
        database: state.store.database(),
        started_at: running.started_at,
        listeners: running.listeners.iter().map(listener).collect(),
        trouble: health::trouble(&state).await,
        problems: problems.in_words(),
        certificate,
        mailboxes: mailboxes.into_iter().map(shown).collect(),
        outbox,
        waiting: state.store.waiting_deliveries().await?,
        readers: state.events.readers(),
        posts: postmaster::waiting(&state.store, asked.posts.as_deref()).await?,
        graph: Graph::new(&all),
        account_count,
        accounts: accounts.into_iter().map(row).collect(),
    }))
}

/// What may be wrong.
struct Problems {
    certificate_days: Option<i64>,
    /// Mailboxes that need their consent again.
    to_consent: i64,
    /// Deliveries to webhooks that do not arrive.
    failing: i64,
    /// So long the oldest mail waits to be sent.
    waits_seconds: i64,
    /// Events that lists and search do not know yet.
    unindexed: i64,
}

impl Problems {
    fn in_words(&self) -> Vec<String> {
        let days = self.certificate_days.filter(|days| *days < DAYS_LOW);
        let certificate = days.map(|days| text::with("admin.problem_certificate", days.max(0)));
        let counted = [
            ("admin.problem_consent", self.to_consent, 1),
            ("admin.problem_deliveries", self.failing, 1),
            ("admin.problem_outbox", self.waits_seconds / 60, WAITS_MINUTES),
            ("admin.problem_index", self.unindexed, UNINDEXED),
        ];
        let counted = counted.into_iter().filter(|(_, count, least)| count >= least);
        certificate
            .into_iter()
            .chain(counted.map(|(key, count, _)| text::with(key, count)))
            .collect()
    }
}

/// A listener by the name of its protocol, and where it listens.
fn listener((name, at): &(&'static str, SocketAddr)) -> (String, String) {
    (name.to_uppercase(), at.to_string())
}

/// How a mailbox stands, in the words of its own page, and the class of that.
const fn standing(state: MailboxState) -> (&'static str, &'static str) {
    match state {
        MailboxState::Active => ("email.active", "good"),
        MailboxState::NeedsReauth => ("email.needs_reauth", "bad"),
        MailboxState::Connecting => ("email.connecting", ""),
        MailboxState::Disconnected => ("email.disconnected", ""),
    }
}

fn certificate(state: &State, now: Time) -> Option<Certificate> {
    let until = state.running.certificates.as_ref()?.valid_until()?;
    let days = (until - now.as_seconds()).div_euclid(DAY_SECONDS);
    Some(Certificate { until: Time::from_seconds(until), days })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_the_ground_and_stay_inside() {
        let mut rates = Rates::default();
        (rates.filed[0], rates.held[0], rates.other[0]) = (1_000, 1, 1);
        (rates.filed[23], rates.held[23]) = (3, 2);
        let graph = Graph::new(&rates);
        assert_eq!((graph.bars.len(), graph.total, graph.most), (24, 1_007, 1_002));
        for bar in &graph.bars {
            let pieces = [&bar.filed, &bar.held, &bar.other];
            assert!(pieces.iter().all(|it| it.y >= 0 && it.y + it.height <= GRAPH_HEIGHT));
        }
        let last = &graph.bars[23];
        assert_eq!((last.ago, last.counts), (0, [3, 2, 0]));
        assert_eq!((last.filed.height, last.filed.y), (1, GRAPH_HEIGHT - 1), "little is seen");
        assert_eq!(Graph::new(&Rates::default()).bars[5].filed.height, 0);
    }

    #[test]
    fn what_is_to_be_looked_after_is_said() {
        let fine = Problems {
            certificate_days: Some(14),
            to_consent: 0,
            failing: 0,
            waits_seconds: 60,
            unindexed: 3,
        };
        assert_eq!(fine.in_words(), Vec::<String>::new());
        let bad = Problems {
            certificate_days: Some(-1),
            to_consent: 2,
            failing: 3,
            waits_seconds: 7_200,
            unindexed: 5_000,
        };
        let said = bad.in_words();
        let numbers = ["0", "2", "3", "120", "5000"];
        assert!(said.iter().zip(numbers).all(|(it, number)| it.contains(number)), "{said:?}");
        assert_eq!(said.len(), 5);
    }
}
