//! `mailweave token`: API tokens, made by the operator. A token is shown once and kept as its hash.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use super::{Ending, Error, note, open_store, print, print_json};
use crate::clock;
use crate::config::Config;
use crate::model::{NewIds, SubAccountId, TokenId, TokenScope};
use crate::store::{NewToken, Store};
use crate::web::auth::{new_token, token_hash};

#[derive(Debug, Subcommand)]
pub enum Command {
    Create(Create),
}

/// Make a token for a sub-account and print it, this once
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  mailweave token create --sub-account 01930f2e-8b1a-7c3d-9e4f-5a6b7c8d9e0f --name crm"
)]
pub struct Create {
    /// Whose token it is
    #[arg(long, value_name = "ID")]
    sub_account: SubAccountId,
    /// What it is for
    #[arg(long, default_value = "made on the command line")]
    name: String,
    /// It may only read
    #[arg(long)]
    read_only: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    id: TokenId,
    sub_account_id: SubAccountId,
    name: &'a str,
    api_token: &'a str,
}

pub(super) async fn run(config: Config, command: Command) -> Result<Ending, Error> {
    let Command::Create(create) = command;
    let store = open_store(&config).await?;
    let now = clock::now();
    let (token, id) = (new_token(), TokenId(NewIds::new(now, clock::seed()).next_id()));
    let text = token.expose_secret();
    let kept = NewToken { id, hash: token_hash(text), name: create.name.clone() };
    let scope = if create.read_only { TokenScope::Read } else { TokenScope::Write };
    if !store.add_token(create.sub_account, kept, scope, now).await? {
        return Err(unknown_sub_account(&store, create.sub_account).await?);
    }
    if create.json {
        let (sub_account_id, name) = (create.sub_account, create.name.as_str());
        print_json(&Answer { id, sub_account_id, name, api_token: text })?;
    } else {
        print(&format!("{text}\n"))?;
        note("Keep it: it is not shown again. It is used as \"Authorization: Bearer TOKEN\".");
    }
    Ok(Ending::Good)
}

/// Sub-accounts that are named at most.
const NAMED_MAX: usize = 100;

/// Says which there are.
pub(super) async fn unknown_sub_account(store: &Store, id: SubAccountId) -> Result<Error, Error> {
    let mut text = format!("there is no sub-account {id}.");
    let known = store.sub_accounts().await?;
    if known.is_empty() {
        text.push_str(" There is none yet: start the gateway once with `mailweave serve`.");
    } else {
        text.push_str(" There are:");
        for (id, name) in known.into_iter().take(NAMED_MAX) {
            text.push_str(&format!("\n  {id}  {name}"));
        }
    }
    Ok(Error::Usage(text))
}
