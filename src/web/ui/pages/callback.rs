//! `/oauth/callback`: where a provider sends the browser back. Whoever began on the settings page is led there
//! (M1); others are told what happened.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, State as Shared};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::extract::cookie::CookieJar;

use crate::connect::{Callback, Finished};
use crate::web::State;
use crate::web::ui::form::Fields;
use crate::web::ui::session::SignedIn;
use crate::web::ui::{assets, done, filters, page};

/// The route that providers know.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/oauth/callback", get(finish))
}

#[derive(Template)]
#[template(path = "callback.html", config = "src/web/ui/askama.toml")]
struct Page {
    /// The address that is connected.
    connected: Option<String>,
    /// Why none is.
    refused: Option<String>,
}

async fn finish(Shared(state): Shared<Arc<State>>, mut parts: Parts) -> Response {
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let fields = Fields::parse(query.as_bytes()).unwrap_or_default();
    let text = |name| fields.filled(name).map(str::to_owned);
    let session = SignedIn::from_request_parts(&mut parts, &state).await.ok();
    let callback = Callback {
        state: text("state").unwrap_or_default().into(),
        code: text("code").map(Into::into),
        error: text("error"),
        error_description: text("error_description"),
        iss: text("iss"),
        session: session.map(|signed_in| signed_in.session.hash),
    };
    match state.connector.finish(callback).await {
        Finished::Connected { is_from_page: true, .. } => {
            let jar = CookieJar::from_headers(&parts.headers);
            done(jar, "flash.connected", "/settings/email?proved=1")
        }
        Finished::Connected { address, .. } => {
            page(&Page { connected: Some(address.to_string()), refused: None })
        }
        Finished::Refused(words) => {
            (StatusCode::BAD_REQUEST, page(&Page { connected: None, refused: Some(words) }))
                .into_response()
        }
    }
}
