//! The files of a mail that is written: those that come with the form, and those of a stored message, which
//! was taken back. What comes with a form is not kept with a draft: its names are.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::message::size;
use super::readable;
use crate::decide::send::Refusal;
use crate::mail::compose::NewFile;
use crate::model::{AttachmentId, FileState, Message, Settings, SubAccountId};
use crate::web::State;
use crate::web::api::attachments;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Fields, SignedIn, text};

/// The largest form, in bytes: files of 3 MB, some of them.
pub const FORM_BYTES_MAX: usize = 32 * 1_048_576;
/// Files of one mail.
pub const FILES_MAX: usize = 50;
/// Fields of one form.
const FIELDS_MAX: usize = 200;

/// A form with files.
pub struct Form {
    pub fields: Fields,
    pub files: Vec<NewFile>,
    /// There were more than a form may have, in words. As many as it may have are here.
    pub excess: Option<String>,
}

/// A file of a stored message that goes along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    id: Uuid,
    pub name: String,
}

/// Why a file cannot go along.
pub enum Gone {
    /// It is not there any more.
    Erased(String),
    /// They are too large together.
    TooLarge,
    Failed(Failure),
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bad = || Failure::new(StatusCode::BAD_REQUEST, "error.form");
        let mut parts = Multipart::from_request(request, state).await.map_err(|_| bad())?;
        let mut fields = Vec::new();
        let mut files = Vec::new();
        let mut excess = None;
        loop {
            match next(&mut parts).await {
                Ok(Some(Part::File(_))) if files.len() == FILES_MAX => excess = Some(too_many()),
                Ok(Some(Part::File(file))) => files.push(file),
                Ok(Some(Part::Field(name, value))) => fields.push((name, value)),
                Ok(None) => break,
                Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                    excess = Some(too_large());
                    break;
                }
                Err(_) => return Err(bad()),
            }
            if fields.len() > FIELDS_MAX {
                return Err(bad());
            }
        }
        // A file field that was left empty has no name and no bytes.
        fields.retain(|(name, _)| name != "files");
        let fields = Fields::of(fields).ok_or_else(bad)?;
        Ok(Self { fields, files, excess })
    }
}

/// A part of a form.
enum Part {
    Field(String, String),
    File(NewFile),
}

async fn next(parts: &mut Multipart) -> Result<Option<Part>, MultipartError> {
    let Some(part) = parts.next_field().await? else { return Ok(None) };
    let name = part.name().unwrap_or_default().to_owned();
    let file_name = part.file_name().map(str::to_owned);
    let content_type = part.content_type().map(str::to_owned);
    let content = part.bytes().await?;
    Ok(Some(match file_name.filter(|name| !name.is_empty()) {
        Some(file_name) => Part::File(new_file(file_name, content_type, &content)),
        None => Part::Field(name, String::from_utf8_lossy(&content).into_owned()),
    }))
}

fn new_file(file_name: String, content_type: Option<String>, content: &Bytes) -> NewFile {
    NewFile {
        file_name,
        content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        content: content.to_vec(),
        content_id: None,
    }
}

impl Attached {
    /// The files of a message.
    pub fn all_of(message: &Message) -> Vec<Self> {
        let stored = message.attachments.iter().filter(|file| file.state == FileState::Stored);
        stored.map(|file| Self { id: file.id.0, name: file.file_name.clone() }).collect()
    }

    /// As a field of a form has it: its id, and its name for the next time that the form is shown.
    pub fn value(&self) -> String {
        format!("{} {}", self.id, self.name)
    }

    /// Reads what [`Self::value`] wrote.
    pub fn parse(value: &str) -> Option<Self> {
        let (id, name) = value.split_once(' ')?;
        Some(Self { id: id.parse().ok()?, name: name.to_owned() })
    }
}

/// How large each file may be, in words.
pub async fn limit(state: &State, of: SubAccountId) -> Result<String, Failure> {
    Ok(size(switches(state, of).await?.attachment_limit))
}

/// Why a file is not sent, in words (S10).
pub async fn refused(
    state: &State,
    of: SubAccountId,
    refusal: &Refusal,
) -> Result<Option<String>, Failure> {
    Ok(match refusal {
        Refusal::AttachmentTooLarge(name) => {
            let limit = limit(state, of).await?;
            Some(text::fill("error.compose_file_large", &[name, &limit]))
        }
        Refusal::TypeNotAllowed(name) => {
            let types = switches(state, of).await?.attachment_types.join(", ").to_uppercase();
            Some(text::fill("error.compose_file_type", &[name, &types]))
        }
        Refusal::NoSender => None,
    })
}

async fn switches(state: &State, of: SubAccountId) -> Result<Settings, Failure> {
    let settings = state.store.account_settings(of).await?.ok_or_else(Failure::not_found)?;
    Ok(settings.switches)
}

/// What is said where there are more than go along.
pub fn too_many() -> String {
    text::with("error.compose_many_files", FILES_MAX)
}

/// What is said where they are too large together.
pub fn too_large() -> String {
    text::with("error.compose_files", FORM_BYTES_MAX / 1_048_576)
}

impl From<Failure> for Gone {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The files that go along, of messages that who is signed in may read.
pub async fn fetch(
    state: &Arc<State>,
    signed_in: &SignedIn,
    asked: &[Attached],
) -> Result<Vec<NewFile>, Gone> {
    let of = signed_in.sub_account();
    let mut files: Vec<NewFile> = Vec::new();
    let mut bytes = 0;
    for Attached { id, name } in asked {
        let found = state.store.attachment(of, AttachmentId(*id)).await.map_err(Failure::from)?;
        let found = found.filter(|(file, _)| file.state == FileState::Stored);
        let (file, message) = found.ok_or_else(|| Gone::Erased(name.clone()))?;
        readable(state, signed_in, message).await?;
        bytes += file.size;
        if bytes > FORM_BYTES_MAX as u64 {
            return Err(Gone::TooLarge);
        }
        let content = attachments::content(state, of, message, file.position).await;
        files.push(NewFile {
            file_name: file.file_name,
            content_type: file.content_type,
            content: content.map_err(Failure::from)?,
            content_id: None,
        });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_goes_along_is_read_from_its_field_again() {
        let file = Attached { id: Uuid::max(), name: "offer 1.pdf".to_owned() };
        assert_eq!(Attached::parse(&file.value()), Some(file));
        assert!(Attached::parse("x y").is_none() && Attached::parse("").is_none());
    }
}
