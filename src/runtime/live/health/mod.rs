//! Is what the run is given as it usually is, and can it be judged? Where not, that is an alert as any other: `first` when it is found,
//! `final` when it is over.
//!
//! All of this depends on the entries of the log alone, in their order: when something came, and when the clock found a source silent,
//! is written in them. So a log that is read again says the same again, and the outbox knows what is out.
//!
//! | file | does |
//! |---|---|
//! | `counts.rs` | what a source gave, by minute and by quarter of an hour |
//! | `share.rs` | whether a share is far above the usual |
//! | `silence.rs` | for how long a source is usually silent |
//! | `rule.rs` | the rules, and what is said |

mod counts;
mod rule;
mod share;
mod silence;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::pipeline::alert::AlertRecord;
use crate::pipeline::graph::Graph;
use crate::pipeline::merge::Merge;
use crate::pipeline::outlet::{Outlet, OutletError};
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver, mismatch};
use crate::plan::Plan;
use crate::record::alert::Phase;
use crate::record::{Column, EventTime, Micros, flow};
use crate::state::entry::Given;

use counts::{Counts, History};
pub use rule::HealthRule;
use rule::{Said, Subject, first, of_errors, of_share, of_silence};
use share::{Kind, Part, judge};
use silence::Silences;

const MINUTE: i64 = 60_000_000;
/// Minutes without a further error after which a rule is believed to compute again.
const ERRORS_OVER: i64 = 15;
/// Minutes by which a clock may go back before what it counted is forgotten.
const BACK: i64 = 2;
/// Late rows that come after such a pause are others.
const LATE_PAUSE: Micros = Micros(3_600_000_000);

/// A queue, and what is declared of its source.
struct Lane {
    source: String,
    subscription: String,
    silent_after: Option<Micros>,
}

/// Of a queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct LaneState {
    history: History,
    silences: Silences,
    /// Has anything ever come?
    heard: bool,
    late: LateRows,
}

/// Rows that came behind the watermark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateRows {
    pub rows: u64,
    /// Of so many.
    pub of: u64,
    /// When the first of the last ones came; before them none did for a while.
    pub since: Option<EventTime>,
    pub last: Option<EventTime>,
}

/// Something that is not over.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Incident {
    first: AlertRecord,
    /// Minutes in which it was found.
    found: u64,
    /// The last of them.
    last: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The minute that goes on, by the clock when entries were written.
    minute: i64,
    now: i64,
    lanes: Vec<LaneState>,
    /// Rows that could not be computed, by rule or feature.
    errors: BTreeMap<String, u64>,
    open: BTreeMap<Subject, Incident>,
}

/// Something that is not over, as others are told.
#[derive(Debug, Clone)]
pub struct Open {
    pub rule: &'static str,
    pub title: String,
    pub since: EventTime,
}

pub struct Health {
    tells: bool,
    generation: String,
    columns: Vec<Column>,
    /// By lane: the index of its source, and its name.
    named: Vec<(usize, String)>,
    lanes: Vec<Lane>,
    state: State,
}

impl Health {
    /// `named`: by lane, the index of its source, and its name.
    pub fn new(plan: &Plan, generation: &str, named: &[(usize, String)]) -> Self {
        let mut health = Self {
            tells: false,
            generation: String::new(),
            columns: flow::columns(),
            named: named.to_vec(),
            lanes: Vec::new(),
            state: State { minute: i64::MIN, now: i64::MIN, ..State::default() },
        };
        health.state.lanes.resize(named.len(), LaneState::default());
        health.turn_to(plan, generation);
        health
    }

    /// Of a graph that is made beside the one that runs, and tells nobody.
    pub fn of_nobody(lanes: usize) -> Self {
        Self::new(&Plan::default(), "", &vec![(usize::MAX, String::new()); lanes])
    }

    /// Other definitions are in force.
    pub fn turn_to(&mut self, plan: &Plan, generation: &str) {
        (self.tells, self.generation) = (plan.health.alerts, generation.to_owned());
        let lane = |(source, name): &(usize, String)| {
            let source = plan.sources.get(*source);
            Lane {
                source: source.map_or_else(String::new, |source| source.name.clone()),
                subscription: name.clone(),
                silent_after: source.and_then(|source| source.silent_after).or(plan.health.silent_after),
            }
        };
        self.lanes = self.named.iter().map(lane).collect();
    }

