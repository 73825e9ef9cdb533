//! What every page goes through: forms from other sites are refused, headers forbid what no page does, a
//! message that was shown is removed.

use std::sync::{Arc, LazyLock};

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::assets;
use super::failure::Failure;
use super::flash;
use crate::web::State;
use crate::web::error::{Code, Problem};

/// Everything comes from here, scripts never from a page's own text, nothing frames a page. Of styles a page may
/// carry the one stylesheet, as it is.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' {}; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; manifest-src 'self'; frame-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
        assets::style_source()
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The policy of pages.
pub fn policy() -> HeaderValue {
    POLICY.clone()
}

/// Guards the pages.
pub async fn guard(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_reading && !is_from_here(request.headers()) {
        tracing::warn!(code = "cross_site", "A form that another site sent was refused.");
        return Failure::new(StatusCode::FORBIDDEN, "error.cross_site").into_response();
    }
    let had_message = is_reading && names_cookie(request.headers(), flash::NAME);
    let mut response = as_page(next.run(request).await);
    let was_shown = response.status().is_success() && is_html(response.headers());
    let headers = response.headers_mut();
    let fixed = [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        // Links lead back to a page that may name people; other sites learn nothing of it.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(policy);
    if state.is_https() {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
    if had_message && was_shown {
        let gone = flash::gone().to_string();
        if let Ok(value) = HeaderValue::from_str(&gone) {
            headers.append(header::SET_COOKIE, value);
        }
    }
    response
}

/// What the API's own parts refuse, as an id that is none, is a page here, too.
fn as_page(response: Response) -> Response {
    match response.extensions().get::<Problem>() {
        Some(problem) if problem.code == Code::InvalidRequest => {
            Failure::not_found().into_response()
        }
        Some(problem) => Failure::from(problem.clone()).into_response(),
        None => response,
    }
}

/// Does a browser say that one of our own pages sent it? A client that says neither `Sec-Fetch-Site` nor
/// `Origin` is no browser, and holds no cookie that somebody else could use.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return true };
    let origin = origin.strip_prefix("https://").or(origin.strip_prefix("http://"));
    // The name the browser used, whatever this host is called.
    origin.is_some() && origin == text("host")
}

fn names_cookie(headers: &HeaderMap, name: &str) -> bool {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
    pairs.any(|pair| pair.trim().split_once('=').is_some_and(|(it, _)| it == name))
}

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_come_from_our_own_pages() {
        let rows: [(&[(&str, &str)], bool); 8] = [
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (
                &[("sec-fetch-site", "cross-site"), ("origin", "http://here"), ("host", "here")],
                false,
            ),
            (&[("origin", "http://here:1"), ("host", "here:1")], true),
            (&[("origin", "http://here:2"), ("host", "here:1")], false),
            (&[("origin", "null"), ("host", "here")], false),
            (&[("host", "here")], true),
        ];
        for (headers, is_good) in rows {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(
                    header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                );
            }
            assert_eq!(is_from_here(&map), is_good, "{headers:?}");
        }
    }
}
