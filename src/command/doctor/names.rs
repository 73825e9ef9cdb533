//! DNS: does mail for the smart BCC domains find its way here, and does the resolver answer at all?

use super::Check;
use crate::config::{Config, Resolver};
use crate::ingest::dns::{self, Dns, LookupError};

pub(super) async fn check(config: &Config) -> Vec<Check> {
    let options = dns::Options {
        server: match config.dns_resolver {
            Resolver::System => None,
            Resolver::Server(address) => Some(address),
        },
        ..dns::Options::default()
    };
    let dns = match Dns::open(&options) {
        Ok(dns) => dns,
        Err(error) => {
            let advice = "set dns.resolver to the address and port of a resolver";
            return vec![Check::fail("dns.resolver", error.to_string(), advice)];
        }
    };
    let mut checks = Vec::new();
    for domain in &config.smtp.domains {
        if is_local(domain) {
            let found = format!("{domain} is for first steps on this machine and needs no DNS");
            checks.push(Check::ok("dns", found));
        } else {
            checks.extend(check_domain(&dns, domain, &config.smtp.hostname).await);
        }
    }
    if !config.smtp.domains.iter().all(|domain| is_local(domain)) {
        checks.push(check_addresses(&dns, &config.smtp.hostname).await);
    }
    checks
}

/// RFC 6761 6.3: names below `localhost` never leave the machine.
fn is_local(domain: &str) -> bool {
    domain == "localhost" || domain.ends_with(".localhost")
}

async fn check_domain(dns: &Dns, domain: &str, hostname: &str) -> Vec<Check> {
    let mx = check_exchangers(dns, domain, hostname).await;
    let spf = Text {
        kind: "SPF",
        name: domain.to_owned(),
        begins: "v=spf1",
        record: "v=spf1 -all".to_owned(),
        why: "no mail is sent from this domain, and others should not pretend it is",
    };
    let sts = Text {
        kind: "MTA-STS",
        name: format!("_mta-sts.{domain}"),
        begins: "v=STSv1",
        record: "v=STSv1; id=1".to_owned(),
        why: "with it, and a public certificate, senders insist on encryption (RFC 8461)",
    };
    let report = Text {
        kind: "TLS-RPT",
        name: format!("_smtp._tls.{domain}"),
        begins: "v=TLSRPTv1",
        record: format!("v=TLSRPTv1; rua=mailto:postmaster@{domain}"),
        why: "with it, senders tell you when encryption fails (RFC 8460)",
    };
    vec![mx, spf.check(dns).await, sts.check(dns).await, report.check(dns).await]
}

async fn check_exchangers(dns: &Dns, domain: &str, hostname: &str) -> Check {
    let name = format!("MX {domain}");
    let exchangers = match dns.exchangers(domain).await {
        Ok(exchangers) => exchangers,
        Err(error) => return unanswered(&name, &error),
    };
    let record = format!("publish: {domain}. MX 10 {hostname}.");
    let hosts: Vec<&str> = exchangers.iter().map(|exchanger| exchanger.host.as_str()).collect();
    if hosts.is_empty() {
        let found = "there is no MX record: mail does not find its way here";
        return Check::fail(&name, found, record);
    }
    let found = hosts.join(", ");
    if !hosts.contains(&hostname) {
        let found = format!("points to {found}, not to {hostname} (smtp.hostname)");
        return Check::fail(&name, found, format!("{record}, or correct smtp.hostname"));
    }
    if hosts.len() > 1 {
        let advice = "see that each of them is a gateway with the same store";
        return Check::warn(&name, format!("points to {found}"), advice);
    }
    Check::ok(&name, format!("points to {found}"))
}

async fn check_addresses(dns: &Dns, hostname: &str) -> Check {
    let name = format!("A/AAAA {hostname}");
    match dns.addresses(hostname).await {
        Err(error) => unanswered(&name, &error),
        Ok(addresses) if addresses.is_empty() => {
            let advice = format!("publish: {hostname}. A, with the public address of this machine");
            Check::fail(&name, "the name has no address", advice)
        }
        Ok(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            Check::ok(&name, addresses.join(", "))
        }
    }
}

/// A text record that should be there.
struct Text {
    kind: &'static str,
    name: String,
    begins: &'static str,
    record: String,
    why: &'static str,
}

impl Text {
    async fn check(self, dns: &Dns) -> Check {
        let name = format!("{} {}", self.kind, self.name);
        match dns.texts(&self.name).await {
            Err(error) => unanswered(&name, &error),
            Ok(texts) => match texts.iter().find(|text| text.starts_with(self.begins)) {
                Some(text) => Check::ok(&name, text.clone()),
                None => {
                    let advice =
                        format!("publish: {}. TXT \"{}\"; {}", self.name, self.record, self.why);
                    Check::warn(&name, "there is no such record", advice)
                }
            },
        }
    }
}

fn unanswered(name: &str, error: &LookupError) -> Check {
    let advice = "see that the resolver works, or set dns.resolver to another";
    Check::fail(name, error.to_string(), advice)
}
