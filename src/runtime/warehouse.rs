//! Days computed in a warehouse: the compiled statements as jobs, in the manifest's order, each after what it reads.
//!
//! A job is named by its day and a hash over its statement, the place, and the jobs whose rows it reads. What has ended
//! well under its name is not run again; when something before it is run again, its name is another one and it follows.
//! A window that began the day before waits for that day's rows, also when days are computed side by side. Days outside of
//! those that are asked for are read as they are, and never replaced.
//!
//! What this may never do: change a compiled statement.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use crate::plan::{LookupPlan, Plan, SourcePlan};
use crate::port::warehouse::{JobDone, JobName, QueryJob, Trouble, Warehouse, WarehouseError};
use crate::record::{Day, EventTime, Micros};
use crate::target::bigquery::{Absent, Range, Unit, UnitKind, Warehouse as Compiled, replace_ranges, select_without};

use super::backfill::{Billed, DayCost, DayCounts, DayError, Days, FileCost, Prepared};
use super::ranges;

/// Of the hash in a job's name.
const HASH_BYTES: usize = 10;

#[derive(Debug, Clone)]
pub struct WarehouseOptions {
    pub from: Day,
    /// The day after the last.
    pub to: Day,
    /// What a job may bill.
    pub max_bytes: Option<u64>,
    /// Jobs are run although they have ended well before.
    pub again: bool,
    /// Days are asked for what they would read.
    pub dry_run: bool,
}

/// The days of a project in a warehouse.
pub struct WarehouseDays {
    plan: Plan,
    service: Box<dyn Warehouse>,
    options: WarehouseOptions,
    units: Vec<Unit>,
    /// Tables that were there when they were first asked for.
    tables: Mutex<BTreeMap<String, bool>>,
    jobs: Mutex<HashMap<Key, Arc<Mutex<Option<Ended>>>>>,
}

/// A unit by its place in `units`, and its day when it has days.
type Key = (usize, Option<Day>);
type Ended = Result<Job, WarehouseError>;

/// What a job's readers need to know of it.
#[derive(Debug, Clone)]
struct Job {
    id: String,
    bytes: u64,
    found: bool,
}

impl WarehouseDays {
    /// `relations` with all that they read.
    pub fn new(plan: Plan, service: Box<dyn Warehouse>, relations: &[String], options: WarehouseOptions) -> Self {
        let units = with_sources(&plan, |compiled| wanted(compiled.units(), relations));
        Self { plan, service, options, units, tables: Mutex::default(), jobs: Mutex::default() }
    }

    fn has_table(&self, table: &str) -> Result<bool, WarehouseError> {
        if let Some(known) = self.tables.lock().ok().and_then(|tables| tables.get(table).copied()) {
            return Ok(known);
        }
        let there = self.service.has_table(table)?;
        if let Ok(mut tables) = self.tables.lock() {
            // Two days may ask at once, and one may have made it by now: the first answer counts.
            return Ok(*tables.entry(table.to_owned()).or_insert(there));
        }
        Ok(there)
    }

    /// The lookup whose file is loaded into the unit's table.
    fn lookup(&self, unit: &Unit) -> Option<&LookupPlan> {
        let mut lookups = self.plan.lookups.iter().filter(|lookup| lookup.name == unit.table);
        let lookup = lookups.next().filter(|_| unit.kind == UnitKind::Ranges)?;
        lookup.table.as_ref()?.database.as_ref().map(|_| lookup.as_ref())
    }

    /// Are its rows others' business? So are those of ranges whose file is not here.
    fn is_given(&self, unit: &Unit) -> bool {
        matches!(unit.kind, UnitKind::Source | UnitKind::Keys)
            || (unit.kind == UnitKind::Ranges && self.lookup(unit).is_none())
    }

    /// Unless these rows are there.
    fn load(&self, lookup: &LookupPlan, job: QueryJob, stop: &AtomicBool) -> Result<JobDone, WarehouseError> {
        match self.service.find(&job)? {
            Some(done) if !job.again => Ok(done),
            _ => ranges::load(self.service.as_ref(), lookup, job, stop),
        }
    }

    fn text(&self, unit: &Unit, day: Option<Day>) -> String {
        if let Some(lookup) = self.lookup(unit) {
            // Says which rows; in which table they wait changes nothing.
            return replace_ranges(lookup, "waiting");
        }
        let range = day.map(|day| Range { from: day.start(), to: day.end() });
        // Units are the compiler's own.
        with_sources(&self.plan, |compiled| compiled.text(unit, range)).unwrap_or_default()
    }

