//! Sender trust (B2): does DNS say that the author of a mail is who the header From says? SPF, DKIM
//! and DMARC by mail-auth. What a mail claims about itself (`Authentication-Results` and its like) is
//! never read. What is not believed is not judged here: that is `decide`'s business.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::headers::Header;
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcResult, Error as AuthError,
    MessageAuthenticator, SpfOutput, SpfResult,
};
use memchr::memmem;
use tokio::sync::Semaphore;

use super::dns::{self, Dns};
use crate::model::{Address, Envelope, Person, Trust, TrustResults};

/// Limits of the checks.
#[derive(Clone, Debug)]
pub struct Options {
    pub dns: dns::Options,
    /// For all the checks of one mail, waiting for its turn included.
    pub time_limit: Duration,
    /// Mails that are checked at once.
    pub concurrent_max: usize,
    /// Our own name, for the macros of SPF (RFC 7208 7.2).
    pub hostname: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dns: dns::Options::default(),
            time_limit: Duration::from_secs(10),
            concurrent_max: 256,
            hostname: "localhost".to_owned(),
        }
    }
}

/// Signatures of one mail that are verified; RFC 6376 6.1 lets a verifier limit them.
const SIGNATURES_MAX: usize = 8;
/// Comparisons of a signature's `h=` with the header that are worth doing: field names times fields.
const COMPARISONS_MAX: usize = 1_000_000;

/// Bytes of a header whose signatures are verified, of each field of it, and of a From field; hardly an honest
/// one comes near.
/// The verifier's own parser takes time that grows with the square of some fields.
const HEADER_BYTES_MAX: usize = 131_072;
const FIELD_BYTES_MAX: usize = 32_768;
const FROM_BYTES_MAX: usize = 8_192;

/// Asks DNS about the authors of mails. Can be asked again about a stored mail at any time.
pub struct Verifier {
    authenticator: MessageAuthenticator,
    permits: Semaphore,
    time_limit: Duration,
    hostname: String,
}

impl Verifier {
    /// Opens the resolver; asks nothing yet.
    pub fn new(options: &Options) -> Result<Self, dns::Error> {
        Ok(Self::with_dns(&Dns::open(&options.dns)?, options))
    }

    /// Over a resolver that is already open.
    pub fn with_dns(dns: &Dns, options: &Options) -> Self {
        Self {
            authenticator: MessageAuthenticator(dns.resolver().clone()),
            permits: Semaphore::new(options.concurrent_max),
            time_limit: options.time_limit,
            hostname: options.hostname.clone(),
        }
    }

    /// How far the author of a mail is believed. `from` is the author that [`crate::mail::Headers`]
    /// found; without exactly one there is nobody to believe.
    pub async fn verify(
        &self,
        envelope: &Envelope,
        raw: &[u8],
        from: Option<&Person>,
    ) -> TrustResults {
        let Some(author) = from else {
            return TrustResults::without_checks(Trust::Unverified);
        };
        let checks = async {
            // The semaphore is never closed; were it, the check would go on without a permit.
            let _permit = self.permits.acquire().await;
            self.check(envelope, raw, &author.email).await.into_results()
        };
        // V4: a mail on which the verifier fails is held, as one that could not be checked in time.
        let checks = AssertUnwindSafe(checks).catch_unwind();
        match tokio::time::timeout(self.time_limit, checks).await {
            Ok(Ok(results)) => results,
            Ok(Err(_)) | Err(_) => TrustResults::without_checks(Trust::Unknown),
        }
    }

