//! What is bound to a statement, the same for both databases.

use std::sync::Arc;

use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use uuid::Uuid;

use crate::model::{
    AttachmentId, ConnectionId, ContactId, ConversationId, EventId, MailboxId, MessageKey,
    StoredMessageId, SubAccountId, ThreadId, Time, TokenId, UserId, VerdictId, WebhookId,
};

/// A value of one of the types that both databases have.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(Option<i64>),
    Bool(Option<bool>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    /// A raw mail, which other tasks may still be reading.
    Content(Arc<Vec<u8>>),
    Id(Option<Uuid>),
}

impl Value {
    /// A value of the same type that is null.
    pub(super) const fn null(&self) -> Self {
        match self {
            Self::Int(_) => Self::Int(None),
            Self::Bool(_) => Self::Bool(None),
            Self::Text(_) => Self::Text(None),
            Self::Bytes(_) | Self::Content(_) => Self::Bytes(None),
            Self::Id(_) => Self::Id(None),
        }
    }
}

/// The values of a statement, for SQLite.
pub(super) fn for_sqlite(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        let added: Result<(), BoxDynError> = match value {
            Value::Int(value) => arguments.add(value),
            Value::Bool(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(without_nul)),
            Value::Bytes(value) => arguments.add(value),
            Value::Content(value) => arguments.add(Arc::unwrap_or_clone(value)),
            Value::Id(value) => arguments.add(value),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The values of a statement, for PostgreSQL.
pub(super) fn for_postgres(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        let added: Result<(), BoxDynError> = match value {
            Value::Int(value) => arguments.add(value),
            Value::Bool(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(without_nul)),
            Value::Bytes(value) => arguments.add(value),
            Value::Content(value) => arguments.add(value.as_slice()),
            Value::Id(value) => arguments.add(value),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// PostgreSQL's text cannot hold a NUL, SQLite's can: neither is given one.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The values of a statement in the order of its `$1`, `$2`, …
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::value::Value::from($value)),*] };
}
pub(super) use values;

macro_rules! from {
    ($($type:ty => |$value:ident| $made:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        }
    )*};
}

from! {
    i64 => |value| Self::Int(Some(value));
    u32 => |value| Self::Int(Some(i64::from(value)));
    Option<i64> => |value| Self::Int(value);
    Time => |time| Self::Int(Some(time.as_micros()));
    Option<Time> => |time| Self::Int(time.map(Time::as_micros));
    bool => |value| Self::Bool(Some(value));
    &str => |text| Self::Text(Some(text.to_owned()));
    &String => |text| Self::Text(Some(text.clone()));
    String => |text| Self::Text(Some(text));
    Option<String> => |text| Self::Text(text);
    Option<&str> => |text| Self::Text(text.map(str::to_owned));
    Vec<u8> => |bytes| Self::Bytes(Some(bytes));
    &[u8] => |bytes| Self::Bytes(Some(bytes.to_vec()));
    Option<Vec<u8>> => |bytes| Self::Bytes(bytes);
    [u8; 16] => |bytes| Self::Bytes(Some(bytes.to_vec()));
    Option<[u8; 16]> => |bytes| Self::Bytes(bytes.map(|bytes| bytes.to_vec()));
    [u8; 32] => |bytes| Self::Bytes(Some(bytes.to_vec()));
    MessageKey => |key| Self::Bytes(Some(key.0.to_vec()));
    Option<MessageKey> => |key| Self::Bytes(key.map(|key| key.0.to_vec()));
    Arc<Vec<u8>> => |content| Self::Content(content);
    Uuid => |id| Self::Id(Some(id));
    Option<Uuid> => |id| Self::Id(id);
}

macro_rules! from_ids {
    ($($id:ident)*) => {$(
        impl From<$id> for Value {
            fn from(id: $id) -> Self {
                Self::Id(Some(id.0))
            }
        }

        impl From<Option<$id>> for Value {
            fn from(id: Option<$id>) -> Self {
                Self::Id(id.map(|id| id.0))
            }
        }
    )*};
}

from_ids! {
    SubAccountId UserId ContactId ConversationId ThreadId StoredMessageId AttachmentId VerdictId
    EventId TokenId ConnectionId MailboxId WebhookId
}
