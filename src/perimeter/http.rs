//! The perimeter as an HTTP client asks it for addresses. A host that is written as an address is never asked
//! about: whoever takes URLs looks at those.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Perimeter;

impl Resolve for Perimeter {
    fn resolve(&self, name: Name) -> Resolving {
        let perimeter = self.clone();
        Box::pin(async move {
            // Its own, not the trait's.
            let found = Self::resolve(&perimeter, name.as_str()).await?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
