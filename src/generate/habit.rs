//! Breaks of a habit: a subscriber of its own lives for the whole run, and then is somewhere else or silent. Beside it live
//! those who only look alike: who flies, whose carrier is across a border, who stops for the night, the week-end, two hours.
//!
//! Rows of a habit have no label. Of a silence, which has no rows, the last row before it has one, and the first after it.
//! A life is made of strands, each from one address in one place; a strand has a row at either of its ends, so that the time
//! between two of them is the one that was drawn. The last strand of a life ends with the run.

use std::net::{IpAddr, Ipv4Addr};

use crate::record::EventTime;

use super::flow::Flow;
use super::options::Options;
use super::place::{Place, neighbours, place_of};
use super::population::{Device, Population};
use super::random::{Random, mix, real, whole};
use super::service;

const MINUTE: f64 = 60.0;
const ENDLESS: f64 = f64::INFINITY;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
/// A habit is known after each day of the week; breaks begin then.
const KNOWN_SECONDS: f64 = 7.25 * DAY;
/// A shorter run has no room for a break.
const SPAN_SECONDS_MIN: f64 = 8.0 * DAY;
/// All lives together take at most this share of the rows.
const ROWS_SHARE_MAX: f64 = 0.25;
/// With fewer flows a life has no habit.
const STEP_SECONDS_MAX: f64 = 3.0 * HOUR;
/// Of one attack, with those that look alike.
const LIVES_MAX: u32 = 4;
/// An airliner with the way to it and from it: what who flies does, at most.
const FLIGHT_KMH: f64 = 800.0;
const AIRPORT_SECONDS: f64 = 3.0 * HOUR;
/// So near to a border that a telephone changes the carrier.
const BORDER_KM: f64 = 450.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    Travel,
    Silence,
}

#[derive(Debug)]
pub(super) struct Plan {
    /// Those with a label.
    pub rows: u64,
    /// Those of habit, about: they are among the ordinary ones, and go on for as long as these.
    pub habit_rows: u64,
    pub start: EventTime,
    /// The address that is elsewhere, or silent.
    pub source: IpAddr,
    /// Who breaks which habit, for people.
    pub story: String,
    /// Why it is not as drawn, if so.
    pub note: Option<String>,
    strands: Vec<Strand>,
}

/// When somebody has flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    Always,
    /// From 07:00 to 23:00.
    Days,
    /// From 07:00 to 19:00 but on Saturday and Sunday.
    Work,
}

/// Which rows of a strand belong to the attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labelled {
    None,
    All,
    First,
    Last,
}

/// Flows of one subscriber from one address in one place. Times are in seconds of the run.
#[derive(Debug, Clone)]
struct Strand {
    subscriber: u32,
    source: IpAddr,
    place: &'static Place,
    from: f64,
    to: f64,
    /// Seconds between flows, on average.
    step: f64,
    rhythm: Rhythm,
    labelled: Labelled,
    random: Random,
    /// Of the run.
    start: EventTime,
}

pub(super) fn plan(options: &Options, population: &Population, breaks: &[Break]) -> Vec<Plan> {
    let count = u32::try_from(breaks.len()).unwrap_or(u32::MAX);
    let rows_max = real(options.events) * ROWS_SHARE_MAX / f64::from(count.max(1));
    (0..count).zip(breaks).map(|(i, &one)| Draw::new(options, population, i).plan(one, rows_max)).collect()
}

/// What a break is drawn from.
struct Draw<'a> {
    options: &'a Options,
    population: &'a Population,
    random: Random,
    number: u32,
    strands: Vec<Strand>,
}

impl<'a> Draw<'a> {
    fn new(options: &'a Options, population: &'a Population, number: u32) -> Self {
        let random = Random::new(options.seed, 10_000 + u64::from(number));
        Self { options, population, random, number, strands: Vec::new() }
    }

    fn plan(mut self, one: Break, rows_max: f64) -> Plan {
        let span = self.options.span_seconds();
        let mut plan = match one {
            Break::Travel => self.travel(span),
            Break::Silence => self.silence(span),
        };
        if span < SPAN_SECONDS_MIN {
            plan.note = Some(format!("left out: a habit takes eight days, and there are {} hours", whole(span / HOUR)));
            return plan;
        }
        let rows: f64 = self.strands.iter().map(|strand| strand.rows_about(span)).sum();
        if rows > rows_max {
            let stretch = rows / rows_max;
            for strand in self.strands.iter_mut().filter(|strand| strand.labelled != Labelled::All) {
                strand.step *= stretch;
            }
            let [all, room] = [whole(rows), whole(rows_max)];
            plan.note = Some(format!("about {room} rows of habit in place of {all}: its share has no room for more"));
        }
        if self.strands.iter().any(|strand| strand.step > STEP_SECONDS_MAX) {
            plan.note = Some(format!("left out: {} events have no room for a habit", self.options.events));
            return plan;
        }
        plan.rows = self.strands.iter().map(Strand::labels).sum();
        plan.habit_rows = whole(rows.min(rows_max));
        plan.strands = self.strands;
        plan
    }

