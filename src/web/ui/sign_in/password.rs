//! Passwords: argon2id, a few at a time and never on the threads that answer others.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use icu_normalizer::ComposingNormalizerBorrowed;
use tokio::sync::{OnceCell, Semaphore};

/// Characters of a password at least; it may be of any kind (NIST SP 800-63B 3.1.1.2).
pub const CHARS_MIN: usize = 10;
/// Bytes of a password at most; a longer one is not looked at.
const BYTES_MAX: usize = 1_024;
/// Words that many choose, and everybody tries.
const GUESSED: [&str; 20] = [
    "password",
    "passwort",
    "passw",
    "qwerty",
    "qwertz",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "letmein",
    "welcome",
    "iloveyou",
    "admin",
    "administrator",
    "mailweave",
    "changeme",
    "secret",
    "test",
    "default",
    "master",
    "login",
];
/// Each takes 19 MiB and 20 ms or more.
const AT_ONCE: usize = 2;

/// Makes and checks hashes of passwords.
pub struct Passwords {
    turns: Semaphore,
    /// What the passwords of unknown users are checked against.
    nobody: OnceCell<String>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), nobody: OnceCell::new() }
    }
}

/// What is wrong with a password that was chosen, by the key of its words.
pub fn objection(password: &str, email: &str) -> Option<&'static str> {
    let count = password.chars().count();
    let is_same_letter = password.chars().all(|c| password.starts_with(c));
    match () {
        () if count < CHARS_MIN => Some("error.password_short"),
        () if password.len() > BYTES_MAX => Some("error.password_long"),
        () if is_same_letter || password.eq_ignore_ascii_case(email) || is_guessed(password) => {
            Some("error.password_known")
        }
        () => None,
    }
}

/// Is it what guesses begin with: one well-known word with digits and signs about it, or digits alone?
fn is_guessed(password: &str) -> bool {
    let letters = password.chars().filter(|c| c.is_alphabetic()).collect::<String>().to_lowercase();
    let is_number = || password.bytes().all(|it| it.is_ascii_digit());
    GUESSED.contains(&letters.as_str()) || is_number()
}

impl Passwords {
    /// The hash of a password, as a PHC string; `None` when the machine fails us.
    pub async fn hash(&self, password: &str) -> Option<String> {
        let _turn = self.turns.acquire().await.ok()?;
        let password = normal(password);
        let hashed = tokio::task::spawn_blocking(move || {
            Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
        });
        hashed.await.ok()?.ok()
    }

    /// Is it the password of that hash? Without a hash it takes as long, and is not.
    pub async fn is_right(&self, password: &str, hash: Option<&str>) -> bool {
        let kept = match hash {
            Some(hash) => Some(hash.to_owned()),
            None => self.nobody().await,
        };
        let Some(kept) = kept.filter(|_| password.len() <= BYTES_MAX) else { return false };
        let Ok(_turn) = self.turns.acquire().await else { return false };
        let password = normal(password);
        let checked = tokio::task::spawn_blocking(move || {
            let kept = PasswordHash::new(&kept);
            kept.is_ok_and(|kept| {
                Argon2::default().verify_password(password.as_bytes(), &kept).is_ok()
            })
        });
        checked.await.unwrap_or(false) && hash.is_some()
    }

    async fn nobody(&self) -> Option<String> {
        let made = self.nobody.get_or_try_init(async || {
            let bits: [u8; 16] = crate::clock::random_bytes();
            self.hash(&u128::from_be_bytes(bits).to_string()).await.ok_or(())
        });
        made.await.ok().cloned()
    }
}

/// One form for what keyboards of different systems type (NIST SP 800-63B 3.1.1.2: NFKC).
fn normal(password: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(password).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn takes_the_password_and_nothing_else() {
        let passwords = Passwords::default();
        let hash = passwords.hash("caf\u{e9} au lait").await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.is_right("caf\u{e9} au lait", Some(&hash)).await);
        assert!(passwords.is_right("cafe\u{301} au lait", Some(&hash)).await, "typed on a Mac");
        assert!(!passwords.is_right("cafe au lait", Some(&hash)).await);
        assert!(!passwords.is_right("caf\u{e9} au lait", None).await);
        assert!(!passwords.is_right(&"x".repeat(1 << 20), Some(&hash)).await);
        assert!(!passwords.is_right("x", Some("no hash")).await);
    }

    #[test]
    fn objects_to_what_anybody_guesses() {
        let email = "ann@example.com";
        for bad in [
            "",
            "short",
            "aaaaaaaaaaaa",
            "Password123!",
            "1234567890",
            "Ann@Example.com",
            &"x1".repeat(600),
        ] {
            assert!(objection(bad, email).is_some(), "{bad}");
        }
        for good in ["correct horse", "my secret password", "\u{1f600}\u{1f601}!!!!!!!!!!"] {
            assert_eq!(objection(good, email), None, "{good}");
        }
    }
}
