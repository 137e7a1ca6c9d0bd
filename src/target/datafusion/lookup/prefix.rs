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
