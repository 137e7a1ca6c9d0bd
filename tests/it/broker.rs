//! A run over a server that goes wrong as Pub/Sub may, and as its emulator does not: exactly-once delivery, acknowledgements that
//! come late or are not heard of, streams that break in every way, a server that is away or stands still.

mod attributes;
mod kills;
mod overload;
mod place;
mod proto;
mod queue;
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;

use self::place::{Given, Outcome, Place, alerts};
use self::queue::{AckFault, Queue, UNAVAILABLE};
use self::server::{Ending, Server};
use super::program::Started;
use super::random::Random;

const SEEDS: u64 = 20;
/// Codes of gRPC that pass: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE.
const PASSING: [i32; 5] = [4, 8, 10, 13, UNAVAILABLE];

pub fn cases() -> Vec<Trial> {
    let mut trials: Vec<Trial> =
        (0..SEEDS).map(|seed| Trial::test(format!("broker::script_{seed:02}"), move || script(seed))).collect();
    trials.push(Trial::test("broker::attributes_are_columns", attributes::attributes));
    trials.push(Trial::test("broker::compressed_messages", compressed));
    trials.push(Trial::test("broker::late_acknowledgements", late));
    trials.push(Trial::test("broker::an_outage_is_told_and_waited_for", outage));
    trials.push(Trial::test("broker::an_error_that_stays_ends_the_run", stays));
    let killed = Trial::test("broker::a_run_that_is_killed_again_and_again", kills::again_and_again);
    trials.push(killed);
    let overloaded = Trial::test("broker::a_run_that_is_overloaded_drains", overload::drains);
    trials.push(overloaded.with_ignored_flag(!overload::asked()));
    trials
}

/// One thing that goes wrong, and for how long.
fn wrong(server: &mut Server, random: &mut Random) -> Outcome {
    let length = Duration::from_millis(random.next() % 700);
    match random.below(9) {
        0 => server.break_streams(Ending::Code(*random.pick(&PASSING))),
        1 => server.break_streams(Ending::Clean),
        2 => server.break_streams(Ending::Reset),
        3 => server.refuse(*random.pick(&PASSING), length),
        4 => {
            server.down();
            thread::sleep(length);
            server.up()?;
        }
        5 => server.stand_still(length),
        6 => server.queue().redeliver(),
        _ => {
            let faults = [AckFault::Late, AckFault::Transient, AckFault::Lost, AckFault::Unavailable];
            server.queue().spoil(*random.pick(&faults), 1 + random.below(3));
        }
    }
    Ok(())
}

/// Flows come while one thing after another goes wrong; in the end each was counted once, the alerts are those of a run over a
/// file, and nothing was acknowledged before the log had it.
fn script(seed: u64) -> Outcome {
    let given = Given::get()?;
    let mut random = Random::new(seed);
    let exactly_once = seed % 4 != 3;
    let mut queue = Queue::new(exactly_once, seed);
    queue.lease = Duration::from_millis(*random.pick(&[400, 2_000, 10_000]));
    let mut server = Server::start(queue)?;
    let place = Place::new("")?;
    place.watch_log(&server);
    let mut run = place.start(&server)?;
    // A start does not wait for what is away.
    place.wait_for("a stream", || Ok(server.queue().counts.opened > 0))?;
    let mut lines = given.flows.as_slice();
    while !lines.is_empty() {
        for _ in 0..1 + random.below(12) {
            let (message, rest) = lines.split_at((1 + random.below(40)).min(lines.len()));
            if !message.is_empty() {
                server.queue().publish(message.join("\n").into_bytes(), &[]);
            }
            lines = rest;
        }
        if random.one_in(2) {
            wrong(&mut server, &mut random)?;
        }
        thread::sleep(Duration::from_millis(random.next() % 120));
    }
    server.queue().heal();
    let summary = finish(given, &server, &place, &mut run)?;
    let counts = server.queue().counts.clone();
    let too_early = server.queue().too_early.clone();
    if !too_early.is_empty() {
        return Err(format!("acknowledged and not in the log: {too_early:?}").into());
    }
    let told = &summary["log"]["subscriptions"][0];
    let (delivery, outcomes) = (&told["delivery"], &told["acknowledgements"]);
    let known = |outcome: &str| outcomes[outcome].as_u64().unwrap_or(0);
    let told_of = known("confirmed") + known("late") + known("refused") + known("unanswered");
    // Of each one the outcome is counted, or that nobody says it.
    let whole = match exactly_once {
        true => *delivery == "exactly_once" && known("sent") == 0 && known("confirmed") > 0 && told["pending"] == 0,
        false => *delivery == "at_least_once" && known("sent") > 0 && told_of == 0,
    };
    if !whole || known("confirmed") > counts.confirmed {
        return Err(format!("{told}, but {counts:?}").into());
    }
    Ok(())
}

