//! The program as people use it: the real binary, its output, its exit code.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

type Outcome = Result<(), Failed>;
type Named = (&'static str, fn() -> Outcome);

pub fn trials() -> Vec<Trial> {
    let all: [Named; 26] = [
        ("init_check_generate_run", init_check_generate_run),
        ("the_project_is_here_or_above", the_project_is_here_or_above),
        ("init_refuses_what_is_there", init_refuses_what_is_there),
        ("every_yaml_names_its_schema", every_yaml_names_its_schema),
        ("alerts_are_valid_under_the_published_schema", alerts_are_valid_under_the_published_schema),
        ("schema_prints_each_kind", schema_prints_each_kind),
        ("drafts_pass_check", drafts_pass_check),
        ("a_draft_overwrites_nothing", a_draft_overwrites_nothing),
        ("a_parquet_file_is_drafted", a_parquet_file_is_drafted),
        ("profile_counts_and_lints", profile_counts_and_lints),
        ("profile_tells_disorder", profile_tells_disorder),
        ("run_condenses_ignored_fields", run_condenses_ignored_fields),
        ("run_shows_the_first_reject", run_shows_the_first_reject),
        ("wrong_use_is_exit_2_with_help", wrong_use_is_exit_2_with_help),
        ("a_closed_pipe_is_quiet", a_closed_pipe_is_quiet),
        ("outputs_are_local", outputs_are_local),
        ("a_tap_that_closes_is_an_error", a_tap_that_closes_is_an_error),
        ("standard_input_is_decompressed", standard_input_is_decompressed),
        ("an_input_that_breaks_off_is_summed_up", an_input_that_breaks_off_is_summed_up),
        ("compile_prints_and_refuses", compile_prints_and_refuses),
        ("check_gives_json", check_gives_json),
        ("check_reads_tests", check_reads_tests),
        ("a_failing_test_says_why", a_failing_test_says_why),
        ("an_alert_without_entities_shows_its_key", an_alert_without_entities_shows_its_key),
        ("overrides_are_told_and_break_no_tests", overrides_are_told_and_break_no_tests),
        ("explain_knows_every_name", explain_knows_every_name),
    ];
    all.into_iter().map(|(name, test)| Trial::test(format!("cli::{name}"), test)).collect()
}

fn tripline(folder: &Path, args: &[&str]) -> Result<Output, Failed> {
    Ok(Command::new(env!("CARGO_BIN_EXE_tripline")).current_dir(folder).args(args).output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs and returns standard output and standard error; another exit code fails.
pub fn run(folder: &Path, code: i32, args: &[&str]) -> Result<(String, String), Failed> {
    let output = tripline(folder, args)?;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    if output.status.code() != Some(code) {
        return Err(format!("{args:?} gave {:?}\n{out}\n{err}", output.status.code()).into());
    }
    if out.contains('\u{1b}') || err.contains('\u{1b}') {
        return Err(format!("{args:?} writes colours where there is no terminal").into());
    }
    Ok((out, err))
}

pub fn expect(text: &str, parts: &[&str]) -> Outcome {
    match parts.iter().find(|part| !text.contains(**part)) {
        Some(part) => Err(format!("`{part}` is not in:\n{text}").into()),
        None => Ok(()),
    }
}

pub fn ensure(held: bool, what: &str) -> Outcome {
    if held { Ok(()) } else { Err(what.into()) }
}

/// A project from the built-in pack in `p`, and generated rows in `flows.jsonl`.
fn project(events: &str) -> Result<TempDir, Failed> {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    let attacks = "port_scan,beacon";
    run(folder.path(), 0, &["generate", "--events", events, "--attacks", attacks, "--output", "flows.jsonl"])?;
    Ok(folder)
}

/// One NetLog row.
pub fn row(second: u32, flags: u32, more: &str) -> String {
    format!(
        "{{\"subscriberId\":\"S1\",\"srcIP\":\"10.0.0.1\",\"dstIP\":\"10.0.0.{}\",\"srcPort\":1000,\"dstPort\":{},\
         \"txBytes\":10,\"rxBytes\":0,\"tcpFlag\":{flags},\"endTime\":\"2026-01-05T09:00:{second:02}Z\",\
         \"protocolName\":\"TCP\",\"protocolNumber\":6{more}}}\n",
        second % 3,
        second % 7
    )
}

fn init_check_generate_run() -> Outcome {
    let folder = TempDir::new()?;
    let (out, _) = run(folder.path(), 0, &["init", "my project"])?;
    // What is printed works as printed; `test` has a suite of its own and is run for one rule.
    let commands: Vec<&str> =
        out.lines().filter_map(|line| line.split_once("tripline ").map(|(_, rest)| rest)).collect();
    ensure(commands.len() == 4, "init prints four commands")?;
    for command in commands {
        let command = command.replace("100000", "30000");
        let command = if command.starts_with("test") { format!("{command} net.scan.vertical") } else { command };
        let program = env!("CARGO_BIN_EXE_tripline");
        let output =
            Command::new("sh").args(["-c", &format!("{program} {command}")]).current_dir(folder.path()).output()?;
        ensure(output.status.success(), &format!("{command}: {}", text(&output.stderr)))?;
        if command.starts_with("run") {
            expect(&text(&output.stdout), &["net.scan.vertical"])?;
            expect(&text(&output.stderr), &["30,000 offered = 30,000 accepted"])?;
        }
    }
    Ok(())
}

/// No folder is green because nothing was read.
fn the_project_is_here_or_above() -> Outcome {
    let folder = TempDir::new()?;
    let top = folder.path();
    for command in ["check", "test"] {
        let (_, err) = run(top, 2, &[command])?;
        expect(&err, &["no tripline.yaml here or in a folder above", "`--built-in`"])?;
    }
    expect(&run(top, 0, &["check", "--built-in"])?.0, &["29 rules (7 fire early), 9 lookups: no findings"])?;
    expect(&run(top, 0, &["test", "--built-in", "net.beacon"])?.0, &[" passed, 0 failed"])?;
    expect(&run(top, 0, &["explain", "contact_1m"])?.1, &["using the built-in pack"])?;
    run(top, 0, &["init", "p"])?;
    fs::write(top.join("p/rules/net_flags.yaml"), "rule: net.flags\n")?;
    let (out, err) = run(&top.join("p/rules"), 1, &["check"])?;
    expect(&out, &["rules/net_flags.yaml:1:1"])?;
    expect(&err, &["note: the project is in ", "/p\n"])?;
    expect(&run(&top.join("p/sql/lookups"), 2, &["test"])?.1, &["the project has errors"])?;
    fs::rename(top.join("p/tripline.yaml"), top.join("p/tripline.yaml.old"))?;
    for command in [&["check"][..], &["explain", "contact_1m"], &["run", "--source", "netlog", "--input", "-"]] {
        expect(&run(&top.join("p"), 2, command)?.1, &["features/admin_first_10m.yaml is here, but no tripline.yaml"])?;
    }
    run(&top.join("p/rules"), 2, &["check"])?;
    // What the help says works.
    fs::write(top.join("p/tripline.yaml"), "")?;
    fs::remove_file(top.join("p/rules/net_flags.yaml"))?;
    run(&top.join("p"), 0, &["check"]).map(|_| ())
}

fn init_refuses_what_is_there() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "."])?;
    run(folder.path(), 0, &["check"])?;
    expect(&run(folder.path(), 2, &["init", "."])?.1, &["already is a project"])?;
    let other = TempDir::new()?;
    fs::write(other.path().join("notes.txt"), "mine")?;
    expect(&run(other.path(), 2, &["init", "."])?.1, &["is not empty", "help: "])?;
    ensure(fs::read_dir(other.path())?.count() == 1, "nothing is written")
}

