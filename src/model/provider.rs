//! Mailbox providers: where their servers are, and how consent is asked for. The presets and what the
//! operator set; no user's secret.

use std::collections::BTreeMap;

use secrecy::SecretString;
use url::{Host as UrlHost, Url};

use super::{Auth, Host};

/// The providers that mailboxes can be connected to, by their names.
pub type Providers = BTreeMap<String, Provider>;

/// A provider of mailboxes.
#[derive(Clone, Debug)]
pub struct Provider {
    pub name: String,
    /// `None`: the user says it.
    pub imap: Option<Host>,
    /// `None`: the user says it.
    pub smtp: Option<Host>,
    pub access: Access,
    /// What is sent is filed by the provider itself (S6); `None`: it depends on the server.
    pub saves_sent: Option<bool>,
}

/// How its mailboxes are signed in to.
#[derive(Clone, Debug)]
pub enum Access {
    Password,
    /// OAuth 2.0; `None` while the operator has registered no application there.
    OAuth(Option<Box<OAuth>>),
}

/// An application that is registered at an OAuth 2.0 server.
#[derive(Clone, Debug)]
pub struct OAuth {
    pub client_id: String,
    /// `None`: a public client, which PKCE alone protects.
    pub client_secret: Option<SecretString>,
    pub authorize_url: Url,
    pub token_url: Url,
    /// RFC 7009; Microsoft has none.
    pub revoke_url: Option<Url>,
    /// The page on which the user can take the consent back by hand.
    pub consent_url: Option<Url>,
    /// Who signs ID tokens and answers; its origin is compared, for tenants have paths of their own.
    pub issuer: Url,
    pub scopes: Vec<String>,
}

/// An organisation whose people sign in to the pages by their accounts there (OpenID Connect).
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Letter by letter as ID tokens and the discovery document name it.
    pub issuer: String,
    pub client_id: String,
    /// `None`: a public client, which PKCE alone protects.
    pub client_secret: Option<SecretString>,
    /// As the button names it.
    pub name: String,
    /// The domains, in their normal form, for whose addresses the issuer is believed.
    pub allowed_domains: Vec<String>,
    /// Is `preferred_username` an address that the organisation itself gives, as at Microsoft?
    pub trusts_preferred_username: bool,
}

impl Provider {
    /// What signs in.
    pub const fn auth(&self) -> Auth {
        match self.access {
            Access::Password => Auth::Password,
            Access::OAuth(_) => Auth::Xoauth2,
        }
    }

    /// The application, where there is one.
    pub fn oauth(&self) -> Option<&OAuth> {
        match &self.access {
            Access::OAuth(Some(oauth)) => Some(oauth),
            Access::OAuth(None) | Access::Password => None,
        }
    }

    /// Can a mailbox be connected there?
    pub const fn is_ready(&self) -> bool {
        !matches!(self.access, Access::OAuth(None))
    }
}

impl OAuth {
    /// Is the user's identity told with the tokens (OpenID Connect)?
    pub fn tells_identity(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "openid")
    }
}

/// May codes and tokens travel to this URL? By TLS; in clear to this machine itself only.
pub fn is_confidential(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(UrlHost::Domain(name)) => name == "localhost",
        Some(UrlHost::Ipv4(address)) => address.is_loopback(),
        Some(UrlHost::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_loopback
}
