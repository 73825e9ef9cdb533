//! Links: to web pages and mail addresses only, and where the text of one names another place than the
//! link leads to, the true one is said behind it.

use url::Url;

use super::attributes::web_address;
use crate::model::Address;

/// A link that may be followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub href: String,
    /// The host, or the address that mail would go to; in ASCII (B25).
    pub target: String,
}

/// The longest address of a page that is linked to.
const HREF_BYTES_MAX: usize = 8_192;

impl Link {
    /// Reads an address: `http`, `https` and `mailto` only.
    pub(super) fn read(href: &str) -> Option<Self> {
        let href = href.trim();
        if href.len() > HREF_BYTES_MAX {
            return None;
        }
        if let Some(url) = web_address(href) {
            let target = url.host_str()?.trim_start_matches("www.").to_owned();
            return Some(Self { href: url.into(), target });
        }
        let url = Url::parse(href).ok().filter(|url| url.scheme() == "mailto")?;
        let address = Address::parse(url.path())?;
        // A subject or a Bcc that the sender wants there is the sender's wish, not the reader's.
        let href = format!("mailto:{}", address.normal());
        Some(Self { href, target: address.normal().to_owned() })
    }

    /// Where it leads, when its text lets one think of another place.
    pub(super) fn betrayed_by(&self, text: &str) -> Option<&str> {
        let named = text.split(|c: char| c.is_whitespace() || "<>()[],;|\"'".contains(c));
        let mut hosts = named.take(WORDS_MAX).filter_map(named_host);
        let lies = hosts.any(|host| !is_same_place(&host, self.host()));
        (lies || self.host().split('.').any(|label| label.starts_with("xn--")))
            .then_some(&self.target)
    }

    fn host(&self) -> &str {
        self.target.rsplit_once('@').map_or(&self.target, |(_, domain)| domain)
    }
}

/// Words of a link's text that are looked at.
const WORDS_MAX: usize = 50;

/// The host that a word seems to be, in ASCII.
fn named_host(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| matches!(c, '.' | ':' | '!' | '?'));
    let has_scheme = word.split_once("://");
    let rest = has_scheme.map_or(word, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let (_, top) = host.rsplit_once('.')?;
    let looks_like_one = top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
    // `e.g` and `offer.pdf` name no place, unless they are written like one.
    let is_file = FILES.contains(&top.to_ascii_lowercase().as_str());
    if !looks_like_one || (is_file && has_scheme.is_none()) {
        return None;
    }
    idna::domain_to_ascii(host).ok().filter(|host| !host.is_empty())
}

const FILES: [&str; 14] = [
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "txt", "jpg", "jpeg", "png", "html",
    "htm",
];

/// One is the other, or a part of it.
fn is_same_place(named: &str, true_host: &str) -> bool {
    let named = named.trim_start_matches("www.");
    let is_part = |part: &str, of: &str| part.strip_suffix(of).is_some_and(|it| it.ends_with('.'));
    named == true_host || is_part(true_host, named) || is_part(named, true_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_pages_and_addresses_only() {
        for (href, expected) in [
            ("https://www.x.example/a?b=c", Some("https://www.x.example/a?b=c")),
            ("mailto:ann@x.example?bcc=evil@y.example", Some("mailto:ann@x.example")),
            ("javascript:alert(1)", None),
            (" java\nscript:alert(1)", None),
            ("data:text/html,x", None),
            ("vbscript:x", None),
            ("file:///etc/passwd", None),
            ("/relative", None),
            ("mailto:x@y') && alert(1)", None),
        ] {
            assert_eq!(Link::read(href).map(|link| link.href).as_deref(), expected, "{href}");
        }
    }

    #[test]
    fn says_where_a_link_leads_when_its_text_pretends() {
        for (href, text, said) in [
            ("https://bank.example/", "https://bank.example/login", None),
            ("https://login.bank.example/", "bank.example", None),
            ("https://evil.example/", "www.bank.example", Some("evil.example")),
            ("https://bank.example@evil.example/", "https://bank.example", Some("evil.example")),
            (
                "https://bank.example.evil.example/",
                "bank.example",
                Some("bank.example.evil.example"),
            ),
            ("https://evil.example/", "click here", None),
            ("https://files.example/", "see offer.pdf, e.g. now", None),
            ("mailto:evil@x.example", "ann@y.example", Some("evil@x.example")),
            ("https://\u{430}pple.com/", "\u{430}pple.com", Some("xn--pple-43d.com")),
        ] {
            let link = Link::read(href).unwrap();
            assert_eq!(link.betrayed_by(text), said, "{href} {text}");
        }
    }
}
