//! `tripline ingest` and `tripline backfill` as people use them: the real binary, its output, its exit code.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{ensure, expect, row, run};

type Outcome = Result<(), Failed>;
type Named = (&'static str, fn() -> Outcome);

const PATIENCE: Duration = Duration::from_secs(60);

pub fn cases() -> Vec<Trial> {
    let all: [Named; 13] = [
        ("ingest_tells_rows_days_and_files", ingest_tells),
        ("what_is_there_is_noted", what_is_there_is_noted),
        ("an_ingest_without_a_good_record_is_exit_1", nothing_good),
        ("an_ingest_stopped_by_ctrl_c_never_was", stopped_ingest),
        ("backfill_tells_each_day", backfill_tells),
        ("backfill_gives_json", backfill_json),
        ("backfill_names_relations", backfill_names),
        ("a_damaged_part_fails_its_day_alone", a_damaged_part),
        ("a_lost_file_is_written_anew", a_lost_file),
        ("two_backfills_do_not_meet", two_backfills),
        ("days_without_flows_have_no_files", empty_days),
        ("rows_that_come_after_midnight_take_nothing_away", after_midnight),
        ("wrong_use_is_exit_2_with_help", wrong_use),
    ];
    all.into_iter().map(|(name, test)| Trial::test(format!("history::cli::{name}"), test)).collect()
}

/// A flow of that day.
pub(super) fn flow(day: u32, second: u32) -> String {
    row(second, 2, "").replace("2026-01-05T", &format!("2026-01-{day:02}T"))
}

/// Of the pack, what looks back an hour at most: days stand alone.
const KEPT: [&str; 7] =
    ["contact_1m", "contact_30m", "destination_30m", "pair_5m", "service_1m", "net_beacon", "net_scan_vertical"];

/// Some of the built-in pack in `p`, and 50 rows of each of two days in `in.jsonl`.
pub(super) fn folder() -> Result<TempDir, Failed> {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    for part in ["features", "rules"] {
        for entry in fs::read_dir(folder.path().join("p").join(part))? {
            let path = entry?.path();
            if !path.file_stem().is_some_and(|name| KEPT.iter().any(|kept| name == *kept)) {
                fs::remove_file(&path)?;
            }
        }
    }
    let rows = [5, 6].into_iter().flat_map(|day| (0..50).map(move |second| flow(day, second)));
    fs::write(folder.path().join("in.jsonl"), rows.collect::<String>())?;
    Ok(folder)
}

pub(super) fn ingest<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["ingest", "--project", "p", "--source", "netlog", "--to", "h"][..], more].concat()
}

pub(super) fn backfill<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["backfill", "--project", "p", "--history", "h"][..], more].concat()
}

/// Files below a folder, those of another kind than Parquet too.
fn files(folder: &Path) -> Result<Vec<String>, Failed> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder)?.display().to_string());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn json(folder: &Path, code: i32, args: &[&str]) -> Result<Value, Failed> {
    let (out, _) = run(folder, code, args)?;
    ensure(out.lines().count() == 1, &format!("one line: {out}"))?;
    Ok(serde_json::from_str(&out)?)
}

fn ingest_tells() -> Outcome {
    let folder = folder()?;
    let mut rows = fs::read_to_string(folder.path().join("in.jsonl"))?;
    rows.push_str("no record\n");
    // Late by two days, behind every window; it is kept all the same.
    rows.push_str(&flow(4, 1));
    fs::write(folder.path().join("more.jsonl"), rows)?;
    let (out, err) = run(folder.path(), 0, &ingest(&["more.jsonl", "--rejects", "r.jsonl"]))?;
    let summed = "rows       102 offered = 100 accepted + 0 filtered + 1 rejected + 0 duplicate + 1 late\n";
    expect(&out, &[summed, "days       2026-01-04 1 row, 1 of them behind the watermark\n"])?;
    expect(&out, &["           2026-01-05 50 rows\n", "history    3 files, ", ", in h\n", "time       "])?;
    ensure(err.is_empty(), &err)?;
    let kept: Vec<String> = fs::read_dir(folder.path().join("h/_ingest"))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    ensure(kept.iter().all(|name| !name.ends_with(".tmp")), &format!("folders are left: {kept:?}"))?;
    ensure(fs::read_to_string(folder.path().join("r.jsonl"))?.lines().count() == 1, "the reject is written")?;
    let args = ingest(&["more.jsonl", "--again", "--strict", "--format", "json"]);
    let report = json(folder.path(), 1, &args)?;
    let told = (&report["kept"], &report["replaced"], &report["parts"], &report["run"]["rows"]["rejected"]);
    ensure(*told.0 == true && *told.1 == 1 && *told.2 == 3 && *told.3 == 1, &report.to_string())?;
    let days: Vec<_> = report["days"].as_array().ok_or("days")?.iter().map(|d| (&d["day"], &d["rows"])).collect();
    ensure(days.len() == 3 && *days[1].0 == "2026-01-05" && *days[1].1 == 50, &report.to_string())
}

