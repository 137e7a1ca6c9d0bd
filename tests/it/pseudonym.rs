//! Pseudonyms: the same value everywhere, and the key nowhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use tripline::adapter::local::{LocalDisk, MemoryInput};
use tripline::pipeline::ingest::{Reader, ReaderOptions};
use tripline::pipeline::normalize::{DecodedSchema, Keep, Normalizer, decoded};
use tripline::plan::Plan;
use tripline::record::flow;
use tripline::state::keys;
use tripline::target::bigquery::{Warehouse, files};
use tripline::target::datafusion::Lookups;

use super::cli::{ensure, expect};
use super::plan_of;

type Named = (&'static str, fn() -> Result<(), Failed>);

pub fn cases() -> Vec<Trial> {
    let all: [Named; 12] = [
        ("a_key_is_in_no_output", a_key_is_in_no_output),
        ("a_key_that_is_written_down_is_not_shown", a_key_that_is_written_down_is_not_shown),
        ("a_run_without_its_key_says_what_to_set", a_run_without_its_key_says_what_to_set),
        ("a_file_is_a_credential", a_file_is_a_credential),
        ("keys_are_read_where_they_are_needed", keys_are_read_where_they_are_needed),
        ("an_address_is_shortened_as_the_page_says", an_address_is_shortened_as_the_page_says),
        ("pseudonyms_are_those_of_a_column_and_of_a_call", pseudonyms_are_those_of_a_column_and_of_a_call),
        ("nothing_behind_a_column_has_its_values", nothing_behind_a_column_has_its_values),
        ("another_key_under_the_same_id_is_refused", another_key_under_the_same_id_is_refused),
        ("what_a_rule_means_depends_on_the_id_of_a_key", what_a_rule_means_depends_on_the_id_of_a_key),
        ("a_refused_record_is_told_of_without_its_values", a_refused_record_is_told_of_without_its_values),
        ("only_a_call_needs_keys_in_bigquery", only_a_call_needs_keys_in_bigquery),
    ];
    all.into_iter().map(|(name, test)| Trial::test(format!("pseudonym::{name}"), test)).collect()
}

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const KEY_TEXT: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const VARIABLE: &str = "TRIPLINE_TEST_KEY";
/// Of `ann` and of nothing, by Python's `hmac`.
const ANN: &str = "k1_07db5b4bba5fef53c763f1a9cb1ae82c";
const NOTHING: &str = "k1_796cd3078af14636753d26b3b5555422";

/// One column that is read as a pseudonym, and one that is made one.
const PROJECT: &str = "--- tripline.yaml
pseudonym_keys:
  subscriber: {id: k1, env: TRIPLINE_TEST_KEY}
--- sql/log/source.yaml
source: log
format: json
columns:
  time: {type: TIMESTAMP, required: true}
  who: STRING
  whom: {type: STRING, pseudonymize: subscriber}
event_time: time
--- sql/log/flows.sql
SELECT pseudonymize(who, 'subscriber') AS subscriber_id, whom AS geo_city, IF(whom = 'bob', 1, 2) AS tx_bytes
FROM log
--- rules/each.yaml
rule: test.each
title: A subscriber
status: stable
severity: low
owner: tests
sql: |
  SELECT * FROM flows WHERE subscriber_id IS NOT NULL
alert: {title: '{subscriber_id}', key: [subscriber_id], merge_within: 1h}
tests:
  - name: one
    start: 2026-01-05T00:00:00Z
    given:
      - {at: 0s, row: {subscriber_id: k1_x}}
    expect: {alerts: 1}
";

const ROWS: &str = "{\"time\": \"2026-01-05T00:00:00Z\", \"who\": \"ann\", \"whom\": \"ann\"}
{\"time\": \"2026-01-05T00:00:01Z\", \"who\": \"\", \"whom\": null}
{\"time\": \"2026-01-05T00:00:02Z\", \"who\": null, \"whom\": \"\"}
{\"time\": \"2026-01-05T00:00:03Z\", \"who\": \"ann\", \"whom\": \"bob\"}
{\"time\": \"no time\", \"who\": \"ann\"}
";

fn project(text: &str) -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    for section in text.split("--- ").skip(1) {
        let (path, text) = section.split_once('\n').ok_or("a section has no text")?;
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        fs::write(path, text)?;
    }
    fs::write(folder.path().join("rows.jsonl"), ROWS)?;
    Ok(folder)
}

fn tripline(folder: &Path, environment: &[(&str, &str)], arguments: &[&str], input: &str) -> Result<Output, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.current_dir(folder).args(arguments).env_remove(VARIABLE).env_remove("CREDENTIALS_DIRECTORY");
    command.envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Most commands do not read it, and may be over before.
    let _ = std::io::Write::write_all(&mut child.stdin.take().ok_or("no input")?, input.as_bytes());
    Ok(child.wait_with_output()?)
}

/// The forms in which a key could be somewhere.
fn forms() -> Vec<Vec<u8>> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let pad = |pad: u8| KEY.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let numbers = KEY.iter().map(u8::to_string).collect::<Vec<_>>();
    vec![
        KEY.to_vec(),
        hex(KEY).into_bytes(),
        hex(KEY).to_uppercase().into_bytes(),
        KEY_TEXT.trim_end_matches('=').as_bytes().to_vec(),
        numbers.join(", ").into_bytes(),
        numbers.join(",").into_bytes(),
        pad(0x36),
        pad(0x5c),
        hex(&pad(0x36)).into_bytes(),
        hex(&pad(0x5c)).into_bytes(),
    ]
}

fn leaks(text: &[u8]) -> bool {
    forms().iter().any(|form| text.windows(form.len()).any(|part| part == form))
}

/// All files below a folder.
fn all_files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failed> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all_files(&path, found)?;
        } else {
            found.push((path.display().to_string(), fs::read(&path)?));
        }
    }
    Ok(())
}