    /// A subscriber of its own and its address.
    fn life(&self, k: u32) -> (u32, IpAddr) {
        let subscriber = self.population.subscribers() + self.number * LIVES_MAX + k;
        (subscriber, self.population.address(Device { subscriber, number: 1 }, false))
    }

    fn home(&self, k: u32) -> &'static Place {
        place_of(mix(self.options.seed, 0x686f_6d65, u64::from(self.number * LIVES_MAX + k)))
    }

    /// An address outside that nobody else has: 240.0.0.0/4 is nobody's.
    fn elsewhere(&self, k: u32) -> IpAddr {
        Ipv4Addr::from(0xf000_0100_u32 + self.number * LIVES_MAX + k).into()
    }

    fn strand(&mut self, who: (u32, IpAddr), place: &'static Place, (from, to): (f64, f64), step: f64, rhythm: Rhythm) {
        let stream = 20_000 + u64::from(self.number) * 64 + u64::try_from(self.strands.len()).unwrap_or(0);
        let (subscriber, source) = who;
        let random = Random::new(self.options.seed, stream);
        let (start, labelled) = (self.options.start, Labelled::None);
        if to > from {
            self.strands.push(Strand { subscriber, source, place, from, to, step, rhythm, labelled, random, start });
        }
    }

    /// Of the strand that was made last.
    fn label(&mut self, labelled: Labelled) {
        if let Some(strand) = self.strands.last_mut() {
            strand.labelled = labelled;
        }
    }

    fn at(&self, seconds: f64) -> EventTime {
        at(self.options.start, seconds)
    }

    fn travel(&mut self, span: f64) -> Plan {
        let (who, home) = (self.life(0), self.home(0));
        let place = home.at_distance(self.random.log_between(300.0, 18_000.0));
        let gap = self.random.log_between(MINUTE, DAY);
        let stay = self.random.log_between(5.0 * MINUTE, 4.0 * HOUR);
        let rows = 3 + self.random.below(28);
        let start = self.random.between(KNOWN_SECONDS, (span - gap - stay).max(KNOWN_SECONDS));
        let (step, source) = (self.random.between(600.0, 1_800.0), self.elsewhere(0));
        self.strand(who, home, (0.0, start - gap), step, Rhythm::Days);
        self.strand((who.0, source), place, (start, start + stay), stay / real(rows), Rhythm::Always);
        self.label(Labelled::All);
        self.strand(who, home, (start + stay + gap, ENDLESS), step, Rhythm::Days);
        self.flight(span);
        self.border(span);
        let [km, minutes] = [whole(home.km_to(place)), whole(gap / MINUTE)];
        Plan {
            rows: 0,
            habit_rows: 0,
            start: self.at(start),
            source,
            story: format!("S{:06} at {}, from {} {km} km off, {minutes} min later", who.0, home.name(), place.name()),
            note: None,
            strands: Vec::new(),
        }
    }

    /// Who flies, stays for days and flies back.
    fn flight(&mut self, span: f64) {
        let (who, home) = (self.life(1), self.home(1));
        let place = home.at_distance(self.random.log_between(500.0, 12_000.0));
        let gap = home.km_to(place) / FLIGHT_KMH * HOUR + AIRPORT_SECONDS;
        let leaves = self.random.between(KNOWN_SECONDS, (span - DAY).max(KNOWN_SECONDS));
        let returns = leaves + gap + self.random.between(0.5, 3.0) * DAY;
        let source = self.elsewhere(1);
        self.strand(who, home, (0.0, leaves), 900.0, Rhythm::Days);
        self.strand((who.0, source), place, (leaves + gap, returns), 900.0, Rhythm::Days);
        self.strand(who, home, (returns + gap, ENDLESS), 900.0, Rhythm::Days);
    }

    /// Whose telephone is led out on either side of a border.
    fn border(&mut self, span: f64) {
        let (here, there) = neighbours(BORDER_KM, mix(self.options.seed, 0x626f_7264_6572, u64::from(self.number)));
        let who = self.life(2);
        self.strand(who, here, (0.0, ENDLESS), 1_800.0, Rhythm::Days);
        let begins = self.random.between(KNOWN_SECONDS, span.max(KNOWN_SECONDS));
        self.strand((who.0, self.elsewhere(2)), there, (begins, ENDLESS), 3_600.0, Rhythm::Days);
    }

    fn silence(&mut self, span: f64) -> Plan {
        let (who, home) = (self.life(0), self.home(0));
        let an_hour = self.random.log_between(4.0, 120.0);
        let silent = self.random.log_between(HOUR, 2.0 * DAY);
        let start = self.random.between(KNOWN_SECONDS, (span - silent).max(KNOWN_SECONDS));
        self.strand(who, home, (0.0, start), HOUR / an_hour, Rhythm::Always);
        self.label(Labelled::Last);
        if start + silent < span {
            self.strand(who, home, (start + silent, ENDLESS), HOUR / an_hour, Rhythm::Always);
            self.label(Labelled::First);
        }
        for (k, rhythm) in [(1, Rhythm::Days), (2, Rhythm::Work)] {
            let step = HOUR / self.random.log_between(4.0, 120.0);
            self.strand(self.life(k), self.home(k), (0.0, ENDLESS), step, rhythm);
        }
        // One that is looked after for two hours.
        let (step, stops) = (HOUR / self.random.log_between(4.0, 120.0), self.random.between(0.92, 0.96) * span);
        self.strand(self.life(3), self.home(3), (0.0, stops), step, Rhythm::Always);
        self.strand(self.life(3), self.home(3), (stops + 2.0 * HOUR, ENDLESS), step, Rhythm::Always);
        Plan {
            rows: 0,
            habit_rows: 0,
            start: self.at(start),
            source: who.1,
            story: format!("S{:06} silent for {} min", who.0, whole(silent / MINUTE)),
            note: None,
            strands: Vec::new(),
        }
    }
}