fn what_is_there_is_noted() -> Outcome {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    let before = files(&folder.path().join("h"))?;
    fs::copy(folder.path().join("in.jsonl"), folder.path().join("copy.jsonl"))?;
    let (out, err) = run(folder.path(), 0, &ingest(&["copy.jsonl"]))?;
    ensure(out == "nothing new for h\n", &out)?;
    ensure(err == "note: copy.jsonl is there already, as in.jsonl; `--again` replaces it\n", &err)?;
    // Compressed it holds the same.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&fs::read(folder.path().join("in.jsonl"))?)?;
    fs::write(folder.path().join("in.jsonl.gz"), gzip.finish()?)?;
    let (_, err) = run(folder.path(), 0, &ingest(&["in.jsonl.gz"]))?;
    ensure(err == "note: in.jsonl.gz is there already, as in.jsonl; `--again` replaces it\n", &err)?;
    let report = json(folder.path(), 0, &ingest(&["copy.jsonl", "--format", "json"]))?;
    ensure(report["run"].is_null() && report["skipped"][0]["known"] == "in.jsonl", &report.to_string())?;
    ensure(files(&folder.path().join("h"))? == before, "nothing has changed")
}

fn nothing_good() -> Outcome {
    let folder = folder()?;
    fs::write(folder.path().join("bad.jsonl"), "no record\n")?;
    let (out, _) = run(folder.path(), 1, &ingest(&["bad.jsonl"]))?;
    expect(&out, &["1 rejected", "history    nothing was put into h\n"])?;
    let (_, err) = run(folder.path(), 2, &backfill(&[]))?;
    expect(&err, &["error: the history has no rows", "help: `tripline ingest`"])
}

/// Ends the program when a test fails midway.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn on_standard_input(folder: &Path, args: &[&str]) -> Result<(Self, ChildStdin), Failed> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
        let command = command.current_dir(folder).args(args).stdin(Stdio::piped());
        let mut running = Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
        let stdin = running.0.stdin.take().ok_or("no standard input")?;
        Ok((running, stdin))
    }

    fn interrupt(&self) -> Outcome {
        let sent = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status()?;
        ensure(sent.success(), "the signal is sent")
    }

    /// Its exit code, standard output and standard error.
    fn end(&mut self) -> Result<(Option<i32>, String, String), Failed> {
        let started = Instant::now();
        while self.0.try_wait()?.is_none() {
            ensure(started.elapsed() < PATIENCE, "it does not end")?;
            thread::sleep(Duration::from_millis(10));
        }
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().ok_or("no standard output")?.read_to_string(&mut out)?;
        self.0.stderr.take().ok_or("no standard error")?.read_to_string(&mut err)?;
        Ok((self.0.wait()?.code(), out, err))
    }
}

/// While the input is open still.
fn stopped_ingest() -> Outcome {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    let before = files(&folder.path().join("h"))?;
    let rejects = folder.path().join("r.jsonl");
    let args = ingest(&["-", "--rejects", "r.jsonl", "--format", "json"]);
    let (mut running, mut stdin) = Running::on_standard_input(folder.path(), &args)?;
    stdin.write_all((0..50).map(|second| flow(7, second)).collect::<String>().as_bytes())?;
    stdin.flush()?;
    // The file of rejects is made when it listens to signals, or soon before.
    let started = Instant::now();
    while !rejects.exists() {
        ensure(started.elapsed() < PATIENCE, "it begins")?;
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(500));
    running.interrupt()?;
    let (code, out, err) = running.end()?;
    drop(stdin);
    ensure(code == Some(130), &format!("{code:?} {out} {err}"))?;
    expect(&err, &["stopping; press Ctrl-C again to end at once"])?;
    let report: Value = serde_json::from_str(&out)?;
    ensure(report["kept"] == false && report["run"]["interrupted"] == true, &out)?;
    ensure(files(&folder.path().join("h"))? == before, "the history is as it was")?;
    // What was not kept can come again.
    let (mut running, mut stdin) = Running::on_standard_input(folder.path(), &ingest(&["-"]))?;
    stdin.write_all(flow(7, 1).as_bytes())?;
    drop(stdin);
    let (code, out, err) = running.end()?;
    ensure(code == Some(0), &err)?;
    expect(&out, &["rows       1 offered = 1 accepted", "days       2026-01-07 1 row\n"])
}

