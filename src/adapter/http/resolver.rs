//! Names to addresses that may be sent to. A connection goes to what is checked here, not to what a second question to the
//! name server would give.

use std::net::{SocketAddr, ToSocketAddrs};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::record::web::is_kept;

/// Of a name that has no other address.
pub(super) const KEPT: &str = "leads to an address that a cloud keeps for itself, or not to this machine";

pub(super) struct Checked {
    /// Clear text: this machine alone.
    pub here: bool,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let here = self.here;
        Box::pin(async move {
            let name = name.as_str().to_owned();
            // The system's way of asking waits.
            let asked = tokio::task::spawn_blocking(move || (name.as_str(), 0).to_socket_addrs()).await?;
            let allowed = allowed(asked?, here);
            if allowed.is_empty() {
                return Err(KEPT.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn allowed(addresses: impl Iterator<Item = SocketAddr>, here: bool) -> Vec<SocketAddr> {
    addresses.filter(|at| !is_kept(at.ip()) && (!here || at.ip().to_canonical().is_loopback())).collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::allowed;

    #[test]
    fn a_name_does_not_lead_where_an_address_may_not() {
        let addresses = ["169.254.169.254:0", "[fe80::1]:0", "[::ffff:169.254.1.1]:0", "127.0.0.1:0", "192.0.2.1:0"];
        let addresses = || addresses.iter().filter_map(|text| text.parse::<SocketAddr>().ok());
        assert_eq!(addresses().count(), 5);
        let shown = |here| allowed(addresses(), here).iter().map(SocketAddr::to_string).collect::<Vec<_>>();
        assert_eq!(shown(false), ["127.0.0.1:0", "192.0.2.1:0"]);
        assert_eq!(shown(true), ["127.0.0.1:0"]);
    }
}
