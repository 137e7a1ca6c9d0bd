//! Objects of Cloud Storage as inputs: what files give, objects give; and what goes wrong on the way is repaired or said.
//!
//! `TRIPLINE_STORAGE_EMULATOR` names the folder that `tests/emulator/install-storage` printed.

mod emulator;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema;
use flate2::Compression;
use flate2::write::GzEncoder;
use libtest_mimic::{Failed, Trial};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use emulator::{Emulator, Fault, proxy};

const HOME: &str = "TRIPLINE_STORAGE_EMULATOR";

type Outcome = Result<(), Failed>;
type Case = fn(&Emulator) -> Outcome;

pub fn cases() -> Vec<Trial> {
    let home = std::env::var(HOME).ok();
    if home.is_none() {
        eprintln!("skipped: storage::*: {HOME} names no folder of the emulator (tests/emulator/install-storage)");
    }
    let cases: [(&str, Case); 10] = [
        ("a_glob_of_objects_is_as_one_of_files", glob_is_as_files),
        ("names_of_no_files_are_in_nobodys_way", odd_names),
        ("other_forms_are_told_by_their_first_bytes", forms),
        ("an_object_is_ingested_once", ingested_once),
        ("a_listing_of_many_pages_is_whole", pages),
        ("a_cut_connection_is_taken_up", cut),
        ("a_connection_that_is_always_cut_is_an_error", always_cut),
        ("an_object_that_changes_is_an_error", changed),
        ("what_is_not_there_is_said", missing),
        ("who_may_not_read_is_told_what_to_do", refused),
    ];
    let trials = cases.into_iter().map(|(name, case)| {
        let home = home.clone();
        let skip = home.is_none();
        Trial::test(format!("storage::{name}"), move || case(&Emulator::start(&home.unwrap_or_default())?))
            .with_ignored_flag(skip)
    });
    trials.collect()
}

/// Two files of flows with an attack.
struct Flows {
    folder: TempDir,
}

impl Flows {
    fn new() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let all = folder.path().join("all");
        let made = Command::new(env!("CARGO_BIN_EXE_tripline"))
            .args(["generate", "--events", "4000", "--attacks", "brute_force", "--output"])
            .arg(&all)
            .output()?;
        succeeded(&made)?;
        let text = fs::read_to_string(&all)?;
        fs::remove_file(all)?;
        let middle = text[..text.len() / 2].rfind('\n').ok_or("no rows")? + 1;
        fs::write(folder.path().join("a.jsonl"), &text[..middle])?;
        fs::write(folder.path().join("b.jsonl"), &text[middle..])?;
        Ok(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Failed> {
        Ok(fs::read(self.path().join(name))?)
    }

    fn uploaded(&self, emulator: &Emulator) -> Outcome {
        for entry in fs::read_dir(self.path())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            emulator.put(&format!("day/{name}"), &self.bytes(&name)?)?;
        }
        Ok(())
    }

    /// The alerts over the files themselves, as they would be named in the bucket.
    fn expected(&self, pattern: &str) -> Result<String, Failed> {
        let folder = self.path().display().to_string();
        let output = run("127.0.0.1:1", &[&format!("{folder}/{pattern}")])?;
        succeeded(&output)?;
        let text = text(&output).replace(&folder, "gs://flows/day");
        if text.contains("alert_id") { Ok(text) } else { Err("no alert to compare".into()) }
    }
}

fn tripline(host: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.env("STORAGE_EMULATOR_HOST", host);
    command
}

fn run(host: &str, inputs: &[&str]) -> Result<Output, Failed> {
    Ok(tripline(host).args(["run", "--source", "netlog", "--strict", "--input"]).args(inputs).output()?)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: &Output) -> Outcome {
    if output.status.success() { Ok(()) } else { Err(said(output).into()) }
}

fn same(host: &str, input: &str, expected: &str) -> Outcome {
    let output = run(host, &[input])?;
    succeeded(&output)?;
    if text(&output) == expected { Ok(()) } else { Err(format!("{}\nis not\n{expected}", text(&output)).into()) }
}

/// Exit code 2, with each of the texts.
fn fails(output: &Output, texts: &[&str]) -> Outcome {
    let said = said(output);
    let helps = said.matches("help:").count();
    if output.status.code() == Some(2) && helps == 1 && texts.iter().all(|text| said.contains(text)) {
        return Ok(());
    }
    Err(format!("exit code {:?}, wanted {texts:?}\n{said}", output.status.code()).into())
}

