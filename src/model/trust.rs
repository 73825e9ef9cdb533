//! How far the author of a mail is believed (B2).

use serde::{Deserialize, Serialize};

/// Why the header From is believed, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// DMARC passed (RFC 9989).
    Dmarc,
    /// A DKIM signature of an aligned domain passed (RFC 6376).
    Dkim,
    /// SPF passed for an aligned domain (RFC 7208).
    Spf,
    /// Nobody asks: `verify = "off"`, or a loopback peer under a `.localhost` domain.
    Local,
    /// The operator imports it (B12).
    Operator,
    /// Somebody of the sub-account released it (V3).
    Released,
    /// Nothing speaks for it.
    Unverified,
    /// The check failed for want of DNS and will be repeated.
    Unknown,
}

impl Trust {
    /// Is the author who they say?
    pub const fn is_believed(self) -> bool {
        !matches!(self, Self::Unverified | Self::Unknown)
    }

    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dmarc => "dmarc",
            Self::Dkim => "dkim",
            Self::Spf => "spf",
            Self::Local => "local",
            Self::Operator => "operator",
            Self::Released => "released",
            Self::Unverified => "unverified",
            Self::Unknown => "unknown",
        }
    }
}

/// What the checks said, kept with the verdict. Words of RFC 8601 2.7: `pass`, `fail`, `softfail`,
/// `neutral`, `none`, `temperror`, `permerror`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustResults {
    pub trust: Trust,
    pub spf: Option<String>,
    /// The domain SPF was asked about.
    pub spf_domain: Option<String>,
    /// One word for each signature, with its domain: `pass example.com`.
    pub dkim: Vec<String>,
    pub dmarc: Option<String>,
}

impl TrustResults {
    /// A result without checks.
    pub fn without_checks(trust: Trust) -> Self {
        Self { trust, spf: None, spf_domain: None, dkim: Vec::new(), dmarc: None }
    }
}
