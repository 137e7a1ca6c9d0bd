//! `tripline run --listen`: where a run tells how it is.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::runtime::live::vitals::{Vitals, VitalsPages};

use super::status::ADDRESS;
use super::wire::{self, Serving};

/// An address of the machine itself: there is no password, and nothing is encrypted.
pub fn address(given: &str) -> anyhow::Result<SocketAddr> {
    let Ok(address) = given.replace("localhost:", "127.0.0.1:").parse::<SocketAddr>() else {
        bail!("`--listen {given}` is no address with a port\nhelp: write --listen {ADDRESS}");
    };
    if !address.ip().is_loopback() {
        bail!(
            "`--listen {given}` can be reached from other machines, and what is told there is neither encrypted nor behind a password\n\
             help: write --listen {ADDRESS}, and put a proxy with TLS in front for others"
        );
    }
    Ok(address)
}

pub fn serve(address: SocketAddr, vitals: &Arc<Vitals>) -> anyhow::Result<Serving> {
    let pages = VitalsPages::new(Arc::clone(vitals), wire::clock(), wire::resident_bytes);
    wire::serve(address, Arc::new(pages)).with_context(|| {
        format!("cannot listen at {address}\nhelp: another run may have this port; name another one with --listen")
    })
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_of_the_machine_itself() {
        for good in ["127.0.0.1:9464", "127.9.9.9:1", "[::1]:9464", "localhost:9464", "127.0.0.1:0"] {
            assert!(address(good).is_ok_and(|address| address.ip().is_loopback()), "{good}");
        }
        for bad in ["0.0.0.0:9464", "10.0.0.1:9464", "[::]:9464", "[::ffff:127.0.0.1]:9464", "192.168.1.1:80"] {
            let said = address(bad).map_err(|error| error.to_string()).unwrap_err();
            assert!(said.contains("other machines") && said.contains("help: "), "{bad}: {said}");
        }
        for bad in ["9464", ":9464", "127.0.0.1", "host:9464", ""] {
            let said = address(bad).map_err(|error| error.to_string()).unwrap_err();
            assert!(said.contains("no address") && said.contains("help: "), "{bad}: {said}");
        }
    }
}
