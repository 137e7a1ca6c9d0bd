//! Ten times as much as a run can do, under a limit of memory: `TRIPLINE_OVERLOAD` says for how many seconds. It stays alive,
//! what it cannot take waits in the subscription, and when it has a whole core again everything is drained: each flow was
//! counted once, and the alerts are those of a run over files.
//!
//! The limits are those of a control group (version 1), so that this is for root on Linux. The run gets the smaller part of a
//! core, `TRIPLINE_OVERLOAD_CPU` in thousandths, so that ten times as much can be kept here.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value as Json;

use super::finish;
use super::place::{Given, Outcome, Place};
use super::queue::Queue;
use super::server::Server;

const SECONDS: &str = "TRIPLINE_OVERLOAD";
/// Flows a second.
const RATE: usize = 10_000;
/// Flows of one message.
const RECORDS: usize = 50;
const MEMORY: u64 = 512 << 20;

/// Limits of processes, gone when it is dropped.
struct Group(Vec<PathBuf>);

impl Group {
    fn new(cpu_thousandths: usize) -> Result<Self, Failed> {
        let name = format!("tripline-{}", std::process::id());
        let folders: Vec<PathBuf> =
            ["memory", "cpu"].iter().map(|of| Path::new("/sys/fs/cgroup").join(of).join(&name)).collect();
        for folder in &folders {
            fs::create_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let group = Self(folders);
        fs::write(group.0[0].join("memory.limit_in_bytes"), MEMORY.to_string())?;
        fs::write(group.0[1].join("cpu.cfs_period_us"), "100000")?;
        group.cpu(&(cpu_thousandths * 100).to_string())?;
        Ok(group)
    }

    /// Microseconds of a tenth of a second.
    fn cpu(&self, quota: &str) -> Outcome {
        Ok(fs::write(self.0[1].join("cpu.cfs_quota_us"), quota)?)
    }

    fn take(&self, process: u32) -> Outcome {
        for folder in &self.0 {
            fs::write(folder.join("cgroup.procs"), process.to_string())?;
        }
        Ok(())
    }

    fn most_memory(&self) -> Result<u64, Failed> {
        Ok(fs::read_to_string(self.0[0].join("memory.max_usage_in_bytes"))?.trim().parse()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The most that was resident, in KiB.
fn resident(process: u32) -> Result<u64, Failed> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Publishes them at an even rate.
fn flood(server: &Server, flows: &[String]) {
    let begin = Instant::now();
    for (tenth, flows) in (0_u64..).zip(flows.chunks(RATE / 10)) {
        thread::sleep((begin + Duration::from_millis(tenth * 100)).saturating_duration_since(Instant::now()));
        for records in flows.chunks(RECORDS) {
            server.queue().publish(records.join("\n").into_bytes(), &[]);
        }
    }
}

fn status(place: &Place) -> Json {
    let page = place.page("/status").map(|(_, text)| text);
    page.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Json::Null)
}

pub fn drains() -> Outcome {
    let given = Given::make(number(SECONDS).unwrap_or(60) * RATE)?;
    let mut queue = Queue::new(false, 1);
    (queue.lease, queue.in_order) = (Duration::from_secs(60), true);
    let server = Server::start(queue)?;
    // What is kept for rows that may come late is no matter of how many come.
    let place = Place::with_lateness("10m", "")?;
    let mut run = place.start_with(&server, &["--memory", &MEMORY.to_string()])?;
    let process = run.id();
    let group = Group::new(number("TRIPLINE_OVERLOAD_CPU").unwrap_or(20))?;
    group.take(process)?;
    place.wait_for("readiness", || Ok(status(&place)["ready"] == true))?;

    let begin = Instant::now();
    flood(&server, &given.flows);
    let flooded = begin.elapsed();
    let mut used = 0;
    let told = status(&place);
    let taken = told["rows"]["accepted"].as_u64().ok_or_else(|| format!("it does not answer: {}", place.said()))?;
    let most = (resident(process)?, group.most_memory()?);
    group.cpu("-1")?;
    let begin = Instant::now();
    while server.queue().unacknowledged() > 0 {
        if begin.elapsed() > Duration::from_secs(1_800) {
            return Err(format!("it does not drain: {}", place.said()).into());
        }
        used = used.max(status(&place)["memory_used_bytes"].as_u64().unwrap_or(0));
        thread::sleep(Duration::from_millis(500));
    }
    let drained = begin.elapsed();
    let after = resident(process)?;
    finish(&given, &server, &place, &mut run)?;
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let times = given.flows.len() as f64 / taken as f64;
    eprintln!(
        "{} flows in {} s, of which {taken} were taken ({times:.1} times as many came); resident at most {} MiB, with what the \
         kernel keeps for it {} MiB; drained in {} s (resident at most {} MiB, {} MiB of it its own); {}",
        given.flows.len(),
        flooded.as_secs(),
        most.0 >> 10,
        most.1 >> 20,
        drained.as_secs(),
        after >> 10,
        used >> 20,
        told["subscriptions"],
    );
    if times < 10.0 {
        return Err("that is no overload".into());
    }
    Ok(())
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

pub fn asked() -> bool {
    number(SECONDS).is_some()
}
