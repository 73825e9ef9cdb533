//! Who is signed in. The browser holds a random id in a cookie that scripts cannot read; the store knows its
//! hash. A page that takes [`SignedIn`] is for people who are, [`Admin`] for admins of the sub-account,
//! [`Operator`] for those who run the gateway.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::assets;
use super::failure::Failure;
use super::flash::{self, Flash};
use super::shell::{Shell, Tab};
use crate::clock;
use crate::model::{MailboxState, Role, SubAccountId, Time, User, UserId};
use crate::store::{NewSession, Session};
use crate::web::State;
use crate::web::auth::{Account, Caller, Manager, Reader, token_hash};

/// Without a request for so long, a session ends, in seconds: a week.
const IDLE_SECONDS: i64 = 7 * 24 * 3_600;
/// It ends in any case: after thirty days.
const LIFE_SECONDS: i64 = 30 * 24 * 3_600;
/// How exactly it is known when a session was last used.
const SEEN_SECONDS: i64 = 600;
/// Longer cookies are not of our making.
const COOKIE_LENGTH_MAX: usize = 128;
const AGENT_CHARS_MAX: usize = 200;

/// Somebody who is signed in.
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    flash: Option<Flash>,
    /// The browser has the stylesheet.
    has_style: bool,
    /// The own mailbox waits for its consent.
    needs_consent: bool,
    /// So many mails wait for somebody to decide, that the reader sees.
    pub held: i64,
    now: Time,
}

/// An admin of the sub-account.
pub struct Admin(pub SignedIn);

/// Somebody who runs the gateway.
pub struct Operator(pub SignedIn);

impl SignedIn {
    /// The sub-account that everything is looked up in.
    pub const fn sub_account(&self) -> SubAccountId {
        self.session.sub_account
    }

    /// May change what belongs to the sub-account?
    pub fn is_admin(&self) -> bool {
        self.user.role >= Role::Admin
    }

    /// Whose mail and verdicts are seen: an admin all, others their own.
    pub fn scope(&self) -> Option<UserId> {
        (!self.is_admin()).then_some(self.user.id)
    }

    /// The sub-account, as the calls of the API take it.
    pub const fn account(&self) -> Account {
        Account(self.session.sub_account)
    }

    /// The user, as the calls of the API take who changes users.
    pub const fn manager(&self) -> Manager {
        Manager { sub_account: self.session.sub_account, role: self.user.role }
    }

    /// The user, as the calls of the API take who reads and acts.
    pub const fn reader(&self) -> Reader {
        let (sub_account, user) = (self.session.sub_account, self.user.id);
        Reader(Caller::User { sub_account, user })
    }

    /// What stands around a page.
    pub fn shell(&self, tab: Tab) -> Shell {
        let mut shell = Shell::new(tab, &self.user, self.flash, self.now);
        shell.has_style = self.has_style;
        shell.needs_consent = self.needs_consent && tab != Tab::Email;
        shell.held = self.held;
        shell
    }
}

impl FromRequestParts<Arc<State>> for SignedIn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let jar = CookieJar::from_headers(&parts.headers);
        let here = parts.uri.path_and_query().map(|it| it.as_str().to_owned());
        let next = here.filter(|_| parts.method == Method::GET);
        let Some(hash) = hash(&jar, state) else { return Err(Failure::SignIn(next)) };
        let now = clock::now();
        let session = state.store.session(hash, now).await?;
        let Some(session) = session else { return Err(Failure::SignIn(next)) };
        let user = state.store.user(session.sub_account, session.user).await?;
        let Some(user) = user else { return Err(Failure::SignIn(next)) };
        if session.seen_at.plus_seconds(SEEN_SECONDS) < now {
            // Whoever reads can read on while nothing can be written.
            let _ = state.store.touch_session(&session, now, expiry(session.created_at, now)).await;
        }
        let mailbox = state.store.sending_mailbox(session.sub_account, user.id).await?;
        let needs_consent = mailbox.is_some_and(|it| it.state == MailboxState::NeedsReauth);
        let (flash, has_style) = (flash::read(&jar), assets::is_style_kept(&jar));
        let mut signed_in = Self { user, session, flash, has_style, needs_consent, held: 0, now };
        let (of, scope) = (signed_in.sub_account(), signed_in.scope());
        signed_in.held = state.store.held_count(of, scope).await?;
        Ok(signed_in)
    }
}

impl FromRequestParts<Arc<State>> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let signed_in = SignedIn::from_request_parts(parts, state).await?;
        if signed_in.is_admin() { Ok(Self(signed_in)) } else { Err(Failure::forbidden()) }
    }
}

impl FromRequestParts<Arc<State>> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let signed_in = SignedIn::from_request_parts(parts, state).await?;
        let is_operator = signed_in.user.role >= Role::Operator;
        if is_operator { Ok(Self(signed_in)) } else { Err(Failure::forbidden()) }
    }
}

/// Signs a browser in, under a new id: one that it had before is worth nothing afterwards.
pub async fn begin(
    state: &State,
    (of, user): (SubAccountId, UserId),
    parts: &Parts,
) -> Result<CookieJar, Failure> {
    let jar = CookieJar::from_headers(&parts.headers);
    end(state, &jar).await?;
    let bits: [u8; 32] = clock::random_bytes();
    let id = URL_SAFE_NO_PAD.encode(bits);
    let now = clock::now();
    let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let session = NewSession {
        hash: token_hash(&id),
        agent: agent.unwrap_or_default().chars().take(AGENT_CHARS_MAX).collect(),
        expires_at: expiry(now, now),
    };
    match state.store.add_session(of, user, session, now).await? {
        true => Ok(jar.add(cookie(state, id))),
        false => Err(Failure::SignIn(None)),
    }
}

/// Signs a browser out, whether or not it is signed in.
pub async fn end(state: &State, jar: &CookieJar) -> Result<(), Failure> {
    let Some(hash) = hash(jar, state) else { return Ok(()) };
    if let Some(session) = state.store.session(hash, clock::now()).await? {
        state.store.end_session(session.sub_account, hash).await?;
    }
    Ok(())
}

/// The cookie's removal.
pub fn forget(state: &State, jar: CookieJar) -> CookieJar {
    let mut cookie = cookie(state, String::new());
    cookie.make_removal();
    jar.add(cookie)
}

fn hash(jar: &CookieJar, state: &State) -> Option<[u8; 32]> {
    let id = jar.get(name(state))?.value();
    (1..=COOKIE_LENGTH_MAX).contains(&id.len()).then(|| token_hash(id))
}

fn expiry(created_at: Time, now: Time) -> Time {
    now.plus_seconds(IDLE_SECONDS).min(created_at.plus_seconds(LIFE_SECONDS))
}

/// Over HTTPS the name itself forbids that another host, or a page over HTTP, set it (RFC 6265bis 4.1.3).
fn name(state: &State) -> &'static str {
    if state.is_https() { "__Host-session" } else { "session" }
}

fn cookie(state: &State, id: String) -> Cookie<'static> {
    Cookie::build((name(state), id))
        .path("/")
        .http_only(true)
        .secure(state.is_https())
        // Lax, not strict: a link in a mail leads to the page, not to the sign-in.
        .same_site(SameSite::Lax)
        // When it ends is for the store to say.
        .permanent()
        .build()
}
