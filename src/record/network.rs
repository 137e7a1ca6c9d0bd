//! Networks: an address and how many of its leading bits count. The one place that knows what a prefix holds.

use std::fmt;
use std::net::IpAddr;

/// The addresses that begin with the same bits, such as 10.0.0.0/8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    length: u32,
}

/// The bits of an address of that family.
pub fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Network {
    /// The network of that length around an address; `None` when an address has fewer bits.
    pub fn of(address: IpAddr, length: u32) -> Option<Self> {
        let host = bits(address).checked_sub(length)?;
        let base = match address {
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(host).unwrap_or(0)).into()),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(host).unwrap_or(0)).into()),
        };
        Some(Self { base, length })
    }

    /// Reads `10.0.0.0/8`; host bits are not taken.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        Self::of(address, length.parse().ok()?).filter(|network| network.base == address)
    }

    /// Its first address.
    pub fn base(self) -> IpAddr {
        self.base
    }

    /// Its last address.
    pub fn last(self) -> IpAddr {
        let host = bits(self.base) - self.length;
        match self.base {
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() | !u32::MAX.checked_shl(host).unwrap_or(0)).into()),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() | !u128::MAX.checked_shl(host).unwrap_or(0)).into()),
        }
    }

    pub fn length(self) -> u32 {
        self.length
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn networks_hold_the_addresses_that_begin_like_them() {
        let cases = [
            ("10.1.2.3", 8, "10.0.0.0/8"),
            ("10.1.2.3", 32, "10.1.2.3/32"),
            ("10.1.2.3", 0, "0.0.0.0/0"),
            ("192.168.129.1", 17, "192.168.128.0/17"),
            ("2001:db8:ffff::1", 33, "2001:db8:8000::/33"),
            ("2001:db8::1", 128, "2001:db8::1/128"),
            ("2001:db8::1", 0, "::/0"),
        ];
        for (address, length, text) in cases {
            let network = Network::of(address.parse().unwrap(), length).unwrap();
            assert_eq!(network.to_string(), text);
            assert_eq!(Network::parse(text), Some(network));
        }
        let ends = [("10.0.0.0/8", "10.255.255.255"), ("0.0.0.0/0", "255.255.255.255"), ("10.1.2.3/32", "10.1.2.3")];
        for (text, last) in ends.into_iter().chain([("2001:db8::/127", "2001:db8::1"), ("::1/128", "::1")]) {
            assert_eq!(Network::parse(text).unwrap().last().to_string(), last);
        }
        assert_eq!(Network::of("10.0.0.1".parse().unwrap(), 33), None);
        for text in ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "x/8", "/8", "10.0.0.0/-1", "2001:db8::/129"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
