//! The real program over a server of the tests: its project, its flows, what a run over a file gives of them.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value as Json;
use tempfile::TempDir;
use tripline::adapter::local::LocalDisk;
use tripline::port::disk::Disk;
use tripline::state::entry::Entry;
use tripline::state::log::{Follower, Kind, confirmed_entries};

use super::server::{SUBSCRIPTION, Server, locked};
use crate::program::{Started, project, tripline};

pub type Outcome = Result<(), Failed>;
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Behind all flows, so that everything closes.
const LAST: &str = "2026-03-01T00:00:00Z";
const FLOWS: usize = 3_000;

pub struct Given {
    pub flows: Vec<String>,
    pub last: String,
    /// What a run over a file of them says.
    pub alerts: BTreeSet<String>,
}

/// Alerts that are over; each is there once.
pub fn alerts(file: &Path) -> Result<BTreeSet<String>, Failed> {
    let mut ids = BTreeSet::new();
    let text = fs::read_to_string(file).unwrap_or_default();
    // The last line may be under way.
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let alert: Json = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let told = format!("{} {} {} {}", alert["alert_id"], alert["rule"], alert["hits"], alert["score"]);
        if alert["phase"] == "final" && alert["state"] != "partial" && !ids.insert(told) {
            return Err(format!("twice: {line}").into());
        }
    }
    Ok(ids)
}

impl Given {
    /// Made once for all tests.
    pub fn get() -> Result<&'static Self, Failed> {
        static GIVEN: OnceLock<Result<Given, String>> = OnceLock::new();
        let given =
            GIVEN.get_or_init(|| Self::make(FLOWS).map_err(|error| error.message().unwrap_or_default().to_owned()));
        given.as_ref().map_err(|error| error.clone().into())
    }

    pub fn make(count: usize) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        project(&path("project"), "12h", "")?;
        let made = tripline()
            .args(["generate", "--events", &count.to_string(), "--attacks", "all", "--seed", "5", "--output"])
            .arg(path("given.jsonl"))
            .output()?;
        let text = fs::read_to_string(path("given.jsonl"))?;
        let flows: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut last: Json =
            serde_json::from_str(text.lines().next().unwrap_or_default()).map_err(|e| e.to_string())?;
        ["startTime", "endTime", "timestamp"].iter().for_each(|time| last[*time] = LAST.into());
        let last = last.to_string();
        fs::write(path("given.jsonl"), format!("{text}{last}\n"))?;
        let batch = tripline()
            .args(["run", "--source", "netlog", "--input"])
            .arg(path("given.jsonl"))
            .arg("--project")
            .arg(path("project"))
            .arg("--output")
            .arg(path("batch.jsonl"))
            .output()?;
        let alerts = alerts(&path("batch.jsonl"))?;
        if !made.status.success() || flows.len() < count || alerts.len() < 3 {
            return Err(format!("{} flows: {}", flows.len(), String::from_utf8_lossy(&batch.stderr)).into());
        }
        Ok(Self { flows, last, alerts })
    }
}

pub struct Place {
    folder: TempDir,
    pub address: String,
}

impl Place {
    /// `more`: what the source says beside the pack's.
    pub fn new(more: &str) -> Result<Self, Failed> {
        Self::with_lateness("12h", more)
    }

    pub fn with_lateness(lateness: &str, more: &str) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        project(&folder.path().join("project"), lateness, more)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { folder, address: format!("127.0.0.1:{port}") })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn start(&self, server: &Server) -> Result<Started, Failed> {
        self.start_with(server, &[])
    }

    pub fn start_with(&self, server: &Server, more: &[&str]) -> Result<Started, Failed> {
        let child = tripline()
            .args(["run", "--source", "netlog", "--summary", "json", "--subscription", SUBSCRIPTION])
            .args(["--listen", &self.address])
            .args(more)
            .current_dir(self.folder.path())
            .arg("--project")
            .arg(self.path("project"))
            .arg("--state")
            .arg(self.path("state"))
            .arg("--output")
            .arg(self.path("alerts.jsonl"))
            .env("PUBSUB_EMULATOR_HOST", server.address())
            .stdout(Stdio::null())
            .stderr(fs::OpenOptions::new().create(true).append(true).open(self.path("stderr"))?)
            .spawn()?;
        Ok(Started(child))
    }

    pub fn said(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    pub fn wait_for(&self, what: &str, done: impl Fn() -> Result<bool, Failed>) -> Outcome {
        let until = Instant::now() + PATIENCE;
        while !done()? {
            if Instant::now() > until {
                return Err(format!("no {what} in time: {}", self.said()).into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Of the run's pages: its status and text.
    pub fn page(&self, path: &str) -> Option<(u16, String)> {
        tripline::adapter::http::ask(&self.address, path).ok()
    }

    pub fn summary(&self) -> Result<Json, Failed> {
        let said = self.said();
        let summary = said.lines().rev().find_map(|line| serde_json::from_str::<Json>(line).ok());
        summary.ok_or_else(|| format!("no summary: {said}").into())
    }

    /// Which of some messages no sync of the log has made safe by now.
    pub fn watch_log(&self, server: &Server) {
        let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(self.path("state")));
        let read = Mutex::new((Follower::new(Arc::clone(&disk), Kind::Given, 0), HashSet::new()));
        server.watch(Box::new(move |messages| {
            let (follower, known) = &mut *locked(&read);
            let end = confirmed_entries(&*disk, Kind::Given);
            for (_, entry) in follower.read(end, usize::MAX).unwrap_or_default() {
                if let Ok(Entry::Given(given)) = Entry::read(&entry, 1) {
                    known.extend(given.messages);
                }
            }
            messages.iter().copied().filter(|message| !known.contains(message)).collect()
        }));
    }
}
