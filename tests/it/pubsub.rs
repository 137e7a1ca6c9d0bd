//! Messages of Pub/Sub as input, with Google's emulator: what files give, a subscription gives, and a run that is killed goes on
//! where it was.
//!
//! `TRIPLINE_PUBSUB_EMULATOR` names the jar that `tests/emulator/install-pubsub` printed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::{BasePublisher, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::Message;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tripline::record::{EventTime, Micros};

use super::program::{Started, project, tripline};
use super::random::Random;
use super::warehouse::emulator as warehouse;

pub const JAR: &str = "TRIPLINE_PUBSUB_EMULATOR";
pub const TOPIC: &str = "projects/test-project/topics/flows";
pub const SUBSCRIPTION: &str = "projects/test-project/subscriptions/tripline";
const PATIENCE: Duration = Duration::from_secs(420);
/// Behind all flows; when it comes some incidents are over, and others are not: lateness and an hour more.
const MIDDLE: Micros = Micros(47_000_000_000);
/// Behind all flows, so that everything closes.
const LAST: &str = "2026-03-01T00:00:00Z";

type Outcome = Result<(), Failed>;
type Case = fn(&Emulator) -> Outcome;

pub fn cases() -> Vec<Trial> {
    let jar = std::env::var(JAR).ok();
    if jar.is_none() {
        eprintln!("skipped: pubsub::*: {JAR} names no jar of the emulator (tests/emulator/install-pubsub)");
    }
    let cases: [(&str, Case); 3] = [
        ("a_run_that_is_killed_loses_and_repeats_nothing", killed),
        ("a_hangup_has_the_project_read_anew", hangup),
        ("what_is_not_there_is_said", missing),
    ];
    let trials = cases.into_iter().map(|(name, case)| {
        let jar = jar.clone();
        let skip = jar.is_none();
        Trial::test(format!("pubsub::{name}"), move || case(&Emulator::start(&jar.unwrap_or_default())?))
            .with_ignored_flag(skip)
    });
    trials.collect()
}

pub struct Emulator {
    server: Child,
    host: String,
    runtime: Runtime,
}

impl Emulator {
    pub fn start(jar: &str) -> Result<Self, Failed> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Command::new("java")
            .args(["-jar", jar, "--host=127.0.0.1", &format!("--port={port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let emulator = Self { server, host: format!("127.0.0.1:{port}"), runtime: Runtime::new()? };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(&emulator.host).is_err() {
            if Instant::now() > until {
                return Err("the emulator does not listen".into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(emulator)
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.host)
    }

    pub fn create(&self) -> Outcome {
        let (endpoint, credentials) = (self.endpoint(), anonymous::Builder::new().build());
        self.runtime.block_on(async {
            let topics = TopicAdmin::builder().with_endpoint(&endpoint).with_credentials(credentials.clone()).build();
            topics.await?.create_topic().set_name(TOPIC).send().await?;
            let subscriptions = SubscriptionAdmin::builder().with_endpoint(&endpoint).with_credentials(credentials);
            let made = subscriptions.build().await?.create_subscription();
            made.set_name(SUBSCRIPTION).set_topic(TOPIC).set_ack_deadline_seconds(10).send().await?;
            Ok(())
        })
    }

    pub fn publish(&self, messages: Vec<String>) -> Outcome {
        self.runtime.block_on(async {
            let base = BasePublisher::builder().with_endpoint(self.endpoint());
            let base = base.with_credentials(anonymous::Builder::new().build()).build().await?;
            let publisher = base.publisher(TOPIC).build();
            let sent: Vec<_> = messages
                .into_iter()
                .map(|data| publisher.publish(Message::new().set_data(data.into_bytes())))
                .collect();
            for sent in sent {
                sent.await?;
            }
            Ok(())
        })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The lines of a file of alerts, behind those of the files that were closed before.
fn lines(file: &Path) -> Result<Vec<String>, Failed> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut files = Vec::new();
    for entry in fs::read_dir(file.parent().ok_or("no folder")?)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&format!("{stem}.2")) && name.ends_with(".jsonl") {
            files.push(path);
        }
    }
    files.sort();
    files.push(file.to_owned());
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap_or_default()).collect();
    Ok(text.lines().map(str::to_owned).collect())
}

/// Ids of whole alerts; each is there once.
fn alerts(file: &Path) -> Result<BTreeSet<String>, Failed> {
    let mut ids = BTreeSet::new();
    for line in &lines(file)? {
        let alert: Json = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        if alert["phase"] != "final" {
            continue;
        }
        let told = format!("{} {} {} {}", alert["alert_id"], alert["rule"], alert["hits"], alert["score"]);
        if alert["state"] != "partial" && !ids.insert(told) {
            return Err(format!("twice: {line}").into());
        }
    }
    Ok(ids)
}

pub struct Place {
    folder: TempDir,
    /// A table that alerts go to, where its emulator is installed.
    table: Option<warehouse::Emulator>,
    /// More options of its runs.
    more: Vec<&'static str>,
    /// Where it tells how it is; otherwise flows are counted by a tap.
    address: Option<String>,
}

impl Place {
    pub fn plain() -> Result<Self, Failed> {
        Ok(Self { folder: tempfile::tempdir()?, table: None, more: Vec::new(), address: None })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, emulator: &Emulator) -> Result<Started, Failed> {
        self.start_with(emulator, &[])
    }

