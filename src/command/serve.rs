//! `mailweave serve`: the gateway itself, which stands in `app`; and the log, which every command has.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

use super::{Ending, Error};
use crate::app::{self, SetFilter};
use crate::config::Config;

pub(super) async fn run(config: Config) -> Result<Ending, Error> {
    let set_filter = start_log(&config, &config.log.filter);
    app::serve(config, set_filter).await?;
    Ok(Ending::Good)
}

/// Logs go to standard error; standard output is for answers.
pub(super) fn start_log(config: &Config, filter: &str) -> SetFilter {
    let (filter, handle) = reload::Layer::new(read_filter(filter));
    let registry = tracing_subscriber::registry().with(filter);
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match config.log.format.as_str() {
        "json" => registry.with(log.json()).init(),
        _ => registry.with(log.with_ansi(std::io::stderr().is_terminal())).init(),
    }
    Box::new(move |filter| drop(handle.reload(read_filter(filter))))
}

/// The filter was checked with the configuration.
fn read_filter(text: &str) -> EnvFilter {
    EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new("info"))
}
