//! Ingests and backfills that are killed at any point: what a killed program left is whole or not there, and the same
//! command again gives what it would have given.
//!
//! A kill is a store on which from some step on nothing works any more, not even the removal of what was begun.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use tripline::adapter::local::LocalStore;
use tripline::history::{History, PartLimits};
use tripline::port::{Input, Share, Store, StoredFile};

use super::{Flow, How, Random, Scene, computed, differences, filled, ingested, input, patiently, said};
use crate::arrival;

type Outcome = Result<(), Failed>;

const LIMITS: PartLimits = PartLimits { part_rows: 40, row_group_rows: 20, waiting_bytes: 1 << 20 };
const HOW: How = How { parallel: 1, batch_rows: 16, fault: None };

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("history::a_killed_ingest_is_whole_or_not_there", killed_ingest),
        Trial::test("history::a_killed_replacement_is_the_old_or_the_new", killed_replacement),
        Trial::test("history::a_killed_backfill_goes_on", killed_backfill),
        Trial::test("history::inputs_are_known_by_what_they_hold", known_inputs),
    ]
}

/// Works for a number of steps.
struct Mortal {
    inner: LocalStore,
    steps: Arc<AtomicI64>,
}

impl Mortal {
    fn store(folder: &Path, steps: i64) -> Arc<dyn Store> {
        Arc::new(Self { inner: LocalStore::new(folder), steps: Arc::new(AtomicI64::new(steps)) })
    }

    fn step(&self) -> io::Result<()> {
        step(&self.steps)
    }
}

fn step(steps: &AtomicI64) -> io::Result<()> {
    if steps.fetch_sub(1, Ordering::Relaxed) > 0 { Ok(()) } else { Err(io::Error::other("killed")) }
}

impl Store for Mortal {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<StoredFile>> {
        self.step()?;
        self.inner.list(folder)
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.step()?;
        self.inner.read(path)
    }