fn glob_is_as_files(emulator: &Emulator) -> Outcome {
    let flows = Flows::new()?;
    flows.uploaded(emulator)?;
    // What a glob of files would not match.
    emulator.put("day/sub/c.jsonl", b"not a row\n")?;
    emulator.put("day/c.txt", b"not a row\n")?;
    let expected = flows.expected("*.jsonl")?;
    same(&emulator.host(), "gs://flows/day/*.jsonl", &expected)?;
    same(&emulator.host(), "gs://flows/d?y/[ab].jsonl", &expected)?;
    same(&emulator.host(), "gs://flows/day/a.jsonl", &flows.expected("a.jsonl")?)?;
    // An object is meant as it is named.
    emulator.put("day/[ab].jsonl", &flows.bytes("b.jsonl")?)?;
    let output = run(&emulator.host(), &["gs://flows/day/[ab].jsonl"])?;
    succeeded(&output)?;
    if said(&output).contains("4,000 offered") { Err("the glob was meant".into()) } else { Ok(()) }
}

/// What shows a folder is left out; a name that cannot be read matters to globs that mean it.
fn odd_names(emulator: &Emulator) -> Outcome {
    let flows = Flows::new()?;
    flows.uploaded(emulator)?;
    let expected = flows.expected("*.jsonl")?;
    for folder in ["day/", "day/sub/", "other/sub/"] {
        emulator.put(folder, b"")?;
    }
    same(&emulator.host(), "gs://flows/day/**", &expected)?;
    same(&emulator.host(), "gs://flows/**/*.jsonl", &expected)?;
    fails(&run(&emulator.host(), &["gs://flows/other/**"])?, &["no object matches gs://flows/other/**"])?;
    fails(&run(&emulator.host(), &["gs://flows/other/sub"])?, &["gs://flows/other/sub is a folder"])?;
    for odd in ["day//x.jsonl", "day/./x.jsonl", "day/../x.jsonl", "/x.jsonl", "day/x//"] {
        emulator.put(odd, b"not a row\n")?;
    }
    same(&emulator.host(), "gs://flows/day/*.jsonl", &expected)?;
    same(&emulator.host(), "gs://flows/**/[ab].jsonl", &expected)?;
    for (glob, name) in [("day//*", "day//x.jsonl"), ("day/?/*", "day/./x.jsonl"), ("day/../*", "day/../x.jsonl")] {
        let words = [&format!("gs://flows/{name} cannot be read: a part of its name is empty, `.` or `..`")[..]];
        fails(&run(&emulator.host(), &[&format!("gs://flows/{glob}")])?, &words)?;
    }
    fails(&run(&emulator.host(), &["gs://flows/**"])?, &["x.jsonl cannot be read: ", "a glob that it does not match"])
}

fn forms(emulator: &Emulator) -> Outcome {
    let flows = Flows::new()?;
    let mut gz = GzEncoder::new(File::create(flows.path().join("a.gz.bak"))?, Compression::fast());
    gz.write_all(&flows.bytes("a.jsonl")?)?;
    gz.finish()?;
    fs::write(flows.path().join("b.zst.bak"), zstd::encode_all(&flows.bytes("b.jsonl")?[..], 1)?)?;
    let rows = flows.bytes("a.jsonl")?;
    let (schema, _) = infer_json_schema(&rows[..], None)?;
    let schema = Arc::new(schema);
    let mut writer = ArrowWriter::try_new(File::create(flows.path().join("a.parquet"))?, Arc::clone(&schema), None)?;
    for batch in ReaderBuilder::new(schema).with_coerce_primitive(true).build(&rows[..])? {
        writer.write(&batch?)?;
    }
    writer.close()?;
    flows.uploaded(emulator)?;
    same(&emulator.host(), "gs://flows/day/*.bak", &flows.expected("*.bak")?)?;
    let kept = tempfile::tempdir()?;
    let project = tempfile::tempdir()?;
    succeeded(&tripline("").arg("init").arg(project.path().join("p")).output()?)?;
    let source = project.path().join("p/sql/netlog/source.yaml");
    let text_of = fs::read_to_string(&source)?;
    fs::write(&source, text_of.replace("format: json", "format: parquet"))?;
    let asked = |input: &str| -> Result<String, Failed> {
        let output = tripline(&emulator.host())
            .env("TMPDIR", kept.path())
            .args(["run", "--source", "netlog", "--strict", "--input", input, "--project"])
            .arg(project.path().join("p"))
            .output()?;
        succeeded(&output)?;
        Ok(text(&output))
    };
    let (object, file) = (asked("gs://flows/day/a.parquet")?, flows.path().join("a.parquet").display().to_string());
    let wanted = asked(&file)?.replace(&file, "gs://flows/day/a.parquet");
    if object != wanted || !object.contains("alert_id") {
        return Err(format!("{object}\nis not\n{wanted}").into());
    }
    if fs::read_dir(kept.path())?.next().is_some() { Err("a temporary file was left".into()) } else { Ok(()) }
}

