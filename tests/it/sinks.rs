//! Sinks of alerts against servers on this machine: what they are sent, what their answers mean, and what is said of them.
//! Topics with Google's emulator, as in `pubsub.rs`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::Subscriber;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tripline::adapter::gcp::topic::{OF_ALERTS, Topic, TopicOptions};
use tripline::adapter::http::{Secret, Webhook, WebhookOptions};
use tripline::adapter::local::MemoryTree;
use tripline::alert_format::AlertFormat;
use tripline::definition::model::Config;
use tripline::port::sink::{Outcome, Sink, Told, Trouble};
use tripline::record::WebAddress;

use super::pubsub::{Emulator, JAR, SUBSCRIPTION, TOPIC};

type Case = fn() -> Result<(), Failed>;

/// Of the address, of a header and of the signature: none of them may be said.
const PATH: &str = "/services/T0AB/pathsecret?key=querysecret";
const TOKEN: &str = "Bearer headersecret";
const KEY: &str = "signaturesecret";
const SECRETS: [&str; 4] = ["pathsecret", "querysecret", "headersecret", KEY];
/// Names the part of a test that a process is for.
const AGAIN: &str = "TRIPLINE_TEST_PART";
const TELL: &str = "tell";
const PUBLISH: &str = "publish";
const ALERTS: u64 = 100;

pub fn cases() -> Vec<Trial> {
    let cases: [(&str, Case); 11] = [
        ("a_request_says_which_alert_and_who_sends_it", request),
        ("a_status_is_an_outcome", statuses),
        ("a_place_says_when_it_wants_an_alert_again", retry_after),
        ("a_server_that_is_slow_is_not_waited_for", slow),
        ("an_answer_without_end_is_cut", endless),
        ("a_connection_that_breaks_is_made_again_later", broken),
        ("a_redirect_is_not_followed", redirect),
        ("secrets_are_not_said", secrets),
        ("alerts_behind_one_that_fails_wait", batch),
        ("secrets_come_from_the_environment", environment),
        ("sinks_change_nothing_that_is_computed", generation),
    ];
    let mut trials: Vec<Trial> =
        cases.into_iter().map(|(name, case)| Trial::test(format!("sinks::{name}"), case)).collect();
    let jar = std::env::var(JAR).ok();
    let skip = jar.is_none();
    if skip {
        eprintln!("skipped: sinks::what_is_published_is_there: {JAR} names no jar of the emulator");
    }
    let topic = move || topic(&jar.unwrap_or_default());
    trials.push(Trial::test("sinks::what_is_published_is_there", topic).with_ignored_flag(skip));
    trials
}

/// A request, as it came.
#[derive(Debug, Clone, Default)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What a server does with a request: what is written, and what happens then.
type Answer = Arc<dyn Fn(&Request, &mut TcpStream) + Send + Sync>;

struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (seen, answer): (Arc<Mutex<Vec<Request>>>, Answer) = (Arc::default(), Arc::new(answer));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &seen, &answer));
            }
        });
        Ok(Self { port, seen })
    }

    /// Answers each request with the next of these, and then with the last.
    fn answering(answers: Vec<String>) -> Result<Self, Failed> {
        let next = AtomicUsize::new(0);
        Self::start(move |_, stream| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let answer = answers.get(at).or(answers.last()).cloned().unwrap_or_default();
            let _ = stream.write_all(answer.as_bytes());
        })
    }

    fn requests(&self) -> Vec<Request> {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    fn options(&self) -> Result<WebhookOptions, Failed> {
        let address = WebAddress::parse(&format!("http://127.0.0.1:{}{PATH}", self.port));
        Ok(WebhookOptions {
            name: "hook".into(),
            address: address.map_err(|wrong| wrong.to_string())?,
            variable: Some("HOOK_URL".to_owned()),
            format: AlertFormat::Json,
            headers: vec![("X-Team".to_owned(), "soc".to_owned())],
            secret_headers: vec![("Authorization".to_owned(), TOKEN.to_owned())],
            secrets: vec![KEY.to_owned()],
            signature: Some(Secret::parse(KEY)?),
            timeout: Duration::from_secs(10),
        })
    }

    fn hook(&self) -> Result<Webhook, Failed> {
        Ok(Webhook::new(self.options()?)?)
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, answer: &Answer) {
    while let Some(request) = read(&mut stream) {
        if let Ok(mut seen) = seen.lock() {
            seen.push(request.clone());
        }
        answer(&request, &mut stream);
    }
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).ok()?;
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some(Request { line, headers, body })
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn told(number: u64) -> Told {
    let alert = json!({
        "alert_id": format!("a{number}"), "rule": "net.scan", "severity": if number.is_multiple_of(2) { "high" } else { "low" },
        "phase": "final", "title": "ö", "key": {"src_ip": format!("10.0.0.{}", number % 7)},
    });
    Told { id: format!("a{number}"), number, alert }
}

fn tell(sink: &mut dyn Sink) -> Outcome {
    sink.tell(&[told(0)])
}

/// What was said, and whether it may work later.
fn said(outcome: &Outcome) -> Result<(String, bool, Option<Duration>), Failed> {
    match &outcome.trouble {
        Some(Trouble::Later { what, after }) => Ok((what.clone(), true, *after)),
        Some(Trouble::Refused { what }) => Ok((what.clone(), false, None)),
        None => Err(format!("no trouble: {outcome:?}").into()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("expected {expected:#?}, found {found:#?}").into()) }
}

/// HMAC-SHA256 as RFC 2104 has it.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn request() -> Result<(), Failed> {
    let server = Server::answering(vec![answer("200 OK", "", "ok")])?;
    let mut hook = server.hook()?;
    same(tell(&mut hook), Outcome { taken: 1, trouble: None })?;
    let requests = server.requests();
    let [request] = requests.as_slice() else { return Err(format!("{requests:?}").into()) };
    same(request.line.as_str(), &format!("POST {PATH} HTTP/1.1"))?;
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    for (name, expected) in [
        ("content-type", "application/json"),
        ("user-agent", concat!("tripline/", env!("CARGO_PKG_VERSION"))),
        ("idempotency-key", "a0"),
        ("webhook-id", "a0"),
        ("authorization", TOKEN),
        ("x-team", "soc"),
    ] {
        same(header(name), expected.to_owned())?;
    }
    same(serde_json::from_slice::<Json>(&request.body)?, told(0).alert)?;
    let time = header("webhook-timestamp");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    if now.abs_diff(time.parse()?) > 60 {
        return Err(format!("signed at {time}, and it is {now}").into());
    }
    let mut text = format!("a0.{time}.").into_bytes();
    text.extend(&request.body);
    same(header("webhook-signature"), format!("v1,{}", STANDARD.encode(hmac(KEY.as_bytes(), &text))))
}

fn statuses() -> Result<(), Failed> {
    let later = [302, 307, 401, 403, 404, 410, 408, 429, 500, 502, 503, 504];
    let refused = [400, 409, 413, 422];
    let statuses: Vec<u16> = [200, 201, 202, 204].into_iter().chain(later).chain(refused).collect();
    let server = Server::answering(statuses.iter().map(|status| answer(&format!("{status} X"), "", "why")).collect())?;
    let mut hook = server.hook()?;
    for status in statuses {
        let outcome = tell(&mut hook);
        if status < 300 {
            same(outcome, Outcome { taken: 1, trouble: None })?;
            continue;
        }
        let (what, passes, _) = said(&outcome)?;
        same((status, outcome.taken, passes), (status, 0, later.contains(&status)))?;
        if !what.starts_with(&format!("127.0.0.1:{} (of HOOK_URL): answered {status}", server.port)) {
            return Err(what.into());
        }
    }
    Ok(())
}

