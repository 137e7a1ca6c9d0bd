//! Flows of a warehouse in a history: a run that goes on from there gives what one run over all of the log would have given
//! from then on; nothing is there that did not come whole.

#![allow(clippy::expect_used, reason = "a test may end so")]

#[path = "fetch/service.rs"]
pub mod service;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use tripline::adapter::local::LocalStore;
use tripline::history::{History, HistoryError, PartLimits};
use tripline::port::Store;
use tripline::port::warehouse::Cells;
use tripline::record::{Day, flow};
use tripline::runtime::fetch::{
    FetchError, FetchOptions, FetchProgress, FetchReport, FetchedDay, Outcome, cost, fetch, first_day,
};

use super::arrival::{self, Flow, MINUTE, START};
use super::history::{Scene, ingested, patiently, played_after};
use super::random::Random;
use super::warm::{file, from, same};
use service::{Service, Wrong, cells, day_of};

const ROUNDS: usize = 36;
/// 2026-01-05, whose last 20 minutes have rows, and the days behind it.
const FIRST: &str = "2026-01-05";

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("fetch::as_one_run_over_all", as_one_run),
        Trial::test("fetch::a_planted_fault_is_noticed", || match rounds(Wrong::NoWatermarks, 12) {
            Ok(_) => Err("rows were late, and nobody missed it".into()),
            Err(_) => Ok(()),
        }),
        Trial::test("fetch::rows_come_back", rows_come_back),
        Trial::test("fetch::a_day_is_there_whole_or_not_at_all", whole_or_not_at_all),
        Trial::test("fetch::a_day_is_taken_once", taken_once),
        Trial::test("fetch::a_day_without_rows_is_asked_for_again", without_rows),
        Trial::test("fetch::flows_do_not_come_both_ways", not_both_ways),
        Trial::test("fetch::a_table_has_all_columns", all_columns),
        Trial::test("fetch::days_reach_back_as_far_as_rows_do", reach),
    ]
}

struct Silent;

impl FetchProgress for Silent {
    fn rows(&self, _: Day, _: u64, _: u64) {}

    fn finished(&self, _: &FetchedDay) {}
}

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

fn options(from: Day, to: Day) -> FetchOptions {
    FetchOptions { from, to, again: false, max_bytes: None, limits: PartLimits::default() }
}

fn store(folder: &TempDir) -> Arc<dyn Store> {
    Arc::new(LocalStore::new(folder.path()))
}

fn opened(folder: &TempDir) -> Result<History, HistoryError> {
    patiently(|| History::read(store(folder)))
}

fn taken(service: &Service, folder: &TempDir, options: &FetchOptions) -> Result<FetchReport, FetchError> {
    let mut history = patiently(|| History::write(store(folder)))?;
    fetch(service, &mut history, options, &Silent, &service.stop)
}

/// A letter a day.
fn letters(report: &FetchReport) -> String {
    let letter = |day: &FetchedDay| match &day.outcome {
        Outcome::Taken(_) => 't',
        Outcome::There => 's',
        Outcome::Empty { .. } => 'e',
        Outcome::Planned(_) => 'p',
        Outcome::Failed(_) => 'f',
        Outcome::Stopped => 'x',
        Outcome::NotBegun => '-',
    };
    report.days.iter().map(letter).collect()
}

/// Every file of a folder with what is in it.
fn files(folder: &TempDir) -> Result<Vec<(String, Vec<u8>)>, Failed> {
    let mut folders = vec![folder.path().to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((path.display().to_string(), std::fs::read(&path)?)),
            }
        }
    }
    found.sort();
    Ok(found)
}

fn sorted(mut rows: Vec<Cells>) -> Vec<Cells> {
    rows.sort();
    rows
}

/// Rows of a scene that went through the log in one run, and a history of them.
fn scene(random: &mut Random, over_flows: bool) -> Result<(Scene, Vec<Flow>, TempDir), Failed> {
    let scene = Scene::new(random, over_flows)?;
    let flows = scene.flows(random);
    // Some come too late for windows, on both sides of the seam.
    let disorder = *random.pick(&[0, 3 * scene.lateness + 60_000_000, 8 * 60 * MINUTE]);
    let flows = arrival::delayed(random, &flows, disorder);
    let folder = TempDir::new()?;
    ingested(&scene.plan, store(&folder), &[file("log", &flows)], false, PartLimits::default())?;
    Ok((scene, flows, folder))
}