fn a_key_is_in_no_output() -> Result<(), Failed> {
    for form in forms() {
        ensure(leaks(&[&b"before "[..], &form, b" behind"].concat()), "a key that is there is not found")?;
    }
    let folder = project(PROJECT)?;
    let keys = [(VARIABLE, KEY_TEXT)];
    let run = ["run", "--source", "log", "--input", "rows.jsonl"];
    let commands: [(&[&str], i32); 12] = [
        (&["check"], 0),
        (&["check", "--format", "json"], 0),
        (&["test"], 0),
        (&["explain", "test.each"], 0),
        (&["compile"], 0),
        (&["compile", "--out", "compiled"], 0),
        (&["compile", "--relation", "test.each", "--as", "select"], 0),
        (&["source", "profile", "--source", "log", "--input", "rows.jsonl"], 0),
        (&["ingest", "--source", "log", "--to", "history", "rows.jsonl"], 0),
        (&["query", "SELECT * FROM flows", "--history", "history"], 0),
        (&["pseudonymize", "--key", "subscriber"], 0),
        (&["pseudonymize", "--key", "nobody"], 2),
    ];
    let taps = ["--output", "alerts.jsonl", "--tap", "flows=flows.jsonl", "--tap", "rejects=rejects.jsonl"];
    let whole = [&run[..], &taps].concat();
    let wrong = [&run[..], &["--tap", "nobody=x"]].concat();
    let commands = commands.into_iter().chain([(&whole[..], 0), (&wrong[..], 2)]);
    for (arguments, code) in commands {
        let output = tripline(folder.path(), &keys, arguments, "ann\n")?;
        let printed = [output.stdout, output.stderr].concat();
        ensure(!leaks(&printed), &format!("{arguments:?} prints the key"))?;
        let text = String::from_utf8_lossy(&printed);
        ensure(output.status.code() == Some(code), &format!("{arguments:?} gave {:?}: {text}", output.status.code()))?;
    }
    // What looks like a key that is written down.
    fs::write(
        folder.path().join("tripline.yaml"),
        format!("pseudonym_keys:\n  subscriber: {{id: k1, env: {KEY_TEXT}}}\n"),
    )?;
    let output = tripline(folder.path(), &keys, &["check"], "")?;
    fs::remove_file(folder.path().join("tripline.yaml"))?;
    let printed = [output.stdout, output.stderr].concat();
    expect(&String::from_utf8_lossy(&printed), &["sink.secret"])?;
    ensure(!leaks(&printed), "a key that is written down is shown")?;
    let mut files = Vec::new();
    all_files(folder.path(), &mut files)?;
    ensure(files.len() > 10, "too few files were written")?;
    match files.iter().find(|(_, bytes)| leaks(bytes)) {
        Some((path, _)) => Err(format!("{path} has the key").into()),
        None => Ok(()),
    }
}

