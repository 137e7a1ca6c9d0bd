//! In which order a day's jobs come, and which are run again: the pack, in a warehouse that only keeps names.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use libtest_mimic::Failed;
use tripline::adapter::local::{Embedded, MemoryTree};
use tripline::plan::{self, Plan};
use tripline::port::warehouse::{
    DryRun, JobDone, LoadJob, Page, QueryJob, TableColumn, Trouble, Warehouse, WarehouseError,
};
use tripline::record::Day;
use tripline::runtime::backfill::{BackfillOptions, DayProgress, DayReport, Outcome, backfill};
use tripline::runtime::replay::relations;
use tripline::runtime::warehouse::{WarehouseDays, WarehouseOptions};

use crate::TODAY;

type Alone = (&'static str, fn() -> Result<(), Failed>);

pub const ALONE: &[Alone] = &[
    ("days_wait_for_what_they_read", days_wait_for_what_they_read),
    ("what_reads_a_job_that_was_run_again_is_run_again", what_reads_a_job_that_was_run_again_is_run_again),
    ("days_that_read_a_failed_day_fail", days_that_read_a_failed_day_fail),
    ("networks_are_loaded_when_their_file_is_another", networks_are_loaded_when_their_file_is_another),
];

/// Names of jobs that ended well with their number, and all that began and ended.
#[derive(Default)]
struct Kept {
    done: BTreeMap<String, u32>,
    log: Vec<(bool, String)>,
    /// Bytes of files, by table.
    loaded: Vec<(String, u64)>,
}

#[derive(Clone, Default)]
struct Names {
    kept: Arc<Mutex<Kept>>,
    failing: Option<&'static str>,
}

impl Names {
    /// Jobs in the order in which they ended, without the hash in their names.
    fn ended(&self) -> Vec<String> {
        let kept = self.kept.lock().expect("names");
        kept.log.iter().filter(|(ended, _)| *ended).map(|(_, name)| name.clone()).collect()
    }
}

fn short(name: &str) -> String {
    name.rsplit_once('-').map_or(name, |(name, _)| name).trim_start_matches("tripline-").to_owned()
}

impl Warehouse for Names {
    fn name(&self) -> String {
        "p:d".to_owned()
    }

    fn dry_run(&self, _: &str) -> Result<DryRun, WarehouseError> {
        Ok(DryRun::default())
    }

    fn find(&self, job: &QueryJob) -> Result<Option<JobDone>, WarehouseError> {
        let attempt = self.kept.lock().expect("names").done.get(&job.name.0).copied();
        Ok(attempt.map(|attempt| JobDone { id: job.name.id(attempt), found: true, attempt, ..JobDone::default() }))
    }

    fn run(&self, job: &QueryJob, _: &AtomicBool) -> Result<JobDone, WarehouseError> {
        if let (Some(done), false) = (self.find(job)?, job.again) {
            return Ok(done);
        }
        let name = short(&job.name.0);
        if self.failing.is_some_and(|failing| name == failing) {
            return Err(WarehouseError {
                trouble: Trouble::Other,
                asked: "job".to_owned(),
                reason: None,
                message: "planted".to_owned(),
                place: None,
                help: None,
            });
        }
        self.kept.lock().expect("names").log.push((false, name.clone()));
        thread::sleep(Duration::from_millis(1));
        let mut kept = self.kept.lock().expect("names");
        kept.log.push((true, name));
        let attempt = kept.done.get(&job.name.0).map_or(1, |attempt| attempt + 1);
        kept.done.insert(job.name.0.clone(), attempt);
        Ok(JobDone { id: job.name.id(attempt), attempt, ..JobDone::default() })
    }

    fn page(&self, _: &str, _: Option<&str>) -> Result<Page, WarehouseError> {
        Ok(Page::default())
    }

    fn load(&self, job: &LoadJob, _: &AtomicBool) -> Result<JobDone, WarehouseError> {
        let bytes = std::fs::metadata(&job.file).expect("a file").len();
        self.kept.lock().expect("names").loaded.push((job.table.clone(), bytes));
        Ok(JobDone::default())
    }

    fn has_table(&self, _: &str) -> Result<bool, WarehouseError> {
        Ok(true)
    }

    fn columns(&self, _: &str) -> Result<Option<Vec<TableColumn>>, WarehouseError> {
        Ok(Some(Vec::new()))
    }

    fn has_dataset(&self) -> Result<bool, WarehouseError> {
        Ok(true)
    }
}

struct Silent;

impl DayProgress for Silent {
    fn finished(&self, _: &DayReport) {}
}

/// 5 to 8 January, in a warehouse as it is: a letter a day.
fn played(names: &Names, parallel: usize, relation: Option<&str>, again: bool) -> (String, Vec<DayReport>) {
    let mut project = tripline::definition::load(&Embedded).project;
    // Of the pack, what looks back an hour at most.
    let kept = ["contact_1m", "contact_30m", "destination_30m", "pair_5m", "net.beacon", "net.scan.vertical"];
    project.features.retain(|feature| kept.contains(&feature.name.as_str()));
    project.rules.retain(|rule| kept.contains(&rule.name.as_str()));
    of_plan(names, plan::resolve(&project, TODAY).plan, parallel, relation, again)
}

fn of_plan(
    names: &Names,
    plan: Plan,
    parallel: usize,
    relation: Option<&str>,
    again: bool,
) -> (String, Vec<DayReport>) {
    let relations = relation.map_or_else(|| relations(&plan), |relation| vec![relation.to_owned()]);
    let days: Vec<Day> =
        ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08"].into_iter().filter_map(Day::parse).collect();
    let options = WarehouseOptions { from: days[0], to: Day(days[3].0 + 1), max_bytes: None, again, dry_run: false };
    let target = WarehouseDays::new(plan, Box::new(names.clone()), &relations, options);
    let options = BackfillOptions { parallel, again, dry_run: false };
    let report = backfill(&days, &target, options, &Silent, &AtomicBool::new(false));
    let letters = report.days.iter().map(|day| match &day.outcome {
        Outcome::Done(..) => 'd',
        Outcome::Skipped => 's',
        Outcome::Failed(_) => 'f',
        _ => '?',
    });
    (letters.collect(), report.days)
}

/// `flows` of the day before ends before a window of today begins, and nothing outside of the days is touched.
fn days_wait_for_what_they_read() -> Result<(), Failed> {
    for parallel in [1, 4] {
        let names = Names::default();
        assert_eq!(played(&names, parallel, None, false).0, "dddd");
        let kept = names.kept.lock().expect("names");
        let at = |ended: bool, name: &str| kept.log.iter().position(|(e, n)| *e == ended && n == name);
        for (first, then) in [
            ("chatty_ports-all", "rule_net_beacon-20260105"),
            ("flows-20260105", "contact_1m-20260105"),
            ("flows-20260105", "contact_1m-20260106"),
            ("flows-20260107", "contact_30m-20260108"),
            ("contact_1m-20260106", "contact_30m-20260107"),
            ("rule_net_beacon-20260106", "hits-20260106"),
            ("hits-20260108", "alerts-20260108"),
        ] {
            let (first_ends, then_begins) = (at(true, first), at(false, then));
            assert!(first_ends.is_some() && first_ends < then_begins, "{first} {first_ends:?}, {then} {then_begins:?}");
        }
        assert!(!kept.log.iter().any(|(_, name)| name.contains("20260104") || name.contains("20260109")));
    }
    Ok(())
}

fn what_reads_a_job_that_was_run_again_is_run_again() -> Result<(), Failed> {
    let names = Names::default();
    assert_eq!(played(&names, 1, None, false).0, "dddd");
    let all = names.ended().len();
    assert_eq!(played(&names, 1, None, false).0, "ssss");
    assert_eq!(names.ended().len(), all);
    // Only the flows are asked for again; what was made of the old ones has other names now.
    assert_eq!(played(&names, 1, Some("flows"), true).0, "dddd");
    assert_eq!(played(&names, 1, None, false).0, "dddd");
    let again = names.ended().split_off(all);
    for job in ["flows-20260105", "contact_1m-20260108", "rule_net_beacon-20260106", "alerts-20260107"] {
        assert_eq!(again.iter().filter(|name| *name == job).count(), 1, "{job} in {again:?}");
    }
    Ok(())
}

/// A window reaches into the day before, and windows over windows into the one before that; then it goes on.
fn days_that_read_a_failed_day_fail() -> Result<(), Failed> {
    let names = Names { failing: Some("flows-20260105"), ..Names::default() };
    let (letters, days) = played(&names, 2, None, false);
    assert_eq!(letters, "fffd");
    let told = |at: usize| match &days[at].outcome {
        Outcome::Failed(error) => error.to_string(),
        other => format!("{other:?}"),
    };
    assert!(told(0).contains("flows.sql: planted"), "{}", told(0));
    for at in [1, 2] {
        assert!(told(at).contains("flows of 2026-01-05") && told(at).contains("planted"), "{}", told(at));
    }
    Ok(())
}

/// Once for each file, before what reads them; without the file the table stays as it is.
fn networks_are_loaded_when_their_file_is_another() -> Result<(), Failed> {
    let plan = |file: Option<&str>| -> Result<Plan, Failed> {
        let text = "\
--- sql/log/source.yaml
source: log
format: json
columns: {t: TIMESTAMP, src: STRING}
event_time: t
lateness: 0s
--- sql/log/flows.sql
SELECT t AS end_time, src AS src_ip FROM log
--- sql/lookups/geo.yaml
lookup: geo
mmdb: geo.mmdb
optional: true
columns:
  net: {type: STRING, cidr: true}
  autonomous_system_number: INT64
key: [net]
--- features/by_owner.yaml
feature: by_owner
from: flows
join: [{lookup: geo, as: g, match: {src_ip: net}, how: longest_prefix}]
row: {owner: g.autonomous_system_number}
key: [owner]
window: {size: 1h}
columns: {flows: COUNT(*)}
";
        let mut tree = MemoryTree::from_sections(text);
        if let Some(file) = file {
            tree = tree.with_bytes("sql/lookups/geo.mmdb", std::fs::read(format!("tests/mmdb/{file}.mmdb"))?);
        }
        let loaded = tripline::definition::load(&tree);
        let resolved = plan::resolve(&loaded.project, TODAY);
        if resolved.has_errors() { Err(format!("{:?}", resolved.diagnostics).into()) } else { Ok(resolved.plan) }
    };
    let names = Names::default();
    let loads = |names: &Names| names.kept.lock().expect("names").loaded.len();
    assert_eq!(of_plan(&names, plan(Some("asn"))?, 4, None, false).0, "dddd");
    let ended = names.ended();
    let at = |name: &str| ended.iter().position(|ended| ended.contains(name));
    assert!(at("geo-all") < at("by_owner-20260105") && at("geo-all").is_some(), "{ended:?}");
    let (table, bytes) = names.kept.lock().expect("names").loaded.first().cloned().ok_or("nothing loaded")?;
    assert!(table.starts_with("tripline_waiting_geo_") && bytes > 0, "{table} {bytes}");
    assert_eq!(of_plan(&names, plan(Some("asn"))?, 4, None, false).0, "ssss");
    assert_eq!(loads(&names), 1);
    // What reads them follows.
    assert_eq!(of_plan(&names, plan(Some("wide"))?, 1, None, false).0, "dddd");
    assert_eq!(loads(&names), 2);
    assert_eq!(of_plan(&names, plan(None)?, 1, None, false).0, "dddd");
    assert_eq!(loads(&names), 2);
    Ok(())
}
