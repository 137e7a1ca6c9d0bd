//! Training rows: what is known at a label's time, and nothing of what comes after.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

type Outcome = Result<(), Failed>;
type Named = (&'static str, fn() -> Outcome);

pub fn cases() -> Vec<Trial> {
    let all: [Named; 7] = [
        ("a_label_takes_the_last_window_before_it", last_before),
        ("the_future_changes_nothing", the_future_changes_nothing),
        ("one_window_later_is_noticed", one_window_later_is_noticed),
        ("negatives_follow_their_seed", negatives_follow_their_seed),
        ("labels_of_every_format_are_read", every_format),
        ("wrong_labels_are_told", wrong_labels_are_told),
        ("what_is_missing_is_told", what_is_missing_is_told),
    ];
    all.into_iter().map(|(name, test)| Trial::test(format!("training::{name}"), test)).collect()
}

const SOURCE: &str = "source: netlog\nformat: json\ncolumns:\n  time: {type: TIMESTAMP, field: at}\n  src: STRING\n  \
    dst: STRING\n  bytes: INT64\nevent_time: time\nlateness: 0s\n";
const FLOWS: &str = "SELECT time AS end_time, src AS src_ip, dst AS dst_ip, bytes AS tx_bytes FROM netlog\n";
const BY_SOURCE: &str = "feature: by_source\nfrom: flows\nkey: [src_ip]\nwindow: {size: 2m, every: 1m}\ncolumns:\n  \
    flows: COUNT(*)\n  bytes: SUM(tx_bytes)\n";
const EVERYBODY: &str =
    "feature: everybody\nfrom: flows\nkey: []\nwindow: {size: 1m}\ncolumns:\n  hosts: COUNT(DISTINCT src_ip)\n";

/// A project, and a minute's flows at each of these minutes: (minute, source, bytes).
fn project(flows: &[(u32, &str, u32)]) -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    let files = [
        ("tripline.yaml", "name: training\n"),
        ("sql/netlog/source.yaml", SOURCE),
        ("sql/netlog/flows.sql", FLOWS),
        ("features/by_source.yaml", BY_SOURCE),
        ("features/everybody.yaml", EVERYBODY),
    ];
    for (path, text) in files {
        let path = folder.path().join("project").join(path);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        fs::write(path, text)?;
    }
    write_flows(folder.path(), flows)?;
    Ok(folder)
}

fn write_flows(folder: &Path, flows: &[(u32, &str, u32)]) -> Outcome {
    let line = |(minute, source, bytes): &(u32, &str, u32)| {
        let (hour, minute) = (minute / 60, minute % 60);
        format!(
            "{{\"at\":\"2026-01-05T{hour:02}:{minute:02}:30Z\",\"src\":\"{source}\",\"dst\":\"x\",\"bytes\":{bytes}}}\n"
        )
    };
    Ok(fs::write(folder.join("flows.jsonl"), flows.iter().map(line).collect::<String>())?)
}

/// Runs it; standard error is the error when it fails.
fn training(folder: &Path, labels: &str, out: &str, options: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(["training", "--project", "project", "--input", "flows.jsonl", "--labels", labels, "--out", out]);
    let done = command.args(options).current_dir(folder).output()?;
    if !done.status.success() {
        return Err(String::from_utf8(done.stderr)?.into());
    }
    Ok(fs::read_to_string(folder.join(out)).unwrap_or_default())
}

const LABELS: &str = "src_ip,label_time,label\n\
    a,2026-01-05T00:01:00Z,0\n\
    a,2026-01-05T00:00:59.999999Z,0\n\
    a,2026-01-05T00:03:30Z,1\n\
    a,2026-01-05T00:30:00Z,1\n\
    b,2026-01-05T00:02:00Z,0\n\
    ,2026-01-05T00:02:00Z,1\n";
const MINUTES: [(u32, &str, u32); 5] = [(0, "a", 1), (1, "b", 2), (2, "a", 4), (3, "a", 8), (40, "a", 16)];
const BOTH: [&str; 4] = ["--features", "by_source,everybody", "--max-age", "10m"];

const EXPECTED: &str = "src_ip,label_time,label,sampled,by_source_window_end,by_source_flows,by_source_bytes,\
    everybody_window_end,everybody_hosts\n\
    a,2026-01-05T00:01:00Z,0,false,2026-01-05T00:01:00Z,1,1,2026-01-05T00:01:00Z,1\n\
    a,2026-01-05T00:00:59.999999Z,0,false,,,,,\n\
    a,2026-01-05T00:03:30Z,1,false,2026-01-05T00:03:00Z,1,4,2026-01-05T00:03:00Z,1\n\
    a,2026-01-05T00:30:00Z,1,false,,,,,\n\
    b,2026-01-05T00:02:00Z,0,false,2026-01-05T00:02:00Z,1,2,2026-01-05T00:02:00Z,1\n\
    ,2026-01-05T00:02:00Z,1,false,,,,2026-01-05T00:02:00Z,1\n";