fn yaml_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            yaml_files(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push(path);
        }
    }
    Ok(())
}

fn every_yaml_names_its_schema() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    let mut files = Vec::new();
    yaml_files(folder.path(), &mut files)?;
    ensure(files.len() > 20, "the pack has files")?;
    for file in files {
        let written = fs::read_to_string(&file)?;
        let named = written.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let named = named.ok_or_else(|| format!("{} names no schema", file.display()))?;
        let schema = file.parent().map(|parent| parent.join(named)).ok_or("no folder")?;
        let schema: Value = serde_json::from_str(&fs::read_to_string(schema)?)?;
        ensure(schema["$schema"].is_string() && schema["properties"].is_object(), "a schema describes properties")?;
    }
    Ok(())
}

/// The part of JSON Schema that the published schema uses; another keyword fails, so that none is passed over.
fn validate(root: &Value, schema: &Value, value: &Value, place: &str) -> Outcome {
    let fail = |why: String| -> Outcome { Err(format!("{place}: {why}: {value}").into()) };
    for (keyword, rule) in schema.as_object().ok_or("a schema is an object")? {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => {}
            "$ref" => {
                let pointer = rule.as_str().and_then(|r| r.strip_prefix('#')).ok_or("a reference")?;
                validate(root, root.pointer(pointer).ok_or("what is referred to exists")?, value, place)?;
            }
            "type" => {
                let types: Vec<&Value> = rule.as_array().map_or_else(|| vec![rule], |types| types.iter().collect());
                let is = |ty: &&Value| match ty.as_str() {
                    Some("string") => value.is_string(),
                    Some("number") => value.is_number(),
                    Some("integer") => value.is_i64() || value.is_u64(),
                    Some("boolean") => value.is_boolean(),
                    Some("null") => value.is_null(),
                    Some("array") => value.is_array(),
                    Some("object") => value.is_object(),
                    _ => false,
                };
                if !types.iter().any(is) {
                    return fail(format!("not of type {rule}"));
                }
            }
            "const" if rule != value => return fail(format!("not {rule}")),
            "enum" if !rule.as_array().is_some_and(|all| all.contains(value)) => return fail(format!("not of {rule}")),
            "const" | "enum" => {}
            "minimum" if value.as_f64() < rule.as_f64() => return fail(format!("below {rule}")),
            "maximum" if value.as_f64() > rule.as_f64() => return fail(format!("above {rule}")),
            "minLength" if value.as_str().is_some_and(|text| text.is_empty()) => return fail("empty".to_owned()),
            "minimum" | "maximum" | "minLength" => {}
            "pattern" => {
                let pattern = regex::Regex::new(rule.as_str().ok_or("a pattern is text")?)?;
                if !value.as_str().is_some_and(|text| pattern.is_match(text)) {
                    return fail(format!("does not match {rule}"));
                }
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.get(name).is_none() {
                        return fail(format!("`{name}` is missing"));
                    }
                }
            }
            "properties" | "additionalProperties" => {
                let known = schema["properties"].as_object();
                for (name, member) in value.as_object().into_iter().flatten() {
                    let own = known.and_then(|known| known.get(name));
                    match (keyword.as_str(), own) {
                        ("properties", Some(own)) => validate(root, own, member, &format!("{place}.{name}"))?,
                        ("additionalProperties", None) if rule == &Value::Bool(false) => {
                            return fail(format!("`{name}` is not described"));
                        }
                        ("additionalProperties", None) => validate(root, rule, member, &format!("{place}.{name}"))?,
                        _ => {}
                    }
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    validate(root, rule, item, &format!("{place}[]"))?;
                }
            }
            other => return Err(format!("the check does not know `{other}`").into()),
        }
    }
    Ok(())
}