/// In whatever place of `tripline.yaml` somebody has written it, and in whatever form.
fn a_key_that_is_written_down_is_not_shown() -> Result<(), Failed> {
    let folder = project(PROJECT)?;
    let keys = [
        "q83vEjRWeJCrze8SNFZ4kKvN7+8SNFZ4kKvN7xI0V/g=",
        "q83vEjRWeJCrze8SNFZ4kKvN7+8SNFZ4kKvN7xI0V/g",
        "q83vEjRWeJCrze8SNFZ4kKvN7-8SNFZ4kKvN7xI0V_g=",
        "q83vEjRWeJCrze8SNFZ4kKvN7-8SNFZ4kKvN7xI0V_g",
        "abcdef1234567890abcdef1234567890",
        "q83vEjRWeJCrze8SNFZ4kKvNq83vEjRWeJCrze8SNFZ4kKvNq83vEjRWeJCrze8SNFZ4kKvNq83vEjRWeJCrze8SNFZ4kA==",
    ];
    // Those that stand where a name may be are refused as secrets; the others have errors of their own.
    let forms = [
        ("{subscriber: {id: k1, key: KEY}}", false),
        ("{subscriber: KEY}", false),
        ("KEY", false),
        ("{subscriber: {id: KEY, env: VARIABLE}}", true),
        ("{subscriber: {id: k1, env: [KEY]}}", false),
        ("{KEY: {id: k1, env: VARIABLE}}", true),
        ("{subscriber: {id: k1, env: KEY", false),
        ("{subscriber: {id: k1, env: \"KEY\"", false),
        ("{subscriber: {id: k1, file: KEY}}", true),
        ("{subscriber: {id: k1, env: KEY}}", true),
        ("{subscriber: {id: k1, env: KEY, file: KEY}}", true),
        ("[{id: k1, env: KEY}]", false),
        ("{subscriber: {id: k1, env: !secret KEY}}", false),
        ("\n  subscriber: {id: k1}\n  subscriber: KEY", false),
        ("\n  subscriber:\n    id: k1\n   env: KEY", false),
    ];
    for (form, secret) in forms {
        for key in keys {
            let text = format!("pseudonym_keys: {}\n", form.replace("KEY", key));
            fs::write(folder.path().join("tripline.yaml"), &text)?;
            let run = ["run", "--source", "log", "--input", "rows.jsonl"];
            for (command, code) in [(&["check"][..], 1), (&["check", "--format", "json"], 1), (&run, 2)] {
                let output = tripline(folder.path(), &[], command, "")?;
                let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
                ensure(!told.contains(&key[..8]), &format!("{text}{told}"))?;
                ensure(output.status.code() == Some(code), &format!("{text}{told}"))?;
                ensure(!secret || told.contains("sink.secret"), &format!("{text}{told}"))?;
            }
        }
    }
    Ok(())
}

