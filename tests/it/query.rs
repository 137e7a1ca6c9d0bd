//! Ad-hoc queries as data: `tests/query/*.txt` holds a project, its input, and queries, each with its answer beside it
//! in `*.expected`: rows as CSV, and what is said on standard error. `BLESS=1` writes the answers.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

const FOLDER: &str = "tests/query";

pub fn cases() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("query::formats", formats),
        Trial::test("query::what_could_not_be_computed_is_told", uncomputed),
        Trial::test("query::a_file_comes_whole", whole),
        Trial::test("query::places_are_said", places),
        Trial::test("query::a_history_answers_as_its_inputs", over_history),
        Trial::test("query::only_named_columns_are_decoded", columns),
    ];
    let Ok(entries) = fs::read_dir(FOLDER) else { return trials };
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    for path in paths {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        trials.push(Trial::test(format!("query::{name}"), move || answers(&path)));
    }
    trials
}

/// Writes the project and its input; returns the queries.
fn prepare(text: &str, folder: &Path) -> Result<Vec<String>, Failed> {
    let mut queries = Vec::new();
    for section in format!("\n{text}").split("\n--- ").skip(1) {
        let (head, body) = section.split_once('\n').unwrap_or((section, ""));
        let path = match head {
            "query" => {
                queries.push(body.trim_end().to_owned());
                continue;
            }
            "input" => folder.join("input.jsonl"),
            path => folder.join("project").join(path),
        };
        fs::create_dir_all(path.parent().ok_or("a file without a folder")?)?;
        fs::write(path, format!("{body}\n"))?;
    }
    Ok(queries)
}

/// Standard output and standard error of a query, its options behind it.
fn ask(folder: &Path, sql: &str, options: &[&str]) -> Result<(String, String), Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.arg("query").arg(sql).args(["--project", "project"]).args(options);
    if !options.contains(&"--history") {
        command.args(["--input", "input.jsonl"]);
    }
    let done = command.current_dir(folder).output()?;
    Ok((String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?))
}

fn tripline(folder: &Path, arguments: &[&str]) -> Result<(), Failed> {
    let done = Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).current_dir(folder).output()?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned().into()) }
}

fn answers(path: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let queries = prepare(&fs::read_to_string(path)?, folder.path())?;
    let mut found = String::new();
    for query in &queries {
        let (rows, said) = ask(folder.path(), query, &["--format", "csv"])?;
        found.push_str(&format!("--- {query}\n{rows}{said}"));
    }
    let expected = path.with_extension("expected");
    if std::env::var_os("BLESS").is_some() {
        return Ok(fs::write(expected, found)?);
    }
    let wanted = fs::read_to_string(expected).unwrap_or_default();
    if found == wanted {
        return Ok(());
    }
    let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    Err(format!("not as expected, first {differs:?}\n{found}").into())
}

/// One query in every form gives the same rows.
fn formats() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    prepare(&fs::read_to_string(Path::new(FOLDER).join("flows.txt"))?, folder.path())?;
    let sql = "SELECT src_ip, tx_bytes, latitude, event_time FROM flows WHERE tx_bytes > 5 ORDER BY tx_bytes";
    let (csv, _) = ask(folder.path(), sql, &["--format", "csv"])?;
    let (json, _) = ask(folder.path(), sql, &["--format", "json"])?;
    let (table, _) = ask(folder.path(), sql, &[])?;
    ask(folder.path(), sql, &["--output", "rows.parquet"])?;
    ask(folder.path(), sql, &["--output", "rows.csv"])?;
    let lines = csv.lines().count().saturating_sub(1);
    if lines != 4 || json.lines().count() != lines || table.lines().count() != lines + 4 {
        return Err(format!("{csv}\n{json}\n{table}").into());
    }
    if fs::read_to_string(folder.path().join("rows.csv"))? != csv {
        return Err("the extension does not decide the format".into());
    }
    let file = fs::File::open(folder.path().join("rows.parquet"))?;
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file)?.build()?;
    let rows: usize = reader.map(|batch| batch.map_or(0, |batch| batch.num_rows())).sum();
    let (_, said) = ask(folder.path(), sql, &["--format", "parquet"])?;
    if rows != lines || !said.contains("help: --output FILE.parquet") {
        return Err(format!("{rows} rows in Parquet, of {lines}; {said}").into());
    }
    Ok(())
}

fn ingested() -> Result<(tempfile::TempDir, Vec<String>), Failed> {
    let folder = tempfile::tempdir()?;
    let queries = prepare(&fs::read_to_string(Path::new(FOLDER).join("flows.txt"))?, folder.path())?;
    tripline(folder.path(), &["ingest", "--project", "project", "--to", "history", "input.jsonl"])?;
    Ok((folder, queries))
}

