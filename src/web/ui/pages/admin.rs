//! `/admin`: is all well, and if not, what exactly is not; for who runs the gateway.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;

use crate::clock;
use crate::model::{MailboxState, Time};
use crate::store::{AccountOverview, Rates};
use crate::web::State;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Operator, Shell, Tab, filters, page};

/// Below this many days somebody should renew the certificate.
const DAYS_LOW: i64 = 14;
const DAY_SECONDS: i64 = 24 * 3_600;
/// Of a graph, in its own units.
const GRAPH_HEIGHT: i64 = 48;
const BAR_WIDTH: usize = 10;

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/admin", get(show))
}

#[derive(Template)]
#[template(path = "admin.html", config = "src/web/ui/askama.toml")]
struct Page {
    shell: Shell,
    version: &'static str,
    database: &'static str,
    started_at: Time,
    listeners: Vec<(&'static str, String)>,
    certificate: Option<Certificate>,
    mailboxes: Vec<(MailboxState, i64)>,
    /// Mails that wait to be sent, and those whose end is not known.
    outbox: (i64, i64),
    waiting: i64,
    readers: usize,
    graph: Graph,
    accounts: Vec<Row>,
}

struct Certificate {
    until: Time,
    days: i64,
}

impl Certificate {
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
        x: hour * BAR_WIDTH,
        filed: filed_piece,
        held: held_piece,
        other: other_piece,
        words: format!("{ago} h: {filed} / {held} / {other}"),
    }
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    Operator(operator): Operator,
) -> Result<Response, Failure> {
    let now = clock::now();
    let accounts = state.store.overview(now).await?;
    let mut all = Rates::default();
    accounts.iter().for_each(|account| all.add(&account.rates));
    let row = |account: AccountOverview| Row { graph: Graph::new(&account.rates), account };
    let running = &state.running;
    Ok(page(&Page {
        shell: operator.shell(Tab::Admin),
        version: env!("CARGO_PKG_VERSION"),
        database: state.store.database(),
        started_at: running.started_at,
        listeners: running.listeners.iter().map(|(name, at)| (*name, at.to_string())).collect(),
        certificate: certificate(&state, now),
        mailboxes: state.store.mailbox_states().await?,
        outbox: state.store.outbox_waiting().await?,
        waiting: state.store.waiting_deliveries().await?,
        readers: state.events.readers(),
        graph: Graph::new(&all),
        accounts: accounts.into_iter().map(row).collect(),
    }))
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
        assert_eq!((last.filed.height, last.filed.y), (1, GRAPH_HEIGHT - 1), "little is seen");
        assert_eq!(Graph::new(&Rates::default()).bars[5].filed.height, 0);
    }
}
