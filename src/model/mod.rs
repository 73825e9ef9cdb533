//! The nouns of the product: no IO, no clock, no randomness.

pub mod address;
pub mod contact;
pub mod door;
pub mod envelope;
pub mod event;
pub mod ids;
pub mod mailbox;
pub mod message;
pub mod message_id;
pub mod outgoing;
pub mod provider;
pub mod public_domains;
pub mod settings;
pub mod time;
pub mod token;
pub mod trust;
pub mod user;
pub mod verdict;
pub mod webhook;
pub mod words;

pub use address::{Address, Person};
pub use contact::{Contact, Conversation, Sync, Thread};
pub use door::{Door, Doors};
pub use envelope::{Envelope, Recipient, Route};
pub use event::{Event, EventType};
pub use ids::{
    AttachmentId, ConnectionId, ContactId, ConversationId, EventId, MailboxId, NewIds,
    StoredMessageId, SubAccountId, ThreadId, TokenId, UserId, VerdictId, WebhookId,
};
pub use mailbox::{
    Account, Auth, Credentials, Folder, FolderRole, Host, Login, MailboxState, Security,
};
pub use message::{Attachment, Direction, FileState, Kind, Message, State};
pub use message_id::{MessageId, MessageKey, Pepper};
pub use outgoing::{Outgoing, SendKind, SendStatus, Via};
pub use provider::{Access, OAuth, Organisation, Provider, Providers, is_confidential};
pub use settings::Settings;
pub use time::Time;
pub use token::TokenScope;
pub use trust::{Trust, TrustResults};
pub use user::{Role, User};
pub use verdict::{Candidate, Matched, Outcome, Reason, RecipientReport, Standing, Verdict};
pub use webhook::{Delivery, DeliveryState, Webhook};
