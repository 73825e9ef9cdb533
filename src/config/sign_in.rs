//! `[sign_in.openid]`: the organisation whose people sign in by their accounts there, checked.

use super::providers::is_empty;
use super::raw::OpenId;
use super::{Checker, Error};
use crate::model::Organisation;

/// Characters of the name on the button at most.
const NAME_CHARS_MAX: usize = 60;

impl Checker {
    /// The organisation, where an issuer is named.
    pub(super) fn organisation(&self, raw: &OpenId) -> Result<Option<Organisation>, Error> {
        let key = |name: &str| format!("sign_in.openid.{name}");
        let Some(issuer) = self.url(&key("issuer"), &raw.issuer)? else { return Ok(None) };
        // OpenID Connect Discovery 3: it has neither, as a path is put behind it.
        if issuer.query().is_some() || issuer.fragment().is_some() {
            return Err(self.wrong(&key("issuer"), "a URL without ? and #", &raw.issuer));
        }
        if raw.client_id.is_empty() {
            return Err(self.wrong(&key("client_id"), "the id that the issuer gave", ""));
        }
        if raw.name.trim().is_empty() || raw.name.chars().count() > NAME_CHARS_MAX {
            return Err(self.wrong(&key("name"), "a name of 1 to 60 characters", &raw.name));
        }
        // Whoever runs the issuer can say any address: it is believed for these alone.
        if raw.allowed_domains.is_empty() {
            let expected = "the domains whose people the issuer knows, at least one";
            return Err(self.wrong(&key("allowed_domains"), expected, ""));
        }
        let domains = raw.allowed_domains.iter();
        let domains = domains.map(|text| self.domain(&key("allowed_domains"), text));
        Ok(Some(Organisation {
            issuer: raw.issuer.clone(),
            client_id: raw.client_id.clone(),
            client_secret: Some(raw.client_secret.clone()).filter(|secret| !is_empty(secret)),
            name: raw.name.trim().to_owned(),
            allowed_domains: domains.collect::<Result<_, _>>()?,
            trusts_preferred_username: raw.trust_preferred_username,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    const WHOLE: &str = "[sign_in.openid]\nissuer = \"https://id.firm.example/\"\nclient_id = \"x\"\n\
        client_secret = \"hush\"\nname = \"Firm\"\nallowed_domains = [\"Firm.example\"]\n";

    #[test]
    fn an_organisation_is_read_and_its_secret_is_not_told() {
        assert!(Config::parse("", None, []).unwrap().organisation.is_none());
        let config = Config::parse(WHOLE, None, []).unwrap();
        let organisation = config.organisation.as_ref().unwrap();
        assert_eq!(organisation.issuer, "https://id.firm.example/", "letter by letter");
        assert_eq!(organisation.allowed_domains, ["firm.example"]);
        assert!(!organisation.trusts_preferred_username);
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn the_environment_sets_it_too() {
        let set = |key: &str, value: &str| {
            (format!("MAILWEAVE_SIGN_IN__OPENID__{key}"), value.to_owned())
        };
        let environment = [
            set("ISSUER", "https://id.firm.example"),
            set("CLIENT_ID", "4711"),
            set("ALLOWED_DOMAINS", "firm.example, firm.test"),
            set("TRUST_PREFERRED_USERNAME", "true"),
        ];
        let organisation = Config::parse("", None, environment).unwrap().organisation.unwrap();
        assert_eq!(organisation.allowed_domains.len(), 2);
        assert!(organisation.trusts_preferred_username);
    }

    #[test]
    fn mistakes_are_told_by_their_key() {
        for (from, to, key) in [
            ("https://id", "http://id", "issuer"),
            (".example/\"", ".example/?x\"", "issuer"),
            ("client_id = \"x\"", "client_id = \"\"", "client_id"),
            ("name = \"Firm\"", "name = \" \"", "name"),
            ("[\"Firm.example\"]", "[]", "allowed_domains"),
            ("[\"Firm.example\"]", "[\"@\"]", "allowed_domains"),
        ] {
            let error = Config::parse(&WHOLE.replace(from, to), None, []).unwrap_err().to_string();
            assert!(error.starts_with(&format!("sign_in.openid.{key} ")), "{to}: {error}");
        }
    }
}
