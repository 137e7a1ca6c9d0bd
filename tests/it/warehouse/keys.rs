//! `keys push`, as it is called: which table gets the keys, and what is refused. The emulator's SHA256 gives no
//! BYTES: what is compiled is run by the judge.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::Failed;
use tempfile::TempDir;

use super::command::{ended, put};
use super::emulator::PROJECT;
use super::{Case, Place, query, run};

pub const CASES: &[Case] = &[
    ("keys_are_in_the_table_that_is_named", keys_are_in_the_table_that_is_named),
    ("keys_that_differ_are_refused", keys_that_differ_are_refused),
    ("keys_are_there_once", keys_are_there_once),
    ("a_table_of_others_has_pseudonyms", a_table_of_others_has_pseudonyms),
];

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const KEY_TEXT: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulator/project");

fn project(settings: &str) -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    for path in ["sql/log/source.yaml", "rules/big.yaml"] {
        put(folder.path(), path, &fs::read_to_string(Path::new(FILES).join(path))?)?;
    }
    let flows =
        "SELECT time AS end_time, pseudonymize(src, 'person') AS src_ip, port AS dst_port, tx AS tx_bytes FROM log";
    put(folder.path(), "sql/log/flows.sql", flows)?;
    put(
        folder.path(),
        "tripline.yaml",
        &format!(
            "pseudonym_keys:\n  person: {{id: k1, env: PERSON_KEY}}\n  later: {{id: k2, env: LATER_KEY}}\n{settings}\n"
        ),
    )?;
    Ok(folder)
}

fn tripline(place: &Place, folder: &TempDir, keys: [&str; 2], arguments: &[&str]) -> Result<Output, Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(arguments)
        .arg("--project")
        .arg(folder.path())
        .env("BIGQUERY_EMULATOR_HOST", place.emulator.address()?.to_string())
        .envs([("PERSON_KEY", keys[0]), ("LATER_KEY", keys[1])])
        .output()?;
    Ok(output)
}

fn push(place: &Place, folder: &TempDir, keys: [&str; 2], more: &[&str], code: i32) -> Result<String, Failed> {
    let output = tripline(place, folder, keys, &[&["keys", "push"], more].concat())?;
    let told = ended(&output, code)?;
    if [KEY_TEXT, OTHER_KEY].iter().any(|key| told.contains(key)) {
        return Err(format!("a key is shown: {told}").into());
    }
    Ok(told)
}

/// A row of the table of keys: RFC 2104 by hand.
fn row(id: &str, key: &[u8]) -> Vec<Option<String>> {
    let pad = |pad: u8| -> String {
        let key = key.iter().copied().chain([0; 64]).take(64);
        key.map(|byte| format!("{:02x}", byte ^ pad)).collect()
    };
    [id.to_owned(), pad(0x36), pad(0x5c)].map(Some).to_vec()
}

fn rows(place: &Place, table: &str) -> Result<Vec<Vec<Option<String>>>, Failed> {
    place.rows(&format!("SELECT key_id, TO_HEX(ipad), TO_HEX(opad) FROM {table} ORDER BY key_id, 2"))
}

/// The tables of a dataset.
fn tables(place: &Place, dataset: &str) -> Result<String, Failed> {
    let told = place.emulator.ask("GET", &format!("datasets/{dataset}/tables"), "")?;
    let tables = told["tables"].as_array().into_iter().flatten();
    let mut names: Vec<&str> = tables.filter_map(|table| table["tableReference"]["tableId"].as_str()).collect();
    names.sort_unstable();
    Ok(names.join(" "))
}

fn holds(told: &str, parts: &[&str]) -> Result<(), Failed> {
    match parts.iter().find(|part| !told.contains(*part)) {
        Some(part) => Err(format!("{part} is not in {told}").into()),
        None => Ok(()),
    }
}