fn alerts_are_valid_under_the_published_schema() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["generate", "--events", "60000", "--attacks", "all", "--output", "flows.jsonl"])?;
    let args = ["run", "--source", "netlog", "--input", "flows.jsonl", "--output", "alerts.jsonl"];
    run(folder.path(), 0, &args)?;
    let schema: Value = serde_json::from_str(&run(folder.path(), 0, &["schema", "alert"])?.0)?;
    let alerts = fs::read_to_string(folder.path().join("alerts.jsonl"))?;
    ensure(alerts.lines().count() >= 3, "there are alerts")?;
    for line in alerts.lines() {
        let alert: Value = serde_json::from_str(line)?;
        validate(&schema, &schema, &alert, "alert")?;
        // The check sees what is wrong.
        let mut wrong = alert.clone();
        wrong["severity"] = "urgent".into();
        ensure(validate(&schema, &schema, &wrong, "alert").is_err(), "a wrong severity passes")?;
        let mut wrong = alert;
        wrong["hit"]["extra"] = 1.into();
        ensure(validate(&schema, &schema, &wrong, "alert").is_err(), "an undescribed member passes")?;
    }
    Ok(())
}

fn schema_prints_each_kind() -> Outcome {
    let folder = TempDir::new()?;
    for kind in ["alert", "rule", "feature", "source", "lookup", "tripline"] {
        let schema: Value = serde_json::from_str(&run(folder.path(), 0, &["schema", kind])?.0)?;
        ensure(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema", kind)?;
        ensure(schema["title"] == kind && schema["properties"].is_object(), kind)?;
    }
    run(folder.path(), 2, &["schema", "flow"]).map(|_| ())
}

const ODD_CSV: &str = "Source IP,dest ip,from,order,end,Bytes Out,\"odd \"\" name\",select,2nd,it's\n\
    10.0.0.1,10.0.0.2,1,2,2026-01-05T09:00:00Z,5,x,y,z,w\n";
const ZEEK: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
    #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tresp_bytes\n\
    #types\ttime\tstring\taddr\tport\taddr\tport\tenum\tinterval\tcount\tcount\n\
    1588205198.901288\tC1\t10.0.0.1\t5000\t10.0.0.2\t443\ttcp\t1.5\t10\t20\n";

const FIREWALL: &str = "DateTime,Source IP,Destination IP,Src Port,Dst Port,Proto,Action,Bytes Sent,Bytes Received,\
    Zone,Duration\n2026-01-05 09:00:00,10.0.0.1,10.0.0.2,4000,443,tcp,ALLOW,100,2000,lan,0.5\n\
    2026-01-05 09:00:01,10.0.0.1,10.0.0.2,4001,23,-,DENY,-,0,-,-\n";

fn drafts_pass_check() -> Outcome {
    let folder = project("2000")?;
    fs::write(folder.path().join("odd.csv"), ODD_CSV)?;
    fs::write(folder.path().join("fw.csv"), FIREWALL)?;
    fs::write(folder.path().join("conn.log"), ZEEK)?;
    let whole = fs::read(folder.path().join("flows.jsonl"))?;
    let packed = fs::File::create(folder.path().join("packed.jsonl.gz"))?;
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &whole)?;
    packed.finish()?;
    for (file, name, rows) in [
        ("flows.jsonl", "flows_new", "2,000"),
        ("odd.csv", "odd", "1"),
        ("fw.csv", "fw", "2"),
        ("conn.log", "conn", "1"),
        ("packed.jsonl.gz", "packed", "2,000"),
    ] {
        let (_, said) = run(folder.path(), 0, &["source", "infer", file, "--name", name, "--project", "p"])?;
        let known = match name {
            "odd" | "fw" => "",
            "conn" => "note: the source `zeek_conn` reads these records as they are: --source zeek_conn\n",
            _ => "note: the source `netlog` reads these records as they are: --source netlog\n",
        };
        ensure(said == known, &format!("{file}: {said}"))?;
        let (found, _) = run(folder.path(), 0, &["check", "--project", "p", "--strict"])?;
        expect(&found, &["no findings"])?;
        let args = ["source", "profile", "--project", "p", "--source", name, "--input", file];
        let (profile, _) = run(folder.path(), 0, &args)?;
        expect(&profile, &[&format!("{rows} records = {rows} rows + 0 filtered + 0 rejected")])?;
    }
    Ok(())
}

fn a_draft_overwrites_nothing() -> Outcome {
    let folder = project("100")?;
    let before = fs::read_to_string(folder.path().join("p/sql/netlog/source.yaml"))?;
    let args = ["source", "infer", "flows.jsonl", "--name", "netlog", "--project", "p"];
    expect(&run(folder.path(), 2, &args)?.1, &["exists and is left as it is", "help: --name"])?;
    ensure(fs::read_to_string(folder.path().join("p/sql/netlog/source.yaml"))? == before, "the file is as it was")?;
    for name in ["lookups", "a b", "../x", ""] {
        run(folder.path(), 2, &["source", "infer", "flows.jsonl", "--name", name, "--project", "p"])?;
    }
    let (out, _) = run(folder.path(), 0, &["source", "infer", "flows.jsonl"])?;
    expect(&out, &["# sql/flows/source.yaml", "-- sql/flows/flows.sql", "event_time: COALESCE("])?;
    fs::write(folder.path().join("empty.csv"), "\n")?;
    expect(&run(folder.path(), 2, &["source", "infer", "empty.csv"])?.1, &["is empty"])?;
    fs::write(folder.path().join("semicolons.csv"), "Date;Source IP\n2026-01-05;10.0.0.1\n")?;
    let said = run(folder.path(), 2, &["source", "infer", "semicolons.csv"])?.1;
    expect(&said, &["only commas separate", "`;`", "help: "])
}