    /// What the graph could not compute by now was told of before, or is of flows before these definitions.
    pub fn know_errors(&mut self, graph: &Graph) {
        self.state.errors = graph.uncomputed().into_iter().map(|(name, count, _)| (name, count)).collect();
    }

    /// Is it time to say that the lane is silent since then?
    pub fn is_silent(&self, lane: usize, since: EventTime, now: EventTime) -> bool {
        let (of, state) = (&self.lanes[lane], &self.state.lanes[lane]);
        let told = || self.state.open.contains_key(&of.subject(HealthRule::Silent));
        self.tells && state.heard && now >= since.plus(state.silences.limit(of.silent_after)) && !told()
    }

    /// It was found silent by the clock.
    pub fn silent(
        &mut self,
        lane: usize,
        (heard, now): (EventTime, EventTime),
        reached: bool,
        out: &mut dyn Outlet,
    ) -> Result<(), OutletError> {
        let Some(of) = self.lanes.get(lane) else { return Ok(()) };
        let limit = self.state.lanes[lane].silences.limit(of.silent_after);
        let silent = Micros(now.0.saturating_sub(heard.0));
        let said = of_silence(&of.source, reached, (heard, silent), limit);
        let subject = of.subject(HealthRule::Silent);
        self.state.now = self.state.now.max(now.0);
        self.found(subject, Some(said), out)
    }

    /// An entry was written then: of all that came before it, what holds now, and what no longer does?
    pub fn look(&mut self, now: EventTime, graph: &Graph, out: &mut dyn Outlet) -> Result<(), OutletError> {
        self.state.now = self.state.now.max(now.0);
        let minute = now.0.div_euclid(MINUTE);
        if minute < self.state.minute.saturating_sub(BACK) {
            // The clock was ahead: what it counted then would be taken for what is to come.
            (self.state.minute, self.state.now) = (i64::MIN, now.0);
            self.state.lanes.iter_mut().for_each(|lane| lane.history = History::default());
        }
        if minute <= self.state.minute {
            return Ok(());
        }
        self.state.minute = minute;
        for lane in 0..self.lanes.len() {
            self.state.lanes[lane].history.pass(minute);
            for (subject, said) in self.shares(lane) {
                self.found(subject, said, out)?;
            }
        }
        self.errors(graph, out)
    }

    /// Messages of a lane were logged.
    pub fn took(&mut self, given: &Given, out: &mut dyn Outlet) -> Result<(), OutletError> {
        let minute = self.state.minute;
        let Some(state) = self.state.lanes.get_mut(given.lane) else { return Ok(()) };
        state.heard = true;
        state.silences.ended(given.arrived, given.quiet);
        let counts = state.history.at(minute);
        counts.offered += given.offered;
        counts.rejected += given.rejects.len() as u64;
        let rows = &given.flows.rows;
        if rows.num_rows() > 0 {
            counts.rows += rows.num_rows() as u64;
            counts.nulls.resize(self.columns.len(), 0);
            let columns = counts.nulls.iter_mut().zip(rows.columns());
            columns.for_each(|(nulls, column)| *nulls += column.null_count() as u64);
        }
        self.over(&self.lanes[given.lane].subject(HealthRule::Silent), out)
    }

    /// Rows have been merged: how many of them came behind the watermark?
    pub fn merged(&mut self, merge: &Merge) {
        let (minute, now) = (self.state.minute, EventTime(self.state.now));
        for (lane, state) in self.state.lanes.iter_mut().enumerate() {
            let (of, rows) = merge.behind(lane);
            let (merged, late) = (of - state.late.of, rows - state.late.rows);
            if merged > 0 {
                let counts = state.history.at(minute);
                (counts.merged, counts.late) = (counts.merged + merged, counts.late + late);
                state.late.add(merged, late, now);
            }
        }
    }

    pub fn late_rows(&self, lane: usize) -> LateRows {
        self.state.lanes.get(lane).map(|lane| lane.late).unwrap_or_default()
    }

    pub fn open(&self) -> Vec<Open> {
        let open = self.state.open.iter().map(|(subject, incident)| Open {
            rule: subject.rule.name(),
            title: incident.first.title.clone(),
            since: EventTime(incident.first.first_time_us),
        });
        open.collect()
    }