/// What `keys_table` names wins over what the rest of the project names; flags that say something else are refused.
fn keys_are_in_the_table_that_is_named(place: &Place) -> Result<(), Failed> {
    let own = place.dataset;
    let secrets = format!("{own}_secrets");
    place.emulator.make_dataset(&secrets)?;
    let elsewhere = format!("{own}_elsewhere");
    place.emulator.make_dataset(&elsewhere)?;
    let there = |folder: &TempDir, more: &[&str]| push(place, folder, [KEY_TEXT, OTHER_KEY], more, 0);
    // Everything from tripline.yaml.
    let settings = format!("warehouse: {{project: {PROJECT}, dataset: {own}, keys_table: {secrets}.keys}}");
    let folder = project(&settings)?;
    holds(&there(&folder, &["--location", "US"])?, &[&format!("{secrets}.keys has the keys k1")])?;
    assert_eq!(rows(place, &format!("{secrets}.keys"))?, [row("k1", KEY)]);
    // The same said again is no contradiction.
    there(&folder, &["--dataset", &secrets, "--warehouse-project", PROJECT, "--location", "US"])?;
    assert_eq!(rows(place, &format!("{secrets}.keys"))?, [row("k1", KEY)]);
    let told = push(place, &folder, [KEY_TEXT, OTHER_KEY], &["--dataset", own], 2)?;
    holds(&told, &[&format!("`--dataset {own}` contradicts `keys_table`, which says `{secrets}`"), "help: "])?;
    // A dataset by a flag, where the table names none.
    let folder = project(&format!("warehouse: {{project: {PROJECT}, dataset: {own}}}"))?;
    holds(&there(&folder, &["--dataset", &elsewhere])?, &[&format!("{elsewhere}.tripline_keys has the keys k1")])?;
    assert_eq!(rows(place, &format!("{elsewhere}.tripline_keys"))?, [row("k1", KEY)]);
    // A project too.
    let folder = project(&format!("warehouse: {{dataset: {own}, keys_table: {PROJECT}.{secrets}.more}}"))?;
    there(&folder, &[])?;
    assert_eq!(rows(place, &format!("{secrets}.more"))?, [row("k1", KEY)]);
    let told = push(place, &folder, [KEY_TEXT, OTHER_KEY], &["--warehouse-project", "another"], 2)?;
    holds(&told, &[&format!("`--warehouse-project another` contradicts `keys_table`, which says `{PROJECT}`")])?;
    // Nothing is where nobody named it.
    assert_eq!(tables(place, own)?, "");
    assert_eq!(tables(place, &elsewhere)?, "tripline_keys");
    assert_eq!(tables(place, &secrets)?, "keys more");
    // And never in a table of the project's own.
    let folder = project(&format!("warehouse: {{project: {PROJECT}, dataset: {own}, keys_table: flows}}"))?;
    let told = push(place, &folder, [KEY_TEXT, OTHER_KEY], &[], 2)?;
    holds(&told, &["flows and flows would share a table in BigQuery"])
}

fn set_up(place: &Place) -> Result<TempDir, Failed> {
    project(&format!("warehouse: {{project: {PROJECT}, dataset: {}, location: US}}", place.dataset))
}

fn keys_that_differ_are_refused(place: &Place) -> Result<(), Failed> {
    let folder = set_up(place)?;
    let both = [row("k1", KEY), row("k2", KEY)];
    push(place, &folder, [KEY_TEXT, KEY_TEXT], &[], 0)?;
    push(place, &folder, [KEY_TEXT, KEY_TEXT], &["--key", "later"], 0)?;
    assert_eq!(rows(place, "tripline_keys")?, both);
    push(place, &folder, [KEY_TEXT, KEY_TEXT], &["--key", "later"], 0)?;
    assert_eq!(rows(place, "tripline_keys")?, both);
    let told = push(place, &folder, [OTHER_KEY, KEY_TEXT], &[], 2)?;
    holds(&told, &["tripline_keys has another key with the id `k1`", "help: give the new key an id of its own"])?;
    assert_eq!(rows(place, "tripline_keys")?, both);
    // One pad is enough.
    let cut = "UPDATE tripline_keys SET opad = ipad WHERE key_id = 'k2'";
    run(&place.client()?, &query("keys_that_differ_cut", cut))?;
    holds(&push(place, &folder, [KEY_TEXT, KEY_TEXT], &["--key", "later"], 2)?, &["another key with the id `k2`"])
}

