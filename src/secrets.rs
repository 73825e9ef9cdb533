//! Secrets at rest: what must not be read from a copy of the store is sealed with a key that lives
//! beside it in the data directory. Does not know what it seals, nor where that is kept.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::model::Pepper;

/// Seals and opens with XChaCha20-Poly1305. `Debug` shows nothing of the key.
#[derive(Clone)]
pub struct Secrets {
    cipher: XChaCha20Poly1305,
    /// What other secrets are derived from.
    seed: [u8; 32],
}

/// The first byte of what is sealed, so that a later cipher can be told from this one.
const VERSION: u8 = 1;
const NONCE_LENGTH: usize = 24;
const KEY_LENGTH: usize = 32;

impl Secrets {
    /// With this key.
    pub fn new(key: [u8; KEY_LENGTH]) -> Self {
        let seed = Sha256::new().chain_update(b"mailweave derived secrets").chain_update(key);
        Self { cipher: XChaCha20Poly1305::new(&key.into()), seed: seed.finalize().into() }
    }

    /// With the key in a file; the file is made, readable by its owner only, when there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(mut file) => {
                make_private(&file)?;
                Self::read_key(&mut file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make_key(path),
            Err(error) => Err(error),
        }
    }

    fn read_key(file: &mut impl Read) -> io::Result<Self> {
        let mut key = Vec::with_capacity(KEY_LENGTH + 1);
        file.take(KEY_LENGTH as u64 + 1).read_to_end(&mut key)?;
        let key = key.try_into().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "the key file must hold exactly 32 bytes")
        })?;
        Ok(Self::new(key))
    }

    fn make_key(path: &Path) -> io::Result<Self> {
        let key: [u8; KEY_LENGTH] = crate::clock::random_bytes();
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(&key)?;
        file.sync_all()?;
        Ok(Self::new(key))
    }

    /// Seals `plain`. It opens only with the same `place`: the row it belongs to, so that a sealed
    /// value moved to another row is worthless.
    #[expect(clippy::expect_used, reason = "the proof stands at the line")]
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LENGTH] = crate::clock::random_bytes();
        let payload = Payload { msg: plain, aad: place };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        // Proof: encryption fails only beyond 256 GB of input, which no memory here holds.
        let sealed = sealed.expect("invariant: a secret is smaller than 256 GB");
        [&[VERSION], nonce.as_slice(), &sealed].concat()
    }

    /// What keys of mail that is not kept are made with.
    pub fn pepper(&self) -> Pepper {
        Pepper::new(self.derived("message keys"))
    }

    /// A secret of its own for each purpose, which tells nothing of the key.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        let hash = Sha256::new().chain_update(self.seed).chain_update(purpose);
        Sha256::digest(hash.finalize()).into()
    }

    /// Opens what [`Self::seal`] made; `None` when the key or the place is another, or it was changed.
    pub fn unseal(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (&version, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LENGTH>()?;
        if version != VERSION {
            return None;
        }
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: place }).ok()
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

/// Takes from everybody what a copy or a careless `chmod` gave them: a secret is its owner's alone, or at
/// most a group's, as where it is put by another user.
pub fn make_private(file: &File) -> io::Result<()> {
    match file.metadata()?.permissions().mode() & 0o007 {
        0 => Ok(()),
        _ => file.set_permissions(Permissions::from_mode(0o600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_sealed_and_only_in_its_place() {
        let secrets = Secrets::new([7; 32]);
        let sealed = secrets.seal(b"row 1", b"hunter2");
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(secrets.unseal(b"row 1", &sealed).as_deref(), Some(b"hunter2".as_slice()));
        assert_eq!(secrets.unseal(b"row 2", &sealed), None);
        assert_eq!(Secrets::new([8; 32]).unseal(b"row 1", &sealed), None);
        for length in 0..sealed.len() {
            assert_eq!(secrets.unseal(b"row 1", &sealed[..length]), None);
        }
        assert_eq!(format!("{secrets:?}"), "Secrets(***)");
    }

    #[test]
    fn keeps_its_key_in_a_file_only_the_owner_reads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let sealed = Secrets::open(&path).unwrap().seal(b"", b"kept");
        assert_eq!(Secrets::open(&path).unwrap().unseal(b"", &sealed).unwrap(), b"kept");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Secrets::open(&path).unwrap().unseal(b"", &sealed).unwrap(), b"kept");
        assert_eq!(mode(), 0o600);
        std::fs::write(&path, b"short").unwrap();
        assert!(Secrets::open(&path).is_err());
    }
}
