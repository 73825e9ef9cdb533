//! "Why is this mail not here?", asked with the mail itself: its Message-ID is read from a dropped .eml, and
//! nothing of it is kept.

use axum::extract::Multipart;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;

use crate::mail::{Limits, parse};
use crate::web::ui::failure::Failure;
use crate::web::ui::{SignedIn, done};

/// The header of a mail is within its first bytes.
const HEADER_BYTES_MAX: usize = 262_144;

pub async fn why(_: SignedIn, jar: CookieJar, form: Multipart) -> Result<Response, Failure> {
    let beginning = beginning(form).await;
    let id = beginning.and_then(|bytes| parse::headers(&bytes, &Limits::default()).message_id);
    Ok(match id {
        Some(id) => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("q", &format!("<{id}>"));
            Redirect::to(&format!("/activity?{}", query.finish())).into_response()
        }
        None => done(jar, "flash.not_a_mail", "/activity"),
    })
}

/// The first bytes of the file that was sent; the rest is let go as it comes.
async fn beginning(mut form: Multipart) -> Option<Vec<u8>> {
    while let Ok(Some(mut field)) = form.next_field().await {
        if field.name() != Some("file") {
            continue;
        }
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = field.chunk().await {
            let room = HEADER_BYTES_MAX.saturating_sub(bytes.len());
            bytes.extend(chunk.iter().take(room));
        }
        return Some(bytes);
    }
    None
}