fn as_one_run() -> Result<(), Failed> {
    let (rows, alerts, cold, late, across) = rounds(Wrong::Nothing, ROUNDS)?;
    if rows < 1_000 || alerts == 0 || cold < ROUNDS / 3 || late == 0 || across == 0 {
        let counts = format!("{rows} rows, {alerts} alerts, {late} late rows, {across} of them across the seam");
        return Err(format!("{counts}, {cold} rounds in which the history matters").into());
    }
    Ok(())
}

/// The table holds what came before a midnight, and the inputs hold the rest, in their order: among it rows of days before
/// that came when midnight had passed for the log. Returns what was compared.
fn rounds(wrong: Wrong, rounds: usize) -> Result<(usize, usize, usize, usize, usize), Failed> {
    let mut random = Random::new(11);
    let (mut rows, mut alerts, mut cold, mut late, mut across) = (0, 0, 0, 0, 0);
    for round in 0..rounds {
        let (scene, flows, whole) = scene(&mut random, round % 2 == 0)?;
        let last = flows.iter().map(|flow| flow.time).max().unwrap_or(START);
        let (first, last) = (day(FIRST), Day::of(tripline::record::EventTime(last)));
        let seam = Day(first.0 + 1 + i32::try_from(random.below(usize::try_from((last.0 - first.0).max(1))?))?);
        let midnight = seam.start().0;
        let all = cells(&opened(&whole)?)?;
        let admitted = |row: &Cells| row[flow::COUNT].as_deref().and_then(|at| at.parse::<i64>().ok());
        let came_after = |row: &Cells| day_of(row) >= seam || admitted(row).is_some_and(|at| at >= midnight);
        let (behind, table): (Vec<Cells>, Vec<Cells>) = all.into_iter().partition(came_after);
        let after = arrived_after(&flows, scene.lateness, midnight);
        let of_days_before = after.iter().filter(|flow| flow.time < midnight && flow.dst_port != Some(65_535)).count();
        let wanted = behind.iter().filter(|row| day_of(row) < seam).count();
        if of_days_before != wanted {
            return Err(format!("round {round}: {of_days_before} of {wanted} rows came across the seam").into());
        }
        late += table.iter().filter(|row| admitted(row).is_some()).count();
        across += wanted;

        let folder = TempDir::new()?;
        let service = Service { wrong, ..Service::new(table) };
        let report = taken(&service, &folder, &options(first, seam))?;
        if let Some(error) = report.failed() {
            return Err(format!("round {round}: {error}").into());
        }
        let Some(last) = report.days.iter().rev().find(|day| matches!(day.outcome, Outcome::Taken(_))) else {
            continue;
        };
        if last.day.0 + 1 != seam.0 {
            // Windows of the days without rows are told by the run.
            continue;
        }
        let history = Arc::new(opened(&folder)?);
        let (expected, _) = played_after(&scene.plan, &[file("log", &flows)], None)?;
        let (warmed, report) = played_after(&scene.plan, &[file("log", &after)], Some(history))?;
        let (alone, _) = played_after(&scene.plan, &[file("log", &after)], None)?;
        let since = report.warmed.ok_or("no history was taken")?.until;
        if since != seam.start() {
            return Err(format!("round {round}: told until {since}").into());
        }
        let since = since.to_string();
        let (expected, found) = (from(&expected, &since), from(&warmed, &since));
        same(round, &expected, &found)?;
        rows += expected.values().map(Vec::len).sum::<usize>();
        alerts += expected["alerts"].len();
        cold += usize::from(from(&alone, &since) != expected);
    }
    Ok((rows, alerts, cold, late, across))
}

/// Rows from midnight on, and those of before that came when the watermark was there.
fn arrived_after(flows: &[Flow], lateness: i64, midnight: i64) -> Vec<Flow> {
    let (log, _) = arrival::log(&[(flows.to_vec(), lateness)]);
    let after = log.into_iter().filter(|(flow, admit)| flow.time >= midnight || *admit >= midnight);
    after.map(|(flow, _)| flow).collect()
}

