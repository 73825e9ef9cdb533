//! The PROXY protocol, versions 1 and 2 (haproxy's `proxy-protocol.txt`): who the client is, told by the
//! load balancer in front of us. Only read where it is configured, and then it must be there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More is needed.
    Partial,
    /// No PROXY header.
    Invalid,
    /// A header of `length` bytes. `source` is absent for LOCAL (the balancer's own health check) and
    /// for protocols that are not TCP.
    Header { source: Option<IpAddr>, length: usize },
}

/// Section 2.1: the longest header of version 1, with CRLF.
const V1_MAX: usize = 107;
/// Section 2.2: what version 2 begins with.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED: usize = 16;
/// Addresses take 36 bytes; what is beyond are extensions, which are not looked at.
const V2_REST_MAX: usize = 2048;

/// Reads the header at the start of a connection.
pub fn parse(bytes: &[u8]) -> Parsed {
    let common = bytes.len().min(V2_SIGNATURE.len());
    if bytes.get(..common) == V2_SIGNATURE.get(..common) {
        return parse_v2(bytes);
    }
    parse_v1(bytes)
}

fn parse_v1(bytes: &[u8]) -> Parsed {
    const WORD: &[u8] = b"PROXY ";
    let common = bytes.len().min(WORD.len());
    if bytes.get(..common) != WORD.get(..common) {
        return Parsed::Invalid;
    }
    let Some(end) = bytes.windows(2).take(V1_MAX - 1).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < V1_MAX { Parsed::Partial } else { Parsed::Invalid };
    };
    let line = bytes.get(..end).and_then(|line| str::from_utf8(line).ok()).unwrap_or_default();
    match v1_source(line) {
        Some(source) => Parsed::Header { source, length: end + 2 },
        None => Parsed::Invalid,
    }
}

/// `PROXY TCP4 source destination port port`; `Some(None)` for `PROXY UNKNOWN`.
fn v1_source(line: &str) -> Option<Option<IpAddr>> {
    let mut words = line.split(' ').skip(1);
    let protocol = words.next()?;
    if protocol == "UNKNOWN" {
        return Some(None);
    }
    let addresses = [words.next()?, words.next()?];
    let ports = [words.next()?, words.next()?];
    let is_right = |ip: &IpAddr| match protocol {
        "TCP4" => ip.is_ipv4(),
        "TCP6" => ip.is_ipv6(),
        _ => false,
    };
    let source: IpAddr = addresses.first()?.parse().ok()?;
    let destination: IpAddr = addresses.last()?.parse().ok()?;
    let has_ports = ports.iter().all(|port| port.parse::<u16>().is_ok());
    let is_good =
        is_right(&source) && is_right(&destination) && has_ports && words.next().is_none();
    is_good.then_some(Some(source))
}

fn parse_v2(bytes: &[u8]) -> Parsed {
    let Some(&[version_command, family, high, low]) =
        bytes.get(V2_SIGNATURE.len()..V2_FIXED).and_then(|rest| rest.first_chunk::<4>())
    else {
        return Parsed::Partial;
    };
    let rest_length = usize::from(u16::from_be_bytes([high, low]));
    let length = V2_FIXED + rest_length;
    if rest_length > V2_REST_MAX {
        return Parsed::Invalid;
    }
    let Some(rest) = bytes.get(V2_FIXED..length) else { return Parsed::Partial };
    match (version_command, family >> 4) {
        // LOCAL, or a family that has no address for us.
        (0x20, _) | (0x21, 0 | 3) => Parsed::Header { source: None, length },
        (0x21, 1) => match (rest.first_chunk::<4>(), rest.len() >= 12) {
            (Some(ip), true) => header(Ipv4Addr::from(*ip).into(), length),
            _ => Parsed::Invalid,
        },
        (0x21, 2) => match (rest.first_chunk::<16>(), rest.len() >= 36) {
            (Some(ip), true) => header(Ipv6Addr::from(*ip).into(), length),
            _ => Parsed::Invalid,
        },
        _ => Parsed::Invalid,
    }
}

fn header(source: IpAddr, length: usize) -> Parsed {
    Parsed::Header { source: Some(source), length }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[version_command, family], &length, rest].concat()
    }

    fn check(bytes: &[u8], source: Option<&str>) {
        let source = source.map(|ip| ip.parse().unwrap());
        let expected = Parsed::Header { source, length: bytes.len() };
        assert_eq!(parse(&[bytes, b"EHLO x\r\n"].concat()), expected, "{}", bytes.escape_ascii());
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Parsed::Partial, "{end} of {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn reads_version_1() {
        check(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n", Some("192.0.2.7"));
        check(b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n", Some("2001:db8::7"));
        check(b"PROXY UNKNOWN\r\n", None);
    }

    #[test]
    fn reads_version_2() {
        let v4 = [192, 0, 2, 7, 192, 0, 2, 1, 0x9c, 0x40, 0, 25];
        check(&v2(0x21, 0x11, &v4), Some("192.0.2.7"));
        check(&v2(0x21, 0x11, &[&v4[..], b"\x04\x00\x02no"].concat()), Some("192.0.2.7"));
        let mut v6 = [0; 36];
        v6[15] = 1;
        check(&v2(0x21, 0x21, &v6), Some("::1"));
        check(&v2(0x20, 0x00, b""), None);
        check(&v2(0x21, 0x31, &[0; 216]), None);
    }

    #[test]
    fn refuses_what_is_none() {
        let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat();
        for bytes in [
            &b"EHLO x\r\n"[..],
            b"PROXY\r\n",
            b"PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 70000\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n",
            b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
            &long,
            &v2(0x31, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x11, &[0; 3000]),
        ] {
            assert_eq!(parse(bytes), Parsed::Invalid, "{}", bytes.escape_ascii());
        }
    }
}
