//! The signatures of ID tokens, checked by ring: the one provider of cryptography of the whole tree. Nothing is
//! signed here, and secrets that both sides share (HS256) are no proof of an organisation.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{
    self as rings, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};

/// What a token may be signed by (OpenID Connect Core 15.1 asks for RS256).
pub const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

static RING: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    // They make keys, or their thumbprints; nobody here does.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring what jsonwebtoken checks signatures by.
pub fn install() {
    // The error says that it is installed already, which is what is wanted.
    let _installed = RING.install_default();
}

/// A key, and what it checks.
struct Check {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

/// A key of another kind than the algorithm asks for checks nothing.
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    match key.family().algorithms().contains(algorithm) && ALGORITHMS.contains(algorithm) {
        true => Ok(Box::new(Check { algorithm: *algorithm, key: key.clone() })),
        false => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

impl JwtVerifier for Check {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Check {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let checked = match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let parameters = rsa(self.algorithm).ok_or_else(signature::Error::new)?;
                let key = RsaPublicKeyComponents { n: bare(n), e: bare(e) };
                key.verify(parameters, message, signature)
            }
            DecodingKeyKind::SecretOrDer(point) => {
                let algorithm = curve(self.algorithm).ok_or_else(signature::Error::new)?;
                rings::UnparsedPublicKey::new(algorithm, point).verify(message, signature)
            }
        };
        checked.map_err(|_| signature::Error::new())
    }
}

/// RFC 7518 3.3 and 3.5; keys below 2048 bits are refused.
const fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&rings::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&rings::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&rings::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&rings::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&rings::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&rings::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

/// RFC 7518 3.4 and RFC 8037 3.1.
fn curve(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&rings::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Some(&rings::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Some(&rings::ED25519),
        _ => None,
    }
}

/// ring takes numbers without the zeros that some write before them.
fn bare(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    number.get(start..).unwrap_or_default()
}
