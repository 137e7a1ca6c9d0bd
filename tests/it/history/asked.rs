//! What is asked of a history, and of inputs: which relations, which days, of whose project, and which files.

use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use super::commands::{backfill, flow, folder, ingest};
use crate::cli::{ensure, expect, run};

type Outcome = Result<(), Failed>;
type Named = (&'static str, fn() -> Outcome);

pub fn cases() -> Vec<Trial> {
    let all: [Named; 8] = [
        ("a_backfill_takes_the_pack_when_it_is_asked_for", built_in),
        ("relations_have_two_names_everywhere", names),
        ("rows_of_a_relation_that_is_gone_are_told", strangers),
        ("days_without_flows_are_told", days),
        ("a_stopped_query_tells_how_many_flows_it_read", stopped),
        ("a_note_is_said_once", notes),
        ("a_file_named_twice_is_read_once", twice),
        ("a_query_of_nothing_but_rejects_is_exit_1", rejected),
    ];
    all.into_iter().map(|(name, test)| Trial::test(format!("history::asked::{name}"), test)).collect()
}

/// As [`folder`], ingested.
fn ingested() -> Result<TempDir, Failed> {
    let folder = folder()?;
    run(folder.path(), 0, &ingest(&["in.jsonl"]))?;
    Ok(folder)
}

fn built_in() -> Outcome {
    let folder = ingested()?;
    run(folder.path(), 0, &backfill(&["--relation", "net.beacon"]))?;
    let pure = ["backfill", "--history", "h", "--relation", "net.beacon"];
    let marker = folder.path().join("h/_backfill/2026-01-05.json");
    let before = fs::read(&marker)?;
    let (out, err) = run(folder.path(), 2, &[&pure[..], &["--again"]].concat())?;
    expect(&err, &["no tripline.yaml here", "help: `--built-in` takes the built-in pack"])?;
    ensure(out.is_empty() && fs::read(&marker)? == before, "the rows are as they were")?;
    run(folder.path(), 0, &[&pure[..], &["--built-in"]].concat())?;
    Ok(())
}

fn names() -> Outcome {
    let folder = ingested()?;
    let of = |path: &str| fs::read_dir(folder.path().join(path)).map_or(0, Iterator::count);
    run(folder.path(), 0, &backfill(&["--out", "a", "--relation", "rule_net_beacon"]))?;
    run(folder.path(), 0, &backfill(&["--out", "b", "--relation", "net.beacon"]))?;
    ensure(of("a") == of("b") && of("a/rule_net_beacon") == 2, "two days of one relation, under either name")?;
    let run_it = ["run", "--project", "p", "--source", "netlog", "--input", "in.jsonl"];
    let taps = ["--output", "alerts.jsonl", "--tap", "rule_net_beacon=taps/rule_net_beacon.jsonl"];
    fs::create_dir(folder.path().join("taps"))?;
    run(folder.path(), 0, &[&run_it[..], &taps].concat())?;
    let (_, err) =
        run(folder.path(), 2, &[&run_it[..], &["--tap", "net.beacon=x", "--tap", "rule_net_beacon=y"]].concat())?;
    expect(&err, &["`--tap net.beacon` is given twice"])?;
    let (_, err) = run(folder.path(), 2, &[&run_it[..], &["--tap", "alerts=x"]].concat())?;
    expect(&err, &["alerts are no tap", "help: --output FILE"])?;
    for emitted in ["rule_net_beacon=taps/rule_net_beacon.jsonl", "net.beacon=taps/rule_net_beacon.jsonl", "taps"] {
        let (out, _) = run(folder.path(), 0, &["reconcile", "--project", "p", "--history", "h", "--emitted", emitted])?;
        expect(&out, &["net.beacon"])?;
    }
    let sql = "SELECT COUNT(*) AS n FROM rule_net_beacon";
    let (out, _) = run(folder.path(), 0, &["query", sql, "--project", "p", "--history", "h", "--format", "csv"])?;
    expect(&out, &["n\n0\n"])
}

fn strangers() -> Outcome {
    let folder = ingested()?;
    let (_, err) = run(folder.path(), 0, &backfill(&[]))?;
    ensure(err.is_empty(), &err)?;
    fs::remove_file(folder.path().join("p/rules/net_beacon.yaml"))?;
    let left = folder.path().join("h/rule_net_beacon/event_day=2026-01-05/part.parquet");
    let before = fs::read(&left)?;
    let (_, err) = run(folder.path(), 0, &backfill(&["--relation", "hits"]))?;
    expect(&err, &["note: h has rows of rule_net_beacon, which the project does not have: they stay as they are\n"])?;
    ensure(fs::read(&left)? == before, "they stay")
}

fn days() -> Outcome {
    let folder = folder()?;
    let path = folder.path();
    fs::write(path.join("in.jsonl"), [flow(5, 1), flow(5, 2), flow(12, 1), flow(12, 2)].concat())?;
    run(path, 0, &ingest(&["in.jsonl"]))?;
    let one = ["--relation", "contact_1m"];
    let (out, err) = run(path, 0, &backfill(&[&one[..], &["--from", "2026-01-05", "--to", "2026-01-14"]].concat()))?;
    expect(&err, &["note: no flows of the history count on 2026-01-06 to 2026-01-11, 2026-01-13\n"])?;
    expect(&out, &["days       2 done, "])?;
    let none: [&[&str]; 4] = [
        &["--from", "2026-01-07", "--to", "2026-01-09"],
        &["--from", "2026-02-01"],
        &["--to", "2026-01-02"],
        &["--from", "2026-02-01", "--to", "2026-02-03"],
    ];
    let query = ["query", "SELECT src_ip FROM flows", "--project", "p", "--history", "h"];
    fs::write(path.join("flows.jsonl"), "")?;
    let reconcile = ["reconcile", "--project", "p", "--history", "h", "--emitted", "flows=flows.jsonl"];
    for more in none {
        for command in [backfill(&one), query.to_vec(), reconcile.to_vec()] {
            // Windows of all relations reach further than those of one.
            let reach = more[1] == "2026-01-07" && command[0] != "backfill";
            if reach {
                continue;
            }
            let (out, err) = run(path, 1, &[&command[..], more].concat())?;
            expect(&err, &["the history has no flows for 2026-0", "help: its flows count on 2026-01-05"])?;
            // A comparison is told all the same.
            ensure(out.is_empty() == (command[0] != "reconcile"), &out)?;
        }
    }
    Ok(())
}

fn stopped() -> Outcome {
    let folder = ingested()?;
    let sql = "SELECT src_ip FROM contact_1m LIMIT 1";
    let (out, err) = run(folder.path(), 0, &["query", sql, "--project", "p", "--history", "h", "--format", "csv"])?;
    ensure(
        out.lines().count() == 2 && !err.contains("from 0 flows") && err.contains("note: contact_1m: computed"),
        &err,
    )?;
    expect(&err, &[" flows"])
}

fn notes() -> Outcome {
    let folder = ingested()?;
    let path = folder.path();
    let sql =
        "SELECT subscriber_id, src_ip, dst_ip, dst_port, window_end AS label_time, 1 AS label FROM contact_1m LIMIT 1";
    run(path, 0, &["query", sql, "--project", "p", "--history", "h", "--output", "labels.csv"])?;
    let made = ["--labels", "labels.csv", "--features", "contact_1m", "--negatives", "1", "--out", "rows.csv"];
    let (_, err) = run(path, 0, &[&["training", "--project", "p", "--history", "h"][..], &made].concat())?;
    ensure(err.matches("note: contact_1m: computed for").count() == 1, &err)?;
    let (_, err) = run(path, 2, &["compile", "--project", "p", "--negatives", "3"])?;
    expect(&err, &["--training"])?;
    run(path, 0, &["compile", "--project", "p", "--training", "--features", "contact_1m", "--negatives", "3"])?;
    Ok(())
}

fn twice() -> Outcome {
    let folder = folder()?;
    let path = folder.path();
    let query = ["query", "SELECT COUNT(*) AS n FROM flows", "--project", "p", "--source", "netlog", "--format", "csv"];
    let cases: [(&[&str], &str); 4] = [
        (&["in.jsonl", "./in.jsonl"], "note: in.jsonl and ./in.jsonl are one file: it is read once\n"),
        (&["in.jsonl", "in.jsonl"], "note: in.jsonl is named twice: it is read once\n"),
        (&["netlog=in.jsonl", "*.jsonl"], "note: in.jsonl is named twice: it is read once\n"),
        (&["p/../in.jsonl", "in.jsonl"], "note: p/../in.jsonl and in.jsonl are one file: it is read once\n"),
    ];
    for (named, said) in cases {
        let (out, err) = run(path, 0, &[&query[..], &["--input"], named].concat())?;
        ensure(out == "n\n100\n", &format!("{named:?}: {out}"))?;
        expect(&err, &[said])?;
    }
    let both = ["in.jsonl", "./in.jsonl"];
    let said = "are one file: it is read once";
    let read_by: [&[&str]; 3] = [
        &["run", "--project", "p", "--source", "netlog", "--output", "a.jsonl", "--input"],
        &["source", "profile", "--project", "p", "--source", "netlog", "--input"],
        &["ingest", "--project", "p", "--source", "netlog", "--to", "h", "--input"],
    ];
    for command in read_by {
        let (_, err) = run(path, 0, &[command, &both].concat())?;
        expect(&err, &[said])?;
    }
    let taps = ["--emitted", "alerts=a.jsonl", "alerts=./a.jsonl"];
    let (_, err) = run(path, 0, &[&["reconcile", "--project", "p", "--history", "h"][..], &taps].concat())?;
    expect(&err, &["a.jsonl and ./a.jsonl are one file"])
}

fn rejected() -> Outcome {
    let folder = folder()?;
    let ask = |sql: &str, code: i32| {
        let args = ["query", sql, "--project", "p", "--source", "netlog", "--input", "bad.jsonl", "--format", "csv"];
        run(folder.path(), code, &args)
    };
    fs::write(Path::new(folder.path()).join("bad.jsonl"), "{\"a\": 1}\nno\n")?;
    let (_, err) = ask("SELECT src_ip FROM flows", 1)?;
    expect(&err, &["2 of 2 records were rejected"])?;
    let (out, _) = ask("SELECT reason FROM rejects", 0)?;
    ensure(out.lines().count() == 3, &out)?;
    let (_, err) = run(
        folder.path(),
        2,
        &["query", "SELECT src_ip FROM flows", "--project", "p", "--source", "netlog", "--input", "none.jsonl"],
    )?;
    expect(&err, &["no file matches none.jsonl", "help: "])
}