fn a_run_without_its_key_says_what_to_set() -> Result<(), Failed> {
    let folder = project(PROJECT)?;
    let run = ["run", "--source", "log", "--input", "rows.jsonl"];
    for (given, why) in [
        (None, "TRIPLINE_TEST_KEY is not set"),
        (Some(""), "TRIPLINE_TEST_KEY is empty"),
        (Some("pa55word!"), "TRIPLINE_TEST_KEY is not base64 of the standard alphabet (letters, digits"),
        (Some("pa55word-pa55word-pa55_w"), "TRIPLINE_TEST_KEY is not base64 of the standard alphabet: it has `-`"),
        (Some("30313233343536373839616263646566"), "TRIPLINE_TEST_KEY is hexadecimal, and a key is base64"),
        (Some("AAAAAAAAAAAAAAAAAAAAAA=="), "TRIPLINE_TEST_KEY has nothing but zeros"),
        (Some("cGE1NXdvcmQ="), "TRIPLINE_TEST_KEY has 8 bytes, and a key has at least 16"),
    ] {
        let keys: Vec<(&str, &str)> = given.iter().map(|text| (VARIABLE, *text)).collect();
        let output = tripline(folder.path(), &keys, &run, "")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure(output.status.code() == Some(2), &text)?;
        expect(&text, &["error: ", why, "help: a key is 16 bytes or more in base64: `openssl rand -base64 32`"])?;
        ensure(!text.contains("pa55word"), "what is no key is repeated")?;
        let output = tripline(folder.path(), &keys, &["check", "--strict"], "")?;
        expect(&String::from_utf8_lossy(&output.stderr), &["note: the pseudonym key `subscriber` is not there", why])?;
        ensure(output.status.code() == Some(0), "a check needs a key")?;
        for arguments in [&["test"][..], &["compile"]] {
            let output = tripline(folder.path(), &keys, arguments, "")?;
            ensure(output.status.code() == Some(0), &format!("{arguments:?} needs a key"))?;
        }
    }
    Ok(())
}

fn a_file_is_a_credential() -> Result<(), Failed> {
    let folder = project(&PROJECT.replace("env: TRIPLINE_TEST_KEY", "file: subscriber"))?;
    let credentials = tempfile::tempdir()?;
    fs::write(credentials.path().join("subscriber"), format!("{KEY_TEXT}\n"))?;
    let place = credentials.path().display().to_string();
    let command = ["pseudonymize", "--key", "subscriber", "--with-values"];
    let output = tripline(folder.path(), &[("CREDENTIALS_DIRECTORY", &place)], &command, "ann\r\n\nann")?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(printed == format!("ann\t{ANN}\n\t{NOTHING}\nann\t{ANN}\n"), &printed)?;
    let output = tripline(folder.path(), &[], &command, "ann")?;
    expect(
        &String::from_utf8_lossy(&output.stderr),
        &["the file subscriber cannot be opened", "write it into subscriber"],
    )
}

/// From the project's folder, wherever a command is started; of a pipe nobody waits for the other end; and a key that no source
/// needs is not read at all.
fn keys_are_read_where_they_are_needed() -> Result<(), Failed> {
    let text = PROJECT.replace("env: TRIPLINE_TEST_KEY}", "file: secret/key}\n  unused: {id: k7, file: secret/pipe}");
    let folder = project(&text)?;
    let elsewhere = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::create_dir(&secret)?;
    let pipe = Command::new("mkfifo").arg(secret.join("pipe")).status()?;
    ensure(pipe.success(), "no pipe")?;
    // As `openssl rand -base64 64` wraps it.
    fs::write(secret.join("key"), format!("{}\n{}\n", &KEY_TEXT[..30], &KEY_TEXT[30..]))?;
    let place = folder.path().display().to_string();
    let ask = |name: &str, code: i32, what: &str| -> Result<(), Failed> {
        let command = ["pseudonymize", "--project", &place, "--key", name];
        let output = tripline(elsewhere.path(), &[], &command, "ann\n")?;
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure(output.status.code() == Some(code), &told)?;
        expect(&told, &[what])
    };
    ask("subscriber", 0, ANN)?;
    ask("unused", 2, "the file secret/pipe is no regular file")?;
    ask("subscribe", 2, "no pseudonym key is named `subscribe`\nhelp: did you mean `subscriber`?")?;
    fs::remove_file(secret.join("key"))?;
    fs::create_dir(secret.join("key"))?;
    ask("subscriber", 2, "the file secret/key is a folder")?;
    let output = tripline(folder.path(), &[], &["check"], "")?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure(output.status.success() && told.contains("secret/key is a folder") && !told.contains("pipe"), &told)
}