fn a_parquet_file_is_drafted() -> Outcome {
    let folder = project("3000")?;
    let args = ["run", "--project", "p", "--source", "netlog", "--input", "flows.jsonl", "--tap", "flows=f.parquet"];
    run(folder.path(), 0, &args)?;
    run(folder.path(), 0, &["source", "infer", "f.parquet", "--name", "kept", "--project", "p"])?;
    expect(&run(folder.path(), 0, &["check", "--project", "p"])?.0, &["no findings"])?;
    let args = ["source", "profile", "--project", "p", "--source", "kept", "--input", "f.parquet"];
    expect(&run(folder.path(), 0, &args)?.0, &["3,000 records = 3,000 rows + 0 filtered + 0 rejected"])
}

fn profile_counts_and_lints() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    fs::write(
        folder.path().join("p/rules/net_flags.yaml"),
        "rule: net.flags\ntitle: Flags\nseverity: low\n\
         sql: |\n  SELECT * FROM flows WHERE COALESCE(tcp_flags, 0) > 3\n\
         entities: [{type: ip, role: actor, column: src_ip}]\nalert: {title: \"flags of {src_ip}\", key: [src_ip]}\n",
    )?;
    // A column that reads another one beside those of the row before.
    fs::write(
        folder.path().join("p/features/pause_10m.yaml"),
        "feature: pause_10m\ndescription: Pauses\nfrom: flows\nprevious: {columns: [event_time], max_gap: 1h}\nrow:\n  \
         seconds: TIMESTAMP_DIFF(event_time, previous_event_time, SECOND) + COALESCE(tcp_flags, 0)\n  \
         twice: 2 * seconds\nkey: [src_ip]\nwindow: {size: 10m}\n\
         columns: {longest: MAX(seconds), twice: MAX(twice)}\n",
    )?;
    fs::write(
        folder.path().join("p/rules/net_pause.yaml"),
        "rule: net.pause\ntitle: Pause\nseverity: low\n\
         sql: |\n  SELECT * FROM pause_10m WHERE COALESCE(longest, 0) > 3\n\
         entities: [{type: ip, role: actor, column: src_ip}]\nalert: {title: \"pause of {src_ip}\", key: [src_ip]}\n",
    )?;
    let rows: String = (0..20).map(|second| row(second, 0, ",\"extra\":1")).collect();
    fs::write(folder.path().join("in.jsonl"), rows + "not json\n")?;
    let args = ["source", "profile", "--project", "p", "--source", "netlog", "--input", "in.jsonl"];
    let (out, _) = run(folder.path(), 0, &args)?;
    expect(
        &out,
        &[
            "21 records = 20 rows + 0 filtered + 1 rejected",
            "ingest.bad-record 1",
            "first: in.jsonl:21: ",
            "ignored: 1 undeclared field: `extra` (20 rows)",
            "`tcp_flags` is always 0 here",
            "net.flags",
        ],
    )?;
    let json: Value = serde_json::from_str(&run(folder.path(), 0, &[&args[..], &["--format", "json"]].concat())?.0)?;
    let port = json["raw"].as_array().into_iter().flatten().find(|column| column["name"] == "dstPort");
    let port = port.ok_or("dstPort is profiled")?;
    ensure(port["rows"] == 20 && port["nulls"] == 0 && port["distinct"] == 7, &port.to_string())?;
    ensure(port["min"] == 0 && port["max"] == 6 && port["top"][0]["rows"] == 3, &port.to_string())?;
    let silent = json["silent"].as_array().into_iter().flatten().find(|silent| silent["column"] == "tcp_flags");
    let rules = silent.map(|silent| silent["rules"].to_string()).unwrap_or_default();
    ensure(rules.contains("net.flags") && rules.contains("net.pause"), &format!("the lint names the rules: {rules}"))
}

fn profile_tells_disorder() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    let rows: String = [50, 5, 51, 52].into_iter().map(|second| row(second, second, "")).collect();
    fs::write(folder.path().join("in.jsonl"), rows)?;
    let args = ["source", "profile", "--project", "p", "--source", "netlog", "--input", "in.jsonl"];
    let (out, _) = run(folder.path(), 0, &args)?;
    expect(&out, &["by at most 45.0 s", "1 row (25%) is later than lateness: 30s", "lateness: 1m"])
}

fn run_condenses_ignored_fields() -> Outcome {
    let folder = TempDir::new()?;
    let more: String = (0..9).map(|n| format!(",\"extra{n}\":{n}")).collect();
    fs::write(folder.path().join("in.jsonl"), row(1, 2, &more) + &row(2, 2, ",\"zz\":1,\"extra8\":1"))?;
    let (_, err) = run(folder.path(), 0, &["run", "--source", "netlog", "--input", "in.jsonl"])?;
    expect(&err, &["ignored    10 undeclared fields: `extra8` (2 rows), `extra0` (1 row)", " and 4 more\n"])?;
    ensure(err.lines().filter(|line| line.contains("extra")).count() == 1, "one line")
}

fn run_shows_the_first_reject() -> Outcome {
    let folder = TempDir::new()?;
    let bad =
        "{\"srcIP\":\"10.0.0.1\",\"dstIP\":\"10.0.0.2\",\"srcPort\":\"http\",\"endTime\":\"2026-01-05T09:00:00Z\"}\n";
    fs::write(folder.path().join("in.jsonl"), row(1, 2, "") + bad + bad)?;
    let args = ["run", "--source", "netlog", "--input", "in.jsonl"];
    let (_, err) = run(folder.path(), 0, &args)?;
    expect(&err, &["rejected   2 ingest.bad-value", "first: in.jsonl:2: ", "srcPort"])?;
    run(folder.path(), 1, &[&args[..], &["--strict"]].concat())?;
    fs::write(folder.path().join("in.csv"), ODD_CSV)?;
    let (_, err) = run(folder.path(), 1, &["run", "--source", "netlog", "--input", "in.csv"])?;
    expect(&err, &["every record was rejected; is --source right?"])
}

