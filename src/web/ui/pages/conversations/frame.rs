//! The formatted body of a mail, as a document of its own for a frame. It is safe HTML (the first wall), and
//! the policy that it comes with runs nothing and loads nothing even if it were not (the second): whoever
//! opens it without the frame gets the same.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::readable;
use crate::mail::safe::{self, POLICY, Pictures, Remote, Safe};
use crate::mail::{self, Limits};
use crate::model::{FileState, Message, State as MessageState, StoredMessageId};
use crate::web::State;
use crate::web::error::Problem;
use crate::web::input::{Id, Query};
use crate::web::ui::failure::Failure;
use crate::web::ui::{SignedIn, text};

/// How mail looks that does not say how it wants to look. It is paper in the dark, too: mail is written
/// for white.
const STYLE: &str = ":root{color-scheme:light}body{margin:0;padding:12px 16px;background:#fff;color:#1b2230;\
    font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif;overflow-wrap:anywhere}\
    p.MsoNormal,li.MsoNormal,div.MsoNormal{margin:0}img{max-width:100%;height:auto}\
    table{max-width:100%}blockquote{margin:.5em 0 .5em .25em;padding-left:.9em;border-left:2px solid #cfd5df;\
    color:#4b5565}pre{white-space:pre-wrap}a{color:#2d3fae}\
    img.off{display:inline-block;min-width:1.5em;min-height:1.5em;border:1px dashed #b6bdc9;\
    border-radius:4px;background:#f3f5f8;color:#566072;font-size:12px}\
    .leads-to{display:inline-block;padding:0 .4em;border-radius:4px;background:#fdeceb;color:#a8231f;\
    font:600 12px/1.6 system-ui,sans-serif}.note{margin:0 0 1em;color:#566072;font-size:13px}";

#[derive(Deserialize)]
pub struct Asked {
    /// The reader wants the pictures on other people's servers.
    pictures: Option<u8>,
}

/// Shows the formatted body.
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let message = readable(&state, &signed_in, StoredMessageId(id)).await?;
    if message.state == MessageState::Skipped {
        return Err(Failure::not_found());
    }
    let remote = match asked.pictures {
        Some(1) => Remote::Shown,
        _ => Remote::Blocked,
    };
    let of = signed_in.sub_account();
    let turn = state.raw_reads.turn().await;
    let raw = state.store.raw(of, message.id).await?.ok_or_else(Failure::not_found)?;
    let read = tokio::task::spawn_blocking(move || body(&raw, &message, remote)).await;
    drop(turn);
    let safe = read.map_err(|_| Problem::internal())?;
    Ok(document(&safe, remote))
}

fn body(raw: &[u8], message: &Message, remote: Remote) -> Safe {
    let limits = Limits::default();
    let email = mail::parse::read(raw, &limits);
    // The note of who forwarded stands in the same HTML as what was forwarded in the text.
    let (mut email, forwarded) = mail::forward::shown(email, message.forwarded_of());
    let Some(html) = email.html.take().filter(|_| forwarded.is_none()) else {
        let text = forwarded.unwrap_or(email.text);
        let html = format!("<pre>{}</pre>", safe::text::linked(&text));
        return Safe { html, ..Safe::default() };
    };
    let stored = message.attachments.iter().filter(|file| file.state == FileState::Stored);
    let positions: Vec<usize> =
        stored.filter_map(|file| usize::try_from(file.position).ok()).collect();
    let found = mail::attachment::pictures(raw, &limits, &positions);
    let pictures: Pictures = found
        .into_iter()
        .map(|picture| {
            let data = STANDARD.encode(&picture.content);
            (picture.content_id, format!("data:{};base64,{data}", picture.media_type))
        })
        .collect();
    safe::html(&html, &Arc::new(pictures), remote)
}

fn document(safe: &Safe, remote: Remote) -> Response {
    let mut html = String::with_capacity(safe.html.len() + 2_048);
    let title = text::words("mail.formatted_title");
    let note = match safe.is_shortened {
        true => format!("<p class=\"note\">{}</p>", text::words("mail.shortened")),
        false => String::new(),
    };
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=\"\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\">\
         <style>{STYLE}</style></head>{}{note}{}</body></html>",
        safe.body_tag(),
        safe.html
    );
    let policy = match remote {
        Remote::Blocked => POLICY.to_owned(),
        Remote::Shown => format!("{POLICY} https: http:"),
    };
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_SECURITY_POLICY, value(&policy)),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    ];
    (headers, html).into_response()
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("sandbox; default-src 'none'"))
}
