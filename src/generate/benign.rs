//! Ordinary traffic: people who come and go, machines that call at fixed intervals, and the
//! oddities of a network that look like attacks and are none.
//!
//! Look-alikes on purpose: time servers and push providers are called regularly (by many), a
//! backup uploads hundreds of megabytes at night (to 10.255.0.20), a licensed scanner tries ports
//! four times a day (from 10.255.0.10). The pack's allow-lists name the last two.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;

use crate::record::EventTime;

use super::flow::{Flow, Protocol};
use super::options::Options;
use super::population::{BACKUP, Device, Population, SCANNER};
use super::random::{Random, real, reduce, unit, whole};
use super::service::{self, Service};

/// Share of the rate that machines' regular calls may take.
const PERIODIC_SHARE: f64 = 0.2;
/// Share of connections that fail for ordinary reasons.
const FAILED_SHARE: f64 = 0.02;
/// Pages being loaded at once, at most.
const PAGES_MAX: usize = 4096;
/// Share of draws that go on with a page that is being loaded.
const PAGE_SHARE: f64 = 0.65;
/// A day's slow hours still have traffic; an instant's weight is never below this.
const WEIGHT_MIN: f64 = 0.05;
/// Shorter runs have no room for a licensed scan.
const SCAN_EVENTS_MIN: u64 = 20_000;
const MICROS: f64 = 1e6;
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

const RESOLVERS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 0);
const TIME_SERVERS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 0);
const PUSH_PROVIDER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 64);
const UPDATE_SERVERS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 128);

/// Something that happens at a known time and then again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Time(Device),
    Push(Device),
    /// Flow `n` of a night's backup.
    Backup(u32, u16),
    /// Part `n` of a day's update.
    Update(Device, u16),
    /// Probe `n` of a licensed scan.
    Scan(u16),
}

/// A page that a device is loading.
#[derive(Debug, Clone, Copy)]
struct Page {
    device: Device,
    destination: u32,
}

#[derive(Debug)]
pub(super) struct Benign<'a> {
    population: &'a Population,
    random: Random,
    /// The next flow of a person.
    next: EventTime,
    /// Flows of persons a second, where the day's weight is 1.
    rate: f64,
    pages: Vec<Page>,
    tasks: BinaryHeap<Reverse<(EventTime, Task)>>,
    scan_probes: u16,
}

impl<'a> Benign<'a> {
    /// `rows` are to fill the span of the options.
    pub(super) fn new(options: &Options, population: &'a Population, rows: u64) -> Self {
        let span = options.span_seconds().max(1e-6);
        let all = real(rows) / span;
        let mut benign = Self {
            population,
            random: Random::new(options.seed, 1),
            next: options.start,
            rate: 0.0,
            pages: Vec::new(),
            tasks: BinaryHeap::new(),
            scan_probes: u16::try_from(whole(options.rate * 30.0)).unwrap_or(u16::MAX).clamp(120, 1000),
        };
        let periodic = benign.plan_regular_calls(options.start, all * PERIODIC_SHARE);
        benign.plan_oddities(options, all);
        let pages = usize::try_from(whole(all)).unwrap_or(PAGES_MAX).clamp(2, PAGES_MAX);
        let start = seconds_of(options.start);
        benign.pages = (0..pages).map(|_| benign_page(population, start, &mut benign.random)).collect();
        benign.rate = (all - periodic).max(all * 0.1) / mean_weight(start, span);
        benign.advance();
        benign
    }

    /// The time of the next flow.
    pub(super) fn peek(&self) -> EventTime {
        self.tasks.peek().map_or(self.next, |Reverse((at, _))| self.next.min(*at))
    }

    pub(super) fn take(&mut self) -> Flow {
        match self.tasks.peek() {
            Some(Reverse((at, _))) if *at <= self.next => match self.tasks.pop() {
                Some(Reverse((at, task))) => self.perform(at, task),
                None => self.person(),
            },
            _ => self.person(),
        }
    }

    fn advance(&mut self) {
        let weight = Population::day_weight(seconds_of(self.next)).max(WEIGHT_MIN);
        let gap = self.random.exponential() * MICROS / (self.rate * weight);
        self.next = EventTime(self.next.0.saturating_add(i64::try_from(whole(gap)).unwrap_or(i64::MAX)));
    }