/// The expression of `docs/privacy.md`: no address within an address is left whole, and one machine has one network.
fn an_address_is_shortened_as_the_page_says() -> Result<(), Failed> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/privacy.md"))?;
    let blocks = page.split("```sql\n").skip(1).filter_map(|block| block.split("```").next());
    let shortened = blocks.into_iter().find(|block| block.contains("IP_TRUNC")).ok_or("no expression")?;
    let project_text = "--- tripline.yaml
--- sql/log/source.yaml
source: log
format: json
columns:
  time: {type: TIMESTAMP, required: true}
  srcIP: STRING
event_time: time
--- sql/log/flows.sql
";
    let folder = project(&format!("{project_text}SELECT {shortened} FROM log\n"))?;
    let addresses = [
        ("10.1.2.3", "10.1.2.0"),
        ("32.2.10.9", "32.2.10.0"),
        ("::ffff:10.1.2.3", "10.1.2.0"),
        ("0:0:0:0:0:FFFF:a01:203", "10.1.2.0"),
        ("2002:a01:203::1", "2002:a01:200::"),
        ("2002:a01:2ff:9::1", "2002:a01:200::"),
        ("2001:db8:7:9::1", "2001:db8:7::"),
        ("::10.1.2.3", "::"),
        ("64:ff9b::10.1.2.3", "64:ff9b::"),
        ("no address", ""),
    ];
    let rows: String = (0..)
        .zip(addresses)
        .map(|(second, (address, _))| {
            format!("{{\"time\": \"2026-01-05T00:00:0{second}Z\", \"srcIP\": \"{address}\"}}\n")
        })
        .collect();
    fs::write(folder.path().join("rows.jsonl"), rows)?;
    let query = ["query", "SELECT src_ip FROM flows ORDER BY event_time", "--source", "log", "--input", "rows.jsonl"];
    let output = tripline(folder.path(), &[], &[&query[..], &["--output", "rows.csv"]].concat(), "")?;
    ensure(output.status.success(), &String::from_utf8_lossy(&output.stderr))?;
    let found = fs::read_to_string(folder.path().join("rows.csv"))?;
    let found: Vec<&str> = found.lines().skip(1).map(|line| line.trim_matches('"')).collect();
    let expected: Vec<&str> = addresses.iter().map(|(_, network)| *network).collect();
    ensure(found == expected, &format!("{found:?}"))
}

fn pseudonyms_are_those_of_a_column_and_of_a_call() -> Result<(), Failed> {
    let folder = project(PROJECT)?;
    let command =
        ["query", "SELECT subscriber_id, geo_city, tx_bytes FROM flows ORDER BY event_time", "--source", "log"];
    let whole = [&command[..], &["--input", "rows.jsonl", "--output", "rows.csv"]].concat();
    let output = tripline(folder.path(), &[(VARIABLE, KEY_TEXT)], &whole, "")?;
    ensure(output.status.success(), &String::from_utf8_lossy(&output.stderr))?;
    let rows = fs::read_to_string(folder.path().join("rows.csv"))?;
    let rows: Vec<Vec<&str>> = rows.lines().skip(1).map(|line| line.split(',').collect()).collect();
    ensure(rows.len() == 4, "not every row is there")?;
    ensure(rows[0][..2] == [ANN, ANN], &format!("{rows:?}"))?;
    ensure(rows[1][..2] == [NOTHING, ""] && rows[2][..2] == ["", NOTHING], &format!("{rows:?}"))?;
    // A condition meets the pseudonym, and not what it is of.
    ensure(rows.iter().all(|row| row[2] == "2"), "a column that is read as a pseudonym has its value")
}

