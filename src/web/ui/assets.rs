//! What pages fetch: one stylesheet, one script, the icon. Their names carry the hash of their content, so
//! that browsers keep them for a year and never show an old one.
//!
//! A page is shown when its stylesheet is there. A browser that has none yet would ask for it, a round trip more,
//! so the first page carries it in its text; the script then has the browser keep it, and says so in a cookie.
//! (Alternatives: 103 Early Hints, which browsers take over HTTP/2 alone, and a small stylesheet for what is seen
//! first, which moves the page when the rest arrives.)

use std::sync::{Arc, LazyLock};

use askama::filters::Safe;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::extract::cookie::CookieJar;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::failure::Failure;
use crate::web::State;

struct Asset {
    path: String,
    mark: String,
    media_type: &'static str,
    content: &'static str,
}

/// Set by the script when the browser has the stylesheet; its value is the mark in its name.
const STYLE_COOKIE: &str = "style";

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
    let mark = format!("{mark:08x}");
    Asset { path: format!("/assets/{name}.{mark}.{extension}"), mark, media_type, content }
}

/// The stylesheet's address.
pub fn style() -> &'static str {
    let [style, ..] = &*ASSETS;
    &style.path
}

/// The stylesheet itself, for a page that carries it.
pub const fn style_text() -> Safe<&'static str> {
    Safe(STYLE)
}

/// The stylesheet as a policy names it (CSP3 2.3.1), so that a page may carry this one, and no other.
pub fn style_source() -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE)))
}

/// Has the browser kept the stylesheet that the pages have now?
pub fn is_style_kept(jar: &CookieJar) -> bool {
    let [style, ..] = &*ASSETS;
    jar.get(STYLE_COOKIE).is_some_and(|kept| kept.value() == style.mark)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stylesheet_can_stand_in_a_page() {
        // HTML 4.12.6: nothing else ends it; and a line end that is changed would change the hash.
        assert!(!STYLE.contains("</") && !STYLE.contains('\r') && !STYLE.contains('\0'));
    }
}
