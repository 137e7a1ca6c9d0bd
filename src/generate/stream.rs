//! All rows in order of arrival: ordinary traffic and attacks merged by time, a few rows held back.
//!
//! Memory is bounded by the subscribers and [`HELD_ROWS_MAX`], whatever the number of rows.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use crate::record::EventTime;

use super::benign::Benign;
use super::flow::{Encoder, Flags, Flow, Protocol};
use super::options::{Attack, Options};
use super::population::Population;
use super::random::Random;
use super::scenario::{self, Actor, Plan};

/// A row arrives at most this much later than newer ones: well under the sources' lateness of 30 s.
const DELAY_MICROS_MAX: u64 = 20_000_000;
const DELAY_MICROS_MIN: u64 = 500_000;
/// Rows held back at once; while there are more, rows arrive in order.
const HELD_ROWS_MAX: usize = 65_536;
/// Rows between two calls of `progress`.
const PROGRESS_ROWS: u64 = 16_384;

/// What was generated.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub rows: u64,
    /// The smallest event time; `None` without rows.
    pub first: Option<EventTime>,
    pub last: Option<EventTime>,
    /// As in the options, in the same order.
    pub attacks: Vec<AttackSummary>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttackSummary {
    pub attack: Attack,
    /// 0 when it was left out.
    pub rows: u64,
    pub actor: String,
    pub victim: String,
    pub start: EventTime,
    /// Event time of its last row.
    pub end: EventTime,
    /// Why it is shortened or left out.
    pub note: Option<String>,
}

/// Writes `options.events` rows of NetLog as JSON lines, in order of arrival.
///
/// `labels` receives a CSV file with the columns `line,label,class,detail,weight`: one line for
/// each row that belongs to an attack (`line` counts from 1, `label` is 1, `class` the attack's
/// name, `detail` is `actor>victim`). Rows that are not in it are benign. `progress` is called
/// now and then with the rows written so far.
///
/// # Errors
/// When an option is out of its bounds, and when a writer fails.
pub fn generate<'a>(
    options: &Options,
    rows: &'a mut dyn Write,
    labels: Option<&'a mut dyn Write>,
    progress: &'a mut dyn FnMut(u64),
) -> io::Result<Summary> {
    options.validate()?;
    let population = Population::new(options.seed, options.subscribers);
    let plans = scenario::plan(options, &population);
    let attack_rows: u64 = plans.iter().map(Plan::rows).sum();
    let mut benign_left = options.events.saturating_sub(attack_rows);
    let habit_rows: u64 = plans.iter().map(Plan::habit_rows).sum();
    let mut benign = Benign::new(options, &population, benign_left.saturating_sub(habit_rows));
    let mut actors: Vec<Actor> = plans.iter().enumerate().map(|(i, plan)| Actor::new(plan, i, options.seed)).collect();

    let mut output = Output::new(rows, labels, &plans, progress)?;
    let mut blemish = Blemish::new(options);
    loop {
        let actor = actors
            .iter()
            .enumerate()
            .filter_map(|(i, a)| a.peek(benign_left > 0).map(|at| (at, i)))
            .min()
            .filter(|(at, _)| benign_left == 0 || *at < benign.peek());
        let flow = match actor.and_then(|(at, i)| actors.get_mut(i).map(|a| (at, a))) {
            Some((at, actor)) => actor.take(at, &population),
            None if benign_left > 0 => benign.take(),
            None => break,
        };
        if flow.attack.is_none() {
            if benign_left == 0 {
                continue;
            }
            benign_left -= 1;
        }
        blemish.pass(flow, &mut output)?;
    }
    blemish.release_all(&mut output)?;
    output.finish()
}

/// The attacks as planned; rows and times are filled in as they are written.
fn summarize(plans: &[Plan]) -> Summary {
    let attacks = plans
        .iter()
        .map(|plan| AttackSummary {
            attack: plan.attack,
            rows: 0,
            actor: plan.actor(),
            victim: plan.victim(),
            start: plan.start(),
            end: plan.start(),
            note: plan.note(),
        })
        .collect();
    Summary { rows: 0, first: None, last: None, attacks }
}

/// Makes rows as imperfect as real ones: late arrivals, nulls, flags by name.
#[derive(Debug)]
struct Blemish {
    random: Random,
    out_of_order: f64,
    nulls: f64,
    flag_names: f64,
    held: BinaryHeap<Held>,
    sequence: u64,
}

