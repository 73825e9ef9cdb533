//! Why TLS with a server failed, in words that say what is wrong with its certificate: each fault has another
//! remedy, and rustls says most of them in numbers.

use std::io;

use rustls::{CertificateError, Error};

/// It was good once.
pub const EXPIRED: &str = "its certificate has expired";
/// Another server answers, or this one by another of its names.
pub const OTHER_NAME: &str = "its certificate is for another name";
/// Anybody can make such a one.
pub const UNKNOWN_ISSUER: &str =
    "its certificate is self-signed, or from an authority that is not known here";
/// Whatever else is wrong with it.
pub const NOT_VALID: &str = "its certificate is not valid";

pub(super) fn in_words(error: &io::Error) -> String {
    match error.get_ref().and_then(|it| it.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(fault)) => of_certificate(fault),
        _ => error.to_string(),
    }
}

/// Did the connection end, whoever ended it, and not the handshake?
pub(super) fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    let kinds = [BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof];
    kinds.contains(&error.kind())
}

fn of_certificate(fault: &CertificateError) -> String {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => EXPIRED.to_owned(),
        CertificateError::NotValidForName => OTHER_NAME.to_owned(),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            format!("{OTHER_NAME} ({})", names.join(", "))
        }
        CertificateError::UnknownIssuer => UNKNOWN_ISSUER.to_owned(),
        // What `openssl req -x509` makes: an authority's own certificate, shown as a server's.
        CertificateError::Other(_) if fault.to_string().contains("CaUsedAsEndEntity") => {
            UNKNOWN_ISSUER.to_owned()
        }
        other => format!("{NOT_VALID} ({other})"),
    }
}

/// A name as it is written; rustls says `DnsName("a.example")`.
fn bare(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}
