//! What to generate: the options, the attacks' names, and the bounds that an option must keep.

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::record::EventTime;

/// More subscribers do not fit into 10.0.0.0/8, at sixteen addresses each.
pub const SUBSCRIBERS_MAX: u32 = 1_000_000;
/// Attacks in one run: each needs an actor and a victim of its own.
pub const ATTACKS_MAX: usize = 64;
/// Event time ends before the year 9000, so that every time has four digits of year.
const END_SECONDS_MAX: f64 = 221_845_392_000.0;
/// Flows a second of one subscriber, for [`Options::subscribers_for`].
const SUBSCRIBER_RATE: f64 = 1.0 / 15.0;

/// An attack scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attack {
    /// One host tries many ports of another.
    PortScan,
    /// One host tries one port of many others.
    HostScan,
    /// Many forged sources send SYNs to one service, and none is answered.
    SynFlood,
    /// One host sends far more than is usual to a destination that nobody else uses.
    Exfiltration,
    /// One host calls a destination that nobody else uses, every minute.
    Beacon,
    /// One source tries to log in, again and again.
    BruteForce,
    /// A subscriber's flows come from a place that it cannot have reached.
    Travel,
    /// A source that never pauses stops.
    Silence,
}

impl Attack {
    pub const ALL: [Self; 8] = [
        Self::PortScan,
        Self::HostScan,
        Self::SynFlood,
        Self::Exfiltration,
        Self::Beacon,
        Self::BruteForce,
        Self::Travel,
        Self::Silence,
    ];

    /// Does it show only against days of what the subscriber did before?
    pub fn breaks_a_habit(self) -> bool {
        matches!(self, Self::Travel | Self::Silence)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::PortScan => "port_scan",
            Self::HostScan => "host_scan",
            Self::SynFlood => "syn_flood",
            Self::Exfiltration => "exfiltration",
            Self::Beacon => "beacon",
            Self::BruteForce => "brute_force",
            Self::Travel => "travel",
            Self::Silence => "silence",
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|attack| attack.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|attack| attack.name()).collect();
            format!("unknown attack `{text}`, expected one of {}", names.join(", "))
        })
    }
}

#[derive(Debug, Clone)]
pub struct Options {
    /// Lines in all, those of attacks included.
    pub events: u64,
    /// Lines a second of event time, on average over the whole span.
    pub rate: f64,
    pub seed: u64,
    pub start: EventTime,
    pub attacks: Vec<Attack>,
    pub subscribers: u32,
    /// Share of rows that arrive up to 20 s after newer ones.
    pub out_of_order: f64,
    /// Share of rows where an optional field is null.
    pub nulls: f64,
    /// Share of TCP rows whose flags are names (`SYN-ACK-PSH-FIN`) in place of a number.
    pub flag_names: f64,
}

impl Options {
    /// Under three hours of a working day's morning, with every attack that needs no days before it.
    pub fn demo() -> Self {
        let rate = 20.0;
        Self {
            events: 200_000,
            rate,
            seed: 42,
            // 2026-01-05T09:00:00Z, a Monday.
            start: EventTime(1_767_603_600_000_000),
            attacks: Attack::ALL.into_iter().filter(|attack| !attack.breaks_a_habit()).collect(),
            subscribers: Self::subscribers_for(rate),
            out_of_order: 0.02,
            nulls: 0.02,
            flag_names: 0.05,
        }
    }

    /// How many subscribers make that many flows a second while each of them stays an ordinary one.
    pub fn subscribers_for(rate: f64) -> u32 {
        let wanted = super::random::whole(rate / SUBSCRIBER_RATE);
        u32::try_from(wanted).unwrap_or(SUBSCRIBERS_MAX).clamp(20, SUBSCRIBERS_MAX)
    }

    /// Seconds of event time.
    pub(super) fn span_seconds(&self) -> f64 {
        super::random::real(self.events) / self.rate
    }

    pub(super) fn validate(&self) -> io::Result<()> {
        let refuse = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if !self.rate.is_finite() || self.rate <= 0.0 {
            return refuse(format!("the rate must be a number above 0, not {}", self.rate));
        }
        for (name, share) in
            [("out_of_order", self.out_of_order), ("nulls", self.nulls), ("flag_names", self.flag_names)]
        {
            if !(0.0..=1.0).contains(&share) {
                return refuse(format!("`{name}` is a share from 0 to 1, not {share}"));
            }
        }
        if self.subscribers == 0 || self.subscribers > SUBSCRIBERS_MAX {
            return refuse(format!("subscribers are 1 to {SUBSCRIBERS_MAX}, not {}", self.subscribers));
        }
        if self.attacks.len() > ATTACKS_MAX {
            return refuse(format!("at most {ATTACKS_MAX} attacks, not {}", self.attacks.len()));
        }
        let start_seconds = self.start.0.div_euclid(1_000_000);
        let Ok(start_seconds) = u64::try_from(start_seconds) else {
            return refuse(format!("the start {} is before 1970", self.start));
        };
        if super::random::real(start_seconds) + self.span_seconds() > END_SECONDS_MAX {
            return refuse(format!("{} events at {} a second end after the year 9000", self.events, self.rate));
        }
        Ok(())
    }
}