    /// What is judged of a lane's shares, where enough is known.
    fn shares(&self, lane: usize) -> Vec<(Subject, Option<Said>)> {
        let (of, history) = (&self.lanes[lane], &self.state.lanes[lane].history);
        let recent = history.recent();
        let since = EventTime(self.state.minute.saturating_mul(MINUTE));
        let mut found = Vec::new();
        let mut judged = |subject: Subject, what: &str, kind: Kind, part: &dyn Fn(&Counts) -> Part| match judge(
            part(&recent),
            &history.before(part),
            kind,
        ) {
            Some(judged) if judged.is_far() => found.push((subject, Some(of_share(what, &judged, since)))),
            Some(judged) if judged.is_usual() => found.push((subject, None)),
            _ => {}
        };
        let Lane { source, .. } = of;
        let rejected = format!("records of {source} that are rejected");
        judged(of.subject(HealthRule::Rejected), &rejected, Kind::Lost, &|counts| counts.rejected());
        let late = format!("rows of {source} that come behind the watermark");
        judged(of.subject(HealthRule::Late), &late, Kind::Lost, &|counts| counts.late());
        for (index, column) in self.columns.iter().enumerate().filter(|(_, column)| column.nullable) {
            let mut subject = of.subject(HealthRule::Nulls);
            subject.key.push(("column".to_owned(), column.name.clone()));
            let what = format!("rows of {source} whose {} is NULL", column.name);
            judged(subject, &what, Kind::Nulls, &|counts| counts.nulls(index));
        }
        found
    }

    /// Rules and features that could not compute rows.
    fn errors(&mut self, graph: &Graph, out: &mut dyn Outlet) -> Result<(), OutletError> {
        let (minute, now) = (self.state.minute, EventTime(self.state.now));
        for (name, count, first) in graph.uncomputed() {
            let known = self.state.errors.insert(name.clone(), count).unwrap_or(0);
            // Of a rule that has changed they are counted anew.
            let rows = if count < known { count } else { count - known };
            if rows > 0 {
                let said = of_errors(&name, rows, &first.message, now);
                self.found(Subject::new(HealthRule::Errors, &[("relation", &name)]), Some(said), out)?;
            }
        }
        let over = |(subject, incident): (&Subject, &Incident)| {
            let over = subject.rule == HealthRule::Errors && minute - incident.last >= ERRORS_OVER;
            over.then(|| subject.clone())
        };
        let over: Vec<Subject> = self.state.open.iter().filter_map(over).collect();
        over.iter().try_for_each(|subject| self.over(subject, out))
    }

    /// It holds, with what is to be said of it, or it does not.
    fn found(&mut self, subject: Subject, said: Option<Said>, out: &mut dyn Outlet) -> Result<(), OutletError> {
        let Some(said) = said.filter(|_| self.tells) else { return self.over(&subject, out) };
        let minute = self.state.minute;
        if let Some(incident) = self.state.open.get_mut(&subject) {
            incident.found += u64::from(incident.last < minute);
            incident.last = minute;
            return Ok(());
        }
        let first = first(&subject, said, EventTime(self.state.now), &self.generation);
        out.alert(&first)?;
        self.state.open.insert(subject, Incident { first, found: 1, last: minute });
        Ok(())
    }

    /// It is over, where it was told of.
    fn over(&mut self, subject: &Subject, out: &mut dyn Outlet) -> Result<(), OutletError> {
        let Some(Incident { first, found, .. }) = self.state.open.remove(subject) else { return Ok(()) };
        let now = EventTime(self.state.now);
        out.alert(&AlertRecord {
            phase: Phase::Final,
            hits: found,
            last_time_us: now.0,
            window: (first.window.0, now),
            generation: self.generation.clone(),
            ..first
        })
    }
}

impl Lane {
    fn subject(&self, rule: HealthRule) -> Subject {
        Subject::new(rule, &[("source", &self.source), ("subscription", &self.subscription)])
    }
}

impl LateRows {
    fn add(&mut self, rows: u64, late: u64, now: EventTime) {
        (self.of, self.rows) = (self.of + rows, self.rows + late);
        if late > 0 {
            if self.last.is_none_or(|last| last.plus(LATE_PAUSE) < now) {
                self.since = Some(now);
            }
            self.last = Some(now);
        }
    }
}

impl Saved for Health {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&self.state)
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.state = from.take()?;
        if self.state.lanes.len() == self.lanes.len() { Ok(()) } else { Err(mismatch("queues")) }
    }
}
