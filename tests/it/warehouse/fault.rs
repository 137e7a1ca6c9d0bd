//! What goes wrong: a service that is too busy, connections that break, jobs that do not end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::json;
use tripline::adapter::gcp::{BigQuery, Patience};
use tripline::port::warehouse::{Trouble, Warehouse};

use super::proxy::{Proxy, Reply, Request, answer, refusal};
use super::{Case, Place, client, options, patience, query, run};

pub const CASES: &[Case] = &[
    ("a_busy_service_is_asked_again", a_busy_service_is_asked_again),
    ("a_job_whose_answer_is_lost_is_found", a_job_whose_answer_is_lost_is_found),
    ("a_job_that_never_arrived_is_sent_again", a_job_that_never_arrived_is_sent_again),
    ("every_connection_may_break_once", every_connection_may_break_once),
    ("a_job_that_the_service_failed_is_run_again", a_job_that_the_service_failed_is_run_again),
];

type Alone = (&'static str, fn() -> Result<(), Failed>);

/// These need no emulator.
pub const ALONE: &[Alone] = &[
    ("a_service_that_is_down_is_not_asked_for_ever", a_service_that_is_down_is_not_asked_for_ever),
    ("nobody_listens", nobody_listens),
    ("a_job_that_does_not_end_is_cancelled", a_job_that_does_not_end_is_cancelled),
    ("a_silent_service_is_not_waited_for", a_silent_service_is_not_waited_for),
    ("a_stop_leaves_the_job", a_stop_leaves_the_job),
    ("a_running_job_is_waited_for", a_running_job_is_waited_for),
    ("refusals_are_helped", refusals_are_helped),
    ("clear_text_stays_on_this_machine", clear_text_stays_on_this_machine),
];

const INSERT: &str = "INSERT INTO target (n) VALUES (1)";

/// A table, a job that adds a row to it, and a proxy that breaks the first insertions so. The row is there once.
fn inserted_once(place: &Place, mut replies: Vec<Reply>) -> Result<Proxy, Failed> {
    run(&place.client()?, &query(&format!("{}_table", place.dataset), "CREATE TABLE target (n INT64)"))?;
    let proxy = Proxy::start(Some(place.emulator.address()?), move |request| {
        if request.inserts() && !replies.is_empty() { replies.remove(0) } else { Reply::Forward }
    })?;
    let job = query(place.dataset, INSERT);
    let done = run(&place.client_through(&proxy)?, &job)?;
    assert_eq!(place.count("target")?, 1);
    assert_eq!(done.id, format!("{}-1", place.dataset));
    assert_eq!(proxy.forwarded(), [done.id]);
    Ok(proxy)
}

fn a_busy_service_is_asked_again(place: &Place) -> Result<(), Failed> {
    let busy = vec![
        refusal(429, "rateLimitExceeded", "slow down"),
        Reply::Answer(503, "<html>the front end has no words of the service</html>".to_owned()),
        refusal(403, "rateLimitExceeded", "slow down"),
        refusal(500, "backendError", "try again"),
    ];
    let proxy = inserted_once(place, busy)?;
    assert_eq!(proxy.inserted().len(), 5);
    Ok(())
}

/// The insertion arrived, the job ran, the connection broke: the same id is inserted again and is there already.
fn a_job_whose_answer_is_lost_is_found(place: &Place) -> Result<(), Failed> {
    let proxy = inserted_once(place, vec![Reply::CutAfter])?;
    assert_eq!(proxy.inserted().len(), 2, "the second is refused as a duplicate");
    Ok(())
}

fn a_job_that_never_arrived_is_sent_again(place: &Place) -> Result<(), Failed> {
    let proxy = inserted_once(place, vec![Reply::CutBefore, Reply::CutBefore])?;
    assert_eq!(proxy.inserted().len(), 3);
    Ok(())
}

/// Each different request is cut once before and once after it was seen.
fn every_connection_may_break_once(place: &Place) -> Result<(), Failed> {
    run(&place.client()?, &query("breaking_table", "CREATE TABLE target (n INT64)"))?;
    let mut seen: Vec<String> = Vec::new();
    let proxy = Proxy::start(Some(place.emulator.address()?), move |request: &Request| {
        let which = format!("{} {}", request.method, request.path);
        let times = seen.iter().filter(|one| **one == which).count();
        seen.push(which);
        match times {
            0 => Reply::CutBefore,
            1 => Reply::CutAfter,
            _ => Reply::Forward,
        }
    })?;
    let client = place.client_through(&proxy)?;
    assert!(client.has_dataset()?);
    assert!(client.has_table("target")?);
    client.dry_run(INSERT)?;
    run(&client, &query("breaking", INSERT))?;
    assert_eq!(place.count("target")?, 1);
    let done = run(&client, &query("breaking_rows", "SELECT n FROM target"))?;
    let mut rows = Vec::new();
    client.rows(&done.id, &mut |page| rows.extend(page))?;
    assert_eq!(rows, [[Some("1".to_owned())]]);
    Ok(())
}

/// The service gave up on the job: its id is used up, and the next number is tried.
fn a_job_that_the_service_failed_is_run_again(place: &Place) -> Result<(), Failed> {
    run(&place.client()?, &query("backend_table", "CREATE TABLE target (n INT64)"))?;
    let proxy = Proxy::start(Some(place.emulator.address()?), move |request| match request.job() {
        Some(job) if request.inserts() && job == "backend-1" => answer(json!({
            "jobReference": {"jobId": job},
            "status": {"state": "DONE", "errorResult": {"reason": "backendError", "message": "Error encountered"}},
        })),
        _ => Reply::Forward,
    })?;
    let done = run(&place.client_through(&proxy)?, &query("backend", INSERT))?;
    assert_eq!((done.id.as_str(), done.attempt), ("backend-2", 2));
    assert_eq!(proxy.inserted(), ["backend-1", "backend-2"]);
    assert_eq!(place.count("target")?, 1);
    Ok(())
}

fn a_service_that_is_down_is_not_asked_for_ever() -> Result<(), Failed> {
    let proxy = Proxy::start(None, |_| refusal(503, "backendError", "down"))?;
    let client = BigQuery::connect(super::Options {
        patience: Patience { budget: 6, ..patience() },
        ..options(proxy.address, "d")
    })?;
    let error = client.dry_run("SELECT 1").expect_err("nobody is there");
    assert_eq!(error.trouble, Trouble::Unavailable, "{error}");
    assert!(error.to_string().contains("after 4 retries"), "{error}");
    assert_eq!(proxy.seen().len(), 5);
    client.dry_run("SELECT 1").expect_err("nobody is there");
    assert_eq!(proxy.seen().len(), 5 + 3, "two of six retries were left");
    Ok(())
}

fn nobody_listens() -> Result<(), Failed> {
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let error = client(address, "d")?.dry_run("SELECT 1").expect_err("nobody is there");
    assert_eq!(error.trouble, Trouble::Unavailable, "{error}");
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
    Ok(())
}

/// A service whose jobs run and never end.
fn endless() -> std::io::Result<Proxy> {
    Proxy::start(None, |request| {
        let running = json!({"jobReference": {"jobId": "x"}, "status": {"state": "RUNNING"}});
        if request.path.contains("/cancel") {
            answer(json!({"job": running}))
        } else if request.inserts() || request.path.contains("jobs/x") {
            answer(running)
        } else {
            refusal(404, "notFound", "Not found: Job")
        }
    })
}

fn a_job_that_does_not_end_is_cancelled() -> Result<(), Failed> {
    let proxy = endless()?;
    let limit = Duration::from_millis(300);
    let client = BigQuery::connect(super::Options {
        patience: Patience { job: limit, ..patience() },
        ..options(proxy.address, "d")
    })?;
    let started = Instant::now();
    let error = run(&client, &query("endless", "SELECT 1")).expect_err("it does not end");
    assert_eq!(error.trouble, Trouble::Deadline, "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(proxy.seen().iter().any(|request| request.path.contains("/cancel")), "{:?}", proxy.seen());
    Ok(())
}

/// The connection stands, and nothing comes.
fn a_silent_service_is_not_waited_for() -> Result<(), Failed> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let client = BigQuery::connect(super::Options {
        patience: Patience { call: Duration::from_millis(100), retries: 1, ..patience() },
        ..options(listener.local_addr()?, "d")
    })?;
    let started = Instant::now();
    let error = client.dry_run("SELECT 1").expect_err("nothing comes");
    assert_eq!(error.trouble, Trouble::Unavailable, "{error}");
    assert!(error.to_string().contains("no answer within"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    Ok(())
}

fn a_stop_leaves_the_job() -> Result<(), Failed> {
    let proxy = endless()?;
    let client = client(proxy.address, "d")?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        stopping.store(true, Ordering::Relaxed);
    });
    let error = client.run(&query("stopped", "SELECT 1"), &stop).expect_err("it was stopped");
    thread.join().map_err(|_| "the stop failed")?;
    assert_eq!(error.trouble, Trouble::Stopped, "{error}");
    assert!(!proxy.seen().iter().any(|request| request.path.contains("/cancel")));
    Ok(())
}

/// Another program, or one that was killed, has inserted it.
fn a_running_job_is_waited_for() -> Result<(), Failed> {
    let looks = AtomicU32::new(0);
    let proxy = Proxy::start(None, move |request| {
        if !request.path.contains("jobs/old-1") {
            return refusal(404, "notFound", "Not found: Job");
        }
        let state = if looks.fetch_add(1, Ordering::Relaxed) < 3 { "RUNNING" } else { "DONE" };
        answer(json!({"jobReference": {"jobId": "old-1"}, "status": {"state": state}}))
    })?;
    let done = run(&client(proxy.address, "d")?, &query("old", "SELECT 1"))?;
    assert_eq!((done.id.as_str(), done.found), ("old-1", true));
    assert!(proxy.inserted().is_empty());
    Ok(())
}

fn refusals_are_helped() -> Result<(), Failed> {
    for (status, reason, trouble, help) in [
        (403, "accessDenied", Trouble::Permission, "roles/bigquery.jobUser"),
        (400, "bytesBilledLimitExceeded", Trouble::TooManyBytes, "--max-bytes"),
        (403, "quotaExceeded", Trouble::Quota, "quota"),
        (401, "authError", Trouble::Credentials, "gcloud auth application-default login"),
    ] {
        let proxy = Proxy::start(None, move |request| {
            if request.inserts() { refusal(status, reason, "no") } else { refusal(404, "notFound", "Not found: Job") }
        })?;
        let error = run(&client(proxy.address, "d")?, &query("refused", "SELECT 1")).expect_err("refused");
        assert_eq!(error.trouble, trouble, "{error}");
        assert!(error.to_string().contains(help), "{error}");
        assert_eq!(proxy.inserted().len(), 1, "{reason} stays");
    }
    Ok(())
}

fn clear_text_stays_on_this_machine() -> Result<(), Failed> {
    let mut elsewhere = options(std::net::SocketAddr::from(([127, 0, 0, 1], 1)), "d");
    elsewhere.endpoint = Some("http://192.0.2.1:9050".to_owned());
    let error = BigQuery::connect(elsewhere).err().ok_or("it was spoken to")?;
    assert!(error.to_string().contains("https://"), "{error}");
    Ok(())
}
