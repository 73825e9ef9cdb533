//! The settings of a sub-account: its switches, its never-log list, its SMTP relay.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State as Shared;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock;
use crate::model::outgoing::{Relay, RelaySecurity};
use crate::model::settings::{BulkSender, OversizeAttachment, UntrustedSender};
use crate::model::{Address, SubAccountId, public_domains};
use crate::send::relay;
use crate::store::AccountSettings;
use crate::web::State;
use crate::web::auth::Account;
use crate::web::error::{Code, Problem};
use crate::web::input::{self, Json, given, or_default};

/// The switches by the names of the rules, the never-log list, and the relay.
#[derive(Serialize, ToSchema)]
pub struct Settings {
    #[schema(value_type = UntrustedSenderSwitch)]
    untrusted_sender: UntrustedSender,
    colleague_domains: Vec<String>,
    contacts_from_cc: bool,
    bcc_starts_thread: bool,
    follow_contacts: bool,
    #[schema(value_type = BulkSenderSwitch)]
    bulk_sender: BulkSender,
    /// Bytes.
    attachment_limit: u64,
    /// Extensions in lower case.
    attachment_types: Vec<String>,
    #[schema(value_type = OversizeAttachmentSwitch)]
    oversize_attachment: OversizeAttachment,
    /// Addresses, and domains as `@example.com`.
    never_log: Vec<String>,
    #[schema(required)]
    sub_account_provider: Option<Provider>,
}

/// The SMTP relay of the sub-account; its password is never shown.
#[derive(Serialize, ToSchema)]
pub struct Provider {
    pub host: String,
    pub port: u16,
    /// Null: the relay knows this gateway by its address, nobody signs in.
    #[schema(required)]
    pub username: Option<String>,
    pub default_from: String,
    pub allowed_domains: Vec<String>,
    /// Null: TLS is demanded; on this machine itself it is used where it is offered.
    #[schema(required, value_type = Option<SecurityName>)]
    pub security: Option<RelaySecurity>,
}

/// What is to be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsChange {
    #[schema(value_type = Option<UntrustedSenderSwitch>)]
    untrusted_sender: Option<UntrustedSender>,
    colleague_domains: Option<Vec<String>>,
    contacts_from_cc: Option<bool>,
    bcc_starts_thread: Option<bool>,
    follow_contacts: Option<bool>,
    #[schema(value_type = Option<BulkSenderSwitch>)]
    bulk_sender: Option<BulkSender>,
    attachment_limit: Option<u64>,
    attachment_types: Option<Vec<String>>,
    #[schema(value_type = Option<OversizeAttachmentSwitch>)]
    oversize_attachment: Option<OversizeAttachment>,
    never_log: Option<Vec<String>>,
    /// Null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ProviderChange>)]
    sub_account_provider: Option<Option<ProviderChange>>,
}

/// The relay as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderChange {
    host: String,
    port: u16,
    /// Null or empty: the relay knows this gateway by its address, nobody signs in.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    username: String,
    /// May be left out while host and user name stay the same.
    password: Option<String>,
    default_from: String,
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    allowed_domains: Vec<String>,
    #[schema(value_type = Option<SecurityName>)]
    security: Option<RelaySecurity>,
}

/// How the connection to the relay is kept private.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes the model's enum to clients")]
enum SecurityName {
    Tls,
    StartTls,
    /// To this machine itself only.
    Plain,
}

/// B2: what becomes of mail whose sender is not verified.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the model's enum to clients")]
enum UntrustedSenderSwitch {
    Hold,
    Accept,
}

/// S2: which way bulk mail goes.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the model's enum to clients")]
enum BulkSenderSwitch {
    MailboxWhenFromMatches,
    AlwaysProvider,
}

/// A2: what an oversize file does to its message.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the model's enum to clients")]
enum OversizeAttachmentSwitch {
    SkipMessage,
    DropFile,
}

const DOMAINS_MAX: usize = 1_000;
const NEVER_LOG_MAX: usize = 10_000;
const TYPES_MAX: usize = 100;
/// No mail is larger, so no limit need be.
const ATTACHMENT_LIMIT_MAX: u64 = 36_700_160;