fn backfill_tells() -> Outcome {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    let (out, _) = run(folder.path(), 0, &backfill(&["--dry-run", "--out", "o"]))?;
    let planned = [
        "2026-01-05 reads 50 rows, ",
        "           flows/event_day=2026-01-06/",
        "days       2 to do, reading 100 rows",
    ];
    expect(&out, &planned)?;
    ensure(!folder.path().join("o").join("contact_1m").exists(), "nothing is written")?;
    // Without `--parallel`: as many as there are processors.
    let (out, err) = run(folder.path(), 0, &backfill(&["--out", "o"]))?;
    expect(
        &out,
        &["2026-01-05 50 rows read, ", " written, 0 hits, 0 alerts, ", "days       2 done, 100 rows read\ntime       "],
    )?;
    ensure(err.is_empty(), &err)?;
    let written = files(&folder.path().join("o"))?;
    for part in ["contact_1m", "rule_net_beacon", "hits", "alerts"] {
        let part = format!("{part}/event_day=2026-01-06/part.parquet");
        ensure(written.contains(&part), &format!("{part} is not in {written:?}"))?;
    }
    let (out, _) = run(folder.path(), 0, &backfill(&["--out", "o"]))?;
    expect(&out, &["2026-01-05 there already\n2026-01-06 there already\ndays       2 there already\n"])?;
    let (out, _) =
        run(folder.path(), 0, &backfill(&["--out", "o", "--again", "--to", "2026-01-06", "--parallel", "1"]))?;
    expect(&out, &["days       1 done, 50 rows read\n"])
}

/// A rule has a name and a table; folders of relations that are gone stay, and are told.
fn backfill_names() -> Outcome {
    let folder = folder()?;
    let (out, err) = run(folder.path(), 0, &ingest(&["in.jsonl", "./in.jsonl"]))?;
    expect(&err, &["note: in.jsonl and ./in.jsonl are one file: it is read once"])?;
    expect(&out, &["100 offered = 100 accepted"])?;
    run(folder.path(), 0, &backfill(&["--relation", "rule_net_beacon"]))?;
    let written = files(&folder.path().join("h"))?;
    let rows: Vec<&String> =
        written.iter().filter(|file| !file.starts_with("flows/") && file.contains("event_day=")).collect();
    ensure(rows.len() == 2 && rows.iter().all(|file| file.starts_with("rule_net_beacon/")), &format!("{rows:?}"))?;
    let (_, err) = run(folder.path(), 0, &backfill(&["--relation", "net.beacon"]))?;
    ensure(err.is_empty(), &err)?;
    let old = folder.path().join("h/gone_1m/event_day=2026-01-05");
    fs::create_dir_all(&old)?;
    fs::write(old.join("part.parquet"), "")?;
    let (_, err) = run(folder.path(), 0, &backfill(&[]))?;
    expect(&err, &["note: h has rows of gone_1m, which the project does not have: they stay as they are"])
}

fn backfill_json() -> Outcome {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    let some = ["--relation", "contact_1m", "hits", "--format", "json"];
    let report = json(folder.path(), 0, &backfill(&[&some[..], &["--dry-run"]].concat()))?;
    let day = &report["days"][0];
    ensure(day["day"] == "2026-01-05" && day["outcome"] == "planned" && day["rows"] == 50, &report.to_string())?;
    ensure(day["files"][0]["rows"] == 50 && day["bytes"].as_u64() > Some(0), &report.to_string())?;
    let report = json(folder.path(), 0, &backfill(&some))?;
    let day = &report["days"][1];
    ensure(day["outcome"] == "done" && day["read"] == 50 && day["row_errors"] == 0, &report.to_string())?;
    let relations = day["relations"].as_object().ok_or("relations")?;
    // A row of each has another key or minute.
    ensure(relations["hits"] == 0 && relations["contact_1m"].as_u64() > Some(10), &report.to_string())?;
    ensure(relations.len() == 2, &report.to_string())?;
    ensure(report["failed"] == 0 && report["interrupted"] == false, &report.to_string())?;
    let report = json(folder.path(), 0, &backfill(&some))?;
    ensure(report["days"][0]["outcome"] == "skipped", &report.to_string())
}

