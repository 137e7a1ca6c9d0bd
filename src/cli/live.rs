//! `tripline run --subscription`: a run that does not end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use crate::definition::model::DeadLetters;
use crate::plan::Plan;
use crate::port::disk::Disk;
use crate::port::subscription::Subscription;
use crate::record::{EventTime, Micros, plural};
use crate::runtime::live::vitals::{About, Counted, Vitals};
use crate::runtime::live::{
    AlertFile, Bounds, FilePlace, Keeping, Left, Listener, LiveOptions, Logged, LookupState, OpenedFile, Outbox,
    Rotation, Session, live,
};
use crate::runtime::outlet::{AlertFormat, Outlets};
use crate::runtime::report::RunReport;
use crate::state::definitions::Packed;
use crate::state::folder::{self, Held};

use super::inputs::of_source;
use super::listen;
use super::reload::{self, Asks, Begins, Fixed};
use super::say::note;
use super::stop::stop_flag;
use super::summary::RunBar;
use super::wire::{self, Serving};

#[derive(Debug, Args)]
pub struct Live {
    /// A subscription of Pub/Sub, `projects/PROJECT/subscriptions/NAME`, in the place of inputs; `SOURCE=…` for one of another
    /// source. Runs until it is stopped; started again, it goes on where it was. `PUBSUB_EMULATOR_HOST` names an emulator
    #[arg(long, num_args = 1.., value_name = "SUBSCRIPTION", conflicts_with_all = ["input", "history", "live"])]
    subscription: Vec<String>,
    /// A folder of its own for the run's log, in which everything is that was acknowledged
    #[arg(long, value_name = "DIR", requires = "subscription")]
    state: Option<PathBuf>,
    /// How long the log is kept, in event time: what other definitions find when they are begun with
    #[arg(long, value_name = "DURATION", default_value = "30d", requires = "subscription", value_parser = kept_for)]
    retain: Micros,
    /// Beyond so many bytes the beginning of the log goes, whatever its age: whole files of 64 MiB, but for what the older of two
    /// snapshots needs and dead letters wait in
    #[arg(long, value_name = "BYTES", requires = "subscription")]
    retain_bytes: Option<u64>,
    /// A snapshot is taken after so long at the latest, and after 1,000,000 rows: a start reads the log from there on
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "subscription", value_parser = taken_after)]
    snapshot_every: Micros,
    /// Under changed definitions: goes on although alerts of the ones before may not be out, which are lost then
    #[arg(long, requires = "subscription")]
    drop_pending: bool,
    /// Closes the file of alerts when it has so many bytes: it is renamed, with the time in its name, and another begun
    #[arg(long, requires = "subscription", value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    rotate_bytes: Option<u64>,
    /// Closes the file of alerts when a day (of UTC) is over
    #[arg(long, requires = "subscription")]
    rotate_daily: bool,
    /// Reads the project anew when a file of it has changed and is written to no more for 3 s, as it is read for a SIGHUP
    /// (default: only for a SIGHUP)
    #[arg(long, requires = "subscription")]
    watch: bool,
    /// Memory that the run has, such as 512MiB: an eighth of it, 256 MiB at most, is for what waits, and where it gets short the run
    /// takes fewer messages, or none (default: what its control group or the machine has)
    #[arg(long, requires = "subscription", value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,
    /// Answers /healthz, /readyz, /metrics and /status at this address of the machine itself, such as 127.0.0.1:9464, which
    /// `tripline status` asks (default: nowhere)
    #[arg(long, requires = "subscription", conflicts_with_all = ["input", "history", "live"], value_name = "ADDRESS")]
    listen: Option<String>,
}

/// Where alerts go.
pub struct Target<'a> {
    pub output: &'a str,
    pub format: AlertFormat,
    pub taps: &'a [(String, String)],
    pub sinks: Vec<Listener>,
    pub dead_letters: Option<&'a DeadLetters>,
    /// The files that say the definitions.
    pub files: Packed,
    pub lookups: Vec<LookupState>,
    /// What a project that is read anew cannot change, and who asks for it to be read.
    pub fixed: Fixed,
    pub asks: Asks,
    /// The folder of the log, where there is one yet.
    pub held: Option<Held>,
}

impl Live {
    pub fn given(&self) -> bool {
        !self.subscription.is_empty()
    }

    pub fn watches(&self) -> bool {
        self.watch
    }