fn retry_after() -> Result<(), Failed> {
    let date = chrono::Utc::now() + chrono::Duration::seconds(90);
    let date = date.format("Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string();
    let server = Server::answering(vec![
        answer("429 Too Many Requests", "Retry-After: 17\r\n", ""),
        answer("503 Service Unavailable", &date, ""),
        answer("503 Service Unavailable", "", ""),
        answer("503 Service Unavailable", "Retry-After: soon\r\n", ""),
    ])?;
    let mut hook = server.hook()?;
    let mut after = || Ok::<_, Failed>(said(&tell(&mut hook))?.2);
    same(after()?, Some(Duration::from_secs(17)))?;
    let dated = after()?.unwrap_or_default();
    if !(80..=90).contains(&dated.as_secs()) {
        return Err(format!("{dated:?}").into());
    }
    same((after()?, after()?), (None, None))
}

fn slow() -> Result<(), Failed> {
    let server = Server::start(|_, _| thread::sleep(Duration::from_secs(20)))?;
    let mut hook = Webhook::new(WebhookOptions { timeout: Duration::from_millis(400), ..server.options()? })?;
    let began = Instant::now();
    let (what, passes, _) = said(&tell(&mut hook))?;
    if !passes || !what.ends_with("no answer within 400ms") || began.elapsed() > Duration::from_secs(5) {
        return Err(format!("{what} after {:?}", began.elapsed()).into());
    }
    Ok(())
}

/// The status is known, so that the alert was taken.
fn endless() -> Result<(), Failed> {
    let server = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n");
        while stream.write_all(&[b'x'; 4_096]).is_ok() {}
    })?;
    let began = Instant::now();
    same(tell(&mut server.hook()?), Outcome { taken: 1, trouble: None })?;
    if began.elapsed() > Duration::from_secs(9) { Err("all of it was waited for".into()) } else { Ok(()) }
}

fn broken() -> Result<(), Failed> {
    let server = Server::start(|request, stream| {
        if request.headers.get("idempotency-key").is_some_and(|id| id == "a0") {
            let _ = stream.write_all(b"HTTP/1.1 200");
            let _ = stream.shutdown(Shutdown::Both);
        } else {
            let _ = stream.write_all(answer("200 OK", "", "").as_bytes());
        }
    })?;
    let mut hook = server.hook()?;
    let (what, passes, _) = said(&tell(&mut hook))?;
    same((passes, what.contains(PATH)), (true, false))?;
    same(hook.tell(&[told(1)]), Outcome { taken: 1, trouble: None })?;
    // Nobody listens.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let nobody = Server { port, seen: Arc::default() };
    let (what, passes, _) = said(&tell(&mut nobody.hook()?))?;
    if passes && what.contains("refused") { Ok(()) } else { Err(what.into()) }
}

fn redirect() -> Result<(), Failed> {
    let other = Server::answering(vec![answer("200 OK", "", "")])?;
    let place = format!("Location: http://127.0.0.1:{}/x\r\n", other.port);
    let server = Server::answering(vec![answer("307 Temporary Redirect", &place, "")])?;
    let (what, passes, _) = said(&tell(&mut server.hook()?))?;
    same((passes, what.contains("help: redirects are not followed"), other.requests().len()), (true, true, 0))
}

/// A server that gives back all that it was sent, as some do when something is wrong.
fn secrets() -> Result<(), Failed> {
    for status in ["400 Bad Request", "500 Internal Server Error"] {
        let server = Server::start(move |request, stream| {
            let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let body = format!("no route\x1b[2J for {} with {} and {KEY}", request.line, headers.join(" "));
            let _ = stream.write_all(answer(status, "", &body).as_bytes());
        })?;
        let (what, ..) = said(&tell(&mut server.hook()?))?;
        let leaked = SECRETS.iter().any(|secret| what.contains(secret)) || what.contains("T0AB/");
        if leaked || what.contains('\x1b') || !what.contains("no route") || what.chars().count() > 400 {
            return Err(what.into());
        }
    }
    Ok(())
}

fn batch() -> Result<(), Failed> {
    let good = answer("200 OK", "", "");
    let server = Server::answering(vec![good.clone(), answer("503 X", "", ""), good])?;
    let mut hook = server.hook()?;
    let alerts: Vec<Told> = (0..3).map(told).collect();
    let outcome = hook.tell(&alerts);
    same((outcome.taken, said(&outcome)?.1), (1, true))?;
    same(hook.tell(&alerts[outcome.taken..]), Outcome { taken: 2, trouble: None })?;
    let ids: Vec<_> = server.requests().into_iter().filter_map(|mut r| r.headers.remove("idempotency-key")).collect();
    same(ids, ["a0", "a1", "a1", "a2"].map(str::to_owned).to_vec())
}