fn wrong_use_is_exit_2_with_help() -> Outcome {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("in.jsonl"), row(1, 2, ""))?;
    let whole = fs::File::create(folder.path().join("cut.jsonl.gz"))?;
    let mut packed = flate2::write::GzEncoder::new(whole, flate2::Compression::none());
    std::io::Write::write_all(&mut packed, row(1, 2, "").repeat(1_000).as_bytes())?;
    packed.finish()?.set_len(100_000)?;
    let with = |args: &[&'static str]| [&["run", "--source", "netlog", "--input"][..], args].concat();
    fs::hard_link(folder.path().join("in.jsonl"), folder.path().join("linked.jsonl"))?;
    let cases: [(Vec<&str>, &[&str]); 16] = [
        (vec!["run"], &["--input <INPUT>", "example: tripline run --source netlog --input"]),
        (vec!["run", "--input", "in.jsonl"], &["which source", "help: add --source with one of gcp_vpc_flow, netlog"]),
        (
            vec!["run", "--source", "netlgo", "--input", "in.jsonl"],
            &["no source `netlgo`", "help: did you mean `netlog`?"],
        ),
        (with(&["none.jsonl"]), &["error: no file matches none.jsonl"]),
        (with(&["*.none"]), &["error: no file matches *.none"]),
        (with(&["."]), &["is a folder", "glob"]),
        (with(&["cut.jsonl.gz"]), &["cannot read cut.jsonl.gz beyond byte"]),
        (with(&["in.jsonl", "--output", "no/a.jsonl"]), &["cannot write no/a.jsonl", "help: make the folder no first"]),
        (with(&["in.jsonl", "--tap", "pair_5n=x"]), &["no relation `pair_5n`", "help: did you mean `pair_5m`?"]),
        (with(&["in.jsonl", "--tap", "flows=in.jsonl"]), &["in.jsonl is also an input", "help: name another file"]),
        (with(&["in.jsonl", "--output", "./in.jsonl"]), &["./in.jsonl is also an input"]),
        (with(&["in.jsonl", "--output", "linked.jsonl"]), &["linked.jsonl is also an input (in.jsonl)"]),
        (with(&["in.jsonl", "--tap", "flows=a", "--tap", "hits=./a"]), &["two outputs go to ./a"]),
        (with(&["in.jsonl", "--output", "a.parquet"]), &["alerts are JSON lines", "--tap hits=a.parquet"]),
        (with(&["in.jsonl", "--tap", "hits"]), &["names no file", "help: write --tap RELATION=FILE"]),
        (with(&["in.jsonl", "--project", "nowhere"]), &["nowhere is not a folder"]),
    ];
    for (args, parts) in cases {
        let (_, err) = run(folder.path(), 2, &args)?;
        expect(&err, parts)?;
        ensure(err.matches("cannot write no/a.jsonl").count() <= 1, "said once")?;
        ensure(!err.contains("panicked"), &err)?;
    }
    let child = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .current_dir(folder.path())
        .args(with(&["-", "--output", "in.jsonl"]))
        .stdin(fs::File::open(folder.path().join("in.jsonl"))?)
        .output()?;
    expect(&text(&child.stderr), &["in.jsonl is also an input (-)"])?;
    ensure(fs::read(folder.path().join("in.jsonl"))?.len() > 10, "the input is as it was")
}

/// Output that nobody reads any more ends the program without a word.
fn a_closed_pipe_is_quiet() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["generate", "--events", "5000", "--attacks", "port_scan", "--output", "in.jsonl"])?;
    let run_flows = ["run", "--source", "netlog", "--input", "in.jsonl", "--tap", "flows=-"];
    run(folder.path(), 0, &["ingest", "--source", "netlog", "--to", "h", "in.jsonl"])?;
    let mut all: Vec<Vec<&str>> = vec![
        run_flows.to_vec(),
        vec!["demo", "--events", "5000"],
        vec!["explain", "codes"],
        vec!["generate"],
        vec!["schema", "rule"],
    ];
    for sql in ["SELECT * FROM flows", "SELECT * FROM flows ORDER BY src_ip"] {
        for format in ["table", "csv", "json"] {
            all.push(vec!["query", sql, "--format", format, "--source", "netlog", "--input", "in.jsonl"]);
            all.push(vec!["query", sql, "--format", format, "--history", "h"]);
        }
    }
    for args in &all {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tripline"))
            .current_dir(folder.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(child.stdout.take());
        let output = child.wait_with_output()?;
        let err = text(&output.stderr);
        ensure(!err.contains("error") && !err.contains("panicked"), &format!("{args:?}: {err}"))?;
        ensure(output.status.code() == Some(0), &format!("{args:?}: {:?}", output.status.code()))?;
    }
    Ok(())
}

/// What is `gs://` to inputs would be a folder `gs:` to files.
fn outputs_are_local() -> Outcome {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("in.jsonl"), row(1, 2, ""))?;
    fs::write(folder.path().join("labels.csv"), "subscriber_id,src_ip,label_time,label\nS,a,2026-01-05T09:00:00Z,1\n")?;
    run(folder.path(), 0, &["ingest", "--source", "netlog", "--to", "h", "in.jsonl"])?;
    run(folder.path(), 0, &["init", "p"])?;
    let sql = "SELECT src_ip FROM flows";
    let training = ["training", "--features", "upload_10m", "--labels", "labels.csv", "--out", "gs://b/x.csv"];
    let cases: [&[&str]; 14] = [
        &["ingest", "--to", "gs://b/x", "--source", "netlog", "in.jsonl"],
        &["ingest", "--to", "x", "--source", "netlog", "in.jsonl", "--rejects", "gs://b/x"],
        &["backfill", "--project", "p", "--history", "h", "--out", "gs://b/x"],
        &["backfill", "--project", "p", "--history", "gs://b/x"],
        &["compile", "--out", "gs://b/x"],
        &["init", "gs://b/x"],
        &["generate", "--output", "gs://b/x"],
        &["generate", "--output", "x", "--labels", "gs://b/x"],
        &["query", sql, "--history", "gs://b/x"],
        &["query", sql, "--history", "h", "--output", "gs://b/x"],
        &["query", sql, "--source", "netlog", "--input", "in.jsonl", "--output", "gs://b/x"],
        &["run", "--source", "netlog", "--input", "in.jsonl", "--output", "gs://b/x"],
        &["run", "--source", "netlog", "--input", "in.jsonl", "--tap", "hits=gs://b/x"],
        &[&training[..], &["--history", "h"]].concat(),
    ];
    for args in cases {
        let (_, err) = run(folder.path(), 2, args)?;
        expect(
            &err,
            &["error: gs://b/x", " is in Cloud Storage", "help: name a local file or folder; only --input may be"],
        )?;
    }
    ensure(!folder.path().join("gs:").exists() && !folder.path().join("x").exists(), "something was written")
}

