//! Message-IDs (RFC 5322 3.6.4) and the keys under which the store finds them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::SubAccountId;

/// A Message-ID without its angle brackets, as written otherwise: they are compared byte by byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    text: Box<str>,
    /// Follows from the text, and is asked for many times.
    key: MessageKey,
}

/// RFC 5322 2.1.1: no line is longer, so no honest id is.
const LENGTH_MAX: usize = 998;

impl MessageId {
    /// Reads one id, with or without brackets. Inner white space is dropped (folding puts it
    /// there), control characters make it no id, and an id longer than a line is replaced by its
    /// hash, so that it can still be compared.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('<').unwrap_or(text);
        let text = text.strip_suffix('>').unwrap_or(text);
        if !text.is_empty() && text.len() <= LENGTH_MAX && text.bytes().all(is_plain) {
            return Some(Self::new(text.into()));
        }
        let id: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if id.is_empty() || id.chars().any(|c| c.is_control() || c == '<' || c == '>') {
            return None;
        }
        if id.len() > LENGTH_MAX {
            return Some(Self::synthetic(id.as_bytes()));
        }
        Some(Self::new(id.into()))
    }

    fn new(text: Box<str>) -> Self {
        let key = MessageKey::of(Sha256::digest(text.as_bytes()).into());
        Self { text, key }
    }

    /// A stable id for a mail that has none, made from what it says, so that a redelivery has the same.
    pub fn synthetic(content: &[u8]) -> Self {
        let hash = Sha256::digest(content);
        let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self::new(format!("{hex}@mailweave.invalid").into())
    }

    /// The id without brackets.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key under which the store keeps it.
    pub const fn key(&self) -> MessageKey {
        self.key
    }
}

/// A character that an id keeps as it is.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'<' && byte != b'>'
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::deserialize(deserializer).map(Self::new)
    }
}

impl std::fmt::Debug for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MessageId").field(&self.text).finish()
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Makes keys of Message-IDs that tell nobody which mail they are of: whoever has the store but not the
/// key of the data directory cannot even try (T1).
#[derive(Clone)]
pub struct Pepper([u8; 32]);

impl Pepper {
    /// `secret` must be known to nobody else.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The key of an id in a sub-account.
    pub fn key(&self, of: SubAccountId, id: &MessageId) -> MessageKey {
        self.keyed(of, id.key())
    }

    /// The same of an id of which only the plain key is known.
    pub fn keyed(&self, of: SubAccountId, key: MessageKey) -> MessageKey {
        // The input after the secret has a fixed length, so that nothing can be appended to it.
        let hash = Sha256::new().chain_update(self.0).chain_update(of.0).chain_update(key.0);
        MessageKey::of(Sha256::digest(hash.finalize()).into())
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(***)")
    }
}

/// The first 128 bits of the SHA-256 of a Message-ID: of fixed length whatever a sender made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey(pub [u8; 16]);

impl MessageKey {
    fn of(hash: [u8; 32]) -> Self {
        Self(*hash.first_chunk().unwrap_or(&[0; 16]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_as_they_are_written() {
        for (text, expected) in [
            ("<a@b>", Some("a@b")),
            ("a@b", Some("a@b")),
            ("<a\r\n b@c>", Some("ab@c")),
            ("<\"quoted string\"@b>", Some("\"quotedstring\"@b")),
            ("<no-at-sign>", Some("no-at-sign")),
            ("<../../etc/passwd'; drop table x>", Some("../../etc/passwd';droptablex")),
            ("<>", None),
            ("", None),
            ("<a\0@b>", None),
        ] {
            assert_eq!(
                MessageId::parse(text).as_ref().map(MessageId::as_str),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn an_endless_id_has_a_short_stable_form() {
        let endless = "x".repeat(10_000_000);
        let id = MessageId::parse(&endless).unwrap();
        assert!(id.as_str().len() < 100 && id.as_str().ends_with("@mailweave.invalid"));
        assert_eq!(MessageId::parse(&endless), Some(id));
    }
}