    fn person(&mut self) -> Flow {
        let end = self.next;
        self.advance();
        let slot = Population::slot(seconds_of(end));
        let place = usize::try_from(self.random.below(u64::try_from(self.pages.len()).unwrap_or(1))).unwrap_or(0);
        if self.random.chance(PAGE_SHARE)
            && let Some(page) = self.pages.get(place).copied()
        {
            // A page's parts come from its own server and from those that many pages use.
            let own = self.random.chance(0.6);
            let rank = if own { page.destination } else { self.population.popular(&mut self.random) };
            let service = match self.random.below(100) {
                0..68 => &service::HTTPS,
                68..92 => &service::QUIC,
                _ => &service::HTTP,
            };
            return self.outward(service, page.device, rank, end);
        }
        let device = self.population.active_device(slot, &mut self.random);
        match self.random.below(1000) {
            0..560 => self.resolve(device, end),
            560..880 => {
                let destination = self.population.destination(device.subscriber, slot, &mut self.random);
                if let Some(page) = self.pages.get_mut(place) {
                    *page = Page { device, destination };
                }
                self.outward(&service::HTTPS, device, destination, end)
            }
            880..940 => {
                let rank = self.population.popular(&mut self.random);
                let service = if self.random.chance(0.8) { &service::MAIL } else { &service::MAIL_OUT };
                self.outward(service, device, rank, end)
            }
            940..978 => self.inward(&service::SMB, device, end),
            978..982 => self.inward(&service::SSH, device, end),
            982..992 => {
                let rank = self.population.popular(&mut self.random);
                self.outward(&service::UPLOAD, device, rank, end)
            }
            _ => self.inward(&service::PING, device, end),
        }
    }

    fn outward(&mut self, service: &Service, device: Device, rank: u32, end: EventTime) -> Flow {
        let v6 = service.v6 && self.population.prefers_v6(device);
        self.flow(service, device, v6, Population::destination_address(rank, v6), end)
    }

    /// To the subscriber's own server.
    fn inward(&mut self, service: &Service, device: Device, end: EventTime) -> Flow {
        let dst = self.population.server(device.subscriber);
        self.flow(service, device, false, dst, end)
    }

    fn resolve(&mut self, device: Device, end: EventTime) -> Flow {
        let v6 = self.population.prefers_v6(device);
        let hash = self.population.device_hash(device, 10);
        let dst = self.population.provider_address(RESOLVERS, 4, hash, v6);
        self.flow(&service::DNS, device, v6, dst, end)
    }

    fn flow(&mut self, service: &Service, device: Device, v6: bool, dst: std::net::IpAddr, end: EventTime) -> Flow {
        let src = self.population.address(device, v6);
        let mut flow = if self.random.chance(FAILED_SHARE) {
            let refused = self.random.chance(0.4);
            let ends = (device.subscriber, src, dst, end);
            service::failed(service.protocol, service.port, refused, ends, &mut self.random)
        } else {
            service::served(service, device.subscriber, src, dst, end, &mut self.random)
        };
        flow.place = Some(self.population.place(device.subscriber));
        flow
    }

    /// Time servers every 64 to 1024 s, push providers every 4 to 28 minutes, for as many devices
    /// as the share of the rate allows. Returns calls a second.
    fn plan_regular_calls(&mut self, start: EventTime, rate_max: f64) -> f64 {
        let mut rate = 0.0;
        for subscriber in 0..self.population.subscribers() {
            for number in 1..=self.population.devices(subscriber) {
                let device = Device { subscriber, number };
                let (time, push) = (self.time_interval(device), self.push_interval(device));
                rate += MICROS / real_micros(time) + MICROS / real_micros(push);
                if rate > rate_max {
                    return rate_max;
                }
                for (task, interval) in [(Task::Time(device), time), (Task::Push(device), push)] {
                    let phase = self.random.below(u64::try_from(interval).unwrap_or(1));
                    self.plan(start, i64::try_from(phase).unwrap_or(0), task);
                }
            }
        }
        rate
    }

    fn time_interval(&self, device: Device) -> i64 {
        64_000_000 << reduce(self.population.device_hash(device, 11), 5)
    }

    fn push_interval(&self, device: Device) -> i64 {
        240_000_000 + i64::try_from(reduce(self.population.device_hash(device, 12), 1_440_000_000)).unwrap_or(0)
    }

    fn plan(&mut self, from: EventTime, after: i64, task: Task) {
        self.tasks.push(Reverse((EventTime(from.0.saturating_add(after)), task)));
    }

