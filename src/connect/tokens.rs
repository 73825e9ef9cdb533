//! Access tokens: in memory only, renewed ahead of their end, one renewal at a time for a connection, in
//! this process by a lock and among several by a lease in the store. A refresh token that comes with one is
//! stored, sealed, before either is used (M3); it is not lost when who asked goes away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::{Instant, sleep};

use super::secret::Kept;
use super::{Connector, Inner, Place, new_ids, remedy};
use crate::access::{LoginError, Logins, Trouble};
use crate::clock;
use crate::model::{Auth, ConnectionId, Credentials, EventId, Login, MailboxState, SubAccountId};
use crate::oauth::{self, Granted};
use crate::store::StoredConnection;

/// A token is renewed so long before it ends, or at three quarters of a short life.
const AHEAD: Duration = Duration::from_secs(300);
/// A token that was refused so soon is not renewed again: another would be refused, too.
const FRESH: Duration = Duration::from_secs(10);
/// A gateway that asks a provider has the turn for so long, if it does not give it back.
const TURN_SECONDS: i64 = 60;
/// How often it is looked whether another gateway has done with its turn.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// So often is a token that came tried to be stored, at once.
const STORE_TRIES: u32 = 5;
/// The first pause after a provider failed; each is twice as long as the one before.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
/// With the wait of the mailbox behind it, all are back in less than ten minutes after an outage (F14).
const PAUSE_MAX: Duration = Duration::from_secs(200);
/// The pause after the operator's application was refused.
const PAUSE_APPLICATION: Duration = Duration::from_secs(300);

/// The tokens of all connections.
#[derive(Default)]
pub struct Tokens {
    // A mutex: it is held for a look-up only, never while anything waits.
    slots: Mutex<BTreeMap<Place, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// What is known of one connection. Its lock is held while the provider is asked.
#[derive(Default)]
struct Slot {
    access: Option<Access>,
    /// A refresh token that could not be stored, and the version it replaces.
    unsaved: Option<(Kept, i64)>,
    failures: u32,
    rests_until: Option<Instant>,
}

#[derive(Clone)]
struct Access {
    token: SecretString,
    issued: Instant,
    good_until: Instant,
}

impl Access {
    fn new(granted: &Granted, issued: Instant) -> Self {
        let ahead = AHEAD.min(granted.life / 4);
        Self { token: granted.access.clone(), issued, good_until: issued + (granted.life - ahead) }
    }

    /// May it be given (again)?
    fn is_good(&self, was_refused: bool, now: Instant) -> bool {
        now < self.good_until && !(was_refused && now.duration_since(self.issued) > FRESH)
    }
}

impl Slot {
    /// Lets the provider alone for a while, longer each time.
    fn rest(&mut self, at_least: Option<Duration>) {
        let doubled = PAUSE_FIRST.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        let spread = doubled.mul_f64(f64::from(clock::seed() as u16) / f64::from(u16::MAX) / 2.0);
        self.failures = self.failures.saturating_add(1);
        let pause = at_least.unwrap_or_default().max(doubled) + spread;
        self.rests_until = Some(Instant::now() + pause);
    }

    fn done(&mut self, access: Access) -> SecretString {
        let token = access.token.clone();
        *self = Self { access: Some(access), ..Self::default() };
        token
    }
}

impl Tokens {
    fn slot(&self, place: Place) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(place).or_default())
    }

    /// A token that came with a consent.
    pub async fn put(&self, place: Place, granted: &Granted) {
        self.slot(place).lock().await.done(Access::new(granted, Instant::now()));
    }

    /// Forgets everything of a connection.
    pub fn forget(&self, place: Place) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
    }
}

impl Logins for Connector {
    async fn login(
        &self,
        of: SubAccountId,
        connection: ConnectionId,
        renew: bool,
    ) -> Result<Login, LoginError> {
        let inner = Arc::clone(&self.0);
        let work = async move { inner.login((of, connection), renew).await };
        let ended = LoginError::Unavailable("the sign-in was given up".to_owned());
        Self::to_the_end(work).await.unwrap_or(Err(ended))
    }

    async fn refused(&self, of: SubAccountId, connection: ConnectionId, text: &str) {
        let inner = &self.0;
        let secret = inner.store.connection_secret(of, connection).await;
        let version = secret.ok().flatten().map_or(0, |secret| secret.version);
        let detail = remedy::refused(text);
        inner.need_reauth((of, connection), version, &detail).await;
    }

