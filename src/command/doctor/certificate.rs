//! The certificate: there, matching its key, for our name, and not about to expire.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::Check;
use crate::clock;
use crate::config::Tls;
use crate::model::Time;
use crate::tls::{Certificates, DAYS_LOW};

const DAY_SECONDS: i64 = 24 * 3_600;

/// What is checked, as the name of the check.
const NAME: &str = "certificate";

pub(super) fn check(tls: &Tls, hostname: &str) -> Vec<Check> {
    let (certificate, key) = (&tls.certificate, &tls.key);
    match (certificate.exists(), key.exists()) {
        (false, false) => vec![Check::warn(
            NAME,
            format!("{} is not there yet", certificate.display()),
            "nothing, for first steps: `mailweave serve` makes a self-signed one",
        )],
        (true, false) => vec![missing(key, certificate)],
        (false, true) => vec![missing(certificate, key)],
        (true, true) => match Certificates::open(certificate, key, &[]) {
            Ok(certificates) => match certificates.leaf() {
                Some(leaf) => examine(&leaf, hostname, clock::now()),
                None => vec![unreadable(format!("{} is empty", certificate.display()))],
            },
            Err(error) => vec![unreadable(error.to_string())],
        },
    }
}

fn unreadable(found: String) -> Check {
    Check::fail(NAME, found, "put the certificate chain and its private key there, both as PEM")
}

fn missing(gone: &Path, there: &Path) -> Check {
    let found = format!("{} is missing, but {} is there", gone.display(), there.display());
    Check::fail(NAME, found, "put the missing file there, or take the other away")
}

fn examine(der: &CertificateDer<'_>, hostname: &str, now: Time) -> Vec<Check> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        let advice = "have a new one made";
        return vec![Check::fail(NAME, "it cannot be understood", advice)];
    };
    let mut checks = vec![days_left(&certificate, now)];
    let names = names(&certificate);
    if !names.iter().any(|name| covers(name, hostname)) {
        checks.push(Check::warn(
            NAME,
            format!("it is for {}, not for {hostname} (smtp.hostname)", names.join(", ")),
            "have one made for the name that the MX record points to",
        ));
    }
    if certificate.issuer() == certificate.subject() {
        checks.push(Check::warn(
            NAME,
            "it is self-signed: mail is encrypted on its way, but senders that insist on a public certificate (MTA-STS) refuse it",
            "have one made by a public authority before you publish an MTA-STS policy",
        ));
    }
    checks
}

fn days_left(certificate: &X509Certificate<'_>, now: Time) -> Check {
    let until = Time::from_seconds(certificate.validity().not_after.timestamp());
    let days = (until.as_seconds() - now.as_seconds()).div_euclid(DAY_SECONDS);
    let found = format!("valid until {}, {days} days from now", until.to_rfc3339());
    let advice = "renew it; the gateway notices the new files by itself";
    match days {
        ..0 => Check::fail(NAME, format!("expired on {}", until.to_rfc3339()), advice),
        0..DAYS_LOW => Check::warn(NAME, found, advice),
        _ => Check::ok(NAME, found),
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    alternatives.value.general_names.iter().filter_map(name).collect()
}

/// RFC 9525 6.3: a wildcard stands for one whole leftmost label.
fn covers(name: &str, hostname: &str) -> bool {
    let parent = hostname.split_once('.').map(|(_, parent)| parent);
    name == hostname || name.strip_prefix("*.").is_some_and(|stem| parent == Some(stem))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    const NOW: Time = Time::from_seconds(1_800_000_000);

    fn tls(directory: &Path) -> Tls {
        Tls {
            certificate: directory.join("cert.pem"),
            key: directory.join("key.pem"),
            extra_roots: None,
        }
    }

    fn write_pair(tls: &Tls) {
        let pair = rcgen::generate_simple_self_signed(["mail.firm.example".to_owned()]).unwrap();
        std::fs::write(&tls.certificate, pair.cert.pem()).unwrap();
        std::fs::write(&tls.key, pair.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn a_pair_that_is_one_is_no_fault() {
        let directory = tempfile::tempdir().unwrap();
        let tls = tls(directory.path());
        assert_eq!(check(&tls, "mail.firm.example")[0].status, Status::Warn);
        write_pair(&tls);
        let checks = check(&tls, "mail.firm.example");
        assert!(checks.iter().all(|check| check.status != Status::Fail), "{checks:?}");
        assert!(checks.iter().any(|check| check.found.contains("self-signed")), "{checks:?}");
        let other = check(&tls, "mx.firm.example");
        assert!(other.iter().any(|check| check.found.contains("not for mx.firm")), "{other:?}");
    }

    #[test]
    fn a_key_of_another_certificate_is_a_fault() {
        let directory = tempfile::tempdir().unwrap();
        let tls = tls(directory.path());
        write_pair(&tls);
        let key = std::fs::read(&tls.key).unwrap();
        write_pair(&tls);
        std::fs::write(&tls.key, key).unwrap();
        let checks = check(&tls, "mail.firm.example");
        assert!(checks[0].status == Status::Fail, "{checks:?}");
        std::fs::remove_file(&tls.key).unwrap();
        assert!(check(&tls, "x")[0].found.contains("is missing"));
        std::fs::write(&tls.key, "garbage").unwrap();
        assert_eq!(check(&tls, "x")[0].status, Status::Fail);
    }

    #[test]
    fn tells_of_the_end_in_time() {
        let mut parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2027, 1, 20);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = parameters.self_signed(&key).unwrap().der().clone();
        for (now, expected) in [
            (NOW.plus_seconds(-30 * DAY_SECONDS), Status::Ok),
            (NOW, Status::Warn),
            (NOW.plus_seconds(30 * DAY_SECONDS), Status::Fail),
        ] {
            assert_eq!(examine(&der, "a.example", now)[0].status, expected, "{now:?}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(covers("*.firm.example", "mail.firm.example"));
        assert!(!covers("*.firm.example", "a.mail.firm.example"));
        assert!(!covers("*.firm.example", "firm.example"));
    }
}
