//! Ids: one newtype each, all UUIDv7 (RFC 9562 5.7), so that they sort by the time they were made.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Time;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

id! {
    /// One customer's workspace; every row belongs to one.
    SubAccountId
    /// A person of a sub-account.
    UserId
    /// An outside person.
    ContactId
    /// The exchange with one contact.
    ConversationId
    /// A chain of messages inside a conversation.
    ThreadId
    /// A message in the store; not its RFC 5322 Message-ID, which is a [`super::MessageId`].
    StoredMessageId
    /// A file of a stored message.
    AttachmentId
    /// What was decided about one mail at one door.
    VerdictId
    /// The account that a user has connected.
    MailboxId
    /// One way into a mailbox, from its consent to its end; threads belong to one.
    ConnectionId
    /// Something that became true.
    EventId
    /// An API token.
    TokenId
    /// A place where events are told.
    WebhookId
}

impl SubAccountId {
    /// The operator's own: mail to `postmaster` is kept there (RFC 5321 4.5.1).
    pub const OPERATOR: Self = Self(Uuid::nil());
}

impl VerdictId {
    /// The least that a verdict of then, or later, can have.
    pub fn first_at(time: Time) -> Self {
        let unix_ms = u128::try_from(time.as_millis()).unwrap_or(0);
        Self(Uuid::from_u128(unix_ms << 80))
    }
}

/// Makes ids without a clock or a random source of its own: the driver seeds it, and equal seeds
/// give equal ids, which is what lets the decisions be pure. Ids of one source ascend.
#[derive(Debug, Clone)]
pub struct NewIds {
    unix_ms: u64,
    /// 74 bits, counted up from a random start.
    counter: u128,
    /// How far apart two ids are.
    stride: u128,
}

impl NewIds {
    /// `seed` must come from a good random source; ids of one seed are told apart by a counter.
    pub fn new(now: Time, seed: u128) -> Self {
        Self {
            unix_ms: u64::try_from(now.as_millis()).unwrap_or(0),
            // The top bit stays free, so that 2^39 ids fit before the counter leaves its 74 bits.
            counter: seed & ((1 << 73) - 1),
            // Far apart and not by a round number, so that one id does not tell the next.
            stride: (1 << 33) | (seed >> 96) | 1,
        }
    }

    /// The next id.
    pub fn next_id(&mut self) -> Uuid {
        self.counter += self.stride;
        let (a, b) = ((self.counter >> 62) as u16 & 0xfff, self.counter as u64);
        let time = self.unix_ms.to_be_bytes();
        let (a, mut b) = (a.to_be_bytes(), (b & ((1 << 62) - 1)).to_be_bytes());
        b[0] |= 0x80;
        let [_, _, t0, t1, t2, t3, t4, t5] = time;
        let [b0, b1, b2, b3, b4, b5, b6, b7] = b;
        Uuid::from_bytes([
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            0x70 | a[0],
            a[1],
            b0,
            b1,
            b2,
            b3,
            b4,
            b5,
            b6,
            b7,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_ascending_ids_of_version_7() {
        let mut ids = NewIds::new(Time::from_micros(1_700_000_000_000_000), u128::MAX / 7);
        let made: Vec<Uuid> = (0..10_000).map(|_| ids.next_id()).collect();
        assert!(made.is_sorted() && made.iter().all(|id| id.get_version_num() == 7));
        assert!(made.windows(2).all(|pair| pair[0] != pair[1]));
        let (seconds, _) = made[9_999].get_timestamp().unwrap().to_unix();
        assert_eq!(seconds, 1_700_000_000);
        let last: std::collections::BTreeSet<u8> =
            made.iter().map(|id| id.as_bytes()[15]).collect();
        assert!(last.len() > 100, "the low bits go on changing");
    }
}