fn keys_are_there_once(place: &Place) -> Result<(), Failed> {
    let folder = set_up(place)?;
    let keys = [KEY_TEXT, KEY_TEXT];
    push(place, &folder, keys, &[], 0)?;
    let client = place.client()?;
    let made = |name: &str, sql: &str| run(&client, &query(&format!("keys_are_there_once_{name}"), sql));
    // A row without a key is none.
    made("empty", "INSERT INTO tripline_keys (key_id, ipad, opad) VALUES ('k2', NULL, NULL)")?;
    holds(&push(place, &folder, keys, &["--key", "later"], 2)?, &["another key with the id `k2`"])?;
    made(
        "again",
        "INSERT INTO tripline_keys (key_id, ipad, opad) SELECT key_id, ipad, opad FROM tripline_keys WHERE key_id = 'k1'",
    )?;
    let told = push(place, &folder, keys, &[], 2)?;
    holds(
        &told,
        &["tripline_keys has 2 rows with the id `k1`", "help: ", "DELETE FROM tripline_keys WHERE key_id = 'k1'"],
    )?;
    made("gone", "DELETE FROM tripline_keys WHERE TRUE")?;
    push(place, &folder, keys, &[], 0)?;
    assert_eq!(rows(place, "tripline_keys")?, [row("k1", KEY)]);
    // No table of keys that waited is left.
    assert_eq!(tables(place, place.dataset)?, "tripline_keys");
    Ok(())
}

/// What is compiled, unchanged: a value that is no pseudonym is an error where one has to be, and is not said.
fn a_table_of_others_has_pseudonyms(place: &Place) -> Result<(), Failed> {
    let folder = set_up(place)?;
    let source = fs::read_to_string(Path::new(FILES).join("sql/log/source.yaml"))?;
    let source = source.replace("  src: STRING\n", "  src: {type: STRING, pseudonymize: person}\n");
    put(folder.path(), "sql/log/source.yaml", &source)?;
    let flows = "SELECT time AS end_time, src AS src_ip, port AS dst_port, tx AS tx_bytes FROM log";
    put(folder.path(), "sql/log/flows.sql", flows)?;
    let keys = [KEY_TEXT, KEY_TEXT];
    let out = folder.path().join("out");
    ended(&tripline(place, &folder, keys, &["compile", "--out", &out.display().to_string()])?, 0)?;
    let client = place.client()?;
    let made = |name: &str, sql: &str| run(&client, &query(&format!("a_table_of_others_{name}"), sql));
    made("log", &fs::read_to_string(out.join("sources/log.sql"))?)?;
    let row = |hour: u32, src: &str| {
        format!(
            "INSERT INTO log (time, src, port, tx, admit_watermark, event_day) VALUES \
             (TIMESTAMP '2026-01-05 {hour}:00:00+00', {src}, 443, 500, NULL, DATE '2026-01-05')"
        )
    };
    made("right", &row(10, "'k1_07db5b4bba5fef53c763f1a9cb1ae82c'"))?;
    made("none", &row(11, "NULL"))?;
    let days = ["backfill", "--target", "bigquery", "--from", "2026-01-05", "--to", "2026-01-06"];
    ended(&tripline(place, &folder, keys, &days)?, 0)?;
    assert_eq!(place.count("flows")?, 2);
    made("wrong", &row(12, "'ACCOUNT'"))?;
    let told = ended(&tripline(place, &folder, keys, &[&days[..], &["--again"]].concat())?, 1)?;
    holds(&told, &["src of log has a value that is no pseudonym"])?;
    assert!(!told.contains("ACCOUNT"), "{told}");
    Ok(())
}
