//! SIGHUP: the project of a run is read anew, first in a process of its own, so that nothing that is in it can hurt the run.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::definition::model::{DeadLetters, SinkConfig};
use crate::plan::Plan;
use crate::runtime::live::{Definitions, Fresh, Offered};
use crate::runtime::outlet::tap_schema;

use super::exit::describe;
use super::project::{Opened, valid};
use super::say::say;
use super::stop::each_hangup;
use super::wire;

/// The longest that a project may take to be checked, as time and as work of the processor, in seconds.
const PATIENCE: u64 = 60;
/// And the memory that its check may have, as addresses.
const MEMORY_BYTES: u64 = 8 << 30;

/// What of a run stays as it is whatever the project says.
pub struct Fixed {
    /// `None`: the built-in pack, which does not change.
    pub folder: Option<PathBuf>,
    pub sinks: Vec<SinkConfig>,
    pub dead_letters: Option<DeadLetters>,
    /// Relations that are written, with their columns, and all that are shown.
    pub taps: Vec<String>,
    pub shown: Vec<String>,
    pub plan: Plan,
}

struct Hangups(Receiver<Offered>);

impl Definitions for Hangups {
    fn next(&mut self, _: u64) -> Option<Offered> {
        self.0.try_recv().ok()
    }
}

/// From now on a SIGHUP has the project read.
pub fn watch(fixed: Fixed) -> anyhow::Result<Box<dyn Definitions>> {
    let (asked, asks) = channel();
    each_hangup(asked)?;
    let (sender, offers): (Sender<Offered>, _) = channel();
    let runs = thread::current();
    thread::spawn(move || {
        while asks.recv().is_ok() {
            // Asked twice, it is read once.
            while asks.try_recv().is_ok() {}
            let offered = fixed.read().map_err(|error| describe(&error).trim_start_matches("error: ").to_owned());
            if sender.send(offered).is_err() {
                return;
            }
            runs.unpark();
        }
    });
    Ok(Box::new(Hangups(offers)))
}

impl Fixed {
    fn read(&self) -> anyhow::Result<Box<Fresh>> {
        let Some(folder) = &self.folder else {
            bail!("the run is of the built-in pack, which does not change\nhelp: `tripline init DIR` writes a project");
        };
        self.check()?;
        let Opened { mut plan, project, generation, .. } = valid(wire::folder(folder).as_ref())?;
        if project.config.sinks != self.sinks || project.config.dead_letters != self.dead_letters {
            bail!("its sinks or its `dead_letters` are others than before\nhelp: stop the run and start it again");
        }
        let other = |tap: &&String| tap_schema(&plan, tap) != tap_schema(&self.plan, tap);
        if let Some(tap) = self.taps.iter().find(other) {
            bail!(
                "`--tap {tap}` writes a relation that has other columns now, or is gone\nhelp: stop the run and start it again"
            );
        }
        plan.show(&self.shown.iter().map(String::as_str).collect::<Vec<_>>());
        Ok(Fresh::new(plan, &generation))
    }

    /// In a process of its own, which takes neither more time nor more memory than it may.
    fn check(&self) -> anyhow::Result<()> {
        let folder = self.folder.iter().flat_map(|folder| ["--project".to_owned(), folder.display().to_string()]);
        let limits = [format!("--limit-seconds={PATIENCE}"), format!("--limit-bytes={MEMORY_BYTES}")];
        let arguments: Vec<String> = ["check".to_owned()].into_iter().chain(folder).chain(limits).collect();
        let ended =
            wire::run_self(&arguments, Duration::from_secs(PATIENCE)).context("the project cannot be checked")?;
        let Some(status) = ended.status else {
            bail!("its check took longer than {PATIENCE} s\nhelp: `tripline check` says where it is");
        };
        match status.code() {
            Some(0) => Ok(()),
            Some(1) => {
                say(&ended.output);
                bail!("the project has errors\nhelp: `tripline check` says them too")
            }
            Some(_) => bail!("{}", ended.errors.trim().trim_start_matches("error: ")),
            None => {
                bail!("its check ended with {status}\nhelp: it may need more memory or time than a reload gives it")
            }
        }
    }
}