fn config(sinks: &str) -> Result<Config, Failed> {
    let loaded = tripline::definition::load(&MemoryTree::from_sections(&format!("--- tripline.yaml\nsinks:\n{sinks}")));
    let wrong = loaded.diagnostics.iter().filter(|finding| finding.code != "project.empty");
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(loaded.project.config) } else { Err(format!("{wrong:?}").into()) }
}

/// Runs a part of a test in a process with another environment.
fn again(part: &str, variables: &[(&str, &str)]) -> Result<(), Failed> {
    let output = Command::new(std::env::current_exe()?).env(AGAIN, part).envs(variables.iter().copied()).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(text.into()) }
}

/// What such a process does instead of running tests.
pub fn part() -> Option<ExitCode> {
    let done = match std::env::var(AGAIN).ok()?.as_str() {
        TELL => tell_all(),
        PUBLISH => publish_all(),
        other => Err(format!("no part {other}").into()),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or_default());
            ExitCode::FAILURE
        }
    })
}

const SINKS: &str = "  siem: {type: webhook, url_env: SIEM_URL, format: splunk, token_env: SIEM_TOKEN, min_severity: high}\n  \
                         pager: {type: webhook, url_env: SIEM_URL, format: pagerduty, token_env: PAGER_KEY, secret_env: SIGNED}\n";

fn environment() -> Result<(), Failed> {
    let server = Server::answering(vec![answer("200 OK", "", "")])?;
    let url = format!("http://127.0.0.1:{}{PATH}", server.port);
    let signed = format!("whsec_{}", STANDARD.encode("x"));
    let all = [("SIEM_URL", url.as_str()), ("SIEM_TOKEN", "t0ken"), ("PAGER_KEY", "r0"), ("SIGNED", &signed)];
    again(TELL, &all)?;
    let requests = server.requests();
    // Of two alerts, one is severe enough for the first sink.
    same(requests.len(), 3)?;
    same(requests[0].headers.get("authorization").map(String::as_str), Some("Splunk t0ken"))?;
    let events: Vec<Json> = requests.iter().filter_map(|r| serde_json::from_slice(&r.body).ok()).collect();
    same(&events[0]["event"], &told(0).alert)?;
    same((&events[1]["routing_key"], &events[1]["dedup_key"]), (&json!("r0"), &json!("a0")))?;
    same(requests[1].headers.contains_key("webhook-signature"), true)?;
    // Each that is missing is named, and nothing that is there is shown.
    for missing in ["SIEM_URL", "SIEM_TOKEN", "PAGER_KEY", "SIGNED"] {
        let others: Vec<_> = all.into_iter().filter(|(name, _)| *name != missing).collect();
        let text = again(TELL, &others).err().map(|failed| failed.message().unwrap_or_default().to_owned());
        let text = text.ok_or_else(|| format!("without {missing} nothing is wrong"))?;
        let named = text.contains(&format!("the environment variable {missing} is not set"));
        if !named || SECRETS.iter().any(|secret| text.contains(secret)) {
            return Err(text.into());
        }
    }
    let wrong = again(TELL, &[("SIEM_URL", "http://example.org/pathsecret"), ("SIEM_TOKEN", "t0ken")]);
    let text = wrong.err().and_then(|failed| failed.message().map(str::to_owned)).unwrap_or_default();
    let named = text.contains("the URL in SIEM_URL is plain http to another machine");
    if named && !text.contains("pathsecret") { Ok(()) } else { Err(text.into()) }
}

fn tell_all() -> Result<(), Failed> {
    let mut sinks = tripline::cli::sinks(&config(SINKS)?).map_err(|error| format!("{error:#}"))?;
    let names: Vec<_> = sinks.iter().map(|listener| listener.sink.name().to_string()).collect();
    same(names, vec!["siem".to_owned(), "pager".to_owned()])?;
    for sink in &mut sinks {
        same(sink.sink.tell(&[told(0), told(1)]), Outcome { taken: 2, trouble: None })?;
    }
    Ok(())
}

