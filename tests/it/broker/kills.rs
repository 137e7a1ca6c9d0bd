//! SIGKILL at random moments while many flows come: `TRIPLINE_KILLS` says how often (default: 6), each with 2,000 flows, at most
//! 200,000 in all. In the end each flow was counted once, the alerts are those of a run over files, each once, and nothing was
//! acknowledged before the log had it.
//!
//! Google's emulator is no place for more than a few kills: a stream whose client died takes its share of the messages for as
//! long as the emulator runs.

use std::thread;
use std::time::{Duration, Instant};

use super::place::{Given, Outcome, Place};
use super::queue::Queue;
use super::server::Server;
use super::{Random, finish};

/// Records of one message.
const RECORDS: usize = 20;
const FLOWS_MAX: usize = 200_000;
/// How long a run lives at most, in milliseconds: while it starts, soon behind it, or when it has been at work for a while.
const LIVES: [u64; 3] = [400, 1_500, 4_000];

pub fn again_and_again() -> Outcome {
    let kills = std::env::var("TRIPLINE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6);
    let given = Given::make((kills * 2_000).min(FLOWS_MAX))?;
    let seed = u64::from(std::process::id());
    let mut random = Random::new(seed);
    let mut queue = Queue::new(true, seed);
    queue.lease = Duration::from_secs(2);
    let server = Server::start(queue)?;
    let place = Place::new("")?;
    place.watch_log(&server);
    let more = ["--snapshot-every", "2s"];
    let (begin, mut under_way) = (Instant::now(), 0);
    for part in given.flows.chunks(given.flows.len().div_ceil(kills)) {
        let run = place.start_with(&server, &more)?;
        let mut left = part.chunks(RECORDS);
        let until = Instant::now() + Duration::from_millis(random.next() % *random.pick(&LIVES));
        // They come while it lives, and the rest when it is dead.
        while Instant::now() < until {
            for lines in left.by_ref().take(1 + random.below(20)) {
                server.queue().publish(lines.join("\n").into_bytes(), &[]);
            }
            thread::sleep(Duration::from_millis(random.next() % 60));
        }
        run.kill().map_err(|ended| format!("seed {seed}: it ended by itself: {ended:?}: {}", place.said()))?;
        left.for_each(|lines| server.queue().publish(lines.join("\n").into_bytes(), &[]));
        under_way += usize::from(server.queue().unacknowledged() > 0);
    }
    let killed = begin.elapsed();
    let mut run = place.start_with(&server, &more)?;
    // Behind a start nothing moves the watermark for 90 s, and what comes in that time never will.
    place.wait_for("acknowledgement of all flows", || Ok(server.queue().unacknowledged() == 0))?;
    thread::sleep(Duration::from_secs(92));
    let summary = finish(&given, &server, &place, &mut run).map_err(|error| format!("seed {seed}: {error:?}"))?;
    let counts = server.queue().counts.clone();
    let too_early = server.queue().too_early.clone();
    eprintln!(
        "{kills} kills in {} s, {under_way} of them with messages under way; {} flows, {} alerts; {counts:?}; {}",
        killed.as_secs(),
        given.flows.len(),
        given.alerts.len(),
        summary["log"]
    );
    // A few may all come while nothing is under way.
    if !too_early.is_empty() || (kills >= 50 && counts.again == 0) {
        return Err(format!("seed {seed}: acknowledged and not in the log: {too_early:?}; {counts:?}").into());
    }
    Ok(())
}
