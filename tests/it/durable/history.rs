//! The log of a run into a history, again and again while it goes on: computed over the history, alerts are those of the run.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libtest_mimic::Failed;
use serde_json::Value as Json;
use tempfile::TempDir;
use tripline::adapter::local::{LocalStore, output};
use tripline::history::{History, PartLimits};
use tripline::plan::Plan;
use tripline::port::Store;
use tripline::port::disk::Disk;
use tripline::record::{Micros, flow};
use tripline::runtime::ingest::IngestReport;
use tripline::runtime::ingest::log::{LogFailed, LogOptions, ingest_log};
use tripline::runtime::outlet::Outlets;

use super::disk::{MemoryDisk, Mounted};
use super::queue::Message;
use super::{DAY, END, Machine, PROJECT, Silent, machine, record, rounds, same, told};
use crate::arrival::{self, MINUTE};
use crate::history::{How, computed, filled, patiently, said};
use crate::plan_of;
use crate::random::Random;

/// Messages of one flow, some of them behind the lateness, with one at the end that closes everything.
fn messages(random: &mut Random, flows: usize) -> Vec<Message> {
    let flows = arrival::flows(random, flows, 60 * MINUTE);
    let delayed = arrival::delayed(random, &flows, 25 * MINUTE);
    let records = delayed.iter().map(record).chain([format!("{{\"at\": {END}}}")]);
    (1..).zip(records).map(|(id, data)| Message { id, data }).collect()
}

fn kept(plan: &Plan, disk: &Arc<MemoryDisk>, store: &Arc<dyn Store>) -> Result<IngestReport, LogFailed> {
    let mut shown = plan.clone();
    shown.show(&[flow::FLOWS]);
    let mut history = patiently(|| History::write(Arc::clone(store)))?;
    let taps = Outlets::new(&shown, &[], None, &output::row_writer).map_err(|error| {
        let error =
            tripline::pipeline::outlet::OutletError { name: "taps".to_owned(), error: std::io::Error::other(error) };
        LogFailed::Run(error.into())
    })?;
    let disk: Arc<dyn Disk> = Arc::new(Mounted(Arc::clone(disk)));
    let options = LogOptions { disk, generation: "g".to_owned(), limits: PartLimits::default() };
    ingest_log(&shown, &mut history, &options, taps, &Silent, &AtomicBool::new(false))
}

fn store(folder: &Path) -> Arc<dyn Store> {
    Arc::new(LocalStore::new(folder))
}

/// A run that forgets nothing of its log.
fn start(machine: &Machine, plan: &Plan) -> Result<(), Failed> {
    machine.start_with(plan, "g", &mut |options| options.keeping.retain = Micros(1_000 * DAY))?;
    Ok(())
}

fn add(machine: &Machine, messages: &[Message]) {
    messages.iter().for_each(|message| machine.queues[0].add(message.clone()));
}

/// Days of a history have none.
fn without_evidence(alerts: BTreeSet<String>) -> Result<BTreeSet<String>, Failed> {
    let without = |line: String| {
        let mut alert: Json = serde_json::from_str(&line)?;
        alert["evidence"] = Json::Null;
        Ok(alert.to_string())
    };
    alerts.into_iter().map(without).collect()
}

/// What was left beside the ingests of a history.
fn states(folder: &Path) -> Result<Vec<std::path::PathBuf>, Failed> {
    let files = std::fs::read_dir(folder.join("_ingest"))?.map(|file| file.map(|file| file.path()));
    let files: Vec<_> = files.collect::<Result<_, _>>()?;
    Ok(files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "state")).collect())
}