    pub fn start_with(&self, emulator: &Emulator, more: &[&str]) -> Result<Started, Failed> {
        let mut command = tripline();
        if let Some(table) = &self.table {
            command.env("BIGQUERY_EMULATOR_HOST", table.address()?.to_string());
            command.env("BIGQUERY_STORAGE_EMULATOR_HOST", table.storage_address()?.to_string());
        }
        let child = command
            .current_dir(self.folder.path())
            .args(["run", "--source", "netlog", "--summary", "json", "--subscription", SUBSCRIPTION])
            .args(&self.more)
            .args(more)
            .arg("--project")
            .arg(self.path("project"))
            .arg("--state")
            .arg(self.path("state"))
            .arg("--output")
            .arg(self.path("alerts.jsonl"))
            .args(match &self.address {
                Some(address) => ["--listen".to_owned(), address.clone()],
                None => ["--tap".to_owned(), format!("flows={}", self.path("flows.jsonl").display())],
            })
            .env("PUBSUB_EMULATOR_HOST", &emulator.host)
            .stdout(Stdio::null())
            .stderr(fs::OpenOptions::new().create(true).append(true).open(self.path("stderr"))?)
            .spawn()?;
        Ok(Started::of(child))
    }

    /// Each of the alerts is in the table once.
    fn in_table(&self, alerts: &Path) -> Outcome {
        let Some(table) = &self.table else { return Ok(()) };
        let sql = json!({"query": "SELECT alert_id FROM live.alerts", "useLegacySql": false}).to_string();
        let answer = table.ask("POST", "queries", &sql)?;
        let found = answer["rows"].as_array().into_iter().flatten();
        let mut found: Vec<String> =
            found.map(|row| row["f"][0]["v"].as_str().unwrap_or_default().to_owned()).collect();
        found.sort();
        let mut wanted = Vec::new();
        for line in &lines(alerts)? {
            let alert: Json = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            if alert["phase"] == "final" {
                wanted.push(alert["alert_id"].as_str().unwrap_or_default().to_owned());
            }
        }
        wanted.sort();
        if found == wanted { Ok(()) } else { Err(format!("{wanted:#?}, in the table {found:#?}").into()) }
    }

    fn status(&self) -> Result<Json, Failed> {
        let address = self.address.as_deref().unwrap_or_default();
        let status = tripline().args(["status", "--address", address, "--format", "json"]).output()?;
        let said = String::from_utf8_lossy(&status.stderr).into_owned();
        serde_json::from_slice(&status.stdout).map_err(|error| format!("{error}: {said}").into())
    }

    pub fn rows(&self) -> usize {
        if self.address.is_some() {
            let accepted = self.status().ok().and_then(|status| status["rows"]["accepted"].as_u64());
            return accepted.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(0);
        }
        fs::read_to_string(self.path("flows.jsonl")).unwrap_or_default().lines().count()
    }