/// Closes everything, and compares what the run says with what a run over a file says; returns its summary.
fn finish(given: &Given, server: &Server, place: &Place, run: &mut Started) -> Result<Json, Failed> {
    place.wait_for("acknowledgement of all flows", || Ok(server.queue().unacknowledged() == 0))?;
    server.queue().publish(given.last.clone().into_bytes(), &[]);
    place.wait_for("alerts", || Ok(alerts(&place.path("alerts.jsonl"))?.len() >= given.alerts.len()))?;
    place.wait_for("acknowledgement of the last", || Ok(server.queue().unacknowledged() == 0))?;
    let ended = run.stop()?;
    let said = place.said();
    let found = alerts(&place.path("alerts.jsonl"))?;
    if found != given.alerts || !ended.success() {
        return Err(format!("{ended}: {found:#?}, not {:#?}: {said}", given.alerts).into());
    }
    let summary = place.summary()?;
    let (rows, flows) = (&summary["rows"], given.flows.len() + 1);
    if rows["offered"] != flows || rows["accepted"] != flows || rows["late"] != 0 || rows["duplicate"] != 0 {
        return Err(format!("of {flows} flows: {rows}").into());
    }
    Ok(summary)
}

/// With exactly-once delivery acknowledgements fail until many did: what they were for comes again and counts once, and each is
/// counted by what became of it.
fn late() -> Outcome {
    let server = Server::start(Queue::new(true, 3))?;
    let place = Place::new("")?;
    place.watch_log(&server);
    let mut run = place.start(&server)?;
    server.queue().spoil(AckFault::Late, usize::MAX);
    for lines in Given::get()?.flows.chunks(20) {
        server.queue().publish(lines.join("\n").into_bytes(), &[]);
    }
    place.wait_for("late acknowledgements", || Ok(server.queue().counts.late >= 100))?;
    server.queue().heal();
    let summary = finish(Given::get()?, &server, &place, &mut run)?;
    let (counts, log) = (server.queue().counts.clone(), &summary["log"]);
    let outcomes = &log["subscriptions"][0]["acknowledgements"];
    let right = outcomes["late"] == counts.late && outcomes["confirmed"] == counts.confirmed;
    if !right
        || outcomes["unanswered"] != 0
        || log["redelivered"] != counts.again
        || !server.queue().too_early.is_empty()
    {
        return Err(format!("{log}, but {counts:?}").into());
    }
    Ok(())
}