    fn open(&self, path: &str) -> io::Result<File> {
        self.step()?;
        self.inner.open(path)
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn Write + Send>> {
        self.step()?;
        Ok(Box::new(MortalFile { inner: self.inner.create(path)?, steps: Arc::clone(&self.steps) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.step()?;
        self.inner.remove(path)
    }

    fn lock(&self, path: &str, share: Share) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.step()?;
        self.inner.lock(path, share)
    }
}

struct MortalFile {
    inner: Box<dyn Write + Send>,
    steps: Arc<AtomicI64>,
}

impl Write for MortalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        step(&self.steps)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn scene() -> Result<(Random, Scene, Vec<Flow>), Failed> {
    let mut random = Random::new(9);
    let scene = Scene::new(&mut random, true)?;
    let flows = arrival::flows(&mut random, 120, 26 * 3_600 * arrival::SECOND);
    Ok((random, scene, flows))
}

fn store(folder: &Path) -> Arc<dyn Store> {
    Arc::new(LocalStore::new(folder))
}

/// Ids of all rows, as a reader of the history finds them, and what each file is.
fn rows(folder: &Path) -> Result<(u64, BTreeSet<String>), Failed> {
    let history = patiently(|| History::read(store(folder)))?;
    let mut files = BTreeSet::new();
    for (_, part) in history.parts() {
        let path = history.place(part)?;
        // It is whole.
        let lines = super::lines(&folder.join(&path))?;
        if lines.len() as u64 != part.rows {
            return Err(format!("{path} has {} rows, not {}", lines.len(), part.rows).into());
        }
        files.insert(part.path.clone());
    }
    Ok((history.ingests().iter().map(tripline::history::Manifest::rows).sum(), files))
}

/// After a writer has been there, the folder holds exactly what the manifests name.
fn tidy(folder: &Path) -> Outcome {
    let (_, named) = rows(folder)?;
    let there: BTreeSet<String> = store(folder).list("flows")?.into_iter().map(|file| file.path).collect();
    if there != named {
        return Err(format!("{there:?} are there, {named:?} are named").into());
    }
    let left = store(folder).list("_ingest")?.into_iter().find(|file| file.path.contains(".tmp"));
    left.map_or(Ok(()), |left| Err(format!("{} is left", left.path).into()))
}

fn killed_ingest() -> Outcome {
    let (mut random, scene, flows) = scene()?;
    let inputs: [Arc<dyn Input>; 1] = [input(&mut random, "a.jsonl", &flows)];
    let whole = TempDir::new()?;
    ingested(&scene.plan, store(whole.path()), &inputs, false, LIMITS)?;
    let expected = rows(whole.path())?;
    let (mut before, mut after) = (0, 0);
    for steps in 0.. {
        let folder = TempDir::new()?;
        let killed = ingested(&scene.plan, Mortal::store(folder.path(), steps), &inputs, false, LIMITS);
        let found = rows(folder.path())?;
        let there = found == expected;
        if !there && found.0 > 0 {
            return Err(format!("killed after {steps} steps, {} rows are there", found.0).into());
        }
        if killed.is_ok() {
            tidy(folder.path())?;
            break;
        }
        if there {
            after += 1
        } else {
            before += 1
        }
        let again = ingested(&scene.plan, store(folder.path()), &inputs, false, LIMITS)?;
        if again.run.is_none() != there || rows(folder.path())? != expected {
            return Err(format!("killed after {steps} steps, then again: {:?}", rows(folder.path())?).into());
        }
        tidy(folder.path())?;
    }
    if before < 10 || after < 4 { Err(format!("{before} kills before, {after} after").into()) } else { Ok(()) }
}

fn killed_replacement() -> Outcome {
    let (mut random, scene, flows) = scene()?;
    let short: [Arc<dyn Input>; 1] = [input(&mut Random::new(1), "a.jsonl", &flows[..100])];
    let long: [Arc<dyn Input>; 1] = [input(&mut Random::new(1), "a.jsonl", &flows)];
    let other: [Arc<dyn Input>; 1] = [input(&mut random, "b.jsonl", &flows[..50])];
    let prepare = |folder: &Path| -> Result<u64, Failed> {
        ingested(&scene.plan, store(folder), &short, false, LIMITS)?;
        ingested(&scene.plan, store(folder), &other, false, LIMITS)?;
        Ok(rows(folder)?.0)
    };
    let whole = TempDir::new()?;
    let old = prepare(whole.path())?;
    ingested(&scene.plan, store(whole.path()), &long, true, LIMITS)?;
    let new = rows(whole.path())?.0;
    let (mut before, mut after) = (0, 0);
    for steps in 0.. {
        let folder = TempDir::new()?;
        prepare(folder.path())?;
        let killed = ingested(&scene.plan, Mortal::store(folder.path(), steps), &long, true, LIMITS);
        let found = rows(folder.path())?.0;
        if found != old && found != new {
            return Err(format!("killed after {steps} steps: {found} rows, not {old} or {new}").into());
        }
        if killed.is_ok() {
            tidy(folder.path())?;
            break;
        }
        if found == new {
            after += 1
        } else {
            before += 1
        }
        ingested(&scene.plan, store(folder.path()), &long, true, LIMITS)?;
        if rows(folder.path())?.0 != new {
            return Err(format!("killed after {steps} steps, then again: not {new} rows").into());
        }
        tidy(folder.path())?;
    }
    if before < 10 || after < 6 || old == new {
        Err(format!("{before} kills before, {after} after").into())
    } else {
        Ok(())
    }
}

fn killed_backfill() -> Outcome {
    let (mut random, scene, flows) = scene()?;
    let inputs: [Arc<dyn Input>; 1] = [input(&mut random, "a.jsonl", &flows)];
    let whole = TempDir::new()?;
    ingested(&scene.plan, store(whole.path()), &inputs, false, LIMITS)?;
    let (report, days) = filled(&scene.plan, store(whole.path()), HOW)?;
    computed(&report)?;
    let expected = said(whole.path(), &scene.plan, &days)?;
    let mut skipped = 0;
    for steps in (0..).step_by(7) {
        let folder = TempDir::new()?;
        ingested(&scene.plan, store(folder.path()), &inputs, false, LIMITS)?;
        let killed = filled(&scene.plan, Mortal::store(folder.path(), steps), HOW);
        if killed.is_ok_and(|(report, _)| report.failed() == 0) {
            break;
        }
        let (report, days) = filled(&scene.plan, store(folder.path()), HOW)?;
        computed(&report)?;
        skipped += report.days.iter().filter(|day| matches!(day.outcome, super::Outcome::Skipped)).count();
        let differences = differences(&expected, &said(folder.path(), &scene.plan, &days)?);
        if !differences.is_empty() {
            return Err(format!("killed after {steps} steps: {}", differences.join("\n")).into());
        }
        if let Some(left) = store(folder.path()).list("_backfill")?.iter().find(|file| file.path.contains(".tmp")) {
            return Err(format!("{} is left", left.path).into());
        }
    }
    if skipped < 5 { Err(format!("only {skipped} days were there already").into()) } else { Ok(()) }
}

/// The same content under another name, a file that grew, a file that was in one log with others.
fn known_inputs() -> Outcome {
    let (_, scene, flows) = scene()?;
    let named = |name: &str, flows: &[Flow]| input(&mut Random::new(1), name, flows);
    let folder = TempDir::new()?;
    let put = |inputs: &[Arc<dyn Input>], again| ingested(&scene.plan, store(folder.path()), inputs, again, LIMITS);
    let (a, b) = (named("x/a.jsonl", &flows[..40]), named("b.jsonl", &flows[40..80]));
    put(&[Arc::clone(&a), Arc::clone(&b)], false)?;
    let first = rows(folder.path())?;
    let report = put(&[named("renamed.jsonl", &flows[..40]), Arc::clone(&b)], false)?;
    let known: Vec<&str> = report.skipped.iter().map(|skipped| skipped.known.as_str()).collect();
    if report.run.is_some() || known != ["x/a.jsonl", "b.jsonl"] || rows(folder.path())? != first {
        return Err(format!("{known:?}").into());
    }
    let longer = [&flows[..40], &flows[80..100]].concat();
    let grown = named("y/a.jsonl", &longer);
    for (inputs, again, said) in [
        (vec![Arc::clone(&grown)], false, "has grown since it was ingested"),
        (vec![Arc::clone(&grown)], true, "was ingested in one log with b.jsonl"),
        (vec![a], true, "was ingested in one log with b.jsonl"),
    ] {
        match put(&inputs, again) {
            Err(error) if error.message().is_some_and(|message| message.contains(said)) => {}
            other => return Err(format!("`{said}` is not said: {:?}", other.map(|_| ())).into()),
        }
    }
    let report = put(&[grown, b], true)?;
    if report.replaced != 1 || rows(folder.path())?.0 <= first.0 {
        return Err("the grown file did not take the place of the old".into());
    }
    // Twice in one command is once.
    let c = || named("c.jsonl", &flows[100..]);
    let report = put(&[c(), c()], false)?;
    if report.skipped.len() != 1 { Err("a copy was taken".into()) } else { tidy(folder.path()) }
}
