//! Files of messages, as downloads only (A4): whatever a file claims to be, no browser shows it here.

use std::sync::Arc;

use crate::mail::{self, Limits};
use crate::model::{AttachmentId, FileState, StoredMessageId, SubAccountId};
use crate::web::State;
use crate::web::auth::Reader;
use crate::web::error::{Code, Problem, ProblemDetails};
use crate::web::input::Id;
use axum::extract::State as Shared;
use axum::http::header;
use axum::response::IntoResponse;

/// Even a browser that shows it runs nothing in it and loads nothing for it.
pub const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

/// A file of a message.
#[utoipa::path(get, path = "/attachments/{id}", tag = "messages", params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "The file.", content_type = "application/octet-stream",
            body = Vec<u8>),
        (status = 410, description = "The file was left out.",
            content_type = "application/problem+json", body = ProblemDetails)))]
pub async fn download(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Id(id): Id,
) -> Result<impl IntoResponse, Problem> {
    let of = reader.sub_account();
    let found = state.store.attachment(of, AttachmentId(id)).await?;
    let (file, message) = found.ok_or_else(Problem::not_found)?;
    if file.state == FileState::LeftOut {
        let reason = file.reason.unwrap_or("not kept");
        let detail = format!("Its bytes are not kept ({reason}); name, size and SHA-256 are.");
        return Err(Problem::new(Code::AttachmentLeftOut, detail));
    }
    let bytes = content(&state, of, message, file.position).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&file.file_name)),
        (header::CONTENT_SECURITY_POLICY, SANDBOX.to_owned()),
    ];
    Ok((headers, bytes))
}

/// The bytes of a file that is stored.
pub async fn content(
    state: &Arc<State>,
    of: SubAccountId,
    message: StoredMessageId,
    position: u32,
) -> Result<Vec<u8>, Problem> {
    let turn = state.raw_reads.turn().await;
    let raw = state.store.raw(of, message).await?.ok_or_else(Problem::not_found)?;
    let position = usize::try_from(position).unwrap_or(usize::MAX);
    let read = move || mail::attachment::content(&raw, &Limits::default(), position);
    let read = tokio::task::spawn_blocking(read).await;
    drop(turn);
    let (_, bytes) = read.ok().flatten().ok_or_else(Problem::internal)?;
    Ok(bytes)
}

/// RFC 6266 4.3: a plain name for old clients, and the true one in UTF-8. Neither holds a path, a quote,
/// a control or a bidi character.
fn disposition(file_name: &str) -> String {
    let safe: String = file_name.chars().map(safe_char).take(200).collect();
    let safe = safe.trim_matches(['.', ' ']);
    let safe = if safe.is_empty() { "attachment" } else { safe };
    let plain: String = safe.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    // RFC 8187 3.2.1: what is no attr-char is percent-encoded.
    let encoded: String = safe.bytes().map(attr_char).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn safe_char(c: char) -> char {
    let is_bidi = matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_special = matches!(c, '/' | '\\' | '"' | ':' | '%' | '<' | '>' | '|' | '?' | '*');
    if c.is_control() || is_bidi || is_special { '_' } else { c }
}

fn attr_char(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_so_that_no_client_is_misled() {
        for (name, plain) in [
            ("offer.pdf", "offer.pdf"),
            ("../../etc/cron.d/x", "_.._etc_cron.d_x"),
            ("C:\\x", "C__x"),
            ("invoice\u{202e}gpj.exe", "invoice_gpj.exe"),
            ("a\"; filename=x.exe\r\nX: y", "a_; filename=x.exe__X_ y"),
            ("%2e%2e%2f", "_2e_2e_2f"),
            ("..", "attachment"),
            ("", "attachment"),
        ] {
            let header = disposition(name);
            assert!(header.starts_with(&format!("attachment; filename=\"{plain}\"; ")), "{header}");
            assert!(header.is_ascii() && header.len() < 1_000, "{header}");
        }
        let header = disposition("Angebot für Ärzte.pdf");
        assert!(header.ends_with("filename*=UTF-8''Angebot%20f%C3%BCr%20%C3%84rzte.pdf"));
    }
}
