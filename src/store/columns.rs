//! Nouns as columns: what a message, an attachment, a verdict look like in their tables.

use serde::Serialize;

use super::record::needs_key;
use super::value::{Value, values};
use super::{Error, RawMail, Result};
use crate::model::{Attachment, Message, MessageId, StoredMessageId, SubAccountId, Verdict};

/// As JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::damaged)
}

/// As JSON, null when there is nothing.
pub(super) fn json_or_null(value: Option<&impl Serialize>) -> Result<Option<String>> {
    value.map(json).transpose()
}

/// The columns of `ADD_MESSAGES`.
pub(super) fn message_row(
    of: SubAccountId,
    message: &Message,
    envelope: Option<String>,
    content: &RawMail,
) -> Result<Vec<Value>> {
    Ok(values![
        of,
        message.id,
        message.state.name(),
        message.conversation_id,
        message.thread_id,
        message.message_id.as_str(),
        json(&message.in_reply_to)?,
        json(&message.references)?,
        message.direction.map(|direction| direction.name()),
        message.kind.name(),
        json_or_null(message.from.as_ref())?,
        json(&message.to)?,
        json(&message.cc)?,
        &message.subject,
        message.date,
        message.at,
        message.doors.0,
        message.user_id,
        message.text_hash,
        message.id_conflict,
        message.forwarded,
        envelope,
        content.size() as i64,
        content.kept(),
    ])
}

/// The columns of `ADD_ATTACHMENTS`.
pub(super) fn attachment_row(
    of: SubAccountId,
    message: StoredMessageId,
    attachment: &Attachment,
) -> Vec<Value> {
    values![
        of,
        attachment.id,
        message,
        attachment.position,
        &attachment.file_name,
        &attachment.content_type,
        attachment.size as i64,
        attachment.sha256,
        attachment.inline,
        attachment.state.name(),
        attachment.reason,
    ]
}

/// The columns of `ADD_VERDICTS`.
pub(super) fn verdict_row(of: SubAccountId, verdict: &Verdict) -> Result<Vec<Value>> {
    let outcome = verdict.outcome();
    let key = verdict.message_id.as_ref().filter(|_| needs_key(outcome)).map(MessageId::key);
    let key = verdict.private_key.or(key);
    let candidates = (!verdict.candidates.is_empty()).then_some(&verdict.candidates);
    let report = (!verdict.report.is_empty()).then_some(&verdict.report);
    Ok(values![
        of,
        verdict.id,
        verdict.at,
        verdict.door.name(),
        verdict.reason.name(),
        outcome.name(),
        json(&verdict.matched)?,
        verdict.message_id.as_ref().map(MessageId::as_str),
        key,
        verdict.user_id,
        verdict.conversation_id,
        verdict.stored_message_id,
        json_or_null(candidates)?,
        json_or_null(report)?,
        json_or_null(verdict.trust.as_ref())?,
        verdict.expires_at,
        verdict.recheck_at,
    ])
}
