//! Where alerts may be sent to over HTTP: anywhere by HTTPS, to this machine alone in clear text, and never to the places
//! from which a cloud hands out its credentials.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Names under which clouds' metadata servers are reached.
const METADATA_NAMES: [&str; 4] = ["metadata.google.internal", "metadata.goog", "metadata", "instance-data"];
/// The same as addresses, as far as they are not link-local.
const METADATA: [IpAddr; 2] =
    [IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200))];

/// An address that may be sent to. Its path and query may be secret: it is shown as its host.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAddress(Url);

/// Why a text is none. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongAddress {
    #[error("has no scheme or no host")]
    NoUrl,
    #[error("is neither https nor http")]
    Scheme,
    #[error("has a user or a password in it")]
    Credentials,
    #[error("is plain http to another machine")]
    ClearText,
    #[error("is an address that a cloud keeps for itself")]
    Metadata,
}

impl WebAddress {
    pub fn parse(text: &str) -> Result<Self, WrongAddress> {
        let url = Url::parse(text.trim()).map_err(|_| WrongAddress::NoUrl)?;
        let host = url.host().ok_or(WrongAddress::NoUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(WrongAddress::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WrongAddress::Credentials);
        }
        let kept = match &host {
            Host::Domain(name) => METADATA_NAMES.contains(&name.trim_end_matches('.').to_lowercase().as_str()),
            Host::Ipv4(address) => is_kept((*address).into()),
            Host::Ipv6(address) => is_kept((*address).into()),
        };
        if kept {
            return Err(WrongAddress::Metadata);
        }
        let address = Self(url);
        if address.0.scheme() == "http" && !address.is_here() {
            return Err(WrongAddress::ClearText);
        }
        Ok(address)
    }

    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Is it this machine?
    pub fn is_here(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
            None => false,
        }
    }

    /// Its host, and its port where it is not the usual one.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebAddress({})", self.host())
    }
}

/// Link-local addresses, those of metadata servers among them, and those that are none.
pub fn is_kept(address: IpAddr) -> bool {
    let address = address.to_canonical();
    METADATA.contains(&address)
        || address.is_unspecified()
        || match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
}

#[cfg(test)]
mod tests {
    use super::{WebAddress, WrongAddress};

    #[test]
    fn alerts_go_out_encrypted_or_stay_here() {
        let here = Ok(true);
        let there = Ok(false);
        for (text, expected) in [
            ("https://hooks.slack.com/services/T0/B0/x", there),
            ("https://10.0.0.7:8088/services/collector/event", there),
            ("http://127.0.0.1:9999/x", here),
            ("http://[::1]:9999/x", here),
            ("http://[::ffff:127.0.0.1]/x", here),
            ("http://localhost/x", here),
            ("http://2130706433/x", here),
            ("https://localhost/x", here),
            ("http://example.org/x", Err(WrongAddress::ClearText)),
            ("http://127.0.0.1.example.org/x", Err(WrongAddress::ClearText)),
            ("http://localhost.example.org/", Err(WrongAddress::ClearText)),
            ("http://10.0.0.7/", Err(WrongAddress::ClearText)),
            ("ftp://example.org/", Err(WrongAddress::Scheme)),
            ("file:///etc/passwd", Err(WrongAddress::NoUrl)),
            ("example.org/x", Err(WrongAddress::NoUrl)),
            ("", Err(WrongAddress::NoUrl)),
            ("https://user:secret@example.org/", Err(WrongAddress::Credentials)),
            ("https://user@example.org/", Err(WrongAddress::Credentials)),
        ] {
            assert_eq!(WebAddress::parse(text).map(|address| address.is_here()), expected, "{text}");
        }
    }

    #[test]
    fn what_a_cloud_keeps_for_itself_is_refused() {
        for text in [
            "http://169.254.169.254/computeMetadata/v1/",
            "https://169.254.0.1/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "https://[::ffff:169.254.169.254]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "http://metadata.google.internal/computeMetadata/v1/",
            "https://METADATA.google.internal./",
            "https://0.0.0.0/",
            "https://[::]/",
        ] {
            assert_eq!(WebAddress::parse(text), Err(WrongAddress::Metadata), "{text}");
        }
    }

    #[test]
    fn a_path_is_not_shown() {
        let address = WebAddress::parse("https://hooks.slack.com/services/T0/B0/x?k=y").expect("an address");
        assert_eq!(format!("{address:?} {}", address.host()), "WebAddress(hooks.slack.com) hooks.slack.com");
    }
}
