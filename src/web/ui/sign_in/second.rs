//! The second factor: one-time passwords (RFC 6238) from an app, and recovery codes for the day the telephone
//! is gone. A code is good once.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use qrcode::QrCode;
use qrcode::render::svg;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Secret, Totp};

use crate::clock;
use crate::model::{SubAccountId, Time, UserId};
use crate::secrets::Secrets;

/// Bytes of a secret (RFC 4226 4: 160 bits).
const SECRET_LENGTH: usize = 20;
/// So long an app has to prove a secret that was offered.
const OFFER_SECONDS: i64 = 600;
const RECOVERY_CODES: usize = 8;
/// Letters of secrets and recovery codes (RFC 4648 6).
const LETTERS: [char; 32] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S',
    'T', 'U', 'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
];

/// The secret that an app makes its codes of.
#[derive(Clone, Copy)]
pub struct AppSecret([u8; SECRET_LENGTH]);

impl AppSecret {
    /// A new one.
    pub fn random() -> Self {
        Self(clock::random_bytes())
    }

    /// Sealed for the store.
    pub fn seal(&self, secrets: &Secrets, whose: (SubAccountId, UserId)) -> Vec<u8> {
        secrets.seal(&place(whose), &self.0)
    }

    /// One that was sealed for this user.
    pub fn unseal(secrets: &Secrets, whose: (SubAccountId, UserId), sealed: &[u8]) -> Option<Self> {
        secrets.unseal(&place(whose), sealed)?.try_into().ok().map(Self)
    }

    /// Sealed for the form in which the app proves it, with whether the user proved to be the user.
    pub fn offer(
        &self,
        secrets: &Secrets,
        whose: (SubAccountId, UserId),
        (now, is_proved): (Time, bool),
    ) -> Vec<u8> {
        let at = now.as_micros().to_be_bytes();
        secrets.seal(&offered(whose), &[&self.0[..], &at[..], &[u8::from(is_proved)]].concat())
    }

    /// One that was offered to this user a short while ago, and whether the user had proved to be the user.
    pub fn accept(
        secrets: &Secrets,
        whose: (SubAccountId, UserId),
        (sealed, now): (&[u8], Time),
    ) -> Option<(Self, bool)> {
        let plain = secrets.unseal(&offered(whose), sealed)?;
        let (secret, rest) = plain.split_first_chunk::<SECRET_LENGTH>()?;
        let (at, proved) = rest.split_first_chunk::<8>()?;
        let until = Time::from_micros(i64::from_be_bytes(*at)).plus_seconds(OFFER_SECONDS);
        (now <= until).then_some((Self(*secret), proved == [1]))
    }

    /// The step of a code that is right now, or was just before.
    pub fn step(&self, code: &str, now: Time) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let step = self.totp()?.check(&code, u64::try_from(now.as_seconds()).ok()?)?;
        i64::try_from(step).ok()
    }

    /// As people type it into an app that cannot see.
    pub fn in_letters(&self) -> String {
        let groups = self.0.chunks(5).map(|five| letters(five, 8));
        groups.collect::<Vec<_>>().join(" ")
    }

    /// The picture that an app reads, as SVG.
    pub fn picture(&self, email: &str) -> Option<String> {
        let account: String = url::form_urlencoded::byte_serialize(email.as_bytes()).collect();
        let secret = self.in_letters().replace(' ', "");
        let url = format!("otpauth://totp/Mailweave:{account}?secret={secret}&issuer=Mailweave");
        let code = QrCode::new(url).ok()?;
        let drawn = code
            .render()
            .min_dimensions(220, 220)
            .dark_color(svg::Color("#000"))
            .light_color(svg::Color("#fff"))
            .build();
        let start = drawn.find("<svg")?;
        drawn.get(start..).map(str::to_owned)
    }

    fn totp(&self) -> Option<Totp> {
        Builder::new().with_secret(Secret::new_stack(self.0)).build().ok()
    }
}