/// The same alerts, byte by byte, with sinks and without: their generation is in them.
fn generation() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name);
    let tripline = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).current_dir(folder.path()).output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(Failed::from(text)) }
    };
    tripline(&["init", "pack"])?;
    tripline(&["generate", "--events", "3000", "--attacks", "brute_force", "--output", "flows.jsonl"])?;
    let run = |output: &str| {
        tripline(&["run", "--project", "pack", "--source", "netlog", "--input", "flows.jsonl", "--output", output])
    };
    run("before.jsonl")?;
    let file = place("pack/tripline.yaml");
    let text = std::fs::read_to_string(&file)?;
    let sinks = "\n# Who is told.\nsinks:\n  hook: {type: webhook, url: \"http://127.0.0.1:1/x\"}\n";
    std::fs::write(&file, format!("{text}{sinks}"))?;
    run("after.jsonl")?;
    let read = |path: &Path| std::fs::read_to_string(path);
    let before = read(&place("before.jsonl"))?;
    if before.is_empty() {
        return Err("no alerts".into());
    }
    same(read(&place("after.jsonl"))?, before.clone())?;
    // What is computed is in it.
    std::fs::write(&file, format!("{}{sinks}", text.replace("evidence: 3", "evidence: 1")))?;
    run("other.jsonl")?;
    if read(&place("other.jsonl"))? == before { Err("nothing has changed".into()) } else { Ok(()) }
}

fn published(topic: &str) -> Result<Topic, Failed> {
    let options = TopicOptions {
        name: "topic".into(),
        topic: topic.to_owned(),
        format: AlertFormat::Json,
        attributes: OF_ALERTS,
        ordering: true,
        timeout: Duration::from_secs(20),
    };
    Ok(Topic::new(options)?)
}

fn publish_all() -> Result<(), Failed> {
    let alerts: Vec<Told> = (0..ALERTS).map(told).collect();
    let mut missing = published("projects/test-project/topics/missing")?;
    for _ in 0..2 {
        // Its keys are stopped by the first failure, and go on.
        let outcome = missing.tell(&alerts);
        let (what, passes, _) = said(&outcome)?;
        same((outcome.taken, passes), (0, true))?;
        if !what.contains("topics/missing") || !what.contains("help: `gcloud pubsub topics create") {
            return Err(what.into());
        }
    }
    let mut topic = published(TOPIC)?;
    same(topic.tell(&alerts[..1]), Outcome { taken: 1, trouble: None })?;
    same(topic.tell(&alerts[1..]), Outcome { taken: alerts.len() - 1, trouble: None })
}

fn topic(jar: &str) -> Result<(), Failed> {
    let emulator = Emulator::start(jar)?;
    emulator.create()?;
    again(PUBLISH, &[("PUBSUB_EMULATOR_HOST", emulator.host())])?;
    let messages = emulator.runtime().block_on(async {
        let client = Subscriber::builder().with_endpoint(emulator.endpoint());
        let client = client.with_credentials(anonymous::Builder::new().build()).build().await?;
        let mut stream = client.subscribe(SUBSCRIPTION).build();
        let mut messages = BTreeMap::new();
        while messages.len() < usize::try_from(ALERTS).unwrap_or(0) {
            let next = tokio::time::timeout(Duration::from_secs(60), stream.next()).await;
            let Ok(Some(next)) = next else { return Err(format!("{} messages came", messages.len()).into()) };
            let (message, lease) = next?;
            lease.ack();
            messages.insert(message.attributes.get("message_id").cloned().unwrap_or_default(), message);
        }
        Ok::<_, Failed>(messages)
    })?;
    for told in (0..ALERTS).map(told) {
        let message = messages.get(&told.id).ok_or_else(|| format!("{} is not there", told.id))?;
        same(serde_json::from_slice::<Json>(&message.data)?, told.alert.clone())?;
        let severity = told.alert["severity"].as_str().unwrap_or_default();
        for (key, value) in [("rule", "net.scan"), ("severity", severity), ("phase", "final")] {
            same(message.attributes.get(key).map(String::as_str), Some(value))?;
        }
        same(message.ordering_key.as_str(), &format!("net.scan {}", told.alert["key"]))?;
    }
    Ok(())
}
