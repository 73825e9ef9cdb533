//! The command line: `mailweave [--config FILE] COMMAND`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::app;
use crate::config::Config;

/// A mail gateway that gives any CRM a smart BCC address.
#[derive(Debug, Parser)]
#[command(name = "mailweave", version, max_term_width = 100)]
pub struct Arguments {
    /// The configuration; config.toml when that exists. Every key has a default, and can be set from
    /// the environment, such as MAILWEAVE_SMTP__LISTEN.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway: SMTP for the smart BCC addresses, the API, and what happens by itself.
    ///
    /// The first start makes the store, a self-signed certificate, a key, a sub-account and a user, and
    /// prints a sign-in link, the smart BCC address, and a line that sends a first mail.
    #[command(
        after_help = "Example:\n  mailweave serve\n  MAILWEAVE_SMTP__LISTEN=0.0.0.0:25 mailweave serve"
    )]
    Serve,
}

/// Runs the command that the arguments name. What goes wrong is said in one line on standard error.
pub async fn run(arguments: Arguments) -> ExitCode {
    let config = match Config::load(arguments.config.as_deref(), std::env::vars()) {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    start_log(&config);
    let done = match arguments.command {
        Command::Serve => app::serve(config).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

#[expect(clippy::print_stderr, reason = "a command's last word is for the person who typed it")]
fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("mailweave: {error}");
    ExitCode::FAILURE
}

/// Logs go to standard error; standard output is for answers.
fn start_log(config: &Config) {
    let filter = EnvFilter::try_new(&config.log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    match config.log.format.as_str() {
        "json" => log.json().init(),
        _ => log.with_ansi(is_terminal).init(),
    }
}