    /// The checks, the cheapest first; what can no longer change the answer is left out.
    async fn check(&self, envelope: &Envelope, raw: &[u8], author: &Address) -> Findings {
        let sender = SpfSender::of(envelope);
        let spf = self.check_spf(envelope, &sender, author).await;
        let mut findings = Findings::new(author, &sender, spf.result());
        if spf.result() == SpfResult::Pass {
            findings.dmarc = Some(self.check_dmarc(author, &sender, &spf, &[]).await);
            if findings.dmarc == Some(DmarcResult::Pass) {
                return findings;
            }
        }
        // SPF and DMARC read nothing of the header but the author, whom we found.
        let signed = is_bearable(raw).then(|| signed_message(raw, author)).flatten();
        let Some((message, passed_over)) = signed else {
            return findings;
        };
        findings.passed_over = passed_over;
        let dkim = self.authenticator.verify_dkim(&message).await;
        let is_open = |output: &DkimOutput| {
            matches!(output.result(), DkimResult::Pass | DkimResult::TempError(_))
        };
        if dkim.iter().any(is_open) {
            findings.dmarc = Some(self.check_dmarc(author, &sender, &spf, &dkim).await);
        }
        findings.dkim = dkim.iter().filter_map(Signed::of).collect();
        findings
    }

    /// SPF of the reverse-path, or of HELO when that is null (RFC 7208 2.4). A domain that can never
    /// be aligned with the author's proves nothing and is not asked.
    async fn check_spf(
        &self,
        envelope: &Envelope,
        sender: &SpfSender,
        author: &Address,
    ) -> SpfOutput {
        if !may_align(&sender.domain, author.domain()) {
            return SpfOutput::new(sender.domain.clone());
        }
        let (helo, hostname) = (envelope.helo.as_str(), self.hostname.as_str());
        let parameters = match &envelope.reverse_path {
            Some(_) => {
                SpfParameters::verify_mail_from(envelope.peer, helo, hostname, &sender.address)
            }
            None => SpfParameters::verify_ehlo(envelope.peer, &sender.domain, hostname),
        };
        self.authenticator.verify_spf(parameters).await
    }

    /// DMARC (RFC 9989) of the author's domain, given what SPF and DKIM said.
    async fn check_dmarc(
        &self,
        author: &Address,
        sender: &SpfSender,
        spf: &SpfOutput,
        dkim: &[DkimOutput<'_>],
    ) -> DmarcResult {
        // It reads nothing but the author of the message, and that is the one we found.
        let message =
            AuthenticatedMessage { from: vec![author.normal().to_owned()], ..Default::default() };
        let parameters = DmarcParameters {
            message: &message,
            dkim_output: dkim,
            dkim2_output: None,
            rfc5321_mail_from_domain: &sender.domain,
            spf_output: spf,
        };
        self.authenticator.verify_dmarc(parameters).await.result()
    }
}

/// The identity that SPF is asked about.
struct SpfSender {
    address: String,
    /// Normal form.
    domain: String,
}

impl SpfSender {
    fn of(envelope: &Envelope) -> Self {
        // RFC 7208 2.4: for the null reverse-path it is postmaster at the HELO name.
        let postmaster = || Address::parse(&format!("postmaster@{}", envelope.helo));
        match envelope.reverse_path.clone().or_else(postmaster) {
            Some(address) => {
                Self { address: address.normal().to_owned(), domain: address.domain().to_owned() }
            }
            None => Self { address: String::new(), domain: String::new() },
        }
    }
}

/// What the checks said of one mail.
struct Findings {
    author_domain: String,
    spf: SpfResult,
    spf_domain: String,
    dkim: Vec<Signed>,
    /// Domains whose signatures were not considered.
    passed_over: Vec<String>,
    /// `None`: not asked, for nothing had passed.
    dmarc: Option<DmarcResult>,
}

/// A signature that was verified.
struct Signed {
    domain: String,
    result: DkimResult,
}

impl Signed {
    fn of(output: &DkimOutput<'_>) -> Option<Self> {
        let domain = normal_domain(&output.signature()?.d)?;
        Some(Self { domain, result: output.result().clone() })
    }
}

impl Findings {
    fn new(author: &Address, sender: &SpfSender, spf: SpfResult) -> Self {
        Self {
            author_domain: author.domain().to_owned(),
            spf,
            spf_domain: sender.domain.clone(),
            dkim: Vec::new(),
            passed_over: Vec::new(),
            dmarc: None,
        }
    }