    /// What has to be there before.
    fn before(&self, unit: &Unit, day: Option<Day>) -> Vec<Key> {
        let mut keys = Vec::new();
        for (at, input) in self.units.iter().enumerate().filter(|(_, input)| unit.inputs.contains(&input.table)) {
            match (input.kind, day) {
                (UnitKind::Days, Some(day)) => {
                    let first = Day::of(EventTime(day.start().0.saturating_sub(unit.look_back.max(Micros::ZERO).0)));
                    let days = first.max(self.options.from).0..=day.0;
                    keys.extend(days.map(|day| (at, Some(Day(day)))));
                }
                _ => keys.push((at, None)),
            }
        }
        keys
    }

    /// Of the unit and its day; `made_of` are the ids of the jobs before it.
    fn job(&self, unit: &Unit, day: Option<Day>, made_of: &[String]) -> QueryJob {
        let sql = self.text(unit, day);
        let mut hash = Sha256::new();
        for part in [self.service.name().as_str(), env!("CARGO_PKG_VERSION"), &sql]
            .into_iter()
            .chain(made_of.iter().map(String::as_str))
        {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let hash: String = hash.finalize().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let day = day.map_or_else(|| "all".to_owned(), |day| day.to_string().replace('-', ""));
        QueryJob {
            name: JobName(format!("tripline-{}-{day}-{hash}", unit.table)),
            sql,
            labels: vec![("tripline".to_owned(), "backfill".to_owned())],
            max_bytes: self.options.max_bytes,
            again: self.options.again,
        }
    }

    /// Runs what is before it, and it, once in this backfill; others that need it wait.
    fn ended(&self, key: Key, stop: &AtomicBool) -> Ended {
        let slot = match self.jobs.lock() {
            Ok(mut jobs) => Arc::clone(jobs.entry(key).or_default()),
            Err(_) => Arc::default(),
        };
        // Whoever needs it is behind it, never before: nobody waits in a circle.
        let Ok(mut slot) = slot.lock() else { return self.run_unit(key, stop) };
        if let Some(ended) = slot.as_ref() {
            // Nothing was run for whoever asks now.
            return ended.clone().map(|job| Job { bytes: 0, found: true, ..job });
        }
        let ended = self.run_unit(key, stop);
        if !matches!(&ended, Err(error) if error.trouble == Trouble::Stopped) {
            *slot = Some(ended.clone());
        }
        ended
    }

    fn run_unit(&self, (at, day): Key, stop: &AtomicBool) -> Ended {
        let unit = &self.units[at];
        let mut made_of = Vec::new();
        for key in self.before(unit, day) {
            let before = self.ended(key, stop).map_err(|error| of(&self.units[key.0], key.1, error))?;
            made_of.push(before.id);
        }
        if self.is_given(unit) && self.has_table(&unit.table)? {
            return Ok(Job { id: unit.table.clone(), bytes: 0, found: true });
        }
        if stop.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        let mut job = self.job(unit, day, &made_of);
        // What was done in a table that is gone is not done.
        job.again |= !self.has_table(&unit.table)?;
        let done = match self.lookup(unit) {
            Some(lookup) => self.load(lookup, job, stop),
            None => self.service.run(&job, stop),
        };
        let JobDone { id, found, bytes, .. } = done.map_err(|error| placed(unit, error))?;
        // For those that read it, the table is the same whoever made it.
        let id = if self.is_given(unit) { unit.table.clone() } else { id };
        Ok(Job { id, bytes: if found { 0 } else { bytes }, found })
    }

    /// The job that ended well, if it and all before it did.
    fn known(&self, (at, day): Key, seen: &mut HashMap<Key, Option<String>>) -> Result<Option<String>, WarehouseError> {
        if let Some(known) = seen.get(&(at, day)) {
            return Ok(known.clone());
        }
        let unit = &self.units[at];
        let known = if !self.has_table(&unit.table)? {
            None
        } else if self.is_given(unit) {
            Some(unit.table.clone())
        } else {
            let mut made_of = Some(Vec::new());
            for key in self.before(unit, day) {
                let before = self.known(key, seen)?;
                made_of = made_of.zip(before).map(|(mut all, one)| {
                    all.push(one);
                    all
                });
            }
            match made_of {
                Some(made_of) => self.service.find(&self.job(unit, day, &made_of))?.map(|job| job.id),
                None => None,
            }
        };
        seen.insert((at, day), known.clone());
        Ok(known)
    }

    fn days(&self, day: Day) -> Vec<Key> {
        let all = self.units.iter().enumerate();
        all.map(|(at, unit)| (at, (unit.kind == UnitKind::Days).then_some(day))).collect()
    }

    /// What the day's statements would bill. Where tables are missing a relation is asked as one SELECT over the sources, all days.
    fn cost(&self, day: Day) -> Result<DayCost, WarehouseError> {
        let mut cost = DayCost::default();
        let absent = self.absent()?;
        for unit in self.units.iter().filter(|unit| unit.kind == UnitKind::Days) {
            let mut whole = true;
            for table in std::iter::once(&unit.table).chain(&unit.inputs) {
                whole &= self.has_table(table)?;
            }
            let (sql, path) = if whole {
                let range = Some(Range { from: day.start(), to: day.end() });
                let judged = with_sources(&self.plan, |compiled| compiled.judged(unit, range));
                (judged.and_then(|mut all| all.pop()).unwrap_or_default(), unit.path.clone())
            } else {
                let sql = with_sources(&self.plan, |compiled| select_without(compiled, &unit.table, &absent));
                (sql.unwrap_or_default(), format!("{} (over all days: its tables are not all there)", unit.path))
            };
            let bytes = self.service.dry_run(&sql).map_err(|error| placed(unit, error))?.bytes;
            cost.bytes += bytes;
            cost.files.push(FileCost { path, bytes, rows: 0 });
        }
        Ok(cost)
    }

    fn absent(&self) -> Result<Vec<Absent<'_>>, WarehouseError> {
        let mut absent = Vec::new();
        for source in &self.plan.sources {
            if !self.has_table(&source.name)? {
                absent.push(Absent::Source(source));
            }
        }
        for lookup in self.plan.lookups.iter().filter(|lookup| lookup.table.is_some()) {
            if !self.has_table(&lookup.name)? {
                absent.push(Absent::Ranges(lookup));
            }
        }
        let keys = self.units.iter().find(|unit| unit.kind == UnitKind::Keys);
        if keys.map_or(Ok(true), |unit| self.has_table(&unit.table))? {
            return Ok(absent);
        }
        absent.push(Absent::Keys(&self.plan));
        Ok(absent)
    }
}

