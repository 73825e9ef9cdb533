//! `mailweave doctor`: is everything as it must be for mail to arrive, and if not, what to change. Each
//! check is a line; this file puts them together and says them.

mod certificate;
mod listeners;
mod mailbox;
mod names;
mod organisation;
mod storage;

use serde::Serialize;

use super::{Ending, Error, print, print_json};
use crate::config::{self, Config, Verify};

/// Check configuration, data directory, store, certificate, listeners, DNS and each mailbox, and say what to change
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mailweave doctor
  mailweave doctor --json
  mailweave doctor --mailbox ann@example.com

Exit code 1: a check failed. A line with `warn` may be as you want it.")]
pub struct Arguments {
    /// Check the connection of this mailbox alone
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// What was found, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    /// What was checked.
    name: String,
    status: Status,
    found: String,
    advice: Option<String>,
}

impl Check {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: Status::Ok, found: found.into(), advice: None }
    }

    fn warn(name: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let (found, advice) = (found.into(), Some(advice.into()));
        Self { name: name.to_owned(), status: Status::Warn, found, advice }
    }

    fn fail(name: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status: Status::Fail, ..Self::warn(name, found, advice) }
    }
}

#[derive(Serialize)]
struct Answer {
    status: Status,
    checks: Vec<Check>,
}

/// A configuration that cannot be read is the first thing to tell, not a reason to tell nothing.
pub(super) async fn run(
    config: Result<Config, config::Error>,
    arguments: &Arguments,
) -> Result<Ending, Error> {
    let checks = match config {
        Ok(config) => match &arguments.mailbox {
            Some(address) => mailbox::check(&config, address).await,
            None => check_all(&config).await,
        },
        Err(error) => {
            let advice = "mend the configuration; nothing else was checked";
            vec![Check::fail("configuration", error.to_string(), advice)]
        }
    };
    let status = checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok);
    if arguments.json {
        print_json(&Answer { status, checks })?;
    } else {
        print(&checks.iter().map(in_words).collect::<String>())?;
    }
    Ok(if status == Status::Fail { Ending::Bad } else { Ending::Good })
}

async fn check_all(config: &Config) -> Vec<Check> {
    let mut checks = configuration(config);
    checks.extend(storage::data_directory(config));
    checks.push(storage::store(config).await);
    checks.extend(certificate::check(&config.tls, &config.smtp.hostname));
    checks.extend(listeners::check(config).await);
    checks.extend(names::check(config).await);
    checks.extend(organisation::check(config).await);
    checks.extend(mailbox::check_every(config).await);
    checks
}

fn configuration(config: &Config) -> Vec<Check> {
    let found = match &config.file {
        Some(file) => format!("{} is in order", file.display()),
        None => "no file; the defaults and the environment".to_owned(),
    };
    let mut checks = vec![Check::ok("configuration", found)];
    if config.smtp.verify == Verify::Off {
        checks.push(Check::warn(
            "smtp.verify",
            "\"off\": whoever writes a user's address into From is believed",
            "set smtp.verify to \"dns\", unless only your own servers can reach the listener",
        ));
    }
    let url = &config.http.public_url;
    let is_local = ["http://127.", "http://localhost", "http://[::1]"];
    if url.starts_with("http://") && !is_local.iter().any(|local| url.starts_with(local)) {
        checks.push(Check::warn(
            "http.public_url",
            format!("{url} is not encrypted: tokens and mail can be read on the way"),
            "set http.tls, or put a proxy with TLS before it, and set http.public_url to https://…",
        ));
    }
    checks
}

fn in_words(check: &Check) -> String {
    let status = match check.status {
        Status::Ok => "ok",
        Status::Warn => "warn",
        Status::Fail => "fail",
    };
    let mut text = format!("{status:<5} {:<22} {}\n", check.name, check.found);
    if let Some(advice) = &check.advice {
        text.push_str(&format!("{:29}-> {advice}\n", ""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_found_and_what_to_change() {
        let text = in_words(&Check::fail("store", "it is away", "bring it back"));
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("fail  store ") && text.contains("-> bring it back"), "{text}");
    }

    #[test]
    fn warns_of_what_opens_the_door_to_forgers() {
        let text = "[smtp]\nverify = \"off\"\n[http]\npublic_url = \"http://crm.example\"\n";
        let checks = configuration(&Config::parse(text, None, []).unwrap());
        let statuses: Vec<Status> = checks.iter().map(|check| check.status).collect();
        assert_eq!(statuses, [Status::Ok, Status::Warn, Status::Warn]);
    }
}
