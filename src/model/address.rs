//! E-mail addresses: one normal form to compare by, the written form to show.

use serde::{Deserialize, Serialize};

/// An e-mail address (RFC 5321 4.1.2 `Mailbox`, RFC 6531 when it is not ASCII).
///
/// Two addresses are equal when their normal forms are: the domain in ASCII (IDNA) and lower case
/// without a final dot, the local part in lower case and without needless quotes. Everybody treats
/// local parts as case-insensitive, and two contacts for `Ann@` and `ann@` help nobody.
#[derive(Clone)]
pub struct Address {
    normal: Box<str>,
    /// As written, when that is not the normal form.
    written: Option<Box<str>>,
}

/// RFC 5321 4.5.3.1: local part 64, domain 255; and the `@`.
const LENGTH_MAX: usize = 64 + 1 + 255;

impl Address {
    /// Reads `local@domain`, without angle brackets, comments or a display name.
    /// `None` for what is no address: nothing is guessed.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > LENGTH_MAX || text.chars().any(char::is_control) {
            return None;
        }
        let (local, domain) = text.rsplit_once('@')?;
        if is_normal(local, domain) {
            return Some(Self { normal: text.into(), written: None });
        }
        let normal = format!("{}@{}", normal_local(local)?, normal_domain(domain)?);
        // Lower case can be longer, and what is stored must be readable again.
        if normal.len() > LENGTH_MAX {
            return None;
        }
        let written = (normal != text).then(|| text.into());
        Some(Self { normal: normal.into(), written })
    }

    /// The form that is compared, stored and searched.
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// The form in which it was written.
    pub fn written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.normal)
    }

    /// The form in which it goes into a mail and to a server: the local part as it was written, for there are
    /// servers to which case matters (RFC 5321 2.4), and the domain in ASCII (RFC 5890 2.3.2.1).
    pub fn on_the_wire(&self) -> String {
        let local = self.written().rsplit_once('@').map_or("", |(local, _)| local);
        format!("{local}@{}", self.domain())
    }

    /// The local part in its normal form.
    pub fn local(&self) -> &str {
        self.normal.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The domain in its normal form.
    pub fn domain(&self) -> &str {
        self.normal.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// A machine's address, of which no contact is made: `MAILER-DAEMON`, `postmaster`, `noreply`.
    pub fn is_automatic(&self) -> bool {
        let local = self.local();
        let bare: String = local.chars().filter(char::is_ascii_alphanumeric).collect();
        matches!(bare.as_str(), "mailerdaemon" | "postmaster" | "noreply" | "donotreply")
    }
}

/// Is it in its normal form as it stands? Most are, and need no work; of others nothing is said.
fn is_normal(local: &str, domain: &str) -> bool {
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
    let is_local = |byte: u8| is_plain(byte) || matches!(byte, b'.' | b'+');
    !local.is_empty()
        && local.bytes().all(is_local)
        && domain.len() <= 255
        && domain.split('.').all(is_label)
}

fn normal_local(local: &str) -> Option<String> {
    let quoted = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let unquoted = match quoted {
        Some(inner) => {
            let mut plain = String::with_capacity(inner.len());
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => plain.push(chars.next()?),
                    '"' => return None,
                    c => plain.push(c),
                }
            }
            plain
        }
        None => local.to_owned(),
    };
    let is_plain = is_dot_atom(&unquoted);
    if unquoted.is_empty() || (!is_plain && quoted.is_none()) {
        return None;
    }
    let lower = unquoted.to_lowercase();
    if is_plain {
        return Some(lower);
    }
    let escaped = lower.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{escaped}\""))
}

/// RFC 5322 3.2.3 `dot-atom-text`, but dots anywhere: such addresses are in use.
fn is_dot_atom(text: &str) -> bool {
    text.chars().all(|c| {
        !c.is_ascii() && !c.is_whitespace()
            || c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~.".contains(c)
    })
}