fn equal(found: &str, wanted: &str) -> Outcome {
    if found == wanted { Ok(()) } else { Err(format!("{found}\ninstead of\n{wanted}").into()) }
}

fn last_before() -> Outcome {
    let folder = project(&MINUTES)?;
    fs::write(folder.path().join("labels.csv"), LABELS)?;
    equal(&training(folder.path(), "labels.csv", "out.csv", &BOTH)?, EXPECTED)
}

/// All that happens after the last label that something can be known of may be otherwise.
fn the_future_changes_nothing() -> Outcome {
    let folder = project(&MINUTES)?;
    fs::write(folder.path().join("labels.csv"), LABELS)?;
    for later in [&[(50u32, "a", 999u32), (51, "b", 9)][..], &[(3, "c", 7), (4, "a", 3), (31, "b", 3)], &[]] {
        let flows: Vec<(u32, &str, u32)> = MINUTES[..3].iter().chain(later).copied().collect();
        write_flows(folder.path(), &flows)?;
        let labels = LABELS.replace("a,2026-01-05T00:30:00Z,1\n", "");
        fs::write(folder.path().join("labels.csv"), labels)?;
        let wanted = EXPECTED.replace("a,2026-01-05T00:30:00Z,1,false,,,,,\n", "");
        equal(&training(folder.path(), "labels.csv", "out.csv", &BOTH)?, &wanted)?;
    }
    Ok(())
}

/// The check above can fail: a change before a label is seen.
fn one_window_later_is_noticed() -> Outcome {
    let folder = project(&MINUTES)?;
    fs::write(folder.path().join("labels.csv"), LABELS)?;
    let mut flows = MINUTES;
    flows[2].2 = 5;
    write_flows(folder.path(), &flows)?;
    match training(folder.path(), "labels.csv", "out.csv", &BOTH)? == EXPECTED {
        true => Err("a change of the past is not seen".into()),
        false => Ok(()),
    }
}

fn negatives_follow_their_seed() -> Outcome {
    let names: Vec<String> = (0..40).map(|number| format!("host{number}")).collect();
    let flows: Vec<(u32, &str, u32)> =
        names.iter().enumerate().map(|(number, name)| (number as u32 % 7, name.as_str(), 1)).collect();
    let mut sorted = flows.clone();
    sorted.sort();
    let folder = project(&sorted)?;
    fs::write(folder.path().join("labels.csv"), "src_ip,label_time,label\nhost1,2026-01-05T00:05:00Z,1\n")?;
    let ask = |seed: &str| {
        let options = ["--features", "by_source", "--negatives", "5", "--seed", seed];
        training(folder.path(), "labels.csv", "out.csv", &options)
    };
    let (first, again, other) = (ask("1")?, ask("1")?, ask("2")?);
    let sampled: Vec<&str> = first.lines().filter(|line| line.contains(",0,true,")).collect();
    if sampled.len() != 5 || sampled.iter().any(|line| line.starts_with("host1,")) {
        return Err(first.into());
    }
    // A negative is known by its own window.
    let own = |line: &&str| {
        let cells: Vec<&str> = line.split(',').collect();
        cells[1] == cells[4]
    };
    if first != again || first == other || !sampled.iter().all(own) {
        return Err(format!("{first}\n{again}\n{other}").into());
    }
    // The order of arrival does not choose them.
    sorted.sort_by_key(|(minute, name, _)| (*minute, std::cmp::Reverse(*name)));
    write_flows(folder.path(), &sorted)?;
    equal(&ask("1")?, &first)
}

fn every_format() -> Outcome {
    let folder = project(&MINUTES)?;
    fs::write(folder.path().join("labels.csv"), LABELS)?;
    training(folder.path(), "labels.csv", "labels.parquet", &["--features", "by_source"])?;
    let from_parquet = training(folder.path(), "labels.parquet", "out.csv", &BOTH)?;
    equal(&from_parquet, EXPECTED)?;
    training(folder.path(), "labels.csv", "labels.jsonl", &["--features", "by_source"])?;
    equal(&training(folder.path(), "labels.jsonl", "out.csv", &BOTH)?, EXPECTED)
}

/// Standard error.
fn told(folder: &Path, options: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(["training", "--project", "project", "--labels", "labels.csv", "--out", "out.csv"]);
    Ok(String::from_utf8(command.args(options).current_dir(folder).output()?.stderr)?)
}