/// Shows the settings.
#[utoipa::path(get, path = "/settings", tag = "settings",
    responses((status = 200, description = "The settings.", body = Settings)))]
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
) -> Result<Json<Settings>, Problem> {
    let settings = state.store.account_settings(of).await?.ok_or_else(Problem::not_found)?;
    shown(&state, of, settings).map(Json)
}

/// Changes the settings; what is left out stays.
#[utoipa::path(patch, path = "/settings", tag = "settings",
    responses((status = 200, description = "The settings as they are now.", body = Settings)))]
pub async fn change(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Json(change): Json<SettingsChange>,
) -> Result<Json<Settings>, Problem> {
    let apply = |settings: &mut AccountSettings| apply(&state, of, change, settings);
    let changed = state.store.change_settings(of, apply).await?;
    let settings = changed.ok_or_else(Problem::not_found)??;
    shown(&state, of, settings).map(Json)
}

/// Applies a change to settings, or says what is wrong with it.
pub fn apply(
    state: &State,
    of: SubAccountId,
    change: SettingsChange,
    settings: &mut AccountSettings,
) -> Result<(), Problem> {
    let switches = &mut settings.switches;
    put(&mut switches.untrusted_sender, change.untrusted_sender);
    put(&mut switches.contacts_from_cc, change.contacts_from_cc);
    put(&mut switches.bcc_starts_thread, change.bcc_starts_thread);
    if let Some(follow) = change.follow_contacts {
        switches.set_follow_contacts(follow, clock::now());
    }
    put(&mut switches.bulk_sender, change.bulk_sender);
    put(&mut switches.oversize_attachment, change.oversize_attachment);
    let domains = change.colleague_domains.as_deref().map(colleague_domains).transpose()?;
    put(&mut switches.colleague_domains, domains);
    put(&mut switches.attachment_limit, change.attachment_limit.map(limit).transpose()?);
    let types = change.attachment_types.as_deref().map(attachment_types).transpose()?;
    put(&mut switches.attachment_types, types);
    let never_log = change.never_log.as_deref().map(never_log).transpose()?;
    put(&mut settings.never_log, never_log);
    match change.sub_account_provider {
        None => {}
        Some(None) => settings.provider = None,
        Some(Some(change)) => {
            let former = unseal(state, of, settings.provider.as_deref())?;
            settings.provider = Some(seal(state, of, &provider(change, former)?)?);
        }
    }
    Ok(())
}