pub fn of_the_log() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let (mut late, mut parts, mut anew, mut waited) = (0, 0, 0, 0);
    for seed in 0..rounds(12) {
        let mut random = Random::new(900 + seed);
        let all = messages(&mut random, 150);
        let folder = TempDir::new()?;
        let store = store(folder.path());
        let machine = Machine { snapshot_rows: u64::MAX, ..machine(&[], seed) };
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let (some, others) = rest.split_at((1 + random.below(60)).min(rest.len()));
            rest = others;
            machine.restart(&mut random);
            add(&machine, some);
            start(&machine, &plan)?;
            // Now and then nobody asks, or what was left is gone, or another program's.
            match random.below(5) {
                0 if !rest.is_empty() => continue,
                1 => states(folder.path()).unwrap_or_default().iter().try_for_each(std::fs::remove_file)?,
                2 => {
                    for file in states(folder.path()).unwrap_or_default() {
                        let mut bytes = std::fs::read(&file)?;
                        if let Some(byte) = bytes.get_mut(12) {
                            *byte ^= 1;
                        }
                        std::fs::write(&file, bytes)?;
                        anew += 1;
                    }
                }
                _ => {}
            }
            let report = kept(&plan, &machine.disk, &store)?;
            late += report.days.values().map(|day| day.late).sum::<u64>();
            waited += report.run.iter().map(|run| run.ledger.unread).sum::<u64>();
            parts += u64::from(report.kept);
            if report.kept && states(folder.path())?.len() != 1 {
                return Err(format!("seed {seed}: {:?}", states(folder.path())?).into());
            }
            if kept(&plan, &machine.disk, &store)?.kept {
                return Err(format!("seed {seed}: it was taken twice").into());
            }
        }
        let (report, days) = filled(&plan, Arc::clone(&store), How { parallel: 1, batch_rows: 64, fault: None })?;
        computed(&report)?;
        let found = said(folder.path(), &plan, &days)?;
        let found = told(found["alerts"].join("\n").as_bytes())?;
        same(&format!("seed {seed}"), &without_evidence(machine.alerts()?)?, &without_evidence(found)?)?;
    }
    if late < 50 || parts < 30 || anew < 3 {
        return Err(format!("{late} late, {parts} ingests, {anew} merged anew, {waited} waited").into());
    }
    Ok(())
}

/// A log that is another one, or that has forgotten what was not taken, is told.
pub fn of_another() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let mut random = Random::new(77);
    let all = messages(&mut random, 200);
    let (first, second) = all.split_at(60);
    let folder = TempDir::new()?;
    let store = store(folder.path());
    let own = Machine { snapshot_rows: u64::MAX, ..machine(first, 3) };
    start(&own, &plan)?;
    kept(&plan, &own.disk, &store)?;
    let other = Machine { snapshot_rows: u64::MAX, ..machine(second, 4) };
    start(&other, &plan)?;
    let named = |failed: Result<IngestReport, LogFailed>| match failed {
        Err(LogFailed::Another { .. }) => "another",
        Err(LogFailed::Gap { .. }) => "gap",
        Err(LogFailed::Merged { .. }) => "merged",
        Err(LogFailed::State(_)) => "state",
        Err(_) => "an error",
        Ok(report) => {
            if report.kept {
                "kept"
            } else {
                "nothing"
            }
        }
    };
    let later = plan_of(&PROJECT.replace("lateness: 10m", "lateness: 20m"))?;
    let mut found = vec![
        named(kept(&later, &own.disk, &store)),
        named(kept(&plan, &other.disk, &store)),
        named(kept(&plan, &MemoryDisk::new(), &store)),
    ];
    own.restart(&mut random);
    add(&own, second);
    start(&own, &plan)?;
    // Of its files only the last one is left.
    let files = own.disk.names("given-");
    let last = files.last().cloned().ok_or("no log")?;
    let whole = own.disk.copy();
    files.iter().filter(|file| **file != last).for_each(|file| own.disk.forget(file));
    let asked = [(&plan, &own.disk), (&later, &whole), (&plan, &whole)];
    found.extend(asked.map(|(plan, disk)| named(kept(plan, disk, &store))));
    match found == ["merged", "another", "state", "gap", "merged", "kept"] {
        true => Ok(()),
        false => Err(format!("{found:?}, {} files", files.len()).into()),
    }
}
