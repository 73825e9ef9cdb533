//! Domains where everybody may have an address: whoever writes from there is no colleague (B3).

/// Is it a public mail provider? Takes the normal form of a domain; its subdomains count too.
pub fn is_public(domain: &str) -> bool {
    PUBLIC_DOMAINS.iter().any(|public| {
        domain.strip_suffix(public).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }) || PUBLIC_NAMES.iter().any(|name| is_national(domain, name))
}

/// `hotmail.fr`, `yahoo.co.jp`: the name, and then one or two short labels.
fn is_national(domain: &str, name: &str) -> bool {
    let Some(rest) = domain.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else {
        return false;
    };
    let labels: Vec<&str> = rest.split('.').collect();
    labels.len() <= 2 && labels.iter().all(|label| (2..=3).contains(&label.len()))
}

/// Providers that use one name under the domain of each country.
const PUBLIC_NAMES: [&str; 7] =
    ["gmx", "googlemail", "hotmail", "live", "outlook", "yahoo", "yandex"];

const PUBLIC_DOMAINS: [&str; 70] = [
    "126.com",
    "139.com",
    "163.com",
    "189.cn",
    "aim.com",
    "alice.it",
    "aol.com",
    "arcor.de",
    "att.net",
    "bigpond.com",
    "bk.ru",
    "bluewin.ch",
    "btinternet.com",
    "centrum.cz",
    "charter.net",
    "comcast.net",
    "cox.net",
    "daum.net",
    "duck.com",
    "earthlink.net",
    "email.cz",
    "fastmail.com",
    "fastmail.fm",
    "foxmail.com",
    "free.fr",
    "freenet.de",
    "gmail.com",
    "hanmail.net",
    "hey.com",
    "hushmail.com",
    "icloud.com",
    "inbox.ru",
    "interia.pl",
    "kakao.com",
    "laposte.net",
    "libero.it",
    "list.ru",
    "mac.com",
    "mail.com",
    "mail.ru",
    "mailbox.org",
    "mailfence.com",
    "me.com",
    "msn.com",
    "naver.com",
    "o2.pl",
    "onet.pl",
    "orange.fr",
    "passport.com",
    "pm.me",
    "posteo.de",
    "proton.me",
    "protonmail.ch",
    "protonmail.com",
    "qq.com",
    "rambler.ru",
    "rediffmail.com",
    "rocketmail.com",
    "sbcglobal.net",
    "seznam.cz",
    "sina.com",
    "sfr.fr",
    "t-online.de",
    "tiscali.it",
    "tuta.com",
    "tutanota.com",
    "verizon.net",
    "wanadoo.fr",
    "web.de",
    "wp.pl",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_public_providers_and_their_national_names() {
        for domain in ["gmail.com", "mail.gmail.com", "hotmail.co.uk", "yahoo.fr", "gmx.net"] {
            assert!(is_public(domain), "{domain}");
        }
        for domain in ["acme.com", "notgmail.com", "outlook.acme.example", "live.nation.com"] {
            assert!(!is_public(domain), "{domain}");
        }
    }
}