    /// B2's order. Without a DMARC record the organisational domain of a name is the name itself
    /// (RFC 9989 4.10.2), so that outside DMARC only the author's own domain is aligned.
    fn trust(&self) -> Trust {
        let has_signed = |signed: &Signed| {
            signed.result == DkimResult::Pass && signed.domain == self.author_domain
        };
        if self.dmarc == Some(DmarcResult::Pass) {
            Trust::Dmarc
        } else if self.dkim.iter().any(has_signed) {
            Trust::Dkim
        } else if self.spf == SpfResult::Pass && self.spf_domain == self.author_domain {
            Trust::Spf
        } else if self.is_open() {
            Trust::Unknown
        } else {
            Trust::Unverified
        }
    }

    /// Did a check fail that could have said yes? Those that could not were never made.
    fn is_open(&self) -> bool {
        let failed = |signed: &Signed| matches!(signed.result, DkimResult::TempError(_));
        self.spf == SpfResult::TempError
            || self.dkim.iter().any(failed)
            || matches!(self.dmarc, Some(DmarcResult::TempError(_)))
    }

    fn into_results(self) -> TrustResults {
        let trust = self.trust();
        let verified = self
            .dkim
            .iter()
            .map(|signed| format!("{} {}", dkim_word(&signed.result), signed.domain));
        // RFC 8601 2.7.1: `policy` is a signature that was not acceptable here.
        let passed_over = self.passed_over.iter().map(|domain| format!("policy {domain}"));
        TrustResults {
            trust,
            spf: Some(spf_word(self.spf).to_owned()),
            dkim: verified.chain(passed_over).take(SIGNATURES_MAX).collect(),
            dmarc: self.dmarc.as_ref().map(|result| dmarc_word(result).to_owned()),
            spf_domain: Some(self.spf_domain).filter(|domain| !domain.is_empty()),
        }
    }
}

/// The mail with those of its signatures that could prove its author, and the domains of the others.
/// `None` when there is none, or when mail-auth does not see the one author that we see.
fn signed_message<'x>(
    raw: &'x [u8],
    author: &Address,
) -> Option<(AuthenticatedMessage<'x>, Vec<String>)> {
    // mail-auth's strict mode takes no signature with `l=`: what stands behind it is unsigned.
    let mut message = AuthenticatedMessage::parse(raw)?;
    let is_from = |(name, _): &&(&[u8], &[u8])| name.trim_ascii().eq_ignore_ascii_case(b"from");
    let [seen] = message.from.as_slice() else { return None };
    let same_domain = normal_domain(seen.rsplit_once('@')?.1)? == author.domain();
    if !same_domain || message.headers.iter().filter(is_from).count() != 1 {
        return None;
    }
    let mut passed_over = Vec::new();
    let signatures = std::mem::take(&mut message.dkim_headers);
    for mut signature in signatures {
        // RFC 6651 reports cost questions of the sender's choosing and are never sent from here.
        signature.header.r = false;
        let is_worth_it = is_worth_it(&signature, message.headers.len(), author)
            && covers(&signature.header.h, &message.headers);
        if message.dkim_headers.len() < SIGNATURES_MAX && is_worth_it {
            message.dkim_headers.push(signature);
        } else if passed_over.len() < SIGNATURES_MAX {
            passed_over.extend(normal_domain(&signature.header.d));
        }
    }
    Some((message, passed_over))
}

/// The fields by which a mail is filed and shown.
const FIELDS_READ: [&str; 8] =
    ["subject", "to", "cc", "date", "message-id", "in-reply-to", "references", "content-type"];

/// Does a signature cover what is read? A field that it names as often as the mail has it cannot have been
/// added (RFC 6376 8.15: a verifier takes the lowest instance, a reader the first). Not every signer signs
/// To or Message-ID; of those it leaves out there may be one. Without the subject it says too little.
fn covers(names: &[String], fields: &[(&[u8], &[u8])]) -> bool {
    FIELDS_READ.iter().all(|read| {
        let signed = names.iter().filter(|name| name.trim().eq_ignore_ascii_case(read)).count();
        let is_it =
            |field: &&(&[u8], &[u8])| field.0.trim_ascii().eq_ignore_ascii_case(read.as_bytes());
        let present = fields.iter().filter(is_it).count();
        let unsigned_max = usize::from(signed == 0 && *read != "subject");
        present <= signed + unsigned_max
    })
}