/// Recovery codes, and what the store keeps of them.
pub fn recovery_codes() -> (Vec<String>, Vec<String>) {
    let mut codes = BTreeSet::new();
    while codes.len() < RECOVERY_CODES {
        let bits: [u8; 10] = clock::random_bytes();
        let (first, second) = bits.split_at(5);
        codes.insert(format!("{}-{}", letters(first, 8), letters(second, 8)));
    }
    let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
    (codes.into_iter().collect(), hashes)
}

/// What the store keeps of a recovery code, however it was typed.
pub fn recovery_hash(code: &str) -> String {
    let normal: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let hash = Sha256::digest(normal.to_ascii_uppercase());
    URL_SAFE_NO_PAD.encode(hash)
}

/// Is it written as a recovery code, not as one of an app?
pub fn is_recovery_code(code: &str) -> bool {
    code.chars().filter(char::is_ascii_alphanumeric).count() == 16
}

/// Five bytes as eight letters.
fn letters(bytes: &[u8], count: usize) -> String {
    let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let places = (0..count).rev().map(|place| (bits >> (5 * place)) as usize & 31);
    places.filter_map(|place| LETTERS.get(place)).collect()
}

fn offered(whose: (SubAccountId, UserId)) -> Vec<u8> {
    [b"offered ".as_slice(), &place(whose)].concat()
}

fn place((of, user): (SubAccountId, UserId)) -> Vec<u8> {
    [b"second factor".as_slice(), of.0.as_bytes(), user.0.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = AppSecret(*b"12345678901234567890");
        assert_eq!(secret.in_letters(), "GEZDGNBV GY3TQOJQ GEZDGNBV GY3TQOJQ");
        let at = |seconds| Time::from_seconds(seconds);
        // Appendix B, the last six digits.
        assert_eq!(secret.step("287082", at(59)), Some(1));
        assert_eq!(secret.step("081 804", at(1_111_111_109)), Some(37_037_036));
        assert_eq!(secret.step("287082", at(59 + 30)), Some(1), "a slow reader");
        assert_eq!(secret.step("287082", at(59 + 90)), None);
        for bad in ["", "28708", "287083", "2870821", "abcdef"] {
            assert_eq!(secret.step(bad, at(59)), None, "{bad}");
        }
        assert!(secret.picture("ann@example.com").unwrap().starts_with("<svg"));
    }

    #[test]
    fn a_secret_is_good_for_its_user_only() {
        let secrets = Secrets::new([1; 32]);
        let whose = |n| (SubAccountId(Uuid::from_u128(1)), UserId(Uuid::from_u128(n)));
        let sealed = AppSecret([7; 20]).seal(&secrets, whose(1));
        assert!(AppSecret::unseal(&secrets, whose(1), &sealed).is_some());
        assert!(AppSecret::unseal(&secrets, whose(2), &sealed).is_none());
    }

    #[test]
    fn an_offer_is_good_for_a_while_and_says_who_asked_for_it() {
        let secrets = Secrets::new([1; 32]);
        let whose = (SubAccountId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let at = |seconds: i64| Time::from_seconds(1_000 + seconds);
        for is_proved in [true, false] {
            let sealed = AppSecret([7; 20]).offer(&secrets, whose, (at(0), is_proved));
            let proved = |seconds| {
                let offer = AppSecret::accept(&secrets, whose, (&sealed, at(seconds)));
                offer.map(|(_, is_proved)| is_proved)
            };
            assert_eq!(proved(599), Some(is_proved));
            assert_eq!(proved(601), None);
            assert!(AppSecret::unseal(&secrets, whose, &sealed).is_none(), "not for the store");
        }
    }

    #[test]
    fn recovery_codes_are_taken_as_people_type_them() {
        let (codes, hashes) = recovery_codes();
        assert_eq!((codes.len(), hashes.len()), (RECOVERY_CODES, RECOVERY_CODES));
        let typed = codes[0].to_lowercase().replace('-', " ");
        assert!(is_recovery_code(&typed) && !is_recovery_code("287 082"));
        assert_eq!(recovery_hash(&typed), hashes[0]);
    }
}
