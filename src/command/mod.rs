//! The command line: what can be asked, how it is answered, and with what exit code. What a command
//! does stands in a file of its own.

mod backup;
mod completions;
mod demo;
mod doctor;
mod explain;
mod import;
mod migrate;
mod progress;
mod serve;
mod sign_in_link;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;

use crate::app;
use crate::config::{self, Config};
use crate::secrets::Secrets;
use crate::store::{self, Holder, Store};

/// A mail gateway that gives any CRM a smart BCC address and two-way sync with Outlook.
#[derive(Debug, Parser)]
#[command(name = "mailweave", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Arguments {
    /// The configuration file [default: config.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mailweave serve
  mailweave --config /etc/mailweave/config.toml doctor
  MAILWEAVE_SMTP__LISTEN=0.0.0.0:25 mailweave serve

Every key of the configuration can be set from the environment: MAILWEAVE_<SECTION>__<KEY>.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    ///
    /// The first start makes the store, a self-signed certificate, a key, a first sub-account and user,
    /// and prints the link to sign in with, the smart BCC address, and a line that sends a first mail.
    /// It prints `ready http=ADDR smtp=ADDR` when it accepts connections.
    #[command(
        after_help = "Examples:\n  mailweave serve\n  MAILWEAVE_SMTP__LISTEN=0.0.0.0:25 mailweave serve"
    )]
    Serve,
    /// Run the gateway with a data directory that is thrown away, and a conversation to look at
    ///
    /// The samples come by SMTP to the smart BCC address, as mail does. Ctrl-C ends it and removes all.
    #[command(after_help = "Example:\n  mailweave demo")]
    Demo,
    Import(import::Arguments),
    Explain(explain::Arguments),
    Doctor(doctor::Arguments),
    SignInLink(sign_in_link::Arguments),
    /// Make API tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Bring the tables of the store up to date (`serve` does it, too)
    #[command(after_help = "Example:\n  mailweave migrate")]
    Migrate,
    Backup(backup::Backup),
    Restore(backup::Restore),
    Completions(completions::Arguments),
    /// Print the manual page
    #[command(after_help = "Example:\n  mailweave man > /usr/local/share/man/man1/mailweave.1")]
    Man,
}

/// Why a command did not do what it was asked; each says what to do.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Config(#[from] config::Error),
    #[error("{0}")]
    App(#[from] app::Error),
    #[error("{0}")]
    Store(#[from] store::Error),
    #[error("the store cannot be opened: {0}. `mailweave doctor` says more")]
    Closed(#[source] store::Error),
    /// What was asked cannot be done as it was asked.
    #[error("{0}")]
    Usage(String),
    #[error("the answer cannot be written: {0}")]
    Output(#[from] std::io::Error),
    #[error("the answer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// How a command ended that could be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Exit code 0.
    Good,
    /// It answered, and the answer is not a good one: exit code 1.
    Bad,
}

/// Runs the command that the arguments name. Exit code 2: it could not be run.
pub async fn run(arguments: Arguments) -> ExitCode {
    match dispatch(arguments).await {
        Ok(Ending::Good) => ExitCode::SUCCESS,
        Ok(Ending::Bad) => ExitCode::from(1),
        // Somebody reads no further (`mailweave man | head`): that is no error.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            note(&format!("mailweave: {error}"));
            ExitCode::from(2)
        }
    }
}

async fn dispatch(arguments: Arguments) -> Result<Ending, Error> {
    let load = || Config::load_here(arguments.config.as_deref());
    match arguments.command {
        Command::Serve => serve::run(load()?).await,
        Command::Demo => demo::run(load()?).await,
        Command::Import(arguments) => import::run(load()?, arguments).await,
        Command::Explain(arguments) => explain::run(load()?, arguments).await,
        Command::SignInLink(arguments) => sign_in_link::run(load()?, arguments).await,
        Command::Doctor(arguments) => doctor::run(load(), &arguments).await,
        Command::Token(command) => token::run(load()?, command).await,
        Command::Migrate => migrate::run(load()?).await,
        Command::Backup(arguments) => backup::back_up(load()?, arguments).await,
        Command::Restore(arguments) => backup::restore(load()?, arguments).await,
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man => completions::man(),
    }
}

/// Opens the store that is there, beside a gateway that may be running; its tables become those of this
/// program.
async fn open_store(config: &Config) -> Result<Store, Error> {
    need_store(config)?;
    make_store(config).await
}

/// The same, to read only: whatever its tables are, they stay so, for the gateway that runs may be older.
async fn look_at_store(config: &Config) -> Result<Store, Error> {
    need_store(config)?;
    open_as(config, Holder::Onlooker).await
}

fn need_store(config: &Config) -> Result<(), Error> {
    if let Some(path) = sqlite_file(config).filter(|path| !path.exists()) {
        return Err(Error::Usage(format!(
            "there is no store at {} yet: start `mailweave serve` first, or name the right \
             configuration with --config",
            path.display()
        )));
    }
    Ok(())
}

/// The file of the store, if it is SQLite's.
fn sqlite_file(config: &Config) -> Option<PathBuf> {
    let path = config.store_url.expose_secret().strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path).into())
}

/// The same; makes the store when there is none.
async fn make_store(config: &Config) -> Result<Store, Error> {
    open_as(config, Holder::Command).await
}

async fn open_as(config: &Config, holder: Holder) -> Result<Store, Error> {
    // An answer stands alone: of what happens on the way, only what went wrong is told.
    let _filter = serve::start_log(config, "warn");
    let options = store::Options::new(config.store_url.expose_secret(), holder);
    Store::open(options).await.map_err(Error::Closed)
}

/// The key beside the store.
async fn open_secrets(config: &Config, store: &Store) -> Result<Secrets, Error> {
    app::secrets(config, store).await.map_err(Error::App)
}

/// Writes an answer as JSON, for programs.
fn print_json(answer: &impl serde::Serialize) -> Result<(), Error> {
    use std::io::Write;
    let text = serde_json::to_string_pretty(answer)?;
    writeln!(std::io::stdout(), "{text}").map_err(Error::Output)
}

/// Writes an answer for people.
fn print(text: &str) -> Result<(), Error> {
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::Output)
}

/// Says something beside the answer, on standard error.
fn note(text: &str) {
    use std::io::Write;
    // Nobody may be listening; the exit code says it all the same.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }
}