#[derive(Debug)]
struct Held {
    arrival: EventTime,
    sequence: u64,
    flow: Flow,
}

impl Ord for Held {
    /// The earliest arrival is the greatest, for the heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.arrival, other.sequence).cmp(&(self.arrival, self.sequence))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}

impl Blemish {
    fn new(options: &Options) -> Self {
        Self {
            random: Random::new(options.seed, 3),
            out_of_order: options.out_of_order,
            nulls: options.nulls,
            flag_names: options.flag_names,
            held: BinaryHeap::new(),
            sequence: 0,
        }
    }

    /// Takes flows in order of event time and gives them on in order of arrival.
    fn pass(&mut self, mut flow: Flow, output: &mut Output<'_>) -> io::Result<()> {
        self.spoil(&mut flow);
        while self.held.peek().is_some_and(|held| held.arrival <= flow.end) {
            if let Some(held) = self.held.pop() {
                output.write(&held.flow)?;
            }
        }
        if self.random.chance(self.out_of_order) && self.held.len() < HELD_ROWS_MAX {
            let delay = DELAY_MICROS_MIN + self.random.below(DELAY_MICROS_MAX - DELAY_MICROS_MIN);
            let arrival = EventTime(flow.end.0.saturating_add(i64::try_from(delay).unwrap_or(0)));
            self.sequence += 1;
            self.held.push(Held { arrival, sequence: self.sequence, flow });
            return Ok(());
        }
        output.write(&flow)
    }

    fn release_all(&mut self, output: &mut Output<'_>) -> io::Result<()> {
        while let Some(held) = self.held.pop() {
            output.write(&held.flow)?;
        }
        Ok(())
    }

    fn spoil(&mut self, flow: &mut Flow) {
        if self.random.chance(self.nulls) {
            // Rows of attacks lose no field that a detection reads.
            let choice = if flow.attack.is_some() { 0 } else { self.random.below(100) };
            match choice {
                0..60 => flow.place = None,
                60..75 => flow.src_port = None,
                75..90 => flow.timestamp_null = true,
                _ => flow.flags = Flags::Null,
            }
        }
        if flow.protocol == Protocol::Tcp
            && self.random.chance(self.flag_names)
            && let Flags::Number(bits) = flow.flags
        {
            flow.flags = Flags::Names(bits);
        }
    }
}

/// Counts, labels and writes.
struct Output<'a> {
    rows: &'a mut dyn Write,
    labels: Option<&'a mut dyn Write>,
    details: Vec<String>,
    encoder: Encoder,
    summary: Summary,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> Output<'a> {
    fn new(
        rows: &'a mut dyn Write,
        mut labels: Option<&'a mut dyn Write>,
        plans: &[Plan],
        progress: &'a mut dyn FnMut(u64),
    ) -> io::Result<Self> {
        if let Some(labels) = &mut labels {
            labels.write_all(b"line,label,class,detail,weight\n")?;
        }
        let details = plans.iter().map(Plan::detail).collect();
        Ok(Self { rows, labels, details, encoder: Encoder::default(), summary: summarize(plans), progress })
    }

    fn write(&mut self, flow: &Flow) -> io::Result<()> {
        self.encoder.write(flow, self.rows)?;
        let summary = &mut self.summary;
        summary.rows += 1;
        summary.first = Some(summary.first.map_or(flow.end, |first| first.min(flow.end)));
        summary.last = Some(summary.last.map_or(flow.end, |last| last.max(flow.end)));
        if let Some(number) = flow.attack
            && let (Some(attack), Some(detail)) = (summary.attacks.get_mut(number), self.details.get(number))
        {
            if attack.rows == 0 {
                attack.start = flow.end;
            }
            attack.start = attack.start.min(flow.end);
            attack.end = attack.end.max(flow.end);
            attack.rows += 1;
            if let Some(labels) = &mut self.labels {
                writeln!(labels, "{},1,{},{detail},1", summary.rows, attack.attack)?;
            }
        }
        if summary.rows.is_multiple_of(PROGRESS_ROWS) {
            (self.progress)(summary.rows);
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Summary> {
        self.rows.flush()?;
        if let Some(labels) = self.labels {
            labels.flush()?;
        }
        (self.progress)(self.summary.rows);
        Ok(self.summary)
    }
}
