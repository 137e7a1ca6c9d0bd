//! SIGKILL at random moments while many flows come: `TRIPLINE_KILLS` says how often, `TRIPLINE_KILLED_FLOWS` how many flows
//! (default: 2,000 for each kill). In the end each flow was counted once, and the alerts are those of a run over files.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use super::{Emulator, Given, Outcome, Place, Random, number, project};

pub const KILLS: &str = "TRIPLINE_KILLS";

/// Records of one message.
const RECORDS: usize = 100;

pub fn again_and_again(emulator: &Emulator) -> Outcome {
    let kills = number(KILLS).unwrap_or(4);
    let flows = number("TRIPLINE_KILLED_FLOWS").unwrap_or(2_000 * kills);
    let more = vec!["--snapshot-every", "2s", "--rotate-bytes", "100000"];
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let place = Place { folder: tempfile::tempdir()?, table: None, more, address: Some(address) };
    std::fs::create_dir(place.path("project"))?;
    project(&place.path("project"))?;
    // Of less event time than the lateness: what the emulator withholds for minutes, which dead clients had, is not late.
    let given = Given::generate(&place, flows, 20)?;
    emulator.create()?;
    let seed = u64::from(std::process::id());
    let mut random = Random::new(seed);
    let (begin, mut stages) = (Instant::now(), [0; 3]);
    for part in given.flows.chunks(given.flows.len() / kills + 1) {
        let mut run = place.start(emulator)?;
        emulator.publish(part.chunks(RECORDS).map(|lines| lines.join("\n")).collect())?;
        // While it starts, soon behind it, or when it has been at work for a while.
        let stage = random.below(3);
        stages[stage] += 1;
        let longest = [400, 2_000, 6_000][stage];
        thread::sleep(Duration::from_millis(u64::try_from(random.between(0, longest)).unwrap_or(0)));
        if let Some(ended) = run.0.try_wait()? {
            let said = std::fs::read_to_string(place.path("stderr"))?;
            return Err(format!("seed {seed}: {ended}: {said}").into());
        }
        // SIGKILL.
        run.0.kill()?;
        run.0.wait()?;
    }
    let killed = begin.elapsed();
    let run = place.start(emulator)?;
    place.wait_for("answer", || Ok(place.status().is_ok_and(|status| status["ready"] == true)))?;
    let rows = place.rows();
    let summary = given.settle(&place, emulator, run)?;
    let (counts, all) = (&summary["rows"], given.flows.len() + 2);
    eprintln!(
        "{kills} kills ({stages:?}) in {} s, {rows} of {} flows behind the last; {} s in all; {} alerts; {counts}; {}",
        killed.as_secs(),
        given.flows.len(),
        begin.elapsed().as_secs(),
        given.expected.len(),
        summary["log"]
    );
    if counts["offered"] != all || counts["accepted"] != all || counts["late"] != 0 {
        return Err(format!("seed {seed}: of {all} flows: {counts}").into());
    }
    Ok(())
}
