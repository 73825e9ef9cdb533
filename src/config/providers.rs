//! `[providers.*]`: the presets, over them what the operator wrote, checked.

use url::Url;

use super::raw;
use super::{Checker, Error};
use crate::model::{Access, Host, OAuth, Provider, Providers, is_confidential};

/// A preset, as it could be written in the file.
struct Preset {
    name: &'static str,
    authorize_url: &'static str,
    token_url: &'static str,
    revoke_url: &'static str,
    consent_url: &'static str,
    scopes: &'static [&'static str],
    imap: &'static str,
    smtp: &'static str,
    auth: &'static str,
    saves_sent: Option<bool>,
}

const MICROSOFT_SCOPES: &[&str] = &[
    "openid",
    "email",
    "profile",
    // Without it there is no refresh token.
    "offline_access",
    "https://outlook.office.com/IMAP.AccessAsUser.All",
    "https://outlook.office.com/SMTP.Send",
];

/// PROTOCOL of the providers' own documentation: hosts, scopes, and who files sent mail by itself.
const PRESETS: [Preset; 4] = [
    Preset {
        name: "outlook",
        authorize_url: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        token_url: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        revoke_url: "",
        consent_url: "https://myapplications.microsoft.com/",
        scopes: MICROSOFT_SCOPES,
        imap: "outlook.office365.com:993",
        smtp: "smtp.office365.com:587",
        auth: "xoauth2",
        saves_sent: Some(true),
    },
    Preset {
        name: "outlook_personal",
        authorize_url: "https://login.microsoftonline.com/consumers/oauth2/v2.0/authorize",
        token_url: "https://login.microsoftonline.com/consumers/oauth2/v2.0/token",
        revoke_url: "",
        consent_url: "https://account.live.com/consent/Manage",
        scopes: MICROSOFT_SCOPES,
        imap: "outlook.office365.com:993",
        smtp: "smtp-mail.outlook.com:587",
        auth: "xoauth2",
        saves_sent: Some(true),
    },
    Preset {
        name: "gmail",
        // Google gives a refresh token only to who asks for one in these words.
        authorize_url: "https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&prompt=consent",
        token_url: "https://oauth2.googleapis.com/token",
        revoke_url: "https://oauth2.googleapis.com/revoke",
        consent_url: "https://myaccount.google.com/connections",
        scopes: &["openid", "email", "https://mail.google.com/"],
        imap: "imap.gmail.com:993",
        smtp: "smtp.gmail.com:465",
        auth: "xoauth2",
        saves_sent: Some(true),
    },
    // Any host, named by the user, with a password.
    Preset {
        name: "imap",
        authorize_url: "",
        token_url: "",
        revoke_url: "",
        consent_url: "",
        scopes: &[],
        imap: "",
        smtp: "",
        auth: "password",
        saves_sent: None,
    },
];

/// What a provider is before the operator wrote anything of it.
const NOTHING: Preset = Preset {
    name: "",
    authorize_url: "",
    token_url: "",
    revoke_url: "",
    consent_url: "",
    scopes: &[],
    imap: "",
    smtp: "",
    auth: "xoauth2",
    saves_sent: None,
};

impl Preset {
    /// The value of a key: what was written, or else the preset's.
    fn or<'a>(written: Option<&'a String>, preset: &'a str) -> &'a str {
        written.map_or(preset, String::as_str)
    }
}

impl Checker {
    /// Every preset, and every provider that was written.
    pub(super) fn providers(&self, raw: &raw::RawConfig) -> Result<Providers, Error> {
        let nothing = raw::Provider::default();
        let mut providers = Providers::new();
        for preset in &PRESETS {
            let written = raw.providers.get(preset.name).unwrap_or(&nothing);
            let provider = self.provider(preset.name, written, preset)?;
            providers.insert(preset.name.to_owned(), provider);
        }
        for (name, written) in &raw.providers {
            if !providers.contains_key(name) {
                providers.insert(name.clone(), self.provider(name, written, &NOTHING)?);
            }
        }
        Ok(providers)
    }

    fn provider(
        &self,
        name: &str,
        written: &raw::Provider,
        preset: &Preset,
    ) -> Result<Provider, Error> {
        let key = |key: &str| format!("providers.{name}.{key}");
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 60 || !name.chars().all(is_name) {
            let expected = "a name of letters, digits, _, - and .";
            return Err(self.wrong("providers", expected, name));
        }
        if let Some(watch) = written.watch.as_deref().filter(|watch| *watch != "imap") {
            return Err(self.wrong(
                &key("watch"),
                "\"imap\" (others are not supported yet)",
                watch,
            ));
        }
        let access = match Preset::or(written.auth.as_ref(), preset.auth) {
            "password" => Access::Password,
            "xoauth2" => Access::OAuth(self.oauth(name, written, preset)?),
            other => {
                return Err(self.wrong(&key("auth"), "\"xoauth2\" or \"password\"", other));
            }
        };
        let imap = self.host(&key("imap"), Preset::or(written.imap.as_ref(), preset.imap))?;
        let smtp = self.host(&key("smtp"), Preset::or(written.smtp.as_ref(), preset.smtp))?;
        if matches!(access, Access::OAuth(_)) && (imap.is_none() || smtp.is_none()) {
            // A token goes to the servers it was given for, and nowhere else (D12).
            let expected = "HOST:PORT for imap and smtp: tokens go nowhere else";
            return Err(self.wrong(&key("imap"), expected, ""));
        }
        let saves_sent = written.saves_sent.or(preset.saves_sent);
        Ok(Provider { name: name.to_owned(), imap, smtp, access, saves_sent })
    }