fn a_damaged_part() -> Outcome {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    let history = folder.path().join("h");
    let part = files(&history)?.into_iter().find(|file| file.contains("event_day=2026-01-06")).ok_or("a part")?;
    let whole = fs::read(history.join(&part))?;
    fs::write(history.join(&part), &whole[..whole.len() / 2])?;
    let (out, _) = run(folder.path(), 1, &backfill(&["--out", "o"]))?;
    expect(&out, &["2026-01-05 50 rows read", "2026-01-06 failed: cannot read h/flows/event_day=2026-01-06/"])?;
    expect(&out, &["           help: `tripline ingest --again`", "days       1 done, 1 failed, 50 rows read\n"])?;
    let report = json(folder.path(), 1, &backfill(&["--out", "o", "--format", "json"]))?;
    ensure(report["failed"] == 1 && report["days"][1]["outcome"] == "failed", &report.to_string())?;
    expect(&report["days"][1]["error"].to_string(), &["cannot read h/flows"])?;
    fs::remove_file(history.join(&part))?;
    let (out, _) = run(folder.path(), 1, &backfill(&["--out", "o"]))?;
    expect(&out, &["2026-01-06 failed: ", " is named by a manifest and not there"])
}

fn a_lost_file() -> Outcome {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    run(folder.path(), 0, &backfill(&[]))?;
    let part = folder.path().join("h/contact_1m/event_day=2026-01-06/part.parquet");
    let whole = fs::read(&part)?;
    let spoilt: [&dyn Fn() -> std::io::Result<()>; 2] =
        [&|| fs::remove_file(&part), &|| fs::write(&part, &whole[..whole.len() / 2])];
    for spoil in spoilt {
        spoil()?;
        // Until then it is computed.
        let (out, _) = run(
            folder.path(),
            0,
            &["query", "SELECT COUNT(*) AS n FROM contact_1m", "--project", "p", "--history", "h"],
        )?;
        ensure(out.contains(|c: char| c.is_ascii_digit()), &out)?;
        let (out, _) = run(folder.path(), 0, &backfill(&[]))?;
        expect(&out, &["2026-01-05 there already", "2026-01-06 50 rows read", "days       1 done, 1 there already"])?;
        ensure(fs::read(&part)? == whole, "the file is another")?;
    }
    Ok(())
}

/// A row of the day before that comes after midnight, for windows that are still open then, stands beside rows that came in
/// time: the day has them all.
fn after_midnight() -> Outcome {
    let folder = TempDir::new()?;
    let project = folder.path().join("p");
    for (path, text) in [
        ("tripline.yaml", "name: p\n"),
        (
            "sql/log/source.yaml",
            "source: log\nformat: json\ncolumns: {time: {type: TIMESTAMP, field: at}}\nevent_time: time\nlateness: 10m\n",
        ),
        ("sql/log/flows.sql", "SELECT time AS end_time, 'x' AS src_ip FROM log\n"),
        (
            "features/b.yaml",
            "feature: b\nfrom: flows\nkey: [src_ip]\nwindow: {size: 30h, every: 5h}\ncolumns: {v: COUNT(*)}\n",
        ),
    ] {
        fs::create_dir_all(project.join(path).parent().ok_or("a folder")?)?;
        fs::write(project.join(path), text)?;
    }
    let times = ["08T16:30", "08T18:00", "08T20:30", "08T23:30", "09T00:40", "08T22:30", "09T12:00"];
    let rows = times.map(|time| format!("{{\"at\": \"2026-01-{time}:00Z\"}}\n"));
    fs::write(folder.path().join("in.jsonl"), rows.concat())?;
    let sql = "SELECT window_end, v FROM b WHERE event_time < TIMESTAMP '2026-01-09' ORDER BY window_end";
    let asked = |place: &[&str]| -> Result<String, Failed> {
        let arguments = [&["query", sql, "--project", "p", "--format", "csv"], place].concat();
        Ok(run(folder.path(), 0, &arguments)?.0)
    };
    let expected = asked(&["--source", "log", "--input", "in.jsonl"])?;
    ensure(expected.contains("2026-01-08T21:00:00Z,3"), &expected)?;
    run(folder.path(), 0, &["ingest", "--project", "p", "--source", "log", "--to", "h", "in.jsonl"])?;
    let days = asked(&["--history", "h", "--from", "2026-01-08", "--to", "2026-01-09"])?;
    ensure(days == expected, &format!("computed: {days}"))?;
    run(folder.path(), 0, &backfill(&[]))?;
    let written = asked(&["--history", "h", "--from", "2026-01-08", "--to", "2026-01-09"])?;
    ensure(written == expected, &format!("written: {written}"))
}