    /// In time: rows go on coming, or it is soon.
    pub fn wait_for(&self, what: &str, done: impl Fn() -> Result<bool, Failed>) -> Outcome {
        let (mut until, mut rows) = (Instant::now() + PATIENCE, self.rows());
        while !done()? {
            if self.rows() > rows {
                (until, rows) = (Instant::now() + PATIENCE, self.rows());
            }
            if Instant::now() > until {
                let said = fs::read_to_string(self.path("stderr")).unwrap_or_default();
                return Err(format!("no {what} in time, {} rows: {said}", self.rows()).into());
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

/// Flows, with two behind them that close everything, and the alerts of a run over files.
struct Given {
    flows: Vec<String>,
    middle: String,
    last: String,
    expected: BTreeSet<String>,
}

impl Given {
    fn generate(place: &Place, flows: usize, rate: u32) -> Result<Self, Failed> {
        let file = place.path("given.jsonl");
        let made = tripline()
            .args(["generate", "--events", &flows.to_string(), "--rate", &rate.to_string()])
            .args(["--attacks", "all", "--seed", "5", "--output"])
            .arg(&file)
            .output()?;
        let mut text = fs::read_to_string(&file)?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if !made.status.success() || lines.len() < flows {
            return Err(format!("{} flows: {}", lines.len(), String::from_utf8_lossy(&made.stderr)).into());
        }
        let at = |time: &str| -> Result<String, Failed> {
            let mut flow: Json = serde_json::from_str(&lines[0])?;
            ["startTime", "endTime", "timestamp"].iter().for_each(|field| flow[*field] = time.into());
            Ok(flow.to_string())
        };
        let newest: Json = serde_json::from_str(lines.last().ok_or("no flow")?)?;
        let newest = newest["timestamp"].as_str().and_then(EventTime::parse).ok_or("no time")?;
        let (middle, last) = (at(&EventTime(newest.0 + MIDDLE.0).to_string())?, at(LAST)?);
        text.extend([middle.as_str(), "\n", last.as_str(), "\n"]);
        fs::write(&file, &text)?;
        let batch = tripline()
            .args(["run", "--source", "netlog", "--input"])
            .arg(&file)
            .arg("--project")
            .arg(place.path("project"))
            .arg("--output")
            .arg(place.path("batch.jsonl"))
            .output()?;
        let expected = alerts(&place.path("batch.jsonl"))?;
        if expected.len() < 3 {
            return Err(format!("{} alerts: {}", expected.len(), String::from_utf8_lossy(&batch.stderr)).into());
        }
        Ok(Self { flows: lines, middle, last, expected })
    }

    /// Waits until a run that is not killed has all of them, closes everything, stops it, and compares. Gives its summary.
    fn settle(&self, place: &Place, emulator: &Emulator, mut run: Started) -> Result<Json, Failed> {
        place.wait_for("flows", || Ok(place.rows() == self.flows.len()))?;
        // Until then what was under way before may come again, and nothing moves the watermark.
        thread::sleep(Duration::from_secs(92));
        emulator.publish(vec![self.middle.clone()])?;
        place.wait_for("first alerts", || Ok(!alerts(&place.path("alerts.jsonl"))?.is_empty()))?;
        emulator.publish(vec![self.last.clone()])?;
        place.wait_for("alerts", || Ok(alerts(&place.path("alerts.jsonl"))?.len() >= self.expected.len()))?;
        thread::sleep(Duration::from_secs(3));
        let stopped = Command::new("kill").args(["-TERM", &run.0.id().to_string()]).status()?;
        let ended = run.0.wait()?;
        let found = alerts(&place.path("alerts.jsonl"))?;
        if found != self.expected || !stopped.success() || !ended.success() {
            let missing: Vec<_> = self.expected.difference(&found).collect();
            let added: Vec<_> = found.difference(&self.expected).collect();
            return Err(format!("{ended}; missing {missing:#?}, there instead {added:#?}").into());
        }
        let said = fs::read_to_string(place.path("stderr"))?;
        let summary = said.lines().rev().find_map(|line| serde_json::from_str::<Json>(line).ok());
        Ok(summary.ok_or("no summary")?)
    }
}

/// The emulator is slow to deliver again what a dead client held, some ten messages a second: that is what the time goes into.
///
/// Kills at any moment while flows come; in the end there are the alerts of a run over files, each once, and each flow counted
/// once.
fn killed(emulator: &Emulator) -> Outcome {
    const FLOWS: usize = 3_000;
    const KILLS: usize = 4;
    let place =
        Place { folder: tempfile::tempdir()?, table: table()?, more: vec!["--rotate-bytes", "1"], address: None };
    fs::create_dir(place.path("project"))?;
    project(&place.path("project"), "12h", "")?;
    let mut config = fs::OpenOptions::new().append(true).open(place.path("project/tripline.yaml"))?;
    writeln!(config, "\ndead_letters: {{type: file, file: letters.jsonl}}")?;
    if place.table.is_some() {
        writeln!(config, "\nsinks:\n  live: {{type: bigquery, table: test-project.live.alerts}}")?;
    }
    let given = Given::generate(&place, FLOWS, 20)?;

    emulator.create()?;
    let mut random = Random::new(u64::from(std::process::id()));
    let mut parts = given.flows.chunks(given.flows.len() / KILLS + 1);
    for kill in 0..KILLS {
        let mut run = place.start(emulator)?;
        // Some messages have several records.
        let messages = parts.next().unwrap_or_default().chunks(5 + kill * 5).map(|lines| lines.join("\n"));
        emulator.publish(messages.chain([format!("no record {kill}")]).collect())?;
        thread::sleep(Duration::from_millis(u64::try_from(random.between(200, 3_500)).unwrap_or(0)));
        // SIGKILL.
        run.0.kill()?;
        run.0.wait()?;
    }
    let summary = given.settle(&place, emulator, place.start(emulator)?)?;
    place.in_table(&place.path("alerts.jsonl"))?;
    let (rows, flows) = (&summary["rows"], given.flows.len() + 2);
    if rows["offered"] != flows + KILLS || rows["accepted"] != flows || rows["late"] != 0 {
        return Err(format!("of {flows} flows: {rows}").into());
    }
    let mut letters = BTreeSet::new();
    for line in fs::read_to_string(place.path("letters.jsonl"))?.lines() {
        let letter: Json = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        letters.insert((letter["letter_id"].to_string(), letter["payload"].as_str().unwrap_or_default().to_owned()));
    }
    let payloads: Vec<String> = letters.into_iter().map(|(_, payload)| payload).collect();
    let mut sorted = payloads.clone();
    sorted.sort();
    if sorted != (0..KILLS).map(|kill| format!("no record {kill}")).collect::<Vec<_>>() {
        return Err(format!("dead letters: {payloads:?}").into());
    }
    let closed = fs::read_dir(place.folder.path())?.flatten();
    let closed = closed.filter(|entry| entry.file_name().to_string_lossy().starts_with("alerts.2")).count();
    if closed == 0 {
        return Err("no file of alerts was closed".into());
    }
    if summary["log"]["recovered_entries"] == 0 {
        return Err(format!("nothing was recovered: {}", summary["log"]).into());
    }
    Ok(())
}

/// The table, made as the program says that it is made.
fn table() -> Result<Option<warehouse::Emulator>, Failed> {
    if warehouse::home().is_none() {
        return Ok(None);
    }
    let emulator = warehouse::Emulator::default();
    emulator.make_dataset("live")?;
    let columns = tripline::record::alert::columns();
    let columns: Vec<Json> = columns.iter().map(|c| json!({"name": c.name, "type": c.ty.name()})).collect();
    let reference = json!({"projectId": warehouse::PROJECT, "datasetId": "live", "tableId": "alerts"});
    let table = json!({"tableReference": reference, "schema": {"fields": columns}});
    emulator.ask("POST", "datasets/live/tables", &table.to_string())?;
    Ok(Some(emulator))
}

/// A project that is broken, one that is the same, one with another threshold, and one with another source, while the run goes
/// on: the run says what it made of each.
fn hangup(emulator: &Emulator) -> Outcome {
    let place = Place { folder: tempfile::tempdir()?, table: None, more: Vec::new(), address: None };
    fs::create_dir(place.path("project"))?;
    project(&place.path("project"), "12h", "")?;
    emulator.create()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let mut run = place.start_with(emulator, &["--listen", &address])?;
    let made = tripline().args(["generate", "--events", "500", "--attacks", "port_scan", "--seed", "5"]).output()?;
    let flows: Vec<String> = String::from_utf8(made.stdout)?.lines().map(str::to_owned).collect();
    if flows.is_empty() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned().into());
    }
    emulator.publish(flows.chunks(50).map(|lines| lines.join("\n")).collect())?;
    place.wait_for("flows", || Ok(place.rows() == flows.len()))?;
    let id = run.0.id().to_string();
    let hang_up = |wanted: &str| -> Outcome {
        let before = fs::read_to_string(place.path("stderr"))?.len();
        Command::new("kill").args(["-HUP", &id]).status()?;
        place.wait_for(wanted, || Ok(fs::read_to_string(place.path("stderr"))?[before..].contains(wanted)))
    };
    hang_up("nothing to reload")?;
    let rule = place.path("project/rules/net_scan_vertical.yaml");
    let good = fs::read_to_string(&rule)?;
    fs::write(&rule, good.replace("sql:", "slq:"))?;
    hang_up("definition.unknown-key")?;
    place.wait_for("a refusal", || {
        Ok(fs::read_to_string(place.path("stderr"))?
            .contains("the definitions before stay in force: the project has errors"))
    })?;
    fs::write(&rule, format!("{good}# Another one.\n"))?;
    hang_up("note: reloaded: generation ")?;
    let source = place.path("project/sql/netlog/source.yaml");
    let text = fs::read_to_string(&source)?;
    fs::write(&source, text.replace("lateness: 12h", "lateness: 11h"))?;
    hang_up("the source `netlog`")?;
    let status = tripline().args(["status", "--address", &address, "--format", "json"]).output()?;
    let status: Json = serde_json::from_slice(&status.stdout).map_err(|error| error.to_string())?;
    let counts = &status["reload"]["counts"];
    if counts["taken"] != 1 || counts["unchanged"] != 1 || counts["refused"] != 2 || status["healthy"] != true {
        return Err(format!("{status}").into());
    }
    emulator.publish(flows.chunks(50).map(|lines| lines.join("\n")).collect())?;
    place.wait_for("more flows", || Ok(place.rows() == 2 * flows.len()))?;
    Command::new("kill").args(["-TERM", &id]).status()?;
    let ended = run.0.wait()?;
    if !ended.success() {
        return Err(format!("{ended}: {}", fs::read_to_string(place.path("stderr"))?).into());
    }
    Ok(())
}

/// Names that are wrong, and a subscription that is not there.
fn missing(emulator: &Emulator) -> Outcome {
    let folder = tempfile::tempdir()?;
    let run = |name: &str| -> Result<String, Failed> {
        let ended = tripline()
            .args(["run", "--source", "netlog", "--subscription", name, "--project", env!("CARGO_MANIFEST_DIR")])
            .arg("--state")
            .arg(folder.path().join(name.replace('/', "_")))
            .env("PUBSUB_EMULATOR_HOST", &emulator.host)
            .output()?;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        if ended.status.code() == Some(2) { Ok(said) } else { Err(format!("{}: {said}", ended.status).into()) }
    };
    let wrong = run("flows")?;
    let absent = run("projects/test-project/subscriptions/absent")?;
    if !wrong.contains("help: write projects/PROJECT/subscriptions/NAME") {
        return Err(wrong.into());
    }
    fs::create_dir(folder.path().join("state"))?;
    let inside = tripline()
        .args(["run", "--source", "netlog", "--subscription", SUBSCRIPTION, "--project", env!("CARGO_MANIFEST_DIR")])
        .arg("--state")
        .arg(folder.path().join("state"))
        .arg("--output")
        .arg(folder.path().join("state/alerts.jsonl"))
        .output()?;
    let inside = String::from_utf8_lossy(&inside.stderr).into_owned();
    if !inside.contains("is in the folder of the log") {
        return Err(inside.into());
    }
    if !absent.contains("subscriptions/absent") || !absent.contains("help: ") {
        return Err(absent.into());
    }
    Ok(())
}
