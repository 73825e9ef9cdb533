//! `mailweave sign-in-link`: lets somebody in again who has lost the password, or for the first time. The
//! operator's way, for whom no admin can help.

use clap::Args;
use secrecy::ExposeSecret;

use super::{Ending, Error, import, note, open_store, print};
use crate::clock;
use crate::config::Config;
use crate::model::{Role, SubAccountId, User};
use crate::store::{Link, Purpose};
use crate::web::auth::{new_token, token_hash};

/// How long the link works: a day.
const LINK_SECONDS: i64 = 24 * 3_600;

/// Make a link that signs a user in once, and print it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailweave sign-in-link --user ann@example.com\n  mailweave sign-in-link --user ann@example.com --role operator"
)]
pub struct Arguments {
    /// Who is to sign in: the sign-in address or an alias
    #[arg(long, value_name = "ADDRESS")]
    user: String,
    /// Whose user, where several sub-accounts have one of that address
    #[arg(long, value_name = "ID")]
    sub_account: Option<SubAccountId>,
    /// Give the user this role, too: user, admin or operator
    #[arg(long, value_parser = role)]
    role: Option<Role>,
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "one of user, admin, operator".to_owned())
}

pub(super) async fn run(config: Config, asked: Arguments) -> Result<Ending, Error> {
    let store = open_store(&config).await?;
    let (sub_account, user) = import::whose(&store, &asked.user, asked.sub_account).await?;
    if let Some(role) = asked.role {
        let change = |user: &mut User| {
            user.role = role;
            Ok::<(), std::convert::Infallible>(())
        };
        store.change_user(sub_account, user, change).await?;
    }
    let code = new_token();
    let link = Link { sub_account, user, purpose: Purpose::SignIn };
    let until = clock::now().plus_seconds(LINK_SECONDS);
    store.add_sign_in_link(link, token_hash(code.expose_secret()), until).await?;
    print(&format!("{}/sign-in?code={}\n", config.http.public_url, code.expose_secret()))?;
    note("It works once, for a day. Whoever opens it is signed in and chooses a new password.");
    Ok(Ending::Good)
}
