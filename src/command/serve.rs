//! `mailweave serve`: the gateway itself, which stands in `app`; and the log, which every command has.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::{Ending, Error};
use crate::app;
use crate::config::Config;

pub(super) async fn run(config: Config) -> Result<Ending, Error> {
    start_log(&config, &config.log.filter);
    app::serve(config).await?;
    Ok(Ending::Good)
}

/// Logs go to standard error; standard output is for answers.
pub(super) fn start_log(config: &Config, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_terminal = std::io::stderr().is_terminal();
    match config.log.format.as_str() {
        "json" => log.json().init(),
        _ => log.with_ansi(is_terminal).init(),
    }
}