fn at(start: EventTime, seconds: f64) -> EventTime {
    EventTime(start.0.saturating_add(i64::try_from(whole(seconds * 1e6)).unwrap_or(0)))
}

impl Rhythm {
    fn awake(self, time: EventTime) -> bool {
        let hours = time.0.div_euclid(3_600_000_000);
        // 1970 began on a Thursday; 0 is Monday.
        let (hour, weekday) = (hours.rem_euclid(24), (hours.div_euclid(24) + 3).rem_euclid(7));
        match self {
            Self::Always => true,
            Self::Days => (7..23).contains(&hour),
            Self::Work => (7..19).contains(&hour) && weekday < 5,
        }
    }

    /// Of a week.
    fn share(self) -> f64 {
        match self {
            Self::Always => 1.0,
            Self::Days => 16.0 / 24.0,
            Self::Work => 60.0 / 168.0,
        }
    }
}

impl Strand {
    fn rows_about(&self, span: f64) -> f64 {
        (self.to.min(span) - self.from) / self.step * self.rhythm.share() + 2.0
    }

    /// Rows with a label.
    fn labels(&self) -> u64 {
        match self.labelled {
            Labelled::None => 0,
            Labelled::First | Labelled::Last => 1,
            Labelled::All => {
                let mut times = Times::new(self.clone());
                let mut rows = 0;
                while times.take().is_some() {
                    rows += 1;
                }
                rows
            }
        }
    }
}

/// The rows of a strand to come.
#[derive(Debug)]
struct Times {
    strand: Strand,
    random: Random,
    /// Seconds of the run.
    next: Option<f64>,
}

impl Times {
    fn new(strand: Strand) -> Self {
        Self { random: strand.random.clone(), next: Some(strand.from), strand }
    }

    fn peek(&self) -> Option<EventTime> {
        self.next.map(|seconds| at(self.strand.start, seconds))
    }

    /// The next row: does it belong to the attack?
    fn take(&mut self) -> Option<bool> {
        let now = self.next?;
        let Strand { from, to, step, rhythm, labelled, start, .. } = self.strand;
        let (first, last) = (now <= from, now >= to);
        self.next = (!last).then(|| {
            let mut next = now + step * self.random.between(0.5, 1.5);
            while next < to && !rhythm.awake(at(start, next)) {
                // The first hour of the next morning is not the same each day.
                let into = (next + real(u64::try_from(start.0 / 1_000_000).unwrap_or(0))) % DAY;
                let morning = next - into + 7.0 * HOUR + self.random.between(0.0, 0.5 * HOUR);
                next = if morning > next { morning } else { morning + DAY };
            }
            next.min(to)
        });
        Some(match labelled {
            Labelled::None => false,
            Labelled::All => true,
            Labelled::First => first,
            Labelled::Last => last,
        })
    }
}

/// The lives of one attack under way.
#[derive(Debug)]
pub(super) struct Lives {
    number: usize,
    strands: Vec<Times>,
    labels_left: u64,
    /// Of the flows, beside that of the times.
    random: Random,
}

impl Lives {
    pub(super) fn new(plan: &Plan, number: usize) -> Self {
        let random = plan.strands.first().map_or_else(|| Random::new(0, 0), |s| s.random.clone());
        Self { number, strands: plan.strands.iter().cloned().map(Times::new).collect(), labels_left: plan.rows, random }
    }

    /// A habit goes on for as long as others do.
    pub(super) fn peek(&self, others: bool) -> Option<EventTime> {
        if !others && self.labels_left == 0 {
            return None;
        }
        self.strands.iter().filter_map(Times::peek).min()
    }

    pub(super) fn take(&mut self, end: EventTime, population: &Population) -> Flow {
        let next = self.strands.iter_mut().filter(|times| times.next.is_some()).min_by_key(|times| times.peek());
        let rank = population.popular(&mut self.random);
        let to = Population::destination_address(rank, false);
        let (subscriber, source, place, labelled) = next.map_or((0, to, None, false), |times| {
            let labelled = times.take().unwrap_or(false);
            (times.strand.subscriber, times.strand.source, Some(times.strand.place), labelled)
        });
        let mut flow = service::served(&service::HTTPS, subscriber, source, to, end, &mut self.random);
        flow.place = place;
        self.labels_left = self.labels_left.saturating_sub(u64::from(labelled));
        flow.attack = labelled.then_some(self.number);
        flow
    }
}
