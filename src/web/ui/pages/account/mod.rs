//! `/settings/account`: one's addresses, the password, the second factor, and the devices that are signed in.

pub mod addresses;
mod second;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::CookieJar;

use crate::clock;
use crate::model::{Address, Time};
use crate::store::{AddressUse, NewAddress, Session};
use crate::web::State;
use crate::web::api::users::{self, UserChange};
use crate::web::error::Problem;
use crate::web::input::{Id, Json};
use crate::web::ui::failure::Failure;
use crate::web::ui::sign_in::{password, proof};
use crate::web::ui::{Errors, Fields, Shell, SignedIn, Tab, done, filters, page, text};

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/settings/account", get(show))
        .route("/settings/account/password", post(set_password))
        .route("/settings/account/profile", post(set_profile))
        .route("/settings/account/addresses", post(addresses::ask))
        .route("/settings/account/addresses/remove", post(addresses::remove))
        .route("/settings/account/address", get(addresses::show).post(addresses::confirm))
        .route("/settings/account/second-factor/begin", post(second::begin))
        .route("/settings/account/second-factor", post(second::confirm))
        .route("/settings/account/second-factor/remove", post(second::remove))
}

#[derive(Template)]
#[template(path = "account.html", config = "src/web/ui/askama.toml")]
struct Account {
    shell: Shell,
    errors: Errors,
    name: String,
    time_zone: String,
    aliases: Vec<String>,
    /// Addresses whose link is not used yet: what for, and until when.
    waiting: Vec<(NewAddress, Time)>,
    /// Is there a relay that brings links?
    can_send: bool,
    password_at: Option<Time>,
    has_second: bool,
    recovery_left: usize,
    devices: Vec<Device>,
}

struct Device {
    name: String,
    seen_at: Time,
    is_this: bool,
}

async fn show(Shared(state): Shared<Arc<State>>, signed_in: SignedIn) -> Result<Response, Failure> {
    shown(&state, &signed_in, Errors::default()).await
}

async fn shown(state: &State, signed_in: &SignedIn, errors: Errors) -> Result<Response, Failure> {
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    let credentials = state.store.credentials(of, user).await?;
    let sessions = state.store.sessions(of, user, clock::now()).await?;
    let device = |session: Session| Device {
        name: device_name(&session.agent),
        seen_at: session.seen_at,
        is_this: session.hash == signed_in.session.hash,
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let account = Account {
        shell: signed_in.shell(Tab::Account),
        errors,
        name: signed_in.user.name.clone(),
        time_zone: signed_in.user.time_zone.clone(),
        aliases: signed_in.user.aliases.iter().map(Address::to_string).collect(),
        waiting: state.store.address_links((of, user), clock::now()).await?,
        can_send: state.notices.can_send(of).await?,
        password_at: credentials.password_at,
        has_second: credentials.totp.is_some(),
        recovery_left: credentials.recovery.len(),
        devices: sessions.into_iter().map(device).collect(),
    };
    Ok((status, page(&account)).into_response())
}

async fn set_profile(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let change = UserChange {
        name: Some(fields.text("name").to_owned()),
        email: None,
        aliases: None,
        time_zone: Some(fields.text("time_zone").to_owned()),
        role: None,
    };
    let (shared, id) = (Shared(Arc::clone(&state)), Id(signed_in.user.id.0));
    match users::change(shared, signed_in.manager(), id, Json(change)).await {
        Ok(_) => Ok(done(jar, "flash.profile_saved", "/settings/account")),
        Err(problem) => shown(&state, &signed_in, Errors::of_problem(&problem)).await,
    }
}

async fn set_password(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    parts: Parts,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let (of, user) = (signed_in.sub_account(), &signed_in.user);
    let mut errors = Errors::default();
    let current = fields.raw("current");
    if let Some(objection) = proof::by_password(&state, (&signed_in, &parts), current).await? {
        errors.add("current", text::words(objection));
    }
    let new = fields.raw("new");
    if let Some(objection) = password::objection(new, user.email.normal()) {
        errors.add("new", text::words(objection));
    }
    if !errors.is_empty() {
        return shown(&state, &signed_in, errors).await;
    }
    let hash = state.doors.passwords.hash(new).await.ok_or_else(Failure::internal)?;
    let kept = signed_in.session.hash;
    state.store.set_password(of, user.id, &hash, kept, clock::now()).await?;
    let is_first = fields.is_on("first");
    if let Some(zone) = fields.filled("time_zone").filter(|_| is_first && user.time_zone == "UTC") {
        // Nobody has chosen one yet; a name that is not known here changes nothing.
        let _ = set_zone(&state, &signed_in, zone).await;
    }
    let to = if is_first { "/" } else { "/settings/account" };
    Ok(done(jar, "flash.password_saved", to))
}

async fn set_zone(state: &Arc<State>, signed_in: &SignedIn, zone: &str) -> Result<(), Problem> {
    let zone = Some(zone.to_owned());
    let change = UserChange { name: None, email: None, aliases: None, time_zone: zone, role: None };
    let (shared, id) = (Shared(Arc::clone(state)), Id(signed_in.user.id.0));
    users::change(shared, signed_in.manager(), id, Json(change)).await.map(drop)
}

/// Browser and system, as far as a browser says; nothing depends on it.
fn device_name(agent: &str) -> String {
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => text::words("account.unknown_device").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::device_name;

    #[test]
    fn names_devices_as_people_do() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0";
        assert_eq!(device_name(edge), "Edge, Windows");
        assert_eq!(
            device_name("Mozilla/5.0 (iPhone; CPU iPhone OS 18) Version/18.0 Safari/604.1"),
            "Safari, iPhone"
        );
        assert_eq!(device_name("curl/8"), "Unknown browser");
    }
}