/// What is written is what the table has: each cell, also of late rows, over parts and pages.
fn rows_come_back() -> Result<(), Failed> {
    let mut random = Random::new(5);
    for round in 0..6 {
        let (_, _, whole) = scene(&mut random, round % 2 == 0)?;
        let rows = cells(&opened(&whole)?)?;
        let (first, end) = (day(FIRST), Day(rows.iter().map(|row| day_of(row).0).max().unwrap_or(0) + 1));
        let service = Service { page_rows: 1 + random.below(40), ..Service::new(rows.clone()) };
        let folder = TempDir::new()?;
        let limits = PartLimits { part_rows: 1 + random.below(50), ..PartLimits::default() };
        let report = taken(&service, &folder, &FetchOptions { limits, ..options(first, end) })?;
        let history = opened(&folder)?;
        assert_eq!(sorted(cells(&history)?), sorted(rows.clone()));
        assert_eq!(report.taken().map(|day| day.rows).sum::<u64>(), rows.len() as u64);
        let late = rows.iter().filter(|row| row[flow::COUNT].is_some()).count();
        assert_eq!(report.taken().map(|day| day.late).sum::<u64>(), late as u64);
        // A job a day, of names of their own, each of its day's partition alone.
        let mut names: Vec<String> = service.asked().into_iter().map(|job| job.name.0).collect();
        names.dedup();
        assert_eq!(names.len(), report.days.len());
        assert!(names[0].starts_with("tripline-fetch-") && names[0].ends_with("-flows-20260105"), "{names:?}");
    }
    Ok(())
}

/// Thirty rows a day for three days, in pages of seven.
fn three_days() -> Vec<Cells> {
    let row = |n: i64| -> Cells {
        let mut row: Cells = vec![None; flow::COUNT + 1];
        for (name, value) in [("outcome", "unknown"), ("sampling", "1"), ("source", "log")] {
            let at = flow::columns().iter().position(|column| column.name == name).expect("a column");
            row[at] = Some(value.to_owned());
        }
        row[flow::ROW_ID] = Some(n.to_string());
        row[flow::EVENT_TIME] = Some((day(FIRST).start().0 + n * 2_880_000_000).to_string());
        row
    };
    (0..90).map(row).collect()
}

fn whole_or_not_at_all() -> Result<(), Failed> {
    // Files are written before the second page comes.
    let limits = PartLimits { part_rows: 5, ..PartLimits::default() };
    let days = FetchOptions { limits, ..options(day(FIRST), day("2026-01-08")) };
    for (wrong, told) in [
        (Wrong::PageLost, "p:d.flows: 23 rows came of the 30 that the job has\nhelp: "),
        (Wrong::PageTwice, "rows came of the 30"),
        (Wrong::PageRefused, "planted"),
        (Wrong::NoTotal, "does not say how many rows"),
        (Wrong::CellCut, "p:d.flows: the column row_id has `12 34` where INT64 is due"),
        (Wrong::Stopped, ""),
    ] {
        let folder = TempDir::new()?;
        // What is there before: the first day.
        let first = FetchOptions { to: day("2026-01-06"), ..days.clone() };
        assert_eq!(letters(&taken(&Service::new(three_days()), &folder, &first)?), "t");
        let before = files(&folder)?;
        for options in [days.clone(), FetchOptions { again: true, ..first.clone() }] {
            let service = Service { wrong, ..Service::new(three_days()) };
            let report = taken(&service, &folder, &options)?;
            let wanted = match (options.again, wrong) {
                (false, Wrong::Stopped) => "sx-",
                (false, _) => "sf-",
                (true, Wrong::Stopped) => "x",
                (true, _) => "f",
            };
            assert_eq!(letters(&report), wanted, "{wrong:?}");
            assert_eq!(report.stopped(), wrong == Wrong::Stopped);
            let said = report.failed().map(ToString::to_string).unwrap_or_default();
            assert!(said.contains(told), "{said}");
            assert!(files(&folder)? == before, "{wrong:?} left something");
        }
        // It goes on where it was.
        assert_eq!(letters(&taken(&Service::new(three_days()), &folder, &days)?), "stt");
        assert_eq!(sorted(cells(&opened(&folder)?)?), sorted(three_days()));
    }
    Ok(())
}

fn taken_once() -> Result<(), Failed> {
    let days = options(day(FIRST), day("2026-01-08"));
    let folder = TempDir::new()?;
    let mut service = Service::new(three_days());
    assert_eq!(letters(&cost(&service, None, &days, &Silent, &AtomicBool::new(false))?), "ppp");
    let limited = FetchOptions { max_bytes: Some(5), ..days.clone() };
    assert_eq!(letters(&taken(&service, &folder, &limited)?), "ttt");
    assert!(service.asked().iter().all(|job| job.max_bytes == Some(5)), "{:?}", service.asked());
    service.forget();
    assert_eq!(letters(&taken(&service, &folder, &days)?), "sss");
    assert!(service.asked().is_empty(), "{:?}", service.asked());
    // Rows that came to the table since: of the second day alone.
    let more: Vec<Cells> = three_days().into_iter().filter(|row| day_of(row) == day("2026-01-06")).collect();
    service.rows.extend(more);
    let again = FetchOptions { from: day("2026-01-06"), to: day("2026-01-07"), again: true, ..days.clone() };
    let report = taken(&service, &folder, &again)?;
    assert_eq!(report.taken().map(|day| (day.rows, day.replaced)).collect::<Vec<_>>(), [(60, true)]);
    let history = opened(&folder)?;
    assert_eq!(sorted(cells(&history)?), sorted(service.rows.clone()));
    assert_eq!((history.ingests().len(), history.last_watermark()), (3, Some(day("2026-01-08").start())));
    let report =
        cost(&service, Some(&history), &FetchOptions { to: day("2026-01-09"), ..days }, &Silent, &service.stop)?;
    assert_eq!(letters(&report), "sssp");
    Ok(())
}

