//! The first start: a sub-account and a user, so that there is an address to write to at once, and a
//! link to sign in with.

use secrecy::ExposeSecret;

use super::{App, Error};
use crate::clock;
use crate::model::{Address, NewIds, Role, SubAccountId, TokenId, User, UserId};
use crate::store::{Link, NewToken, Purpose};
use crate::web::auth::{new_token, token_hash};
use crate::web::new_bcc_address;

/// How long the link works: a day.
const LINK_SECONDS: i64 = 24 * 3600;
/// Who writes the first mail.
const FIRST_USER: &str = "you@example.com";

/// What is printed once.
pub struct FirstStart {
    pub user_email: String,
    pub bcc_address: String,
    pub link: String,
}

impl App {
    /// Makes the first sub-account and user in a store that has none.
    pub(super) async fn first_start(&self) -> Result<Option<FirstStart>, Error> {
        let Some(email) = Address::parse(FIRST_USER) else { return Ok(None) };
        if self.store.has_sub_accounts().await? {
            return Ok(None);
        }
        let now = clock::now();
        let mut ids = NewIds::new(now, clock::seed());
        let sub_account = SubAccountId(ids.next_id());
        // Nobody is told this token; others are made when somebody signs in.
        let hash = token_hash(new_token().expose_secret());
        let token = NewToken { id: TokenId(ids.next_id()), hash, name: "first start".to_owned() };
        self.store.add_sub_account(sub_account, "My company", token, now).await?;
        let user = User {
            id: UserId(ids.next_id()),
            name: "You".to_owned(),
            email,
            aliases: Vec::new(),
            time_zone: "UTC".to_owned(),
            bcc_address: self
                .config
                .smtp
                .domains
                .first()
                .and_then(|domain| new_bcc_address(domain)),
            role: Role::Operator,
            created_at: now,
        };
        self.store.add_user(sub_account, &user).await?;
        let code = new_token();
        let hash = token_hash(code.expose_secret());
        let expires = now.plus_seconds(LINK_SECONDS);
        let link = Link { sub_account, user: user.id, purpose: Purpose::FirstStart };
        self.store.add_sign_in_link(link, hash, expires).await?;
        let url = &self.config.http.public_url;
        Ok(Some(FirstStart {
            user_email: user.email.to_string(),
            bcc_address: user.bcc_address.map(|address| address.to_string()).unwrap_or_default(),
            link: format!("{url}/sign-in?code={}", code.expose_secret()),
        }))
    }
}

impl FirstStart {
    /// What a person needs for a first mail, which goes to the listener at `smtp`.
    pub fn welcome(&self, smtp: &str) -> String {
        let Self { user_email, bcc_address, link } = self;
        format!(
            "Mailweave is ready for its first mail.\n\n  \
             Sign-in link (works once)   {link}\n  \
             User                        {user_email}\n  \
             Smart BCC address           {bcc_address}\n\n\
             Send a first mail, as your mail client would with that address in Bcc:\n\n  \
             printf 'From: You <{user_email}>\\r\\nTo: Ann Customer <ann@customer.example>\\r\\n\
             Subject: Hello\\r\\n\\r\\nHow are you?\\r\\n' | curl smtp://{smtp} --mail-from \
             {user_email} --mail-rcpt {bcc_address} -T -\n"
        )
    }
}