/// The server is away for longer than the subscription may be silent: that is said once, the run is not ready, the clock moves
/// nothing, and what comes after it is in time.
fn outage() -> Outcome {
    let mut server = Server::start(Queue::new(true, 4))?;
    let place = Place::new("idle_after: 20s\n")?;
    let mut run = place.start(&server)?;
    let flows = &Given::get()?.flows;
    let (before, after) = flows.split_at(flows.len() / 2);
    let publish = |server: &Server, lines: &[String]| {
        lines.chunks(40).for_each(|lines| server.queue().publish(lines.join("\n").into_bytes(), &[]));
    };
    publish(&server, before);
    place.wait_for("acknowledgements", || Ok(server.queue().unacknowledged() == 0))?;
    place.wait_for("readiness", || Ok(place.page("/readyz").is_some_and(|(code, _)| code == 200)))?;
    server.down();
    publish(&server, after);
    let unready = || place.page("/readyz").filter(|(code, _)| *code == 503).map(|(_, text)| text);
    place.wait_for("unreadiness", || Ok(unready().is_some_and(|text| text.contains("has not been reached for 3"))))?;
    let away = place.page("/metrics").map(|(_, text)| text).unwrap_or_default();
    server.up()?;
    place.wait_for("readiness again", || Ok(place.page("/readyz").is_some_and(|(code, _)| code == 200)))?;
    let back = place.page("/metrics").map(|(_, text)| text).unwrap_or_default();
    finish(Given::get()?, &server, &place, &mut run)?;
    let said = place.said();
    for told in ["cannot be reached, and is waited for", "answers again, after"] {
        if said.matches(told).count() != 1 {
            return Err(format!("not once: {told}: {said}").into());
        }
    }
    let seconds = |page: &str| -> Option<f64> {
        let line = page.lines().find(|line| line.starts_with("tripline_subscription_unreachable_seconds{"))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    match (seconds(&away), seconds(&back)) {
        (Some(away), Some(0.0)) if away >= 29.0 => Ok(()),
        other => Err(format!("{other:?} seconds").into()),
    }
}

/// A message that is gzip is read; one that is empty, cut off, or too long when it is not compressed any more, is one record, which is
/// rejected and told as it came.
fn compressed() -> Outcome {
    let packed = |bytes: &[u8]| -> Result<Vec<u8>, Failed> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
        gzip.write_all(bytes)?;
        Ok(gzip.finish()?)
    };
    let given = Given::get()?;
    let three = packed(given.flows[..3].join("\n").as_bytes())?;
    // Its lines stand in it as they are.
    let cut = three[..three.len() - 9].to_vec();
    let mut long = GzEncoder::new(Vec::new(), Compression::fast());
    long.write_all(&vec![b'\n'; (10 << 20) + 1])?;
    let long = long.finish()?;
    let empty = b"\n\n".to_vec();
    let server = Server::start(Queue::new(true, 6))?;
    let place = Place::new("")?;
    let mut config = fs::OpenOptions::new().append(true).open(place.path("project/tripline.yaml"))?;
    writeln!(config, "\ndead_letters: {{type: file, file: letters.jsonl}}")?;
    let mut run = place.start(&server)?;
    for message in [&three, &cut, &long, &empty] {
        server.queue().publish(message.clone(), &[]);
    }
    place.wait_for("acknowledgements", || Ok(server.queue().unacknowledged() == 0))?;
    let letters = || fs::read_to_string(place.path("letters.jsonl")).unwrap_or_default();
    place.wait_for("letters", || Ok(letters().lines().count() == 3))?;
    let ended = run.stop()?;
    let summary = place.summary()?;
    let (rows, rejected) = (&summary["rows"], &summary["rejected"]);
    if !ended.success() || rows["offered"] != 6 || rows["accepted"] != 3 || rows["rejected"] != 3 {
        return Err(format!("{ended}: {rows} {rejected}").into());
    }
    let mut told = BTreeSet::new();
    for letter in letters().lines() {
        let letter: Json = serde_json::from_str(letter).map_err(|error| error.to_string())?;
        let text = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
        told.insert((text("reason"), text("payload_base64")));
    }
    let text = Vec::new();
    let expected = [("ingest.bad-record", &cut), ("ingest.bad-record", &text), ("ingest.too-long", &long)];
    let expected = expected.map(|(reason, payload)| (reason.to_owned(), STANDARD.encode(payload)));
    if told != expected.into() {
        return Err(format!("{told:?}").into());
    }
    Ok(())
}

/// Permission that is taken away and a subscription that is deleted end a run, which says what to do.
fn stays() -> Outcome {
    for (code, word, help) in [(7, "PERMISSION_DENIED", "roles/pubsub.subscriber"), (5, "NOT_FOUND", "gcloud pubsub")] {
        let server = Server::start(Queue::new(true, 1))?;
        let place = Place::new("")?;
        let mut run = place.start(&server)?;
        server.queue().publish(Given::get()?.flows[0].clone().into_bytes(), &[]);
        place.wait_for("a message", || Ok(server.queue().unacknowledged() == 0))?;
        server.refuse(code, Duration::from_secs(600));
        let ended = run.end()?;
        let said = place.said();
        if ended.code() != Some(2) || !said.contains(word) || !said.contains("\nhelp: ") || !said.contains(help) {
            return Err(Failed::from(format!("{ended}: {said}")));
        }
    }
    Ok(())
}
