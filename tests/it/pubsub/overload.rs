//! Ten times as much as a run can do, under a limit of memory: `TRIPLINE_OVERLOAD` says for how many seconds. It stays alive,
//! what it cannot take waits in the subscription, and when it has a whole core again everything is drained: each flow was
//! counted once, and the alerts are those of a run over files.
//!
//! The limits are those of a control group (version 1), so that this is for root on Linux. A run on a whole core is faster
//! than the emulator gives, so that the run gets the smaller part of a core: `TRIPLINE_OVERLOAD_CPU`, in thousandths.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::BasePublisher;
use google_cloud_pubsub::model::Message;
use libtest_mimic::Failed;

use super::{Emulator, Given, Outcome, Place, TOPIC, number, project};

pub const SECONDS: &str = "TRIPLINE_OVERLOAD";
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
fn flood(emulator: &Emulator, flows: &[String]) -> Outcome {
    emulator.runtime.block_on(async {
        let base = BasePublisher::builder().with_endpoint(emulator.endpoint());
        let base = base.with_credentials(anonymous::Builder::new().build()).build().await?;
        let publisher = base.publisher(TOPIC).build();
        let begin = Instant::now();
        let mut under_way = Vec::new();
        for (tenth, flows) in (0_u64..).zip(flows.chunks(RATE / 10)) {
            let due = begin + Duration::from_millis(tenth * 100);
            tokio::time::sleep_until(due.into()).await;
            for records in flows.chunks(RECORDS) {
                let message = Message::new().set_data(records.join("\n").into_bytes());
                under_way.push(publisher.publish(message));
            }
            if under_way.len() > 1_000 {
                for sent in under_way.drain(..) {
                    sent.await?;
                }
            }
        }
        for sent in under_way {
            sent.await?;
        }
        Ok(())
    })
}

pub fn drains(emulator: &Emulator) -> Outcome {
    let seconds = number(SECONDS).unwrap_or(60);
    let flows = seconds * RATE;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let place = Place { folder: tempfile::tempdir()?, table: None, more: Vec::new(), address: Some(address) };
    fs::create_dir(place.path("project"))?;
    project(&place.path("project"))?;
    // A day of flows.
    let given = Given::generate(&place, flows, u32::try_from(flows / 80_000).unwrap_or(1).max(1))?;
    emulator.create()?;
    let run = place.start(emulator)?;
    let process = run.0.id();
    let group = Group::new(number("TRIPLINE_OVERLOAD_CPU").unwrap_or(20))?;
    group.take(process)?;
    place.wait_for("answer", || Ok(place.status().is_ok_and(|status| status["ready"] == true)))?;

    let begin = Instant::now();
    flood(emulator, &given.flows)?;
    let flooded = begin.elapsed();
    let status = place.status()?;
    let (taken, subscriptions) = (place.rows(), status["subscriptions"].clone());
    let most = (resident(process)?, group.most_memory()?);
    group.cpu("-1")?;
    let begin = Instant::now();
    place.wait_for("flows", || Ok(place.rows() == given.flows.len()))?;
    let drained = begin.elapsed();
    let after = resident(process)?;
    let summary = given.settle(&place, emulator, run)?;
    let (counts, all) = (&summary["rows"], given.flows.len() + 2);
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let times = given.flows.len() as f64 / taken as f64;
    eprintln!(
        "{} flows in {} s, of which {taken} were taken ({times:.1} times as many came); resident at most {} MiB, with what the \
         kernel keeps for it {} MiB; drained in {} s (resident at most {} MiB); lag {} s; {subscriptions}; {counts}",
        given.flows.len(),
        flooded.as_secs(),
        most.0 >> 10,
        most.1 >> 20,
        drained.as_secs(),
        after >> 10,
        status["lag_seconds"],
    );
    if counts["offered"] != all || counts["accepted"] != all || counts["late"] != 0 {
        return Err(format!("of {all} flows: {counts}").into());
    }
    if taken * 10 > given.flows.len() {
        return Err(format!("{taken} flows were taken meanwhile: that is no overload").into());
    }
    Ok(())
}