fn normal_domain(domain: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.starts_with('[') && domain.ends_with(']') {
        let is_literal = |c: char| c.is_ascii_alphanumeric() || "[].:-".contains(c);
        return domain.chars().all(is_literal).then(|| domain.to_ascii_lowercase());
    }
    let is_simple =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.' || b == b'_';
    let ascii = if domain.bytes().all(|b| is_simple(b.to_ascii_lowercase())) {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(domain).ok()?
    };
    // IDNA lets some ASCII through that no domain has, such as a space.
    let is_good = !ascii.is_empty()
        && ascii.len() <= 255
        && ascii.bytes().all(is_simple)
        && ascii.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    is_good.then_some(ascii)
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.normal == other.normal
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.normal.cmp(&other.normal)
    }
}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.normal.hash(state);
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.written())
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}>", self.written())
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.written())
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an e-mail address"))
    }
}

/// Somebody named in a mail: an address and the display name beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The address.
    pub email: Address,
    /// The display name, decoded, without control characters; `None` when there is none.
    pub name: Option<String>,
}

impl Person {
    /// An address without a name.
    pub fn new(email: Address) -> Self {
        Self { email, name: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> Option<String> {
        Address::parse(text).map(|address| address.normal().to_owned())
    }

    #[test]
    fn has_one_normal_form() {
        for (written, expected) in [
            ("Ann@Example.COM", "ann@example.com"),
            (" ann@example.com. ", "ann@example.com"),
            ("\"ann\"@example.com", "ann@example.com"),
            ("\"Ann Lee\"@example.com", "\"ann lee\"@example.com"),
            ("\"a\\\"b\"@example.com", "\"a\\\"b\"@example.com"),
            ("a+tag@x.org", "a+tag@x.org"),
            ("info@bücher.example", "info@xn--bcher-kva.example"),
            ("josé@example.com", "josé@example.com"),
            ("a..b@docomo.example", "a..b@docomo.example"),
            ("u@[127.0.0.1]", "u@[127.0.0.1]"),
            ("\"u@other\"@ours.example", "\"u@other\"@ours.example"),
        ] {
            assert_eq!(normal(written).as_deref(), Some(expected), "{written}");
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        let long = format!("{}@example.com", "a".repeat(400));
        for text in [
            "",
            "@",
            "ann",
            "ann@",
            "@example.com",
            "a b@example.com",
            "a@b\0",
            "a@b c",
            "a@.com",
            "a@b..c",
            "<a@b.c>",
            "a@b.c>",
            "a\n@b.c",
            "a@b@c.d",
            "a@exa mple.com",
            long.as_str(),
        ] {
            assert_eq!(normal(text), None, "{text:?}");
        }
    }

    #[test]
    fn has_no_normal_form_that_cannot_be_read_again() {
        assert_eq!(normal("\"never closed@example.com"), None);
        // In lower case this letter is three bytes and not two.
        assert_eq!(normal(&format!("{}@example.com", "\u{130}".repeat(150))), None);
    }

    #[test]
    fn keeps_the_written_form() {
        let address = Address::parse("Ann@Example.com").unwrap();
        assert_eq!(address.to_string(), "Ann@Example.com");
        assert_eq!(address, Address::parse("ann@example.com").unwrap());
    }

    #[test]
    fn goes_out_with_its_domain_in_ascii() {
        for (written, expected) in [
            ("Info@Bücher.example", "Info@xn--bcher-kva.example"),
            ("\"Ann Lee\"@Example.COM.", "\"Ann Lee\"@example.com"),
            ("josé@example.com", "josé@example.com"),
        ] {
            assert_eq!(Address::parse(written).unwrap().on_the_wire(), expected);
        }
    }

    #[test]
    fn knows_machines() {
        for (text, expected) in [
            ("MAILER-DAEMON@x.org", true),
            ("no-reply@x.org", true),
            ("noreply@x.org", true),
            ("norbert@x.org", false),
        ] {
            assert_eq!(Address::parse(text).unwrap().is_automatic(), expected, "{text}");
        }
    }
}