/// Can the signature prove the author, at a bearable price?
fn is_worth_it(header: &Header<'_, Signature>, fields: usize, author: &Address) -> bool {
    let signature = &header.header;
    // RFC 8301 3.1: rsa-sha1 must not be verified. Keys below 1024 bits are refused by the
    // cryptography itself (RFC 8301 3.2).
    let is_strong = signature.a != Algorithm::RsaSha1;
    // RFC 6376 5.4: the From field must be signed.
    let signs_author = signature.h.iter().any(|name| name.trim().eq_ignore_ascii_case("from"));
    let is_bounded = signature.h.len().saturating_mul(fields) <= COMPARISONS_MAX;
    let is_related =
        normal_domain(&signature.d).is_some_and(|domain| may_align(&domain, author.domain()));
    is_strong && signs_author && is_bounded && is_related
}

/// Could DMARC ever find the two aligned? Only if they have their last two labels in common: an
/// organisational domain has at least two.
fn may_align(identity: &str, author: &str) -> bool {
    let stem = |domain: &str| -> Option<(String, String)> {
        let mut labels = domain.rsplit('.').map(str::to_owned);
        Some((labels.next()?, labels.next()?))
    };
    identity == author || stem(identity).is_some_and(|ours| stem(author) == Some(ours))
}

fn normal_domain(domain: &str) -> Option<String> {
    Address::parse(&format!("postmaster@{domain}")).map(|address| address.domain().to_owned())
}

const fn spf_word(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::Neutral => "neutral",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
        SpfResult::None => "none",
    }
}

const fn dkim_word(result: &DkimResult) -> &'static str {
    match result {
        DkimResult::Pass => "pass",
        DkimResult::Fail(_)
        | DkimResult::Neutral(AuthError::Dkim(DkimError::FailedBodyHashMatch)) => "fail",
        DkimResult::Neutral(_) => "neutral",
        DkimResult::PermError(_) => "permerror",
        DkimResult::TempError(_) => "temperror",
        DkimResult::None => "none",
    }
}

const fn dmarc_word(result: &DmarcResult) -> &'static str {
    match result {
        DmarcResult::Pass => "pass",
        DmarcResult::Fail(_) => "fail",
        DmarcResult::TempError(_) => "temperror",
        DmarcResult::PermError(_) => "permerror",
        DmarcResult::None => "none",
    }
}

/// Can the header be given to the verifier's parser? What it takes for a field is taken for one here: only a
/// line with nothing on it ends the header, and a name may be folded.
fn is_bearable(raw: &[u8]) -> bool {
    let (mut header, mut field, mut is_from) = (0, 0, false);
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        if line.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return true;
        }
        let is_continued = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        if !is_continued {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            (field, is_from) = (0, memmem::find(&name.to_ascii_lowercase(), b"from").is_some());
        }
        (header, field) = (header + line.len(), field + line.len());
        let field_max = if is_from { FROM_BYTES_MAX } else { FIELD_BYTES_MAX };
        if header > HEADER_BYTES_MAX || field > field_max {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_header_that_can_be_borne_is_verified() {
        let long = "x".repeat(9_000);
        for (header, is_bearable_then) in [
            ("To: x\r\n y\r\nfrom: a\r\n b\r\n\r\n".to_owned(), true),
            (format!("Subject: {long}\r\n\r\n"), true),
            (format!("To: x\r\n\r\nFrom: {long}\r\n"), true),
            (format!("From: {long}\r\n\r\n"), false),
            (format!("From : a\r\n {long}\r\n\r\n"), false),
            (format!("FROM\r\n : {long}\r\n\r\n"), false),
            (format!("X: a\r\n \r\nFrom: {long}\r\n\r\n"), false),
            (format!("DKIM2-Signature: {}\r\n\r\n", "aaaa=;".repeat(10_000)), false),
            ("X: y\r\n".repeat(30_000), false),
        ] {
            let start = header.get(..30).unwrap_or(&header);
            assert_eq!(is_bearable(header.as_bytes()), is_bearable_then, "{start}");
        }
    }
}