    async fn watched(&self, of: SubAccountId, connection: ConnectionId, trouble: Option<&Trouble>) {
        self.0.told((of, connection), trouble).await;
    }
}

impl Inner {
    async fn login(&self, place: Place, renew: bool) -> Result<Login, LoginError> {
        let (of, id) = place;
        let connection = self.store.connection(of, id).await.map_err(unavailable)?;
        let connection = connection
            .filter(|it| it.state == MailboxState::Active)
            .ok_or(LoginError::NeedsReauth)?;
        let username = connection.account.username.clone();
        let credentials = match connection.account.auth {
            Auth::Password => Credentials::Password(self.password(place).await?),
            Auth::Xoauth2 => Credentials::Token(self.token(place, &connection, renew).await?),
        };
        Ok(Login { username, credentials })
    }

    async fn password(&self, place: Place) -> Result<SecretString, LoginError> {
        match self.kept(place).await? {
            (Kept::Password(password), _) => Ok(password),
            (Kept::RefreshToken(_), _) => Err(LoginError::NeedsReauth),
        }
    }

    /// What is kept of a connection, and its version.
    async fn kept(&self, place: Place) -> Result<(Kept, i64), LoginError> {
        let secret = self.store.connection_secret(place.0, place.1).await.map_err(unavailable)?;
        let secret = secret.ok_or(LoginError::NeedsReauth)?;
        let sealed = secret.sealed.ok_or(LoginError::NeedsReauth)?;
        match Kept::unseal(&self.secrets, place, &sealed) {
            Some(kept) => Ok((kept, secret.version)),
            None => {
                // The key beside the store is another than the one it was sealed with.
                let detail = "What was kept of the consent cannot be read any more, because the \
                              gateway's key is another. Authorise the mailbox again.";
                self.need_reauth(place, secret.version, detail).await;
                Err(LoginError::NeedsReauth)
            }
        }
    }

    async fn token(
        &self,
        place: Place,
        connection: &StoredConnection,
        renew: bool,
    ) -> Result<SecretString, LoginError> {
        let slot = self.tokens.slot(place);
        let mut slot = slot.lock().await;
        self.save_again(place, &mut slot).await?;
        if let Some(access) =
            slot.access.as_ref().filter(|access| access.is_good(renew, Instant::now()))
        {
            return Ok(access.token.clone());
        }
        if slot.rests_until.is_some_and(|until| Instant::now() < until) {
            return Err(LoginError::Unavailable(
                "the provider is left alone for a while".to_owned(),
            ));
        }
        let (refresh, version) = self.turn(place).await?;
        let oauth = self.providers.get(&connection.provider).and_then(|provider| provider.oauth());
        let answer = match oauth {
            Some(oauth) => self.oauth.refresh(oauth, &refresh).await,
            None => Err(oauth::Error::Application(format!(
                "The operator's configuration has no application for {} any more.",
                connection.provider
            ))),
        };
        match answer {
            Ok(granted) => self.keep(place, (refresh, version), &mut slot, granted).await,
            Err(error) => Err(self.not_renewed(place, version, &mut slot, error).await),
        }
    }

    /// Waits for the turn of asking the provider. Answers what to ask with.
    async fn turn(&self, place: Place) -> Result<(SecretString, i64), LoginError> {
        // Longer than any turn, so that one that was not given back ends first.
        let give_up = Instant::now() + Duration::from_secs(TURN_SECONDS.unsigned_abs() * 2);
        while Instant::now() < give_up {
            let (Kept::RefreshToken(refresh), version) = self.kept(place).await? else {
                return Err(LoginError::NeedsReauth);
            };
            let (now, until) = (clock::now(), clock::now().plus_seconds(TURN_SECONDS));
            if self.store.take_refresh(place, version, now, until).await.map_err(unavailable)? {
                return Ok((refresh, version));
            }
            sleep(LOOK_EVERY).await;
        }
        Err(LoginError::Unavailable("another gateway renews the token".to_owned()))
    }

