//! What goes well: jobs, scripts, partitions, loads, pages, labels; and errors of statements.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use libtest_mimic::Failed;
use parquet::arrow::ArrowWriter;
use tripline::port::warehouse::{JobName, LoadJob, Trouble, Warehouse};

use super::{Again, Case, Place, query, run};

pub const CASES: &[Case] = &[
    ("a_script_runs_once", a_script_runs_once),
    ("a_merge_replaces_a_day", a_merge_replaces_a_day),
    ("pages_are_followed", pages_are_followed),
    ("a_file_is_loaded", a_file_is_loaded),
    ("a_dry_run_runs_nothing", a_dry_run_runs_nothing),
    ("tables_and_datasets_are_looked_up", tables_and_datasets_are_looked_up),
    ("a_failed_job_gets_the_next_number", a_failed_job_gets_the_next_number),
];

fn a_script_runs_once(place: &Place) -> Result<(), Failed> {
    let client = place.client()?;
    let script =
        "DECLARE n INT64 DEFAULT 3; CREATE TABLE IF NOT EXISTS once (n INT64); INSERT INTO once (n) VALUES (n);";
    let job = query("a_script_runs_once", script);
    assert_eq!(client.find(&job)?, None);
    let first = run(&client, &job)?;
    assert_eq!((first.id.as_str(), first.found, first.attempt), ("a_script_runs_once-1", false, 1));
    let second = run(&client, &job)?;
    assert_eq!((second.id.as_str(), second.found), ("a_script_runs_once-1", true));
    assert_eq!(client.find(&job)?.map(|done| done.id), Some(first.id.clone()));
    assert_eq!(place.count("once")?, 1);
    let third = run(&client, &job.again())?;
    assert_eq!((third.id.as_str(), third.found, third.attempt), ("a_script_runs_once-2", false, 2));
    assert_eq!(place.count("once")?, 2);
    Ok(())
}

/// The form of what is compiled, by hand.
fn a_merge_replaces_a_day(place: &Place) -> Result<(), Failed> {
    let client = place.client()?;
    let table = "CREATE TABLE IF NOT EXISTS days (event_time TIMESTAMP, n INT64) PARTITION BY DATE(event_time);";
    run(&client, &query("make", table))?;
    let merge = |day: u32, n: u32| {
        format!(
            "MERGE days AS old USING (SELECT TIMESTAMP '2026-01-0{day} 12:00:00+00' AS event_time, {n} AS n) AS computed \
             ON FALSE \
             WHEN NOT MATCHED BY SOURCE AND old.event_time >= TIMESTAMP '2026-01-0{day} 00:00:00+00' \
               AND old.event_time < TIMESTAMP '2026-01-0{} 00:00:00+00' THEN DELETE \
             WHEN NOT MATCHED BY TARGET THEN INSERT (event_time, n) VALUES (event_time, n)",
            day + 1
        )
    };
    for (name, day, n) in [("m1", 5, 1), ("m2", 6, 2), ("m3", 5, 3)] {
        run(&client, &query(name, &merge(day, n)))?;
    }
    let rows = place.rows("SELECT n FROM days ORDER BY event_time")?;
    assert_eq!(rows, [[Some("3".to_owned())], [Some("2".to_owned())]]);
    Ok(())
}

fn pages_are_followed(place: &Place) -> Result<(), Failed> {
    let client = place.client()?;
    let sql =
        "SELECT n, IF(n = 7, NULL, CAST(n AS STRING)) AS text FROM UNNEST(GENERATE_ARRAY(1, 25000)) AS n ORDER BY n";
    let done = run(&client, &query("pages", sql))?;
    let (mut pages, mut rows) = (0, Vec::new());
    client.rows(&done.id, &mut |page| {
        pages += 1;
        rows.extend(page);
    })?;
    assert_eq!((pages, rows.len()), (3, 25_000));
    assert_eq!(rows[6], [Some("7".to_owned()), None]);
    assert_eq!(rows[24_999], [Some("25000".to_owned()), Some("25000".to_owned())]);
    Ok(())
}

fn write_parquet(file: &Path, rows: &[(i64, i64)]) -> Result<(), Failed> {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(time, _)| *time)).with_timezone("UTC");
    let numbers = Int64Array::from_iter_values(rows.iter().map(|(_, n)| *n));
    let columns: [(&str, ArrayRef); 2] = [("event_time", Arc::new(times)), ("n", Arc::new(numbers))];
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut writer = ArrowWriter::try_new(File::create(file)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

fn a_file_is_loaded(place: &Place) -> Result<(), Failed> {
    const NOON: i64 = 1_767_614_400_000_000;
    let client = place.client()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("part.parquet");
    write_parquet(&file, &[(NOON, 1), (NOON + 1, 2)])?;
    let job = LoadJob {
        name: JobName("load".to_owned()),
        file: file.clone(),
        table: "loaded".to_owned(),
        labels: vec![],
        again: false,
    };
    let never = AtomicBool::new(false);
    // The service makes it; the emulator does not.
    run(
        &client,
        &query("load_table", "CREATE TABLE loaded (event_time TIMESTAMP, n INT64) PARTITION BY DATE(event_time)"),
    )?;
    assert_eq!(client.load(&job, &never)?.rows, Some(2));
    assert_eq!(place.count("loaded")?, 2);
    // What is there stays.
    write_parquet(&file, &[(NOON, 3)])?;
    client.load(&LoadJob { again: true, ..job.clone() }, &never)?;
    assert_eq!(place.count("loaded")?, 3);
    let error = client.load(&LoadJob { file: folder.path().join("none"), ..job }, &never).expect_err("no file");
    assert!(error.to_string().contains("none"), "{error}");
    Ok(())
}

fn a_dry_run_runs_nothing(place: &Place) -> Result<(), Failed> {
    let client = place.client()?;
    client.dry_run("CREATE TABLE made (n INT64)")?;
    assert!(!client.has_table("made")?);
    client.dry_run("SELECT 1 AS one")?;
    let error = client.dry_run("SELECT 1\nFROMM a b").expect_err("no statement");
    assert_eq!(error.trouble, Trouble::Statement, "{error}");
    assert_eq!(error.place.map(|place| place.line), Some(2), "{error}");
    let error = client.dry_run("SELECT * FROM nothing").expect_err("no table");
    assert_eq!(error.trouble, Trouble::NotFound, "{error}");
    assert!(error.to_string().contains("nothing") && error.to_string().contains("\nhelp: "), "{error}");
    Ok(())
}

fn tables_and_datasets_are_looked_up(place: &Place) -> Result<(), Failed> {
    let client = place.client()?;
    assert!(client.has_dataset()?);
    assert!(!client.has_table("here")?);
    run(&client, &query("here", "CREATE TABLE here (n INT64)"))?;
    assert!(client.has_table("here")?);
    let elsewhere = super::client(place.emulator.address()?, "elsewhere")?;
    assert!(!elsewhere.has_dataset()?);
    Ok(())
}

fn a_failed_job_gets_the_next_number(place: &Place) -> Result<(), Failed> {
    let client = place.client()?;
    let job = query("numbered", "INSERT INTO later (n) VALUES (1)");
    let error = run(&client, &job).expect_err("no table");
    assert_eq!(error.trouble, Trouble::NotFound, "{error}");
    assert_eq!(client.find(&job)?, None);
    run(&client, &query("numbered_table", "CREATE TABLE later (n INT64)"))?;
    let done = run(&client, &job)?;
    assert_eq!((done.id.as_str(), done.attempt), ("numbered-2", 2));
    assert_eq!(place.count("later")?, 1);
    Ok(())
}