fn ingested_once(emulator: &Emulator) -> Outcome {
    let flows = Flows::new()?;
    flows.uploaded(emulator)?;
    let history = tempfile::tempdir()?;
    let ingest = |input: &str| -> Result<String, Failed> {
        let output = tripline(&emulator.host())
            .args(["ingest", "--source", "netlog", "--input", input, "--to"])
            .arg(history.path().join("h"))
            .output()?;
        succeeded(&output)?;
        Ok(said(&output) + &text(&output))
    };
    let first = ingest("gs://flows/day/a.jsonl")?;
    let again = ingest("gs://flows/day/*.jsonl")?;
    let local = ingest(&flows.path().join("b.jsonl").display().to_string())?;
    if first.contains("is there already") {
        return Err(first.into());
    }
    for (said, name) in [(&again, "gs://flows/day/a.jsonl"), (&local, "b.jsonl")] {
        if !said.lines().any(|line| line.contains("is there already") && line.contains(name)) {
            return Err(format!("{name} was not skipped:\n{said}").into());
        }
    }
    Ok(())
}

fn pages(emulator: &Emulator) -> Outcome {
    let flows = Flows::new()?;
    flows.uploaded(emulator)?;
    for other in 0..7 {
        emulator.put(&format!("day/a{other}.txt"), b"not a row\n")?;
    }
    let (host, seen) =
        proxy(emulator, |request| if request.contains("list-type=2") { Fault::Pages(2) } else { Fault::None })?;
    same(&host, "gs://flows/day/*.jsonl", &flows.expected("*.jsonl")?)?;
    let listings = count(&seen, |request| request.contains("list-type=2"));
    if listings == 5 { Ok(()) } else { Err(format!("{listings} pages of 9 objects, 2 each").into()) }
}

fn count(seen: &emulator::Seen, which: impl Fn(&str) -> bool) -> usize {
    seen.lock().map_or(0, |seen| seen.iter().filter(|request| which(request)).count())
}

/// The body of bytes is cut once.
fn cut(emulator: &Emulator) -> Outcome {
    let flows = Flows::new()?;
    flows.uploaded(emulator)?;
    let cuts = Arc::new(AtomicUsize::new(0));
    let done = Arc::clone(&cuts);
    let (host, seen) = proxy(emulator, move |request| {
        let bytes = request.starts_with("GET /flows/day/") && !request.ends_with("bytes=0-0");
        if bytes && done.fetch_add(1, Ordering::SeqCst) == 1 { Fault::Cut } else { Fault::None }
    })?;
    same(&host, "gs://flows/day/*.jsonl", &flows.expected("*.jsonl")?)?;
    if cuts.load(Ordering::SeqCst) < 3 {
        return Err(format!("nothing was cut: {:?}", seen.lock().map(|seen| seen.clone())).into());
    }
    // What had come is not asked for again.
    let bytes = |request: &str| request.starts_with("GET") && request.contains("bytes=");
    if count(&seen, |request| bytes(request) && !request.contains("generation=")) > 0 {
        return Err("bytes of any generation were asked for".into());
    }
    let mut ranges: Vec<String> = seen.lock().map(|seen| seen.clone()).unwrap_or_default();
    ranges.retain(|request| bytes(request));
    let starts = |request: &String| {
        let start = request.rsplit_once("bytes=").and_then(|(_, range)| range.split('-').next()?.parse::<u64>().ok());
        start.unwrap_or_default()
    };
    // Ranges begin at multiples; only a resumed one does not.
    if ranges.iter().map(starts).any(|start| start % (256 << 10) != 0) {
        Ok(())
    } else {
        Err(format!("none goes on in the middle: {ranges:?}").into())
    }
}

