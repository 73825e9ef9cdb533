//! Who the client is when a proxy stands in front: `X-Forwarded-For`, believed from the operator's proxies
//! alone, for whoever else reaches the server could write any address into it.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::HeaderMap;

use crate::perimeter::Network;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The last address that no proxy of ours has; every proxy writes behind what it was sent.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_ours = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let texts = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
    let mut client = peer;
    for text in texts {
        if !is_ours(client) {
            break;
        }
        let Ok(before) = IpAddr::from_str(text.trim()) else { break };
        client = before.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_proxies_alone() {
        let proxies: Vec<Network> =
            ["127.0.0.0/8", "10.0.0.0/8"].iter().map(|text| text.parse().unwrap()).collect();
        for (peer, lines, expected) in [
            ("127.0.0.1", &["192.0.2.1"][..], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.9, 192.0.2.1, 10.0.0.3"], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.9", "192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("192.0.2.7", &["198.51.100.9"], "192.0.2.7"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, line.parse().unwrap());
            }
            let found = client(peer.parse().unwrap(), &headers, &proxies);
            assert_eq!(found.to_string(), expected, "{peer} {lines:?}");
        }
    }
}