/// A file that is asked for has to be whole, or the command must say so.
fn a_tap_that_closes_is_an_error() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["generate", "--events", "20000", "--output", "in.jsonl"])?;
    ensure(Command::new("mkfifo").arg(folder.path().join("tap")).status()?.success(), "mkfifo")?;
    let mut reader =
        Command::new("head").args(["-c", "1"]).arg(folder.path().join("tap")).stdout(Stdio::null()).spawn()?;
    let said = run(folder.path(), 2, &["run", "--source", "netlog", "--input", "in.jsonl", "--tap", "flows=tap"]);
    // A run that never opened the pipe leaves its reader waiting.
    let _gone = reader.kill();
    reader.wait()?;
    let (_, err) = said?;
    expect(&err, &["error: cannot write tap: its reader went away"])
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn standard_input_is_decompressed() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["generate", "--events", "5000", "--attacks", "port_scan", "--output", "in.jsonl"])?;
    let args = ["run", "--source", "netlog", "--input"];
    let (plain, _) = run(folder.path(), 0, &[&args[..], &["in.jsonl"]].concat())?;
    ensure(plain.contains("net.scan.vertical"), &plain)?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .current_dir(folder.path())
        .args(args)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stored = gzip(&fs::read(folder.path().join("in.jsonl"))?)?;
    child.stdin.take().ok_or("no standard input")?.write_all(&stored)?;
    let output = child.wait_with_output()?;
    // Alerts name their file.
    ensure(text(&output.stdout).replace("\"-:", "\"in.jsonl:") == plain, &text(&output.stdout))
}

fn an_input_that_breaks_off_is_summed_up() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["generate", "--events", "20000", "--output", "in.jsonl"])?;
    let stored = gzip(&fs::read(folder.path().join("in.jsonl"))?)?;
    fs::write(folder.path().join("half.gz"), &stored[..stored.len() / 2])?;
    let args = ["run", "--source", "netlog", "--input", "half.gz", "--summary", "json"];
    let (_, err) = run(folder.path(), 2, &args)?;
    let summary = err.lines().find(|line| line.starts_with('{')).ok_or_else(|| err.clone())?;
    let summary: Value = serde_json::from_str(summary)?;
    ensure(summary["failed"] == true && summary["conserved"] == true, &err)?;
    ensure(summary["rows"]["offered"].as_u64().is_some_and(|rows| rows > 1_000), &err)?;
    expect(&err, &["error: ", "half.gz"])
}

fn check_gives_json() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    let path = folder.path().join("p/features/pair_5m.yaml");
    fs::write(&path, fs::read_to_string(&path)?.replace("src_ip", "src_pi"))?;
    let (out, _) = run(folder.path(), 1, &["check", "--project", "p", "--format", "json"])?;
    let found: Value = serde_json::from_str(&out)?;
    let all = found.as_array().or_else(|| found["diagnostics"].as_array()).ok_or("a list of findings")?;
    let first = all.iter().find(|finding| finding["code"] == "sql.unknown-column").ok_or(out.clone())?;
    ensure(first["severity"] == "error" && first["message"].is_string() && first["help"].is_array(), &out)?;
    ensure(first.to_string().contains("features/pair_5m.yaml") && first["line"].is_u64(), &out)
}

fn check_reads_tests() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    fs::write(
        folder.path().join("p/rules/net_flags.yaml"),
        "rule: net.flags\ntitle: Flags\nseverity: low\n\
         sql: |\n  SELECT * FROM flows WHERE COALESCE(tcp_flags, 0) > 3\n\
         entities: [{type: ip, role: actor, column: src_ip}]\nalert: {title: \"flags of {src_ip}\", key: [src_ip]}\n\
         tests:\n  - name: one\n    start: 2026-01-05T09:00:00Z\n    given:\n\
         \x20     - {at: 0s, row: {src_pi: 10.0.0.1}}\n      - {at: 1s, row: {src_port: http}}\n\
         \x20     - {at: 2s, row: {dst_port: \"${1 + j}\"}}\n    expect: {alerts: 0}\n",
    )?;
    let (out, _) = run(folder.path(), 1, &["check", "--project", "p"])?;
    expect(
        &out,
        &[
            "error[test.invalid]: flows has no column `src_pi`",
            "rules/net_flags.yaml:12:24",
            "did you mean `src_ip`?",
            "`http` is not INT64",
            "named j",
        ],
    )?;
    run(folder.path(), 0, &["explain", "test.invalid"]).map(|_| ())
}