fn what_is_missing_is_told() -> Outcome {
    let folder = project(&MINUTES)?;
    fs::write(folder.path().join("labels.csv"), "src_ip,label_time,label\nA,2026-01-05T00:01:00Z,0\n")?;
    let broken = format!("{BY_SOURCE}derive:\n  bad: LN(flows - 1)\n");
    fs::write(folder.path().join("project/features/by_source.yaml"), broken)?;
    let mut ingest = Command::new(env!("CARGO_BIN_EXE_tripline"));
    ingest.args(["ingest", "--project", "project", "--to", "history", "flows.jsonl"]);
    if !ingest.current_dir(folder.path()).output()?.status.success() {
        return Err("nothing is ingested".into());
    }
    let features = ["--features", "by_source,everybody"];
    for from in [["--input", "flows.jsonl"], ["--history", "history"]] {
        let said = told(folder.path(), &[&features[..], &from].concat())?;
        let words = [
            "note: by_source: ",
            " rows could not be computed, the first: LN: ",
            "note: no label has anything of by_source\nhelp: ",
        ];
        if words.iter().any(|words| !said.contains(words)) || said.contains("anything of everybody") {
            return Err(format!("{from:?}: {said}").into());
        }
    }
    fs::write(folder.path().join("project/features/by_source.yaml"), BY_SOURCE)?;
    let options = ["--features", "by_source", "--input", "flows.jsonl", "--negatives", "50"];
    let said = told(folder.path(), &options)?;
    // The one label is unknown, whatever is known of negatives.
    if !said.contains("note: 50 negatives were asked for, and there are ") || !said.contains("anything of by_source\n")
    {
        return Err(said.into());
    }
    for feature in ["by_source", "everybody"] {
        fs::remove_file(folder.path().join(format!("project/features/{feature}.yaml")))?;
    }
    let said = told(folder.path(), &["--input", "flows.jsonl"])?;
    if said.contains("the project has no features") && said.contains("help: ") { Ok(()) } else { Err(said.into()) }
}

fn wrong_labels_are_told() -> Outcome {
    let folder = project(&MINUTES)?;
    let cases: [(&str, &[&str], &str); 11] = [
        (
            &format!("# of May\n{LABELS}"),
            &["--features", "by_source"],
            "labels.csv:1: the header has no column of labels",
        ),
        (
            "src_ip,label_time,label,label\na,2026-01-05T00:01:00Z,1,0\n",
            &["--features", "by_source"],
            "labels.csv:1: the header has 2 columns named `label`\nhelp: ",
        ),
        (
            "srcip,label_time,label\na,2026-01-05T00:01:00Z,1\n",
            &["--features", "by_source"],
            "has a value of `src_ip`\nhelp: labels have src_ip STRING, label_time TIMESTAMP, label INT64",
        ),
        ("src_ip,label_time,label\na,yesterday,1\n", &["--features", "by_source"], "labels.csv:2: "),
        ("src_ip,label_time,label\na,2026-01-05T00:00:00Z,bad\n", &["--features", "by_source"], "`--label-type` says"),
        ("src_ip,label_time\na,2026-01-05T00:00:00Z\n", &["--features", "by_source"], "label"),
        ("src_ip,label_time,label\n", &["--features", "by_source"], "holds no label"),
        (LABELS, &["--features", "by_sourc"], "no feature is named by_sourc\nhelp: the features are by_source"),
        (LABELS, &["--features", "by_source,by_source"], "named twice"),
        (LABELS, &["--features", "everybody,by_source", "--negatives", "1"], "whose key has no src_ip"),
        (LABELS, &["--features", "by_source", "--max-age", "soon"], "is not a length of time"),
    ];
    for (labels, options, words) in cases {
        fs::write(folder.path().join("labels.csv"), labels)?;
        match training(folder.path(), "labels.csv", "out.csv", options) {
            Ok(rows) => return Err(format!("{labels:?} is taken: {rows}").into()),
            Err(error) if error.message().is_some_and(|said| said.contains(words)) => {}
            Err(error) => return Err(format!("{options:?}: {:?} without {words:?}", error.message()).into()),
        }
    }
    fs::write(folder.path().join("labels.csv"), LABELS)?;
    match training(folder.path(), "labels.csv", "labels.csv", &["--features", "by_source"]) {
        Err(error) if error.message().is_some_and(|said| said.contains("is also an input")) => {}
        other => return Err(format!("labels are overwritten: {other:?}").into()),
    }
    match training(folder.path(), "labels.csv", "out.txt", &["--features", "by_source"]) {
        Err(error)
            if error.message().is_some_and(|said| said.contains("the extension .txt says no format\nhelp: ")) => {}
        other => return Err(format!("a text file is written: {other:?}").into()),
    }
    let text = "src_ip,label_time,label\na,2026-01-05T00:01:00Z,bad\n";
    fs::write(folder.path().join("labels.csv"), text)?;
    let rows =
        training(folder.path(), "labels.csv", "out.csv", &["--features", "by_source", "--label-type", "string"])?;
    if rows.contains("a,2026-01-05T00:01:00Z,bad,false,2026-01-05T00:01:00Z,1,1") { Ok(()) } else { Err(rows.into()) }
}