fn keyed(text: &str, key: &str) -> Result<Plan, Failed> {
    let mut plan = plan_of(text)?;
    plan.pseudonym_keys.iter_mut().for_each(|own| own.set(Ok(key.to_owned())));
    Ok(plan)
}

/// What a warehouse is given of a record, and its id.
fn nothing_behind_a_column_has_its_values() -> Result<(), Failed> {
    let of = |rows: &str, key: &str| -> Result<(Vec<Option<String>>, Vec<i64>), Failed> {
        let plan = keyed(PROJECT, key)?;
        let source = &plan.sources[0];
        let keep = Keep { decoded: Some((0, Arc::new(DecodedSchema::new(&plan.sources)))), ..Keep::default() };
        let normalizer = Normalizer::new(source, &[true; flow::COUNT], keep, &Lookups::of(&plan))?;
        let input = Arc::new(MemoryInput::new("rows", rows.as_bytes().to_vec()));
        let mut reader = Reader::open(input, Arc::new(source.raw.clone()), &ReaderOptions::default())?;
        let batch = reader.next_batch()?.ok_or("no rows")?;
        let flows = normalizer.run(&batch, &"rows".into(), None)?.flows.rows;
        let whom = decoded(&flows, 0).ok_or("no decoded rows")?.column(2).as_string::<i32>().clone();
        let ids = flows.column(flow::ROW_ID).as_primitive::<datafusion::arrow::datatypes::Int64Type>();
        Ok((whom.iter().map(|value| value.map(str::to_owned)).collect(), ids.values().to_vec()))
    };
    let (whom, ids) = of(ROWS, KEY_TEXT)?;
    ensure(whom[..3] == [Some(ANN.to_owned()), None, Some(NOTHING.to_owned())], &format!("{whom:?}"))?;
    // The id of a row is made of the pseudonym: without the key nobody can try values on it.
    let (_, others) = of(ROWS, OTHER_KEY)?;
    ensure(ids[0] != others[0] && ids[1] == others[1], "row_id is made of the value")
}

fn another_key_under_the_same_id_is_refused() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let disk = LocalDisk::new(folder.path());
    let checks = |text: &str, key: &str| -> Result<keys::Checks, Failed> {
        let plan = keyed(text, key)?;
        Ok(plan.keys_used().filter_map(|key| Some((key.id.clone(), key.key.as_ref().ok()?.check_value()))).collect())
    };
    let (one, other) = (checks(PROJECT, KEY_TEXT)?, checks(PROJECT, OTHER_KEY)?);
    let rotated = checks(&PROJECT.replace("id: k1", "id: k2"), OTHER_KEY)?;
    keys::note(&disk, &one)?;
    keys::note(&disk, &one)?;
    for refused in [keys::check(&disk, &other), keys::note(&disk, &other)] {
        let refused = refused.err().ok_or("another key is taken")?.to_string();
        expect(&refused, &["pseudonyms of another key with the id `k1`", "help: give the new key an id of its own"])?;
    }
    keys::note(&disk, &rotated)?;
    // The first was not forgotten.
    ensure(keys::check(&disk, &other).is_err() && keys::check(&disk, &one).is_ok(), "a key is forgotten")?;
    let file = folder.path().join(keys::FILE);
    ensure(!leaks(&fs::read(&file)?), "the state has the key")?;
    #[cfg(unix)]
    ensure(
        std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file)?) & 0o077 == 0,
        "others may read the check values",
    )?;
    Ok(())
}

fn what_a_rule_means_depends_on_the_id_of_a_key() -> Result<(), Failed> {
    let of = |text: &str| -> Result<String, Failed> { Ok(plan_of(text)?.rules[0].fingerprint.clone()) };
    let call = PROJECT.replace(", pseudonymize: subscriber", "");
    let column = PROJECT
        .replace("pseudonymize(who, 'subscriber')", "whom")
        .replace("SELECT whom AS subscriber_id, whom AS geo_city", "SELECT whom AS subscriber_id");
    for text in [&call, &column] {
        let own = of(text)?;
        ensure(own != of(&text.replace("id: k1", "id: k2"))?, "another key means the same")?;
        // What a project calls its key, and where it has it, means nothing.
        let renamed = text.replace("subscriber:", "person:").replace("'subscriber'", "'person'");
        ensure(
            own == of(&renamed.replace("pseudonymize: subscriber", "pseudonymize: person"))?,
            "a name means something",
        )?;
        ensure(own == of(&text.replace("env: TRIPLINE_TEST_KEY", "file: key"))?, "a place means something")?;
    }
    Ok(())
}