/// Every query that has an answer has it over a history too, before a backfill and after it.
fn over_history() -> Result<(), Failed> {
    let (folder, queries) = ingested()?;
    let mut compared = 0;
    for filled in [false, true] {
        if filled {
            tripline(folder.path(), &["backfill", "--project", "project", "--history", "history"])?;
        }
        for query in queries.iter().filter(|query| !query.contains("rejects")) {
            let (expected, said) = ask(folder.path(), query, &["--format", "csv"])?;
            if said.contains("error") {
                continue;
            }
            let (found, said) = ask(folder.path(), query, &["--history", "history", "--format", "csv"])?;
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            if sorted(&found) != sorted(&expected) {
                return Err(format!("{query}\nover the inputs\n{expected}over the history\n{found}{said}").into());
            }
            let told = if filled { "talk_1m: as a backfill wrote it" } else { "talk_1m: computed for 2026-01-05" };
            if query.contains("FROM talk_1m") && !said.contains(told) {
                return Err(format!("{query}\ndoes not say `{told}`: {said}").into());
            }
            compared += 1;
        }
    }
    let (_, said) = ask(folder.path(), "SELECT reason FROM rejects", &["--history", "history"])?;
    if compared < 28 || !said.contains("help: `tripline ingest --rejects") {
        return Err(format!("{compared} compared; {said}").into());
    }
    Ok(())
}

/// Rows that are not there for an error are counted, wherever they are computed from.
fn uncomputed() -> Result<(), Failed> {
    let (folder, _) = ingested()?;
    let feature = folder.path().join("project/features/talk_1m.yaml");
    let text = fs::read_to_string(&feature)?;
    fs::write(&feature, format!("{}\nderive:\n  bad: LN(flows - 1)\n", text.trim_end()))?;
    for from in [&["--input", "input.jsonl"][..], &["--history", "history"]] {
        let said = |sql: &str| Ok::<_, Failed>(ask(folder.path(), sql, from)?.1);
        let told = said("SELECT flows, bad FROM talk_1m")?;
        if !told.contains("note: talk_1m: 3 rows could not be computed, the first: LN: ") {
            return Err(format!("{from:?}: {told}").into());
        }
        let told = said("SELECT SUM(tx_bytes) AS bytes FROM flows")?;
        if !told.contains("note: 1 sum stopped at the bounds of INT64") {
            return Err(format!("{from:?}: {told}").into());
        }
    }
    Ok(())
}

/// An earlier file stays until another is whole.
fn whole() -> Result<(), Failed> {
    let (folder, _) = ingested()?;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut packed, &fs::read(folder.path().join("input.jsonl"))?.repeat(2_000))?;
    let packed = packed.finish()?;
    fs::write(folder.path().join("cut.gz"), &packed[..packed.len() / 2])?;
    let sql = "SELECT src_ip FROM flows WHERE dst_port = 1";
    for file in ["rows.csv", "rows.jsonl", "rows.parquet"] {
        let path = folder.path().join(file);
        fs::write(&path, "earlier")?;
        let before = fs::read_dir(folder.path())?.count();
        let (_, said) = ask(folder.path(), sql, &["--input", "cut.gz", "--output", file])?;
        if !said.contains("error: ") || fs::read(&path)? != b"earlier" {
            return Err(format!("{file}: {said}").into());
        }
        let (_, said) = ask(folder.path(), sql, &["--output", file])?;
        if fs::read(&path)? == b"earlier" || fs::read_dir(folder.path())?.count() != before {
            return Err(format!("{file}: {said}").into());
        }
    }
    Ok(())
}

/// Names that are right elsewhere.
fn places() -> Result<(), Failed> {
    let (folder, _) = ingested()?;
    let array = "write ARRAY_AGG(x IGNORE NULLS ORDER BY event_time, row_id LIMIT 1)[SAFE_OFFSET(0)]";
    let cases: [(&str, &[&str], &str); 6] = [
        (
            "SELECT src_ip FROM flows",
            &["--history", "bigquery"],
            "help: --history names the folder that `tripline ingest --to DIR`",
        ),
        ("SELECT * FROM case.busy", &[], "write `rule_case_busy`"),
        ("SELECT * FROM `case.busy`", &[], "write `rule_case_busy`"),
        ("SELECT ARRAY_AGG(src_ip ORDER BY dst_ip LIMIT 3) AS a FROM flows", &[], array),
        ("SELECT ARRAY_AGG(src_ip IGNORE NULLS) AS a FROM flows", &[], array),
        ("SELECT ARRAY_AGG(src_ip) AS a FROM flows", &[], array),
    ];
    for (sql, options, words) in cases {
        let (_, said) = ask(folder.path(), sql, options)?;
        if !said.contains(words) || said.matches("help: ").count() != 1 {
            return Err(format!("{sql}: {said}").into());
        }
    }
    Ok(())
}

/// A damaged column matters to those who read it.
fn columns() -> Result<(), Failed> {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let (folder, _) = ingested()?;
    let days = folder.path().join("history/flows/event_day=2026-01-05");
    let path = fs::read_dir(days)?.flatten().map(|entry| entry.path()).next().ok_or("no file")?;
    let about = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path)?)?;
    let column = about.schema().index_of("tx_bytes")?;
    let (start, length) = about.metadata().row_group(0).column(column).byte_range();
    let mut bytes = fs::read(&path)?;
    let (start, length) = (usize::try_from(start)?, usize::try_from(length)?);
    bytes[start..start + length].fill(0xff);
    fs::write(&path, bytes)?;
    let ask = |sql: &str| ask(folder.path(), sql, &["--history", "history", "--format", "csv"]);
    let (rows, said) = ask("SELECT src_ip FROM flows WHERE dst_port = 1")?;
    if rows != "src_ip\na\n" || said.contains("error") {
        return Err(format!("{rows}{said}").into());
    }
    let (_, said) = ask("SELECT tx_bytes FROM flows")?;
    if said.contains("error: ") && said.contains("help: ") { Ok(()) } else { Err(said.into()) }
}