    fn host(&self, key: &str, text: &str) -> Result<Option<Host>, Error> {
        let expected = "HOST:PORT, such as imap.example.com:993; with ?starttls, ?tls or (to this \
                        machine only) ?plain where the port does not say it";
        match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| self.wrong(key, expected, text)),
        }
    }

    /// The application, once the operator has registered one.
    fn oauth(
        &self,
        name: &str,
        written: &raw::Provider,
        preset: &Preset,
    ) -> Result<Option<Box<OAuth>>, Error> {
        let key = |key: &str| format!("providers.{name}.{key}");
        let wanted = |name: &str, written: Option<&String>, preset: &str| {
            let url = self.url(&key(name), Preset::or(written, preset))?;
            url.ok_or_else(|| self.wrong(&key(name), "an https:// URL", ""))
        };
        let optional = |name: &str, written: Option<&String>, preset: &str| {
            self.url(&key(name), Preset::or(written, preset))
        };
        let Some(client_id) = written.client_id.clone().filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let authorize_url =
            wanted("authorize_url", written.authorize_url.as_ref(), preset.authorize_url)?;
        let issuer = optional("issuer", written.issuer.as_ref(), "")?;
        let preset_scopes = || preset.scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let secret = written.client_secret.clone();
        Ok(Some(Box::new(OAuth {
            client_id,
            client_secret: secret.filter(|secret| !is_empty(secret)),
            token_url: wanted("token_url", written.token_url.as_ref(), preset.token_url)?,
            revoke_url: optional("revoke_url", written.revoke_url.as_ref(), preset.revoke_url)?,
            consent_url: optional("consent_url", written.consent_url.as_ref(), preset.consent_url)?,
            issuer: issuer.unwrap_or_else(|| authorize_url.clone()),
            authorize_url,
            scopes: written.scopes.clone().unwrap_or_else(preset_scopes),
        })))
    }

    pub(super) fn url(&self, key: &str, text: &str) -> Result<Option<Url>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        match Url::parse(text).ok().filter(is_confidential) {
            Some(url) => Ok(Some(url)),
            None => Err(self.wrong(key, "an https:// URL (http:// to this machine only)", text)),
        }
    }
}

pub(super) fn is_empty(secret: &secrecy::SecretString) -> bool {
    use secrecy::ExposeSecret;
    secret.expose_secret().is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn providers(text: &str) -> Result<Providers, String> {
        let config = Config::parse(text, None, []);
        config.map(|config| config.providers).map_err(|error| error.to_string())
    }

    #[test]
    fn presets_are_there_without_a_word() {
        let providers = providers("").unwrap();
        let names: Vec<&str> = providers.keys().map(String::as_str).collect();
        assert_eq!(names, ["gmail", "imap", "outlook", "outlook_personal"]);
        assert!(!providers["outlook"].is_ready() && providers["imap"].is_ready());
        assert_eq!(
            providers["outlook"].smtp.as_ref().unwrap().to_string(),
            "smtp.office365.com:587"
        );
    }

    #[test]
    fn a_client_id_makes_a_preset_ready_and_keys_stand_over_it() {
        let text = "[providers.outlook]\nclient_id = \"abc\"\nclient_secret = \"hush\"\n\
            [providers.lab]\nclient_id = \"x\"\nauthorize_url = \"http://127.0.0.1:1/a\"\n\
            token_url = \"http://127.0.0.1:1/t\"\nimap = \"127.0.0.1:10993?tls\"\n\
            smtp = \"127.0.0.1:10587\"\nscopes = [\"mail\"]\n";
        let providers = providers(text).unwrap();
        let outlook = providers["outlook"].oauth().unwrap();
        assert!(outlook.tells_identity() && outlook.revoke_url.is_none());
        assert!(outlook.authorize_url.path().starts_with("/common/"));
        let lab = providers["lab"].oauth().unwrap();
        assert!(!lab.tells_identity() && lab.client_secret.is_none());
        assert!(!format!("{providers:?}").contains("hush"));
    }

    #[test]
    fn mistakes_are_told_by_their_key() {
        let app = "client_id = \"x\"\n";
        let rows = [
            ("[providers.outlook]\nwatch = \"graph\"\n", "providers.outlook.watch"),
            ("[providers.outlook]\nimap = \"here\"\n", "providers.outlook.imap"),
            ("[providers.outlook]\nauth = \"ntlm\"\n", "providers.outlook.auth"),
            ("[providers.mine]\n", "providers.mine.imap"),
            ("[providers.'my own']\n", "providers"),
            (
                &format!("[providers.outlook]\n{app}token_url = \"http://evil.example/\"\n"),
                "providers.outlook.token_url",
            ),
            (
                &format!(
                    "[providers.mine]\n{app}imap = \"a.example:993\"\nsmtp = \"a.example:465\"\n"
                ),
                "providers.mine.authorize_url",
            ),
        ];
        for (text, key) in rows {
            let error = providers(text).unwrap_err();
            assert!(error.starts_with(key), "{text}: {error}");
        }
    }
}
