//! Who is there: subscribers, their devices and addresses, and the destinations that they use.
//!
//! Everything is computed from the seed and a number, so a million subscribers need no memory
//! beyond the frequency tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::place::{Place, place_of};
use super::random::{Random, Zipf, mix, real, reduce, unit};

/// Servers on the Internet that ordinary traffic goes to.
const DESTINATIONS: u32 = 4096;
/// Destinations that one subscriber uses.
const FAVOURITES: u64 = 24;
/// … and of those, how many within ten minutes.
const FAVOURITES_NOW: u64 = 5;
const SLOT_SECONDS: u64 = 600;
/// Share of the ten-minute slots in which a subscriber does anything.
const SLOT_ACTIVE: f64 = 0.5;
const IPV6_DEVICES: f64 = 0.15;

/// Infrastructure in 10.255.0.0/16, which no subscriber's addresses reach.
pub(super) const SCANNER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 0, 10));
pub(super) const BACKUP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 0, 20));

/// A subscriber's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Device {
    pub subscriber: u32,
    /// From 1.
    pub number: u8,
}

#[derive(Debug)]
pub(super) struct Population {
    seed: u64,
    subscribers: u32,
    activity: Zipf,
    popularity: Zipf,
}

impl Population {
    pub(super) fn new(seed: u64, subscribers: u32) -> Self {
        Self {
            seed,
            subscribers,
            activity: Zipf::new(subscribers, 1.0 + f64::from(subscribers) / 10.0),
            popularity: Zipf::new(DESTINATIONS, 2.0),
        }
    }

    pub(super) fn subscribers(&self) -> u32 {
        self.subscribers
    }

    fn property(&self, subscriber: u32, what: u64) -> u64 {
        mix(self.seed, u64::from(subscriber), what)
    }

    /// A device of a subscriber who is active now. The most active come most often.
    pub(super) fn active_device(&self, slot: u64, random: &mut Random) -> Device {
        const TRIES: u32 = 8;
        let mut rank = self.activity.rank(random.unit());
        for _ in 0..TRIES {
            if unit(self.property(rank, 0x1000 + slot)) < SLOT_ACTIVE {
                break;
            }
            rank = self.activity.rank(random.unit());
        }
        let number = 1 + random.below(u64::from(self.devices(rank)));
        Device { subscriber: rank, number: u8::try_from(number).unwrap_or(1) }
    }

    /// 2 to 5.
    pub(super) fn devices(&self, subscriber: u32) -> u8 {
        u8::try_from(2 + reduce(self.property(subscriber, 1), 4)).unwrap_or(2)
    }

    pub(super) fn place(&self, subscriber: u32) -> &'static Place {
        place_of(self.property(subscriber, 2))
    }

    /// Does this device speak IPv6 where the other side does?
    pub(super) fn prefers_v6(&self, device: Device) -> bool {
        unit(self.property(device.subscriber, 0x100 + u64::from(device.number))) < IPV6_DEVICES
    }

    pub(super) fn device_hash(&self, device: Device, what: u64) -> u64 {
        mix(self.property(device.subscriber, what), u64::from(device.number), what)
    }

    pub(super) fn address(&self, device: Device, v6: bool) -> IpAddr {
        if v6 {
            let [high_a, high_b, low_a, low_b] = device.subscriber.to_be_bytes();
            let high = u16::from_be_bytes([high_a, high_b]);
            let low = u16::from_be_bytes([low_a, low_b]);
            return Ipv6Addr::new(0x2001, 0xdb8, high, low, 0, 0, 0, u16::from(device.number)).into();
        }
        // Sixteen addresses each, from 10.0.0.16 on.
        let offset = device.subscriber.saturating_add(1).saturating_mul(16) + u32::from(device.number);
        Ipv4Addr::from(0x0a00_0000_u32.saturating_add(offset)).into()
    }

    /// The subscriber's own server.
    pub(super) fn server(&self, subscriber: u32) -> IpAddr {
        self.address(Device { subscriber, number: 10 }, false)
    }

    pub(super) fn slot(seconds: u64) -> u64 {
        seconds / SLOT_SECONDS
    }

    /// One of the destinations that the subscriber uses in this slot.
    pub(super) fn destination(&self, subscriber: u32, slot: u64, random: &mut Random) -> u32 {
        let focus = self.property(subscriber, 0x2000_0000 + slot);
        let favourite = mix(focus, random.below(FAVOURITES_NOW), 3) % FAVOURITES;
        self.popularity.rank(unit(self.property(subscriber, 0x4000_0000 + favourite)))
    }

    /// A destination that many use.
    pub(super) fn popular(&self, random: &mut Random) -> u32 {
        self.popularity.rank(random.unit())
    }

    pub(super) fn destination_address(rank: u32, v6: bool) -> IpAddr {
        if v6 {
            let low = u16::try_from(rank & 0xffff).unwrap_or(0);
            return Ipv6Addr::new(0x2001, 0xdb8, 0xf000, 0, 0, 0, 0, low).into();
        }
        // The benchmark network 198.18.0.0/15, scattered.
        Ipv4Addr::from(0xc612_0000_u32 + (rank.wrapping_mul(7919) & 0x1_ffff)).into()
    }

    /// One of a provider's addresses: each is used by many subscribers, however few there are.
    pub(super) fn provider_address(&self, network: Ipv4Addr, addresses: u64, hash: u64, v6: bool) -> IpAddr {
        let count = addresses.min(1 + u64::from(self.subscribers) / 25);
        let number = u16::try_from(reduce(hash, count)).unwrap_or(0) + 1;
        if v6 {
            let [a, b, c, _] = network.octets();
            let [group_a, group_b] = [u16::from_be_bytes([a, b]), u16::from(c)];
            return Ipv6Addr::new(0x2001, 0xdb8, 0xf001, group_a, group_b, 0, 0, number).into();
        }
        Ipv4Addr::from(u32::from(network).saturating_add(u32::from(number))).into()
    }

    /// How active traffic is at this instant of the day (UTC), 1 on average.
    pub(super) fn day_weight(seconds: u64) -> f64 {
        const HOURS: [f64; 25] = [
            0.45, 0.35, 0.30, 0.28, 0.30, 0.40, 0.60, 0.90, 1.20, 1.35, 1.40, 1.40, 1.30, 1.35, 1.40, 1.40, 1.35, 1.30,
            1.35, 1.45, 1.50, 1.35, 1.00, 0.70, 0.45,
        ];
        let of_day = seconds % 86_400;
        let hour = usize::try_from(of_day / 3600).unwrap_or(0);
        let part = real(of_day % 3600) / 3600.0;
        let from = HOURS.get(hour).copied().unwrap_or(1.0);
        let to = HOURS.get(hour + 1).copied().unwrap_or(1.0);
        from + (to - from) * part
    }
}