fn two_backfills() -> Outcome {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    let held = tripline::adapter::local::LocalStore::new(folder.path().join("o"));
    let lock = tripline::port::Store::lock(&held, "_backfill/lock", tripline::port::Share::Nobody)?;
    ensure(lock.is_some(), "the lock is held")?;
    let (_, err) = run(folder.path(), 2, &backfill(&["--out", "o"]))?;
    expect(&err, &["o is in use by another ingest or backfill", "help: wait for it to end"])?;
    // What is only asked is in nobody's way.
    run(folder.path(), 0, &backfill(&["--out", "o", "--dry-run"]))?;
    drop(lock);
    run(folder.path(), 0, &backfill(&["--out", "o"])).map(drop)
}

fn empty_days() -> Outcome {
    let folder = folder()?;
    let far = flow(5, 1).replace("2026-01-05T", "1970-01-01T");
    fs::write(folder.path().join("far.jsonl"), far + &flow(5, 2))?;
    run(folder.path(), 0, &ingest(&["far.jsonl"]))?;
    let (out, err) = run(folder.path(), 0, &backfill(&["--out", "o"]))?;
    expect(&out, &["1970-01-01 1 row read", "2026-01-05 1 row read"])?;
    expect(&err, &["note: no flows of the history count on 1970-01-0"])?;
    let written = files(&folder.path().join("o"))?;
    ensure(written.iter().filter(|file| file.starts_with("hits/")).count() <= 4, &format!("{written:?}"))?;
    let (out, _) = run(
        folder.path(),
        0,
        &["query", "SELECT COUNT(*) AS n FROM contact_1m", "--project", "p", "--history", "h", "--format", "csv"],
    )?;
    expect(&out, &["n\n2\n"])
}

fn wrong_use() -> Outcome {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    fs::write(folder.path().join("file"), "")?;
    let mut cases: Vec<(Vec<&str>, &[&str])> = vec![
        (vec!["ingest", "in.jsonl"], &["--to <DIR|bigquery>"]),
        (ingest(&[]), &["nothing to ingest", "help: tripline ingest --source netlog"]),
        (ingest(&["none.jsonl"]), &["no file matches none.jsonl"]),
        (ingest(&["netlgo=in.jsonl"]), &["netlgo"]),
        (ingest(&["in.jsonl", "--rejects", "in.jsonl"]), &["in.jsonl is also an input"]),
        (vec!["ingest", "--project", "p", "--to", "h", "in.jsonl"], &["which source", "help: add --source"]),
        // The pack would take the place of a project's results.
        (vec!["backfill", "--history", "h"], &["no tripline.yaml here", "help: `--built-in` takes the built-in pack"]),
        (vec!["backfill", "--project", "p"], &["--target local needs --history", "help: `tripline ingest --to DIR`"]),
        (vec!["backfill", "--project", "p", "--history", "no"], &["no is not a folder", "`tripline ingest --to no`"]),
    ];
    let more: [(&[&str], &[&str]); 7] = [
        (&["--from", "2026-13-01"], &["`2026-13-01` is not a day", "help: write it as 2026-01-05"]),
        (&["--from", "2026-01-06", "--to", "2026-01-06"], &["is not before --to", "help: --to is the day after"]),
        (&["--relation", "contact_1n"], &["no relation `contact_1n`", "help: did you mean `contact_1m`?"]),
        (&["--relation", "flows"], &["no relation `flows`", "help: "]),
        (&["--parallel", "0"], &["--parallel"]),
        (&["--again", "--dry-run"], &["cannot be used with"]),
        (&["--target", "moon"], &["invalid value 'moon'"]),
    ];
    cases.extend(more.into_iter().map(|(args, parts)| (backfill(args), parts)));
    for (args, parts) in cases {
        let (out, err) = run(folder.path(), 2, &args)?;
        expect(&err, parts).map_err(|error| format!("{args:?}: {error:?}"))?;
        ensure(out.is_empty() && !err.contains("panicked"), &format!("{args:?}: {out} {err}"))?;
    }
    Ok(())
}