    /// Stores the refresh token that came, if another came; only then the access token is good.
    async fn keep(
        &self,
        place: Place,
        (former, version): (SecretString, i64),
        slot: &mut Slot,
        granted: Granted,
    ) -> Result<SecretString, LoginError> {
        let access = Access::new(&granted, Instant::now());
        let refresh = granted.refresh.unwrap_or(former);
        slot.access = Some(access.clone());
        slot.unsaved = Some((Kept::RefreshToken(refresh), version));
        for _ in 0..STORE_TRIES {
            if self.save_again(place, slot).await.is_ok() {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        match slot.unsaved {
            None if slot.access.is_some() => Ok(slot.done(access)),
            // Somebody consented anew meanwhile.
            None => Err(LoginError::Unavailable("the mailbox was authorised anew".to_owned())),
            Some(_) => Err(LoginError::Unavailable("the new token cannot be stored".to_owned())),
        }
    }

    /// Stores what could not be stored before.
    async fn save_again(&self, (of, id): Place, slot: &mut Slot) -> Result<(), LoginError> {
        let Some((kept, version)) = &slot.unsaved else { return Ok(()) };
        let sealed = kept.seal(&self.secrets, (of, id));
        let is_saved = self.store.swap_secret(of, id, *version, &sealed).await;
        let is_saved = is_saved.map_err(unavailable)?;
        slot.unsaved = None;
        if !is_saved {
            slot.access = None;
        }
        Ok(())
    }

    async fn not_renewed(
        &self,
        place: Place,
        version: i64,
        slot: &mut Slot,
        error: oauth::Error,
    ) -> LoginError {
        let (of, id) = place;
        if let Err(error) = self.store.give_refresh_back(of, id, version).await {
            tracing::warn!(code = "turn_kept", %error, "The turn of renewing a token ends by itself.");
        }
        metrics::counter!("mailweave_token_renewals_failed_total").increment(1);
        match &error {
            oauth::Error::Consent(text) => {
                self.need_reauth(place, version, text).await;
                return LoginError::NeedsReauth;
            }
            oauth::Error::Application(text) => {
                // The operator's fault: no user is sent to consent again for it.
                tracing::error!(connection.id = %id, code = "application_refused", "The token of connection {id} cannot be renewed: {text}");
                let told = self.store.set_connection_detail(of, id, Some(text)).await;
                drop(told);
                slot.rest(Some(PAUSE_APPLICATION));
            }
            oauth::Error::Unavailable { retry_after, .. } => slot.rest(*retry_after),
            oauth::Error::Broken(_) => slot.rest(None),
        }
        tracing::warn!(connection.id = %id, code = "token_not_renewed", %error, "The token of connection {id} could not be renewed.");
        LoginError::Unavailable(error.to_string())
    }

    /// M3: watching stops, the page shows it, and an event says it.
    pub(super) async fn need_reauth(&self, place: Place, version: i64, detail: &str) {
        let event = EventId(new_ids().next_id());
        let id = place.1;
        self.tokens.forget(place);
        match self.store.need_reauth(place, version, detail, (event, clock::now())).await {
            Ok(true) => {
                tracing::info!(connection.id = %id, code = "needs_reauth", "Connection {id} must be authorised again: {detail}");
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(connection.id = %id, code = "needs_reauth_unsaid", %error, "It could not be recorded that connection {id} must be authorised again; it is tried again.");
            }
        }
    }
}

fn unavailable(error: crate::store::Error) -> LoginError {
    LoginError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(life: u64) -> Granted {
        Granted {
            access: "canary-access".into(),
            life: Duration::from_secs(life),
            refresh: Some("canary-refresh".into()),
            scopes: None,
            id_token: None,
        }
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end_and_not_time_and_again() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let access = Access::new(&granted(3_600), begin);
        assert!(access.is_good(false, begin) && access.is_good(true, begin));
        assert!(access.is_good(false, after(60)) && !access.is_good(true, after(60)));
        assert!(access.is_good(false, after(3_299)) && !access.is_good(false, after(3_300)));
        assert!(!Access::new(&granted(0), begin).is_good(false, begin));
        assert!(!format!("{:?}", granted(1)).contains("canary"));
    }

    #[test]
    fn a_provider_that_fails_is_left_alone_ever_longer() {
        let mut slot = Slot::default();
        let mut pause = |at_least| {
            let before = Instant::now();
            slot.rest(at_least);
            slot.rests_until.unwrap() - before
        };
        let pauses: Vec<Duration> = (0..12).map(|_| pause(None)).collect();
        assert!(pauses[0] >= PAUSE_FIRST && pauses[11] >= PAUSE_MAX);
        assert!(pauses[11] <= PAUSE_MAX * 2);
        assert!(Slot::default().rests_until.is_none());
        let asked = Duration::from_secs(1_200);
        assert!(pause(Some(asked)) >= asked);
    }
}