/// Beside the row that came nearest: exceptions, errors, a feature that has no rows.
fn a_failing_test_says_why() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    let rule = |name: &str, sql: &str, more: &str| {
        let text = format!(
            "rule: net.{name}\ntitle: Flags\nseverity: low\nsql: |\n  {sql}\n\
             entities: [{{type: ip, role: actor, column: dst_ip}}]\nalert: {{title: \"{{dst_ip}}\", key: [dst_ip]}}\n{more}\
             tests:\n  - name: one\n    start: 2026-01-05T09:00:00Z\n    given:\n\
             \x20     - {{at: 0s, row: {{dst_ip: 10.0.0.1, dst_port: 7, tx_bytes: 3, protocol_number: 17}}}}\n    expect: {{alerts: 1}}\n"
        );
        fs::write(folder.path().join(format!("p/rules/net_{name}.yaml")), text)
    };
    let excepted = "exceptions: [{when: \"dst_port = 7\", reason: an echo server}]\n";
    rule("excepted", "SELECT * FROM flows WHERE dst_port = 7", excepted)?;
    rule("failing", "SELECT * FROM flows WHERE tx_bytes * 9223372036854775807 > 0", "")?;
    rule("empty", "SELECT * FROM service_1m WHERE flows > 0", "")?;
    rule("twice", "SELECT * FROM flows WHERE protocol = 'UDP' AND dst_port = 7", "")?;
    let twice = folder.path().join("p/rules/net_twice.yaml");
    fs::write(&twice, fs::read_to_string(&twice)?.replace("{alerts: 1}", "{alerts: 1, fields: [{hits: 1}]}"))?;
    fs::write(
        folder.path().join("p/features/dns_1h.yaml"),
        "feature: dns_1h\nfrom: flows\nwhere: protocol = 'UDP' AND dst_port = 7\nkey: [dst_ip]\n\
         window: {size: 1h}\ncolumns: {flows: COUNT(*)}\n",
    )?;
    fs::write(
        folder.path().join("p/features/dns_1d.yaml"),
        "feature: dns_1d\nfrom: dns_1h\nkey: [dst_ip]\nwindow: {size: 1d}\ncolumns: {hours: COUNT(*)}\n",
    )?;
    rule("filtered", "SELECT * FROM dns_1d WHERE hours > 0", "")?;
    rule("near", "SELECT * FROM flows WHERE dst_port = 7 AND tx_bytes > 5 AND protocol_number >= 6", "")?;
    let test = |rules: &[&str]| run(folder.path(), 1, &[&["test", "--project", "p"], rules].concat());
    let (out, _) = test(&["net.excepted", "net.failing", "net.empty", "net.near"])?;
    let fixed = out.split_whitespace().collect::<Vec<_>>().join(" ");
    expect(
        &fixed,
        &[
            "note: 1 hit is excepted: an echo server",
            "rows of net.failing",
            "actual 1 row could not be computed, the first: *: the result overflows",
            "note: service_1m has no rows",
        ],
    )?;
    expect(&fixed, &["fails tx_bytes > 5 (3 against 5, off by 2)", "holds protocol_number >= 6 (17 against 6)"])?;
    expect(
        &fixed,
        &[
            "in tx_bytes * 9223372036854775807 > 0 of row_id 0, event_time 2026-01-05T09:00:00Z",
            "tx_bytes 3, ",
            "the row of flows that came nearest to firing:",
        ],
    )?;
    let (out, _) = test(&["net.twice", "net.filtered"])?;
    let (twice, filtered) = out.split_once("net.filtered").ok_or("two rules")?;
    ensure(twice.matches("that came nearest").count() == 1, twice)?;
    expect(twice, &["dst_port 7, protocol NULL", "dst_port = 7", "fails  protocol = 'UDP'  (NULL against UDP)"])?;
    expect(
        filtered,
        &[
            "note: dns_1d has no rows",
            "note: dns_1h has no rows",
            "the row of flows that came nearest to dns_1h:",
            "fails  protocol = 'UDP'  (NULL against UDP)",
            "holds  dst_port = 7",
        ],
    )?;
    let unknown = |name| run(folder.path(), 2, &["test", "--project", "p", name]);
    expect(&unknown("net.except")?.1, &["no rule `net.except`", "help: did you mean `net.excepted`?"])?;
    expect(&unknown("unheard")?.1, &["help: the rules are net.", "net.polling"])
}

fn an_alert_without_entities_shows_its_key() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    fs::write(
        folder.path().join("p/rules/net_flags.yaml"),
        "rule: net.flags\ntitle: Flags\nseverity: low\nsql: SELECT * FROM flows WHERE COALESCE(tcp_flags, 0) = 63\n\
         alert: {key: [src_ip, dst_port]}\n",
    )?;
    fs::write(folder.path().join("in.jsonl"), row(1, 63, ""))?;
    let args = ["run", "--project", "p", "--source", "netlog", "--input", "in.jsonl", "--format", "text"];
    let (out, _) = run(folder.path(), 0, &args)?;
    expect(&out, &["LOW      net.flags  Flags", "\n         src_ip 10.0.0.1 · dst_port 1\n"])
}

/// A rule's tests are about the rule; what the project changes in it is said by `explain`.
fn overrides_are_told_and_break_no_tests() -> Outcome {
    let folder = TempDir::new()?;
    run(folder.path(), 0, &["init", "p"])?;
    fs::write(
        folder.path().join("p/tripline.yaml"),
        "rules:\n  net.scan.vertical:\n    params: {min_ports: 200}\n    status: shadow\n    exceptions:\n\
         \x20     - {when: \"TRUE\", reason: a quiet week}\n",
    )?;
    run(folder.path(), 0, &["check", "--project", "p"])?;
    run(folder.path(), 0, &["test", "--project", "p", "net.scan.vertical"])?;
    let (out, _) = run(folder.path(), 0, &["explain", "--project", "p", "net.scan.vertical"])?;
    expect(
        &out,
        &[
            "shadow · ",
            "@min_ports 200, by tripline.yaml:3; the rule says ",
            "changed  status by tripline.yaml:2; the rule says stable",
            "changed  excepted by tripline.yaml:6: a quiet week",
        ],
    )
}