impl Days for WarehouseDays {
    fn prepare(&self, day: Day) -> Result<Prepared, DayError> {
        let mut seen = HashMap::new();
        let mut done = true;
        for key in self.days(day) {
            done = done && self.known(key, &mut seen)?.is_some();
        }
        let ask = self.options.dry_run && !done;
        Ok(Prepared { done, cost: if ask { self.cost(day)? } else { DayCost::default() } })
    }

    fn run(&self, day: Day, stop: &AtomicBool) -> Result<Option<DayCounts>, DayError> {
        let mut billed = Billed::default();
        for key in self.days(day) {
            match self.ended(key, stop) {
                Ok(_) if self.is_given(&self.units[key.0]) => {}
                Ok(job) => {
                    billed.bytes += job.bytes;
                    *(if job.found { &mut billed.found } else { &mut billed.jobs }) += 1;
                }
                Err(error) if error.trouble == Trouble::Stopped => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(DayCounts { billed: Some(billed), ..DayCounts::default() }))
    }
}

fn with_sources<T>(plan: &Plan, of: impl FnOnce(Compiled<'_>) -> T) -> T {
    let sources: Vec<&SourcePlan> = plan.sources.iter().collect();
    of(Compiled { plan, sources: &sources })
}

/// Those that are asked for, and what they read.
fn wanted(units: Vec<Unit>, relations: &[String]) -> Vec<Unit> {
    let mut tables: BTreeSet<String> = BTreeSet::new();
    // Readers come behind what they read.
    for unit in units.iter().rev() {
        if relations.contains(&unit.relation) || tables.contains(&unit.table) {
            tables.insert(unit.table.clone());
            tables.extend(unit.inputs.iter().cloned());
        }
    }
    units.into_iter().filter(|unit| tables.contains(&unit.table)).collect()
}

/// An error of a statement says in which file it is.
fn placed(unit: &Unit, error: WarehouseError) -> WarehouseError {
    let place = error.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    WarehouseError { asked: format!("{}{place}", unit.path), ..error }
}

/// An error of what had to be there before.
fn of(unit: &Unit, day: Option<Day>, error: WarehouseError) -> WarehouseError {
    match day {
        Some(day) if !error.asked.contains(" of ") => {
            WarehouseError { asked: format!("{} of {day}: {}", unit.table, error.asked), ..error }
        }
        _ => error,
    }
}

fn stopped() -> WarehouseError {
    WarehouseError {
        trouble: Trouble::Stopped,
        asked: "backfill".to_owned(),
        reason: None,
        message: "stopped".to_owned(),
        place: None,
        help: None,
    }
}
