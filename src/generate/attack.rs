//! Attacks: a plan made before the first row, so that the rows in all are known, and then one
//! flow after the other.
//!
//! Attackers outside are in 203.0.113.0/24 (reserved for documentation); forged sources are
//! anywhere. What does not fit into the run's span or its number of rows is cut, and the plan's
//! note says so.

use std::net::{IpAddr, Ipv4Addr};

use crate::record::EventTime;

use super::flow::{Flow, Protocol};
use super::options::Options;
use super::place::place_of;
use super::population::{Device, Population};
use super::random::{Random, mix, real, reduce, whole};
use super::service::{self, Service};

/// Attacks together take at most this share of the rows.
const ROWS_SHARE_MAX: f64 = 0.4;
/// With fewer rows an attack is left out.
const ROWS_MIN: u64 = 5;
/// A run that lasts less has no room for an attack.
const SPAN_SECONDS_MIN: f64 = 10.0;
/// The last row of an attack comes before this part of the span is over.
const SPAN_USED: f64 = 0.97;
const BEACON_SECONDS: f64 = 60.0;
const BEACON_JITTER: f64 = 3.0;
const BEACON_SECONDS_MAX: f64 = 3.0 * 3600.0;

/// A command-and-control call: near constant in every respect.
static CALL: Service = Service {
    port: 443,
    protocol: Protocol::Tcp,
    tx: (640.0, 0.01),
    rx: (250.0, 0.01),
    millis: (420.0, 0.15),
    v6: false,
};

/// A failed login.
static LOGIN: Service = Service {
    port: 22,
    protocol: Protocol::Tcp,
    tx: (1_900.0, 0.06),
    rx: (2_300.0, 0.06),
    millis: (1_600.0, 0.2),
    v6: false,
};

/// An attack of minutes or hours, which is many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Burst {
    PortScan,
    HostScan,
    SynFlood,
    Exfiltration,
    Beacon,
    BruteForce,
}

#[derive(Debug, Clone)]
pub(super) struct Plan {
    attack: Burst,
    pub rows: u64,
    pub start: EventTime,
    /// Seconds between rows.
    step: f64,
    actor: Device,
    /// The address that does it; for a flood they are forged and this is unused.
    source: IpAddr,
    victim: u32,
    target: IpAddr,
    port: u16,
    /// Bytes that a row sends, for an exfiltration.
    tx_bytes: f64,
    /// Why it is not whole, if so.
    pub note: Option<String>,
}

/// What an attack would be with room for all of it.
struct Wish {
    rows: u64,
    seconds: f64,
    /// Of the run's rows.
    share_max: f64,
}

impl Wish {
    fn new(attack: Burst, span: f64, random: &mut Random) -> Self {
        let (rows, seconds, share_max) = match attack {
            Burst::PortScan => (600 + random.below(900), random.between(60.0, 200.0), 0.05),
            Burst::HostScan => (250 + random.below(350), random.between(60.0, 200.0), 0.05),
            Burst::SynFlood => (5_000 + random.below(2_000), random.between(110.0, 160.0), 0.1),
            Burst::Exfiltration => (150 + random.below(100), random.between(720.0, 1_200.0), 0.02),
            Burst::Beacon => {
                let seconds = (span * 0.9).clamp(2_400.0, BEACON_SECONDS_MAX);
                (whole(seconds / BEACON_SECONDS), seconds, 0.02)
            }
            Burst::BruteForce => (200 + random.below(200), random.between(200.0, 300.0), 0.025),
        };
        Self { rows, seconds, share_max }
    }
}

/// Plans all attacks of a run. Some may have no rows; their notes say why.
pub(super) fn plan(options: &Options, population: &Population, bursts: &[Burst]) -> Vec<Plan> {
    let mut random = Random::new(options.seed, 2);
    let count = u32::try_from(bursts.len()).unwrap_or(u32::MAX);
    let mut plans: Vec<Plan> = (0..count)
        .zip(bursts)
        .map(|(i, &attack)| plan_one(options, population, attack, (i, count), &mut random))
        .collect();
    let total = real(plans.iter().map(|plan| plan.rows).sum());
    let room = real(options.events) * ROWS_SHARE_MAX;
    if total > room {
        for plan in &mut plans {
            let rows = whole(real(plan.rows) * room / total);
            plan.shorten(rows, "the rows of all attacks together");
        }
    }
    for plan in &mut plans {
        if plan.rows < ROWS_MIN || options.span_seconds() < SPAN_SECONDS_MIN {
            plan.rows = 0;
            plan.note = Some(format!(
                "left out: {} events over {} s have no room for it",
                options.events,
                whole(options.span_seconds())
            ));
        }
    }
    plans
}