fn explain_knows_every_name() -> Outcome {
    let folder = TempDir::new()?;
    let cases: [(&str, &[&str]); 9] = [
        ("flows", &["dst_port         INT64, may be NULL", "ACK 16"]),
        ("netlog", &["format   json", "srcIP                    STRING, required"]),
        ("zeek_conn", &["from id.orig_h or id_orig_h"]),
        ("allow_scanners", &["lookup allow_scanners", "reason "]),
        ("pair_5m", &["window   5m every 1m", "key      subscriber_id, src_ip, dst_ip", "read by  net.scan.vertical"]),
        ("net.scan.vertical", &["medium · T1046", "alerts   one per (subscriber_id, src_ip)"]),
        ("join", &["feature    join ", "rule       join[].how                 Lookups: equal values"]),
        ("rejects", &["reason           STRING", "line             INT64"]),
        ("starts_with", &["STARTS_WITH(a, b): ", "STRING, STRING → BOOL", "STARTS_WITH('10.0.0.1', '10.') is TRUE"]),
    ];
    for (name, parts) in cases {
        let (out, _) = run(folder.path(), 0, &["explain", name])?;
        expect(&out, parts)?;
    }
    let (_, err) = run(folder.path(), 2, &["explain", "scan.vertical"])?;
    expect(&err, &["did you mean `net.scan.vertical`?"])
}

fn compile_prints_and_refuses() -> Outcome {
    let folder = TempDir::new()?;
    let compile = |code: i32, args: &[&str]| run(folder.path(), code, &[&["compile"], args].concat());
    let (sql, _) = compile(0, &["--relation", "contact_1m", "--from", "2026-01-05", "--to", "2026-01-07"])?;
    expect(
        &sql,
        &[
            "DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP '2026-01-05 00:00:00+00';",
            "DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP '2026-01-07 00:00:00+00';",
            "WHERE flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 MINUTE)",
            "THEN DELETE",
        ],
    )?;
    let (sql, _) = compile(0, &["--relation", "net.beacon", "--as", "select", "--source", "netlog"])?;
    expect(&sql, &["FROM netlog\n", "destination_30m AS (", "chatty_ports AS ("])?;
    ensure(!sql.contains("zeek_conn") && !sql.contains("tripline_from"), "one source, all days")?;
    let (all, _) = compile(0, &["--out", "sql"])?;
    expect(&all, &["files to sql"])?;
    ensure(folder.path().join("sql/rules/rule_net_beacon.sql").is_file(), "a file a relation")?;
    fs::write(folder.path().join("sql/features/gone_1m.sql"), "")?;
    let (_, said) = compile(0, &["--out", "sql"])?;
    expect(&said, &["note: features/gone_1m.sql are of no relation of the project, and stay as they are"])?;
    for (args, words) in [
        (&["--relation", "contact_1"][..], "did you mean contact_1m?"),
        (&["--source", "netflow"], "sources: gcp_vpc_flow, netlog, suricata_flow, zeek_conn"),
        (&["--from", "2026-01-05"], "--to"),
        (&["--from", "2026-01-05", "--to", "2026-01-05"], "--to is the day after the last"),
        (&["--from", "2026-01-05T01:00:00Z", "--to", "2026-01-06"], "replaced as a whole"),
        (&["--as", "select"], "--relation"),
        (&["--relation", "flows", "--as", "query", "--from", "2026-01-05", "--to", "2026-01-06"], "leave them out"),
    ] {
        let (_, said) = compile(2, args)?;
        expect(&said, &[words])?;
    }
    run(folder.path(), 0, &["init", "p"])?;
    fs::write(
        folder.path().join("p/features/alerts.yaml"),
        "feature: alerts\nfrom: flows\nkey: []\nwindow: {size: 1m}\ncolumns: {flows: COUNT(*)}\n",
    )?;
    let (_, said) = compile(2, &["--project", "p"])?;
    expect(&said, &["alerts and alerts would share a table", "help: give it another name"])?;
    fs::remove_file(folder.path().join("p/features/alerts.yaml"))?;
    let feature = |name: &str, column: &str| {
        format!("feature: {name}\nfrom: flows\nkey: [src_ip]\nwindow: {{size: 1m}}\ncolumns: {{{column}: COUNT(*)}}\n")
    };
    let rule = |name: &str, join: &str| {
        format!("rule: {name}\ntitle: X\nseverity: low\n{join}sql: SELECT * FROM many WHERE n > 1\n")
    };
    let join = "join:\n  - {feature: other, as: a, window: same}\n";
    let clashes: [(&[(&str, String)], &str); 4] = [
        (&[("features/busy.yaml", feature("busy", "busy"))], "the column busy of busy has its name"),
        (
            &[("rules/x.yaml", rule("x", "")), ("rules/x__rows.yaml", rule("x__rows", ""))],
            "two parts of hits would share the name hits__rule_x__rows",
        ),
        (
            &[("rules/x.yaml", rule("x", join)), ("features/rule_x__joined.yaml", feature("rule_x__joined", "n"))],
            " would share the name rule_x__joined",
        ),
        (
            &[
                ("features/many.yaml", feature("many", "a__n")),
                ("rules/x.yaml", rule("x", join).replace("n > 1", "a__n > 1")),
            ],
            "x would have two columns a__n",
        ),
    ];
    for (files, words) in clashes {
        let folder = TempDir::new()?;
        run(folder.path(), 0, &["init", "p"])?;
        for (path, text) in
            [("features/many.yaml", feature("many", "n")), ("features/other.yaml", feature("other", "n"))]
                .iter()
                .chain(files)
        {
            fs::write(folder.path().join("p").join(path), text)?;
        }
        let (_, said) = run(folder.path(), 2, &["compile", "--project", "p", "--out", "sql"])?;
        expect(&said, &[words, "help: give it another name"])?;
        // It runs as it is, and a check says where.
        let (told, _) = run(folder.path(), 0, &["check", "--project", "p"])?;
        expect(&told, &["warning[project.bigquery-name]: ", words, " --> "])?;
    }
    Ok(())
}