    /// The folder, where there is one: nobody else has it from now on.
    pub fn hold(&self) -> anyhow::Result<Option<Held>> {
        let state = self.state.as_ref().filter(|state| state.is_dir());
        Ok(state.map(|state| folder::hold(wire::disk(state))).transpose()?)
    }

    /// Definitions under which the folder was left, and which have to be gone on with.
    pub fn left(&self, disk: &Arc<dyn Disk>) -> Option<Left> {
        if self.drop_pending { None } else { Left::find(disk) }
    }

    pub fn run(
        &self,
        plan: Plan,
        source: Option<&str>,
        generation: &str,
        mut target: Target<'_>,
    ) -> anyhow::Result<(RunReport, Logged)> {
        let Some(state) = &self.state else {
            bail!(
                "a run over subscriptions needs a folder for its log\nhelp: add --state DIR, of which nothing may be lost"
            );
        };
        let address = self.listen.as_deref().map(listen::address).transpose()?;
        let named = self.named(&plan, source)?;
        let lanes: Vec<String> = named.iter().map(|(_, name)| name.clone()).collect();
        // What a subscription gives depends on its source.
        let of_sources: Vec<String> =
            named.iter().map(|(index, name)| format!("{}={name}", plan.sources[*index].name)).collect();
        apart(state, &target)?;
        if target.format == AlertFormat::Text && target.output != "-" {
            bail!(
                "alerts as text have no ids, by which those that are out are known after a crash\nhelp: leave --format out"
            );
        }
        let held = target.held.take().map_or_else(|| folder::hold(wire::disk(state)), Ok)?;
        let session = Session::of(held, generation, &plan.computed(), &of_sources)?;
        if session.is_changed() {
            note(
                "the definitions or the program have changed: what the log holds was alerted about under the ones before",
            );
        }
        let (writer, file, behind) = self.output(target.output, session.output())?;
        let mut outlets = Outlets::new(&plan, target.taps, Some((writer, target.format)), &wire::row_writer)?;
        let vitals = Vitals::new(About::new(&plan, generation, &lanes, wire::clock().now()));
        if let Begins::Without(why) = &target.asks.begins {
            vitals.begun_without(why);
        }
        // It answers until this function returns.
        let listening = address.map(|address| listen::serve(address, &vitals)).transpose()?;
        let mut counted = Counted::new(&vitals, &mut outlets);
        let mut outbox = Outbox::new(session, &mut counted, file, &behind)?;
        outbox.drop_pending = self.drop_pending;
        let memory = wire::memory_of(self.memory);
        let bounds = Bounds::of(memory.limit, named.len());
        let mut subscriptions: Vec<(usize, Box<dyn Subscription>)> = Vec::with_capacity(named.len());
        for (index, name) in named {
            subscriptions.push((index, wire::subscription(&name, bounds.messages)?));
        }
        let keeping = Keeping {
            every: self.snapshot_every,
            retain: self.retain,
            retain_bytes: self.retain_bytes.unwrap_or(u64::MAX),
            ..Keeping::default()
        };
        let options = LiveOptions {
            keeping,
            spill: Some(wire::spill()),
            sinks: target.sinks,
            dead_letters: target.dead_letters.map(wire::dead_letters).transpose()?,
            files: Some(target.files),
            lookups: target.lookups,
            definitions: Some(reload::definitions(target.fixed, target.asks, &vitals)),
            keep_raw: target.taps.iter().any(|(name, _)| name == crate::runtime::outlet::REJECTS),
            vitals,
            memory,
            ..LiveOptions::new(subscriptions, wire::clock())
        };
        begins(
            &About::new(&plan, generation, &of_sources, EventTime(0)),
            state,
            target.output,
            &options.sinks,
            listening.as_ref(),
        );
        let bar = RunBar::new(&[]);
        let stop = stop_flag()?;
        let done = live(plan, options, &mut outbox, &bar, &stop);
        bar.clear();
        let (report, logged) = done?;
        tell(&logged);
        Ok((report, logged))
    }