/// The relay as it may be shown.
pub fn provider_of(
    state: &State,
    of: SubAccountId,
    settings: &AccountSettings,
) -> Result<Option<Provider>, Problem> {
    Ok(shown(state, of, settings.clone())?.sub_account_provider)
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn colleague_domains(texts: &[String]) -> Result<Vec<String>, Problem> {
    at_most("colleague_domains", texts, DOMAINS_MAX)?;
    let mut domains = BTreeSet::new();
    for text in texts {
        let domain = input::domain("colleague_domains", text)?;
        if public_domains::is_public(&domain) {
            let detail = format!("Everybody may have an address at {domain}; leave it out.");
            return Err(Problem::new(Code::PublicDomain, detail));
        }
        domains.insert(domain);
    }
    Ok(domains.into_iter().collect())
}

fn limit(bytes: u64) -> Result<u64, Problem> {
    let is_good = (1..=ATTACHMENT_LIMIT_MAX).contains(&bytes);
    is_good
        .then_some(bytes)
        .ok_or_else(|| Problem::field("attachment_limit", "must be 1 to 36700160 bytes"))
}

fn attachment_types(texts: &[String]) -> Result<Vec<String>, Problem> {
    at_most("attachment_types", texts, TYPES_MAX)?;
    let mut types = BTreeSet::new();
    for text in texts {
        let extension = text.trim().trim_start_matches('.').to_ascii_lowercase();
        let is_good = (1..=10).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_good {
            return Err(Problem::field("attachment_types", "must be extensions such as pdf"));
        }
        types.insert(extension);
    }
    Ok(types.into_iter().collect())
}

fn never_log(texts: &[String]) -> Result<Vec<String>, Problem> {
    at_most("never_log", texts, NEVER_LOG_MAX)?;
    let entry = |text: &String| match text.trim().strip_prefix('@') {
        Some(domain) => Ok(format!("@{}", input::domain("never_log", domain)?)),
        None => match Address::parse(text.trim()) {
            Some(address) => Ok(address.normal().to_owned()),
            None => Err(Problem::field("never_log", "must be e-mail addresses and @domains")),
        },
    };
    let entries: Result<BTreeSet<String>, Problem> = texts.iter().map(entry).collect();
    Ok(entries?.into_iter().collect())
}

fn at_most(field: &str, texts: &[String], max: usize) -> Result<(), Problem> {
    match texts.len() > max {
        true => Err(Problem::field(field, &format!("must have at most {max} entries"))),
        false => Ok(()),
    }
}

fn provider(change: ProviderChange, former: Option<Relay>) -> Result<Relay, Problem> {
    at_most("allowed_domains", &change.allowed_domains, DOMAINS_MAX)?;
    let host = input::line("host", &change.host)?;
    let username = match change.username.trim() {
        "" => String::new(),
        name => input::line("username", name)?,
    };
    let default_from = input::address("default_from", &change.default_from)?;
    if change.port == 0 {
        return Err(Problem::field("port", "must be 1 to 65535"));
    }
    // A password is not sent to another server, or as another user, because somebody changed the name.
    let former = former.filter(|former| former.host == host && former.username == username);
    let password = change.password.map(SecretString::from);
    let password = password.or(former.map(|former| former.password));
    // Nobody signs in without a name.
    let password = password.or_else(|| username.is_empty().then(SecretString::default));
    let domain = |text: &String| input::domain("allowed_domains", text);
    let relay = Relay {
        port: change.port,
        password: password
            .ok_or_else(|| Problem::field("password", "is needed for a new host or user name"))?,
        default_from: default_from.to_string(),
        allowed_domains: change.allowed_domains.iter().map(domain).collect::<Result<_, _>>()?,
        security: change.security,
        host,
        username,
    };
    match relay.target() {
        Some(_) => Ok(relay),
        None => Err(Problem::field(
            "host",
            "must be a host name or an address; `plain` is allowed to this machine only",
        )),
    }
}

fn seal(state: &State, of: SubAccountId, relay: &Relay) -> Result<Vec<u8>, Problem> {
    relay::seal(&state.secrets, of, relay).map_err(|_| Problem::internal())
}

/// The relay; one that was sealed with another key counts as none, and has to be given again.
fn unseal(
    state: &State,
    of: SubAccountId,
    sealed: Option<&[u8]>,
) -> Result<Option<Relay>, Problem> {
    let Some(sealed) = sealed else { return Ok(None) };
    match relay::unseal(&state.secrets, of, sealed) {
        Ok(relay) => Ok(Some(relay)),
        Err(relay::Error::OtherKey) => {
            tracing::error!(sub_account.id = %of, "The relay of {of} was sealed with another key.");
            Ok(None)
        }
        Err(relay::Error::Damaged) => Err(Problem::internal()),
    }
}

fn shown(state: &State, of: SubAccountId, settings: AccountSettings) -> Result<Settings, Problem> {
    let provider = unseal(state, of, settings.provider.as_deref())?;
    let switches = settings.switches;
    Ok(Settings {
        untrusted_sender: switches.untrusted_sender,
        colleague_domains: switches.colleague_domains,
        contacts_from_cc: switches.contacts_from_cc,
        bcc_starts_thread: switches.bcc_starts_thread,
        follow_contacts: switches.follow_contacts,
        bulk_sender: switches.bulk_sender,
        attachment_limit: switches.attachment_limit,
        attachment_types: switches.attachment_types,
        oversize_attachment: switches.oversize_attachment,
        never_log: settings.never_log,
        sub_account_provider: provider.map(|provider| Provider {
            host: provider.host,
            port: provider.port,
            username: Some(provider.username).filter(|name| !name.is_empty()),
            default_from: provider.default_from,
            allowed_domains: provider.allowed_domains,
            security: provider.security,
        }),
    })
}
