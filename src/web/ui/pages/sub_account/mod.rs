//! `/settings/sub-account`: every switch with its consequence and, before it is saved, what it would have
//! changed among the mail of the last 30 days.

mod effects;
mod provider;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::extract::cookie::CookieJar;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::model::SubAccountId;
use crate::model::settings::{BulkSender, OversizeAttachment, UntrustedSender};
use crate::store::AccountSettings;
use crate::web::State;
use crate::web::api::settings::{self, Provider, SettingsChange};
use crate::web::error::{Code, Problem};
use crate::web::ui::failure::Failure;
use crate::web::ui::notices::Sent;
use crate::web::ui::{Admin, Errors, Fields, Shell, SignedIn, Tab, done, filters, page, text};
use effects::{Effect, effects};

/// How far back it is looked what a setting would have changed: 30 days.
const LOOK_BACK_SECONDS: i64 = 30 * 24 * 3_600;
const MEBIBYTE: f64 = 1_048_576.0;

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/settings/sub-account", get(show).post(change)).merge(provider::router())
}

#[derive(Template)]
#[template(path = "sub_account.html", config = "src/web/ui/askama.toml")]
struct SubAccount {
    shell: Shell,
    errors: Errors,
    settings: AccountSettings,
    typed: Typed,
    provider: Option<Provider>,
    provider_fields: Fields,
    /// What became of a test mail just now.
    tested: Option<Sent>,
}

impl SubAccount {
    /// How the connection to the relay is kept private: as it was typed, or as it is kept.
    fn security(&self) -> &str {
        use crate::model::outgoing::RelaySecurity::{Plain, StartTls, Tls};
        if self.provider_fields.filled("host").is_some() {
            return self.provider_fields.text("security");
        }
        match self.provider.as_ref().and_then(|provider| provider.security) {
            Some(Tls) => "tls",
            Some(StartTls) => "starttls",
            Some(Plain) => "plain",
            None => "",
        }
    }
}

/// Settings as they are typed.
struct Typed {
    /// What the form was made from.
    version: String,
    colleague_domains: String,
    never_log: String,
    types: String,
    /// Megabytes.
    limit: String,
}

impl Typed {
    fn of(settings: &AccountSettings) -> Self {
        Self {
            version: version(settings),
            colleague_domains: settings.switches.colleague_domains.join("\n"),
            never_log: settings.never_log.join("\n"),
            types: settings.switches.attachment_types.join(", "),
            limit: megabytes(settings.switches.attachment_limit),
        }
    }

    fn again(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        Self {
            version: text("version"),
            colleague_domains: text("colleague_domains"),
            never_log: text("never_log"),
            types: text("attachment_types"),
            limit: text("attachment_limit"),
        }
    }
}

/// What would have changed, before it is saved.
#[derive(Template)]
#[template(path = "review.html", config = "src/web/ui/askama.toml")]
struct Review {
    shell: Shell,
    effects: Vec<Effect>,
    is_part: bool,
    fields: Fields,
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
) -> Result<Response, Failure> {
    let settings = stored(&state, &signed_in).await?;
    let typed = Typed::of(&settings);
    let (errors, fields) = (Errors::default(), Fields::default());
    shown(&state, &signed_in, (settings, typed), errors, fields, None)
}

async fn stored(state: &State, signed_in: &SignedIn) -> Result<AccountSettings, Failure> {
    let settings = state.store.account_settings(signed_in.sub_account()).await?;
    settings.ok_or_else(Failure::not_found)
}

fn shown(
    state: &State,
    signed_in: &SignedIn,
    (settings, typed): (AccountSettings, Typed),
    errors: Errors,
    provider_fields: Fields,
    tested: Option<Sent>,
) -> Result<Response, Failure> {
    let provider = settings::provider_of(state, signed_in.sub_account(), &settings)?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shown = SubAccount {
        shell: signed_in.shell(Tab::SubAccount),
        errors,
        settings,
        typed,
        provider,
        provider_fields,
        tested,
    };
    Ok((status, page(&shown)).into_response())
}

/// Bytes as people write them.
fn megabytes(bytes: u64) -> String {
    let rounded = (bytes as f64 / MEBIBYTE * 100.0).round() / 100.0;
    rounded.to_string()
}

