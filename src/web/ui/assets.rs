//! What pages fetch: one stylesheet, one script, the icon. Their names carry the hash of their content, so
//! that browsers keep them for a year and never show an old one.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::failure::Failure;
use crate::web::State;

struct Asset {
    path: String,
    media_type: &'static str,
    content: &'static str,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset("style", "css", "text/css; charset=utf-8", STYLE),
        asset("script", "js", "text/javascript; charset=utf-8", SCRIPT),
        asset("icon", "svg", "image/svg+xml", include_str!("static/icon.svg")),
    ]
});

/// The stylesheet: foundations first, then the parts, then single pages.
const STYLE: &str = concat!(
    include_str!("static/base.css"),
    include_str!("static/parts.css"),
    include_str!("static/pages.css"),
    include_str!("static/conversations.css"),
);

/// The script: what every page has, then conversations.
const SCRIPT: &str =
    concat!(include_str!("static/script.js"), include_str!("static/conversations.js"));

fn asset(name: &str, extension: &str, media_type: &'static str, content: &'static str) -> Asset {
    let hash: [u8; 32] = Sha256::digest(content).into();
    let [a, b, c, d, ..] = hash;
    let mark = u32::from_be_bytes([a, b, c, d]);
    Asset { path: format!("/assets/{name}.{mark:08x}.{extension}"), media_type, content }
}

/// The stylesheet's address.
pub fn style() -> &'static str {
    let [style, ..] = &*ASSETS;
    &style.path
}

/// The script's address.
pub fn script() -> &'static str {
    let [_, script, _] = &*ASSETS;
    &script.path
}

/// The icon's address.
pub fn icon() -> &'static str {
    let [.., icon] = &*ASSETS;
    &icon.path
}

/// Serves them.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/assets/{name}", get(serve))
}

async fn serve(Path(name): Path<String>) -> Response {
    let path = format!("/assets/{name}");
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == path) else {
        return Failure::not_found().into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, asset.content).into_response()
}