    /// Backups at 01:00 to 03:00 from one server in ten, updates from 10:00 on one device in
    /// twelve, a licensed scan at 04:30, 10:30, 16:30 and 22:30.
    fn plan_oddities(&mut self, options: &Options, rate: f64) {
        let start = options.start;
        // A night's backups and a day's updates are to stay a small part of a day's rows.
        let takers = whole(rate * 86_400.0 * 0.005 / 12.0);
        let chosen = self.population.subscribers().min(u32::try_from(takers).unwrap_or(u32::MAX));
        for subscriber in 0..chosen {
            let hash = self.population.device_hash(Device { subscriber, number: 10 }, 13);
            if unit(hash) < 0.1 {
                let at = HOUR + i64::try_from(reduce(hash.rotate_left(20), 7_200_000_000)).unwrap_or(0);
                self.plan(next_at(start, at, DAY), 0, Task::Backup(subscriber, 0));
            }
            let device = Device { subscriber, number: 1 };
            let hash = self.population.device_hash(device, 14);
            if unit(hash) < 0.25 {
                let at = 10 * HOUR + i64::try_from(reduce(hash.rotate_left(20), 1_200_000_000)).unwrap_or(0);
                self.plan(next_at(start, at, DAY), 0, Task::Update(device, 0));
            }
        }
        if options.events >= SCAN_EVENTS_MIN && rate >= 1.0 {
            self.plan(next_at(start, 4 * HOUR + HOUR / 2, 6 * HOUR), 0, Task::Scan(0));
        }
    }

    fn perform(&mut self, at: EventTime, task: Task) -> Flow {
        match task {
            Task::Time(device) => {
                let interval = self.time_interval(device);
                self.again(at, interval, 40_000, task);
                self.provider(&service::NTP, TIME_SERVERS, 4, device, at)
            }
            Task::Push(device) => {
                let interval = self.push_interval(device);
                self.again(at, interval, 2_000_000, task);
                self.provider(&service::PUSH, PUSH_PROVIDER, 8, device, at)
            }
            Task::Backup(subscriber, n) => {
                let (next, after) = if n < 11 { (n + 1, 75_000_000) } else { (0, DAY - 11 * 75_000_000) };
                self.again(at, after, 0, Task::Backup(subscriber, next));
                let src = Device { subscriber, number: 10 };
                self.flow(&service::NIGHTLY, src, false, BACKUP, at)
            }
            Task::Update(device, n) => {
                let (next, after) = if n < 5 { (n + 1, 20_000_000) } else { (0, DAY - 5 * 20_000_000) };
                self.again(at, after, 0, Task::Update(device, next));
                self.provider(&service::UPDATE, UPDATE_SERVERS, 4, device, at)
            }
            Task::Scan(n) => self.probe(at, n),
        }
    }

    /// Plans the task again, with a jitter on either side.
    fn again(&mut self, at: EventTime, interval: i64, jitter: u64, task: Task) {
        let moved = i64::try_from(self.random.below(2 * jitter + 1)).unwrap_or(0);
        let back = i64::try_from(jitter).unwrap_or(0);
        self.plan(at, interval + moved - back, task);
    }

    fn provider(&mut self, service: &Service, network: Ipv4Addr, count: u64, device: Device, end: EventTime) -> Flow {
        let v6 = self.population.prefers_v6(device);
        let hash = self.population.device_hash(device, u64::from(service.port));
        let dst = self.population.provider_address(network, count, hash, v6);
        self.flow(service, device, v6, dst, end)
    }

    fn probe(&mut self, at: EventTime, n: u16) -> Flow {
        const GAP: i64 = 150_000;
        let length = i64::from(self.scan_probes) * GAP;
        if n + 1 < self.scan_probes {
            self.plan(at, GAP, Task::Scan(n + 1));
        } else {
            self.plan(at, (6 * HOUR).saturating_sub(length).saturating_add(GAP), Task::Scan(0));
        }
        let round = seconds_of(at) / 21_600;
        let victim = u32::try_from(round % u64::from(self.population.subscribers())).unwrap_or(0);
        let ends = (victim, SCANNER, self.population.server(victim), at);
        let mut flow = service::failed(Protocol::Tcp, n + 1, self.random.chance(0.9), ends, &mut self.random);
        flow.place = Some(self.population.place(victim));
        flow
    }
}

fn benign_page(population: &Population, seconds: u64, random: &mut Random) -> Page {
    let slot = Population::slot(seconds);
    let device = population.active_device(slot, random);
    Page { device, destination: population.destination(device.subscriber, slot, random) }
}

fn seconds_of(time: EventTime) -> u64 {
    u64::try_from(time.0 / 1_000_000).unwrap_or(0)
}

fn real_micros(micros: i64) -> f64 {
    real(u64::try_from(micros).unwrap_or(1))
}

/// The first instant from `start` on that is `offset` into a period.
fn next_at(start: EventTime, offset: i64, period: i64) -> EventTime {
    let into = (start.0 - offset).rem_euclid(period);
    EventTime(start.0 + if into == 0 { 0 } else { period - into })
}

/// The mean of the day's weight over the span.
fn mean_weight(start_seconds: u64, span: f64) -> f64 {
    const POINTS: u32 = 512;
    let total: f64 = (0..POINTS)
        .map(|i| {
            let at = start_seconds + whole(span * (f64::from(i) + 0.5) / f64::from(POINTS));
            Population::day_weight(at).max(WEIGHT_MIN)
        })
        .sum();
    total / f64::from(POINTS)
}
