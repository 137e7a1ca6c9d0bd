//! One file: its networks, and where each one's record lies.
//!
//! Addresses of the two families do not meet, as everywhere else: a file for IPv6 has the IPv4 networks in `::/96`, and there
//! they are IPv4 networks alone. The ranges of IPv6 that lead there a second time (`::ffff:0:0/96` and those of tunnels)
//! have no networks of their own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};
use sha2::{Digest, Sha256};

use crate::record::Network;

/// Where an IPv6 tree may lead to the IPv4 networks again.
const ALIASES: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
];
/// Bits before the IPv4 networks in a tree of IPv6.
const BEFORE_V4: u32 = 96;
/// More ends of the tree than it has nodes, times the ways to the IPv4 networks, are ends that one comes to in a circle.
const ENDS_PER_NODE_MAX: u64 = 8;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub(super) String);

impl From<MaxMindDbError> for Damaged {
    fn from(error: MaxMindDbError) -> Self {
        Self(error.to_string())
    }
}

pub struct Database {
    reader: Reader<Vec<u8>>,
    digest: String,
    aliases: Vec<Network>,
}

/// A network and its record.
pub(super) struct Found<'a> {
    pub network: Network,
    pub record: LookupResult<'a, Vec<u8>>,
}

impl Database {
    pub fn open(bytes: Vec<u8>) -> Result<Self, Damaged> {
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut database = Self { reader: Reader::from_source(bytes)?, digest, aliases: Vec::new() };
        if database.has_v4_in_v6()? {
            for (base, length) in ALIASES {
                if database.leads_to_v4(base, length)? {
                    database.aliases.extend(Network::of(base.into(), length));
                }
            }
        }
        Ok(database)
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the file says of itself: its type, and the day on which it was made, in seconds since 1970.
    pub fn about(&self) -> (&str, u64) {
        (&self.metadata().database_type, self.metadata().build_epoch)
    }

    fn metadata(&self) -> &maxminddb::Metadata {
        self.reader.metadata()
    }

    /// Is it a tree of IPv6 that goes on below `::/96`?
    fn has_v4_in_v6(&self) -> Result<bool, Damaged> {
        if self.metadata().ip_version == 4 {
            return Ok(false);
        }
        Ok(self.reader.lookup(Ipv4Addr::UNSPECIFIED.into())?.network()?.is_ipv4())
    }

    /// The walk below a range shows nothing, not even that it is empty, only where the range is the IPv4 networks.
    fn leads_to_v4(&self, base: Ipv6Addr, length: u32) -> Result<bool, Damaged> {
        let options = WithinOptions::default().include_networks_without_data();
        let range = self.range(base.into(), length)?;
        let Some(first) = self.reader.within(range, options)?.next() else { return Ok(true) };
        first?;
        Ok(false)
    }

    fn range(&self, base: IpAddr, length: u32) -> Result<ipnetwork::IpNetwork, Damaged> {
        let length = u8::try_from(length).map_err(|error| Damaged(error.to_string()))?;
        ipnetwork::IpNetwork::new(base, length).map_err(|error| Damaged(error.to_string()))
    }

    /// The network that has an address.
    pub(super) fn find(&self, address: IpAddr) -> Result<Option<Found<'_>>, Damaged> {
        let strange = |alias: &Network| Network::of(address, alias.length()) == Some(*alias);
        if (address.is_ipv6() && self.metadata().ip_version == 4) || self.aliases.iter().any(strange) {
            return Ok(None);
        }
        let record = self.reader.lookup(address)?;
        let found = self.found(record)?;
        Ok(found.filter(|found| found.network.base().is_ipv4() == address.is_ipv4()))
    }

    fn found<'a>(&self, record: LookupResult<'a, Vec<u8>>) -> Result<Option<Found<'a>>, Damaged> {
        if !record.has_data() {
            return Ok(None);
        }
        let range = record.network()?;
        let network = network(range.network(), u32::from(range.prefix()));
        let network = network.ok_or_else(|| Damaged(format!("{range} is no network")))?;
        Ok(Some(Found { network, record }))
    }

    /// Every network that has a record, in the order of the tree.
    pub(super) fn networks(&self) -> Result<impl Iterator<Item = Result<Found<'_>, Damaged>>, Damaged> {
        let options = WithinOptions::default().include_aliased_networks().include_networks_without_data();
        let mut left = u64::from(self.metadata().node_count).saturating_mul(ENDS_PER_NODE_MAX);
        let ends = self.reader.networks(options)?.map_while(move |end| {
            // One more, which says what is wrong.
            left = left.checked_sub(1)?;
            Some(match left {
                0 => Err(Damaged("the tree of networks leads in a circle".to_owned())),
                _ => end.map_err(Damaged::from),
            })
        });
        Ok(ends.filter_map(|end| match end.and_then(|end| self.found(end)) {
            Ok(Some(found)) if self.is_alias(found.network) => None,
            other => other.transpose(),
        }))
    }

    fn is_alias(&self, network: Network) -> bool {
        let inside = |alias: &Network| {
            network.length() >= alias.length() && Network::of(network.base(), alias.length()) == Some(*alias)
        };
        self.aliases.iter().any(inside)
    }
}

/// Of what lies in `::/96` the IPv4 network.
fn network(base: IpAddr, length: u32) -> Option<Network> {
    if let IpAddr::V6(v6) = base
        && length >= BEFORE_V4
        && let Ok(v4) = u32::try_from(v6.to_bits())
    {
        return Network::of(Ipv4Addr::from_bits(v4).into(), length - BEFORE_V4);
    }
    Network::of(base, length)
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("digest", &self.digest).finish_non_exhaustive()
    }
}