    /// The end of the output, with what stands behind the alerts that were counted. Of that a torn line goes.
    fn output(&self, path: &str, counted: FilePlace) -> anyhow::Result<Output> {
        if path == "-" {
            if self.rotate_bytes.is_some() || self.rotate_daily {
                bail!("standard output is no file that could be closed\nhelp: name one with --output");
            }
            return Ok((wire::text_writer(path)?, None, Vec::new()));
        }
        let rotation = Rotation {
            bytes: self.rotate_bytes.unwrap_or(u64::MAX),
            daily: self.rotate_daily,
            ..Rotation::never(wire::clock())
        };
        let opened = AlertFile::open(wire::output(Path::new(path)), counted, rotation);
        let OpenedFile { file, behind, shorter } = opened.with_context(|| format!("cannot write {path}"))?;
        if shorter {
            note(&format!("{path} is shorter than it was when its alerts were counted: somebody has taken some away"));
        }
        Ok((Box::new(file.clone()), Some(file), behind))
    }

    /// Subscriptions with their source's index.
    fn named(&self, plan: &Plan, source: Option<&str>) -> anyhow::Result<Vec<(usize, String)>> {
        let mut named: Vec<(usize, String)> = Vec::with_capacity(self.subscription.len());
        for given in &self.subscription {
            let (index, name) = of_source(plan, source, given)?;
            if !wire::is_subscription(&name) {
                bail!("`{name}` is no subscription\nhelp: write projects/PROJECT/subscriptions/NAME");
            }
            if named.iter().any(|(_, other)| *other == name) {
                bail!("{name} is named twice");
            }
            let source = &plan.sources[index];
            if source.raw.format != crate::record::Format::Json {
                bail!("messages are JSON, and the source `{}` has another format", source.name);
            }
            named.push((index, name));
        }
        Ok(named)
    }
}

fn taken_after(text: &str) -> Result<Micros, String> {
    let length = Micros::parse(text).filter(|length| length.0 >= 1_000_000);
    length.ok_or_else(|| "write a length of time of at least a second, such as 10m".to_owned())
}

/// Once, what this run is.
fn begins(about: &About, state: &Path, output: &str, sinks: &[Listener], listening: Option<&Serving>) {
    let rules = about.rules.len();
    let output = if output == "-" { "standard output" } else { output };
    let to: Vec<String> =
        [output.to_owned()].into_iter().chain(sinks.iter().map(|to| to.sink.name().to_string())).collect();
    let status = listening.map_or_else(
        || "no status (--listen)".to_owned(),
        |listening| format!("status at http://{}/status", listening.address()),
    );
    note(&format!(
        "tripline {}, generation {}, {rules} {}; from {}; to {}; state in {}; {status}",
        env!("CARGO_PKG_VERSION"),
        about.generation,
        plural(rules as u64, "rule"),
        about.lanes.join(", "),
        to.join(", "),
        state.display()
    ));
}

/// Less would be used up by the definitions alone.
const MEMORY_LEAST: u64 = 64 << 20;

fn memory(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1u64)];
    let unit = units.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let bytes = unit.and_then(|(number, bytes)| number.trim_end().parse::<u64>().ok()?.checked_mul(bytes));
    bytes
        .filter(|bytes| *bytes >= MEMORY_LEAST)
        .ok_or_else(|| "write at least 64MiB, such as 512MiB or 2GiB".to_owned())
}

fn kept_for(text: &str) -> Result<Micros, String> {
    let length = Micros::parse(text).filter(|length| length.0 >= 0);
    length.ok_or_else(|| "write a length of time, such as 30d or 12h".to_owned())
}

/// Nothing is written into the folder of the log but the log.
fn apart(state: &Path, target: &Target<'_>) -> anyhow::Result<()> {
    let Ok(state) = state.canonicalize() else { return Ok(()) };
    let letters = match target.dead_letters {
        Some(DeadLetters::File(path)) => Some(path.as_str()),
        _ => None,
    };
    let outputs = target.taps.iter().map(|(_, file)| file.as_str()).chain([target.output]).chain(letters);
    let outputs = outputs.filter(|output| *output != "-");
    for output in outputs {
        let folder = Path::new(output).parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        if folder.is_ok_and(|folder| folder.starts_with(&state)) {
            bail!("{output} is in the folder of the log\nhelp: name a file in another folder");
        }
    }
    Ok(())
}

type Output = (Box<dyn std::io::Write + Send>, Option<AlertFile>, Vec<u8>);

fn tell(logged: &Logged) {
    if logged.cut_bytes > 0 {
        note(&format!(
            "{} bytes at the end of the log were torn and never confirmed: they were cut off, and come again",
            logged.cut_bytes
        ));
    }
}
