//! The link with which one click unsubscribes (S9, RFC 8058): it names a mail, and nobody else can make
//! one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::model::{StoredMessageId, SubAccountId};
use crate::secrets::Secrets;

/// Of the HMAC; 128 bits that nobody guesses.
const MAC_BYTES: usize = 16;

/// Makes tokens and reads them.
#[derive(Clone)]
pub struct Links {
    key: [u8; 32],
}

impl Links {
    /// With a key of their own.
    pub fn new(secrets: &Secrets) -> Self {
        Self { key: secrets.derived("unsubscribe links") }
    }

    /// The token of a mail.
    pub fn token(&self, of: SubAccountId, mail: StoredMessageId) -> String {
        let named = [of.0.as_bytes().as_slice(), mail.0.as_bytes()].concat();
        let mac = self.mac(&named);
        let mac = mac.iter().take(MAC_BYTES).copied();
        URL_SAFE_NO_PAD.encode(named.iter().copied().chain(mac).collect::<Vec<u8>>())
    }

    /// The mail that a token names; `None` when it is not one of ours.
    pub fn read(&self, token: &str) -> Option<(SubAccountId, StoredMessageId)> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (named, mac) = bytes.split_at_checked(32)?;
        let expected = self.mac(named);
        let is_ours: bool = subtle::ConstantTimeEq::ct_eq(expected.get(..MAC_BYTES)?, mac).into();
        let (of, mail) = named.split_at_checked(16)?;
        let (of, mail) = (Uuid::from_slice(of).ok()?, Uuid::from_slice(mail).ok()?);
        is_ours.then_some((SubAccountId(of), StoredMessageId(mail)))
    }

    #[expect(clippy::expect_used, reason = "the proof stands at the line")]
    fn mac(&self, named: &[u8]) -> Vec<u8> {
        // Proof: HMAC takes keys of any length (RFC 2104 2).
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("invariant: any key will do");
        mac.chain_update(named).finalize().into_bytes().to_vec()
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_mail_and_cannot_be_made_up() {
        let links = Links::new(&Secrets::new([5; 32]));
        let (of, mail) = (SubAccountId(Uuid::from_u128(1)), StoredMessageId(Uuid::from_u128(2)));
        let token = links.token(of, mail);
        assert_eq!(links.read(&token), Some((of, mail)));
        assert_eq!(Links::new(&Secrets::new([6; 32])).read(&token), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut tampered = bytes.clone();
            tampered[at] ^= 1;
            assert_eq!(links.read(&URL_SAFE_NO_PAD.encode(&tampered)), None, "byte {at}");
            assert_eq!(links.read(&URL_SAFE_NO_PAD.encode(&bytes[..at])), None);
        }
        assert_eq!(links.read("../../etc"), None);
    }
}
