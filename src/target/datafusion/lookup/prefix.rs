//! Networks by the addresses that they hold: of each family by length, longest first.

use std::hash::Hash;
use std::net::IpAddr;

use datafusion::arrow::array::{ArrayRef, AsArray};
use rustc_hash::FxHashMap;

use crate::record::Network;

#[derive(Default)]
pub struct Prefixes {
    v4: Vec<OfLength<u32>>,
    v6: Vec<OfLength<u128>>,
}

/// Rows by the first bits of their networks.
struct OfLength<B> {
    length: u32,
    mask: B,
    rows: FxHashMap<B, Vec<u32>>,
}

impl Prefixes {
    /// A text that is no network holds no address.
    pub fn new(networks: &ArrayRef) -> Self {
        let mut prefixes = Self::default();
        for (network, row) in networks.as_string::<i32>().iter().zip(0u32..) {
            let Some(network) = network.and_then(Network::parse) else { continue };
            let length = network.length();
            match network.base() {
                IpAddr::V4(v4) => {
                    let mask = u32::MAX.checked_shl(u32::BITS - length).unwrap_or(0);
                    add(&mut prefixes.v4, length, mask, v4.to_bits(), row);
                }
                IpAddr::V6(v6) => {
                    let mask = u128::MAX.checked_shl(u128::BITS - length).unwrap_or(0);
                    add(&mut prefixes.v6, length, mask, v6.to_bits(), row);
                }
            }
        }
        prefixes
    }

    /// Of the networks that hold an address, from the longest on: the first of whose rows one is taken.
    pub fn find(&self, address: IpAddr, mut take: impl FnMut(&[u32]) -> Option<u32>) -> Option<u32> {
        match address {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                self.v4.iter().find_map(|of| take(of.rows.get(&(bits & of.mask))?))
            }
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                self.v6.iter().find_map(|of| take(of.rows.get(&(bits & of.mask))?))
            }
        }
    }
}

fn add<B: Hash + Eq>(all: &mut Vec<OfLength<B>>, length: u32, mask: B, bits: B, row: u32) {
    let place = all.partition_point(|of| of.length > length);
    if all.get(place).is_none_or(|of| of.length != length) {
        all.insert(place, OfLength { length, mask, rows: FxHashMap::default() });
    }
    all[place].rows.entry(bits).or_default().push(row);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, StringArray};

    use super::Prefixes;

    #[test]
    fn the_longest_network_counts_whose_rows_are_taken() {
        let networks = [
            Some("10.0.0.0/8"),
            Some("0.0.0.0/0"),
            Some("10.1.0.0/16"),
            None,
            Some("10.1.2.3/32"),
            Some("no network"),
            Some("10.1.0.0/16"),
            Some("2001:db8::/32"),
            Some("::/0"),
            Some("::ffff:10.1.0.0/112"),
        ];
        let networks: ArrayRef = Arc::new(StringArray::from(networks.to_vec()));
        let prefixes = Prefixes::new(&networks);
        let first = |rows: &[u32]| rows.first().copied();
        let cases = [
            ("10.1.2.3", Some(4)),
            ("10.1.2.4", Some(2)),
            ("10.2.0.0", Some(0)),
            ("11.0.0.0", Some(1)),
            ("2001:db8::1", Some(7)),
            ("2001:db9::1", Some(8)),
            ("::ffff:10.1.0.9", Some(9)),
        ];
        for (address, row) in cases {
            assert_eq!(prefixes.find(address.parse().expect("an address"), first), row, "{address}");
        }
        // Where none of a network's rows holds, the next one may have one.
        let not_of = |gone: &'static [u32]| move |rows: &[u32]| rows.iter().find(|row| !gone.contains(row)).copied();
        let address = "10.1.2.3".parse().expect("an address");
        assert_eq!(prefixes.find(address, not_of(&[4])), Some(2));
        assert_eq!(prefixes.find(address, not_of(&[4, 2])), Some(6));
        assert_eq!(prefixes.find(address, not_of(&[4, 2, 6])), Some(0));
        assert_eq!(prefixes.find(address, not_of(&[4, 2, 6, 0, 1])), None);
    }
}