fn plan_one(
    options: &Options,
    population: &Population,
    attack: Burst,
    (i, count): (u32, u32),
    random: &mut Random,
) -> Plan {
    let span = options.span_seconds();
    let wish = Wish::new(attack, span, random);
    let part = f64::from(i) / f64::from(count.max(1));
    let offset = match attack {
        // Slow by nature: it needs the whole span.
        Burst::Beacon => span * random.between(0.02, 0.05),
        _ => span * (0.06 + 0.8 * part + random.between(0.0, 0.02)),
    };
    let seconds = wish.seconds.min((span * SPAN_USED - offset).max(1.0));
    let cast = Cast::new(options.seed, population, attack, i);
    let mut plan = Plan {
        attack,
        rows: wish.rows,
        start: EventTime(options.start.0.saturating_add(i64::try_from(whole(offset * 1e6)).unwrap_or(0))),
        step: if attack == Burst::Beacon { BEACON_SECONDS } else { seconds / real(wish.rows.max(1)) },
        actor: cast.actor,
        source: cast.source,
        victim: cast.victim,
        target: cast.target,
        port: cast.port,
        tx_bytes: random.between(6e8, 1.2e9) / real(wish.rows.max(1)),
        note: None,
    };
    if attack == Burst::Beacon {
        plan.shorten(whole(seconds / BEACON_SECONDS) + 1, "the span");
    } else if seconds < wish.seconds {
        plan.note = Some(format!("in {} s in place of {}: the span is short", whole(seconds), whole(wish.seconds)));
    }
    plan.shorten(whole(real(options.events) * wish.share_max), "its share of the rows");
    plan
}

/// Who does it to whom.
struct Cast {
    actor: Device,
    source: IpAddr,
    victim: u32,
    target: IpAddr,
    port: u16,
}

impl Cast {
    fn new(seed: u64, population: &Population, attack: Burst, i: u32) -> Self {
        let hash = mix(seed, 0x6174_7461_636b, u64::from(i));
        let count = population.subscribers();
        // Actors are evenly spaced, so that they differ as long as there are enough subscribers.
        let first = u32::try_from(reduce(mix(seed, 0x0061_6374_6f72, 0), u64::from(count))).unwrap_or(0);
        let spacing = (count / 67).max(1);
        let subscriber = first.wrapping_add(i.wrapping_mul(spacing)) % count;
        let number = 1 + u8::try_from(i / count % 5).unwrap_or(0);
        let actor = Device { subscriber, number };
        let inside = population.address(actor, false);
        let outside = outside(i, 0);
        let victim = subscriber.wrapping_add(spacing / 2 + 1) % count;
        let server = population.server(victim);
        let draw = |ports: &[u16; 4]| ports[usize::try_from(reduce(hash, 4)).unwrap_or(0) % ports.len()];
        match attack {
            Burst::PortScan => Self { actor, source: inside, victim: subscriber, target: server, port: 0 },
            Burst::HostScan => Self {
                actor,
                source: inside,
                victim: subscriber,
                // The first of the swept addresses.
                target: IpAddr::V4(Ipv4Addr::from(0x0a80_0000_u32 + (u32::from(actor.number) << 8) + (i << 12))),
                port: draw(&[445, 22, 3389, 445]),
            },
            Burst::SynFlood => Self { actor, source: outside, victim, target: server, port: draw(&[443, 80, 443, 80]) },
            Burst::Exfiltration => Self { actor, source: inside, victim: subscriber, target: outside, port: 443 },
            Burst::Beacon => {
                Self { actor, source: inside, victim: subscriber, target: outside, port: draw(&[443, 8443, 443, 8080]) }
            }
            Burst::BruteForce => {
                Self { actor, source: outside, victim, target: server, port: draw(&[22, 3389, 22, 3389]) }
            }
        }
    }
}

fn outside(i: u32, salt: u8) -> IpAddr {
    let last = u8::try_from(i % 200).unwrap_or(0).saturating_add(10).saturating_add(salt);
    Ipv4Addr::new(203, 0, 113, last).into()
}

impl Plan {
    fn shorten(&mut self, rows: u64, reason: &str) {
        if rows < self.rows {
            let wanted = self.rows;
            self.rows = rows;
            self.note = Some(format!("{rows} rows of {wanted}: {reason} has no room for more"));
        }
    }

    pub(super) fn actor(&self) -> String {
        match self.attack {
            Burst::SynFlood => "forged sources".to_owned(),
            _ => self.source.to_string(),
        }
    }

    pub(super) fn victim(&self) -> String {
        match self.attack {
            Burst::HostScan => format!("{} and following, port {}", self.target, self.port),
            Burst::PortScan => self.target.to_string(),
            _ => format!("{} port {}", self.target, self.port),
        }
    }

    /// `actor>victim`, for the labels.
    pub(super) fn detail(&self) -> String {
        match self.attack {
            Burst::SynFlood => format!("*>{}", self.target),
            Burst::HostScan => format!("{}>*", self.source),
            _ => format!("{}>{}", self.source, self.target),
        }
    }
}

/// An attack under way.
#[derive(Debug)]
pub(super) struct Attacker {
    plan: Plan,
    number: usize,
    sent: u64,
    random: Random,
    next: Option<EventTime>,
    first_port: u64,
}