fn without_rows() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let mut service = Service::new(three_days().into_iter().filter(|row| day_of(row) != day("2026-01-06")).collect());
    let days = options(day("2026-01-04"), day("2026-01-08"));
    assert_eq!(letters(&taken(&service, &folder, &days)?), "etet");
    service.rows = three_days();
    assert_eq!(letters(&taken(&service, &folder, &days)?), "ests");
    // The table lost them: what is here stays.
    service.rows.clear();
    let report = taken(&service, &folder, &FetchOptions { again: true, ..days })?;
    assert_eq!(letters(&report), "eeee");
    assert!(!report.nothing());
    assert_eq!(cells(&opened(&folder)?)?.len(), 90);
    let nothing = taken(&service, &TempDir::new()?, &options(day(FIRST), day("2026-01-07")))?;
    assert!(nothing.nothing());
    Ok(())
}

/// A history that a file was read into, and the same flows in the table.
fn not_both_ways() -> Result<(), Failed> {
    let (_, _, folder) = scene(&mut Random::new(5), false)?;
    let before = files(&folder)?;
    let service = Service::new(cells(&opened(&folder)?)?);
    let first = service.rows.iter().map(day_of).min().ok_or("no rows")?;
    let days = options(Day(first.0 - 1), Day(first.0 + 1));
    let mut errors = vec![taken(&service, &folder, &days)];
    errors.push(cost(&service, Some(&opened(&folder)?), &days, &Silent, &service.stop));
    for error in errors {
        let said = error.err().ok_or("flows came both ways")?.to_string();
        let wanted = format!("the history has flows of {first} from log: ");
        assert!(said.starts_with(&wanted) && said.contains("help: "), "{said}");
    }
    assert!(files(&folder)? == before && service.asked().is_empty());
    // Other days may.
    assert_eq!(letters(&taken(&service, &folder, &options(Day(first.0 - 1), first))?), "e");
    Ok(())
}

fn all_columns() -> Result<(), Failed> {
    let days = options(day(FIRST), day("2026-01-06"));
    let refused = |service: Service| -> Result<String, Failed> {
        let folder = TempDir::new()?;
        let error = taken(&service, &folder, &days).err().ok_or("it was taken")?.to_string();
        assert!(service.asked().is_empty() && error.contains("\nhelp: "), "{error}");
        Ok(error)
    };
    let mut service = Service::new(three_days());
    service.columns = service.columns.map(|all| all.into_iter().filter(|column| column.name != "geo_city").collect());
    let error = refused(service)?;
    assert!(
        error.contains("p:d.flows has no column geo_city\nhelp: drop the table, and `tripline backfill"),
        "{error}"
    );
    let mut service = Service::new(three_days());
    service.columns.iter_mut().flatten().filter(|column| column.name == "tx_bytes").for_each(|column| column.ty = None);
    let error = refused(service)?;
    assert!(error.contains("the column tx_bytes of p:d.flows is another type, not INT64"), "{error}");
    let mut service = Service::new(three_days());
    service.columns = None;
    let error = refused(service)?;
    assert!(error.contains("the table p:d.flows is not there\nhelp: `tripline backfill --target bigquery"), "{error}");
    Ok(())
}

fn reach() -> Result<(), Failed> {
    let mut random = Random::new(2);
    for round in 0..10 {
        let plan = Scene::new(&mut random, round % 2 == 0)?.plan;
        let to = day("2026-02-01");
        let first = first_day(&plan, to);
        let back = plan.look_back(to.start()).flows;
        assert!(first < to && first.end() <= back && Day(first.0 + 1).end() > back, "{first} {back}");
    }
    let plan = tripline::plan::Plan::default();
    assert_eq!(first_day(&plan, day("2026-02-01")), day("2026-01-31"));
    Ok(())
}