fn always_cut(emulator: &Emulator) -> Outcome {
    let flows = Flows::new()?;
    flows.uploaded(emulator)?;
    let (host, seen) =
        proxy(
            emulator,
            |request| {
                if request.starts_with("GET /flows/day/b.jsonl") { Fault::Cut } else { Fault::None }
            },
        )?;
    fails(&run(&host, &["gs://flows/day/*.jsonl"])?, &["cannot read gs://flows/day/b.jsonl", "tried up to 6 times"])?;
    let asked = count(&seen, |request| request.starts_with("GET /flows/day/b.jsonl"));
    if asked > 20 { Err(format!("{asked} requests").into()) } else { Ok(()) }
}

fn changed(emulator: &Emulator) -> Outcome {
    let flows = Flows::new()?;
    flows.uploaded(emulator)?;
    let other = flows.bytes("b.jsonl")?;
    let (host, seen) = proxy(emulator, move |request| {
        let later = request.starts_with("GET /flows/day/a.jsonl") && !request.contains("bytes=0-");
        if later { Fault::Overwrite("day/a.jsonl", other.clone()) } else { Fault::None }
    })?;
    let output = run(&host, &["gs://flows/day/a.jsonl"])?;
    fails(&output, &["gs://flows/day/a.jsonl was changed or removed while it was read"])
        .map_err(|error| format!("{}\n{seen:?}", error.message().unwrap_or_default()).into())
}

fn missing(emulator: &Emulator) -> Outcome {
    emulator.put("day/a.jsonl", b"")?;
    let fails_with = |input: &str, texts: &[&str]| fails(&run(&emulator.host(), &[input])?, texts);
    fails_with("gs://flows/day/none.jsonl", &["no object matches gs://flows/day/none.jsonl", "gs://flows/day`"])?;
    fails_with("gs://flows/day/*.gz", &["no object matches gs://flows/day/*.gz"])?;
    fails_with("gs://flows/day", &["gs://flows/day is a folder", "'gs://flows/day/*'"])?;
    fails_with("gs://flows/day/", &["gs://flows/day is a folder"])?;
    fails_with("gs://flows", &["no object follows the bucket"])?;
    fails_with("gs://fl*ws/day/a", &["a bucket's name has small letters"])?;
    fails_with("gs://flows/day//a", &["a part of it is empty"])?;
    fails_with("gs://flows/day/[a", &["names no object"])?;
    // The emulator answers with 500, the service with 404.
    let (host, _) = proxy(emulator, |_| Fault::Status(404))?;
    fails(&run(&host, &["gs://none/day/*"])?, &["there is no bucket gs://none"])?;
    fails(&run(&host, &["gs://none/day/a"])?, &["there is no bucket gs://none"])
}

fn refused(emulator: &Emulator) -> Outcome {
    let (host, _) = proxy(emulator, |_| Fault::Status(403))?;
    fails(&run(&host, &["gs://flows/day/*"])?, &["no permission to", "roles/storage.objectViewer"])?;
    let (host, _) =
        proxy(emulator, |request| if request.contains("list-type") { Fault::Status(403) } else { Fault::Status(404) })?;
    fails(&run(&host, &["gs://flows/day/*"])?, &["no permission to list gs://flows/day/", "objectViewer"])?;
    let (host, _) = proxy(emulator, |_| Fault::Status(401))?;
    fails(&run(&host, &["gs://flows/day/*"])?, &["gcloud auth application-default login"])?;
    fails(&run("127.0.0.1:1", &["gs://flows/day/*"])?, &["STORAGE_EMULATOR_HOST, http://127.0.0.1:1"])?;
    fails(&run("ftp://x", &["gs://flows/day/*"])?, &["STORAGE_EMULATOR_HOST is ftp://x"])?;
    let home = tempfile::tempdir()?;
    let key = home.path().join("key.json");
    let output = tripline("")
        .env("GOOGLE_APPLICATION_CREDENTIALS", &key)
        .args(["run", "--source", "netlog", "--input", "gs://flows/day/*"])
        .output()?;
    fails(&output, &["no valid credentials", "gcloud auth application-default login"])
}