impl Attacker {
    pub(super) fn new(plan: Plan, number: usize, seed: u64) -> Self {
        let mut random = Random::new(seed, 100 + u64::try_from(number).unwrap_or(0));
        let first_port = random.below(1000);
        let mut attacker = Self { plan, number, sent: 0, random, next: None, first_port };
        attacker.advance();
        attacker
    }

    pub(super) fn peek(&self) -> Option<EventTime> {
        self.next
    }

    fn advance(&mut self) {
        if self.sent >= self.plan.rows {
            self.next = None;
            return;
        }
        // Inside a step of its own, so times never go back.
        let jitter = match self.plan.attack {
            Burst::Beacon => self.random.between(0.0, 2.0 * BEACON_JITTER),
            _ => self.random.between(0.0, self.plan.step),
        };
        let micros = whole((real(self.sent) * self.plan.step + jitter) * 1e6);
        self.next = Some(EventTime(self.plan.start.0.saturating_add(i64::try_from(micros).unwrap_or(0))));
    }

    /// The flow that was announced, which ends at `end`.
    pub(super) fn take(&mut self, end: EventTime, population: &Population) -> Flow {
        let n = self.sent;
        self.sent += 1;
        self.advance();
        let mut flow = match self.plan.attack {
            Burst::PortScan => self.port_probe(n, end),
            Burst::HostScan => self.host_probe(n, end),
            Burst::SynFlood => self.forged_syn(end),
            Burst::Exfiltration => self.upload(end),
            Burst::Beacon => self.connection(&CALL, end),
            Burst::BruteForce => self.connection(&LOGIN, end),
        };
        flow.place = match self.plan.attack {
            Burst::SynFlood => Some(place_of(self.random.bits())),
            Burst::BruteForce => Some(place_of(mix(self.first_port, 5, 0))),
            _ => Some(population.place(self.plan.actor.subscriber)),
        };
        flow.attack = Some(self.number);
        flow
    }

    /// Every port once: the order is a walk around all of them.
    fn port_probe(&mut self, n: u64, end: EventTime) -> Flow {
        const PORTS: u64 = 2_003;
        let port = 1 + (self.first_port + n * 1_103) % PORTS;
        let port = u16::try_from(port).unwrap_or(1);
        match self.random.below(100) {
            0..2 => self.answered(port, end),
            2..80 => self.unserved(self.plan.target, port, true, end),
            _ => self.unserved(self.plan.target, port, false, end),
        }
    }

    fn host_probe(&mut self, n: u64, end: EventTime) -> Flow {
        let target = match self.plan.target {
            IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).saturating_add(u32::try_from(n).unwrap_or(0))).into(),
            v6 @ IpAddr::V6(_) => v6,
        };
        let draw = self.random.below(100);
        self.unserved(target, self.plan.port, draw < 8, end)
    }

    fn forged_syn(&mut self, end: EventTime) -> Flow {
        let source = forged(&mut self.random);
        let ends = (self.plan.victim, source, self.plan.target, end);
        let mut flow = service::failed(Protocol::Tcp, self.plan.port, false, ends, &mut self.random);
        flow.tx_bytes = 60;
        flow.start = flow.end;
        flow
    }

    fn upload(&mut self, end: EventTime) -> Flow {
        let tx = self.plan.tx_bytes;
        let service = Service {
            port: self.plan.port,
            protocol: Protocol::Tcp,
            tx: (tx, 0.25),
            rx: (tx / 60.0, 0.3),
            millis: (4_000.0, 0.3),
            v6: false,
        };
        self.connection(&service, end)
    }

    fn connection(&mut self, service: &Service, end: EventTime) -> Flow {
        let (source, target) = (self.plan.source, self.plan.target);
        let mut flow = service::served(service, self.plan.victim, source, target, end, &mut self.random);
        flow.dst_port = Some(self.plan.port);
        flow
    }

    /// A port of the victim that turned out to be open.
    fn answered(&mut self, port: u16, end: EventTime) -> Flow {
        let mut flow = self.connection(&LOGIN, end);
        flow.dst_port = Some(port);
        flow.tx_bytes = 120 + self.random.below(200);
        flow.rx_bytes = 120 + self.random.below(200);
        flow
    }

    fn unserved(&mut self, target: IpAddr, port: u16, refused: bool, end: EventTime) -> Flow {
        let ends = (self.plan.victim, self.plan.source, target, end);
        service::failed(Protocol::Tcp, port, refused, ends, &mut self.random)
    }
}

/// Any address but private, loopback and multicast ones.
fn forged(random: &mut Random) -> IpAddr {
    let first = match random.below(222) {
        0..9 => 1,
        n => n + 1,
    };
    let first = u8::try_from(first).unwrap_or(1);
    let [_, _, _, _, _, b, c, d] = random.bits().to_be_bytes();
    let first = if matches!(first, 10 | 127 | 172 | 192 | 203) { 81 } else { first };
    Ipv4Addr::new(first, b, c, d).into()
}