fn only_a_call_needs_keys_in_bigquery() -> Result<(), Failed> {
    let compiled = |text: &str| -> Result<Vec<(String, String)>, Failed> {
        let plan = plan_of(text)?;
        let sources: Vec<_> = plan.sources.iter().collect();
        let files = files(Warehouse { plan: &plan, sources: &sources }, None);
        Ok(files.into_iter().map(|file| (file.path, file.text)).collect())
    };
    let has = |files: &[(String, String)], path: &str, part: &str| {
        files.iter().any(|(own, text)| own == path && text.contains(part))
    };
    let call = compiled(PROJECT)?;
    ensure(has(&call, "keys.sql", "CREATE TABLE IF NOT EXISTS tripline_keys ("), "the table of keys is not made")?;
    ensure(has(&call, "flows.sql", "LEFT JOIN tripline_keys\n"), "the table of keys is not read")?;
    let guard = "IF(whom IS NULL OR REGEXP_CONTAINS(whom, r'^[A-Za-z_][A-Za-z0-9_]*_[0-9a-f]{32}$'), TRUE, ERROR('";
    ensure(has(&call, "flows.sql", guard), "what others fill is not looked at")?;
    let column = compiled(&PROJECT.replace("pseudonymize(who, 'subscriber')", "who"))?;
    ensure(!column.iter().any(|(_, text)| text.contains("tripline_keys")), "a column needs keys in BigQuery")?;
    let elsewhere =
        compiled(&PROJECT.replace("pseudonym_keys:", "warehouse: {keys_table: secrets.keys}\npseudonym_keys:"))?;
    ensure(has(&elsewhere, "flows.sql", "LEFT JOIN secrets.keys\n"), "a table of another dataset is not read")
}

/// Neither in the closing summary, nor in a table of refused records beside the record itself.
fn a_refused_record_is_told_of_without_its_values() -> Result<(), Failed> {
    let folder = project(&PROJECT.replace("columns:\n", "columns:\n  it: {type: STRING, field: whom}\n"))?;
    let rows = |name: &str, text: &str| fs::write(folder.path().join(name), text);
    rows(
        "bad.jsonl",
        "{\"time\": \"2026-01-05T00:00:00Z\", \"whom\": \"ann\"}\n{\"time\": \"2026-01-05T00:00:00Z\", \"whom\": {\"a\": \"ACCOUNT\"}}\n[\"ACCOUNT\"]\n{\"whom\": \"ACCOUNT\"}\n\"ACCOUNT\n",
    )?;
    let run = |more: &[&str]| -> Result<String, Failed> {
        let arguments = [&["run", "--source", "log", "--input", "bad.jsonl"], more].concat();
        let output = tripline(folder.path(), &[(VARIABLE, KEY_TEXT)], &arguments, "")?;
        ensure(output.status.success(), &String::from_utf8_lossy(&output.stderr))?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    for summary in ["text", "json"] {
        let told = run(&["--summary", summary])?;
        expect(&told, &["whom: the value is not a STRING", "ingest.bad-record"])?;
        ensure(!told.contains("ACCOUNT"), &told)?;
    }
    // Who asks for refused records has them.
    let told = run(&["--tap", "rejects=rejects.jsonl"])?;
    ensure(!told.contains("ACCOUNT"), &told)?;
    let kept = fs::read_to_string(folder.path().join("rejects.jsonl"))?;
    ensure(kept.matches("ACCOUNT").count() == 4, &kept)
}
