//! The link with which one click unsubscribes (S9, RFC 8058): it names a mail and its
//! recipient, and nobody else can make one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::model::{Address, StoredMessageId, SubAccountId};
use crate::secrets::Secrets;

/// Of the HMAC; 128 bits that nobody guesses.
const MAC_BYTES: usize = 16;
/// The two ids that every token begins with.
const IDS_BYTES: usize = 32;

/// Makes tokens and reads them.
#[derive(Clone)]
pub struct Links {
    secrets: Secrets,
    key: [u8; 32],
}

/// What a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub sub_account: SubAccountId,
    pub mail: StoredMessageId,
    /// To whom the mail went, in normal form: the mail may be deleted before somebody clicks. Tokens of
    /// before do not say it.
    pub address: Option<String>,
}

impl Links {
    /// With a key of their own.
    pub fn new(secrets: &Secrets) -> Self {
        Self { key: secrets.derived("unsubscribe links"), secrets: secrets.clone() }
    }

    /// The token of a mail to this recipient. The address is sealed: links stand in the logs of others.
    pub fn token(&self, of: SubAccountId, mail: StoredMessageId, to: &Address) -> String {
        let ids = [of.0.as_bytes().as_slice(), mail.0.as_bytes()].concat();
        let sealed = self.secrets.seal(&place(&ids), to.normal().as_bytes());
        URL_SAFE_NO_PAD.encode([ids, sealed].concat())
    }

    /// What a token names; `None` when it is not one of ours.
    pub fn read(&self, token: &str) -> Option<Named> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (ids, proof) = bytes.split_at_checked(IDS_BYTES)?;
        let address = match proof.len() {
            MAC_BYTES => self.is_signed(ids, proof).then_some(None)?,
            _ => String::from_utf8(self.secrets.unseal(&place(ids), proof)?).ok(),
        };
        let (of, mail) = ids.split_at_checked(16)?;
        let (of, mail) = (Uuid::from_slice(of).ok()?, Uuid::from_slice(mail).ok()?);
        Some(Named { sub_account: SubAccountId(of), mail: StoredMessageId(mail), address })
    }

    /// Tokens of before have an HMAC, and nothing that is sealed.
    fn is_signed(&self, ids: &[u8], mac: &[u8]) -> bool {
        let expected = self.mac(ids);
        let expected = expected.get(..MAC_BYTES).unwrap_or_default();
        subtle::ConstantTimeEq::ct_eq(expected, mac).into()
    }

    #[expect(clippy::expect_used, reason = "the proof stands at the line")]
    fn mac(&self, named: &[u8]) -> Vec<u8> {
        // Proof: HMAC takes keys of any length (RFC 2104 2).
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("invariant: any key will do");
        mac.chain_update(named).finalize().into_bytes().to_vec()
    }
}

/// What is sealed for another purpose, or for other ids, opens no link.
fn place(ids: &[u8]) -> Vec<u8> {
    [b"unsubscribe link".as_slice(), ids].concat()
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
        let ids = [of.0.as_bytes().as_slice(), mail.0.as_bytes()].concat();
        let old = [ids.as_slice(), &links.mac(&ids)[..MAC_BYTES]].concat();
        let new = links.token(of, mail, &Address::parse("Carl@C.example").unwrap());
        for (token, address) in
            [(URL_SAFE_NO_PAD.encode(old), None), (new, Some("carl@c.example".to_owned()))]
        {
            assert_eq!(links.read(&token), Some(Named { sub_account: of, mail, address }));
            assert_eq!(Links::new(&Secrets::new([6; 32])).read(&token), None);
            let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            assert!(!bytes.windows(4).any(|part| part == b"carl"));
            for at in 0..bytes.len() {
                let mut tampered = bytes.clone();
                tampered[at] ^= 1;
                assert_eq!(links.read(&URL_SAFE_NO_PAD.encode(&tampered)), None, "byte {at}");
                assert_eq!(links.read(&URL_SAFE_NO_PAD.encode(&bytes[..at])), None);
            }
        }
        assert_eq!(links.read("../../etc"), None);
    }
}