/// Megabytes as bytes; what is no number becomes what no limit can be.
fn bytes(megabytes: &str) -> u64 {
    let number: f64 = megabytes.replace(',', ".").parse().unwrap_or(0.0);
    (number * MEBIBYTE).round() as u64
}

/// Settings as a form was made from them: what somebody else has saved since is not overwritten.
fn version(settings: &AccountSettings) -> String {
    let json = serde_json::to_vec(&(&settings.switches, &settings.never_log)).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(Sha256::digest(json))
}

/// Why settings are not saved.
enum Refusal {
    Stale,
    Because(Problem),
}

/// Shows what it would have changed; saves it when that was seen.
async fn change(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let mut before = stored(&state, &signed_in).await?;
    if fields.text("version") != version(&before) {
        return stale(&state, &signed_in, before);
    }
    // Another order of the same types changes nothing.
    before.switches.attachment_types.sort();
    let mut after = before.clone();
    let of = signed_in.sub_account();
    let read = serde_json::from_value::<SettingsChange>(asked(&fields));
    let change = read.map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "error.form"))?;
    if let Err(problem) = settings::apply(&state, of, change, &mut after) {
        let again = (after, Typed::again(&fields));
        return shown(&state, &signed_in, again, errors(&problem), Fields::default(), None);
    }
    if after == before {
        return Ok(done(jar, "flash.nothing_changed", "/settings/sub-account"));
    }
    if !fields.is_on("seen") {
        let since = clock::now().plus_seconds(-LOOK_BACK_SECONDS);
        let mail = state.store.recent_mail(of, since).await?;
        let effects = effects(&before, &after, &mail);
        let shell = signed_in.shell(Tab::SubAccount);
        return Ok(page(&Review { shell, effects, is_part: mail.is_part, fields }));
    }
    match save(&state, of, &fields).await? {
        Ok(()) => Ok(done(jar, "flash.settings_saved", "/settings/sub-account")),
        Err(Refusal::Stale) => stale(&state, &signed_in, stored(&state, &signed_in).await?),
        Err(Refusal::Because(problem)) => Err(problem.into()),
    }
}

/// Saves what was seen, unless somebody else has saved in the meantime.
async fn save(
    state: &State,
    of: SubAccountId,
    fields: &Fields,
) -> Result<Result<(), Refusal>, Failure> {
    let read = serde_json::from_value::<SettingsChange>(asked(fields));
    let change = read.map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "error.form"))?;
    let apply = |settings: &mut AccountSettings| match version(settings) == fields.text("version") {
        true => settings::apply(state, of, change, settings).map_err(Refusal::Because),
        false => Err(Refusal::Stale),
    };
    let saved = state.store.change_settings(of, apply).await?;
    Ok(saved.ok_or_else(Failure::not_found)?.map(drop))
}

/// The settings as they are now, to somebody whose form was made before.
fn stale(
    state: &State,
    signed_in: &SignedIn,
    settings: AccountSettings,
) -> Result<Response, Failure> {
    let typed = Typed::of(&settings);
    let errors = Errors::of_field("", text::words("error.stale_settings"));
    shown(state, signed_in, (settings, typed), errors, Fields::default(), None)
}

/// The form as the API takes it.
fn asked(fields: &Fields) -> Value {
    json!({
        "untrusted_sender": fields.text("untrusted_sender"),
        "colleague_domains": fields.entries("colleague_domains"),
        "never_log": fields.entries("never_log"),
        "contacts_from_cc": fields.is_on("contacts_from_cc"),
        "bcc_starts_thread": fields.is_on("bcc_starts_thread"),
        "follow_contacts": fields.is_on("follow_contacts"),
        "bulk_sender": fields.text("bulk_sender"),
        "attachment_limit": bytes(fields.text("attachment_limit")),
        "attachment_types": fields.entries("attachment_types"),
        "oversize_attachment": fields.text("oversize_attachment"),
    })
}

fn errors(problem: &Problem) -> Errors {
    match problem.code {
        Code::PublicDomain => Errors::of_field("colleague_domains", problem.detail()),
        _ => Errors::of_problem(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabytes_are_read_as_they_are_written() {
        for size in [3_145_728, 1_048_576, 36_700_160, 524_288] {
            assert_eq!(bytes(&megabytes(size)), size);
        }
        assert_eq!((bytes("2,5"), bytes("much"), bytes("-1")), (2_621_440, 0, 0));
    }
}
