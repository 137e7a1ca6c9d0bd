//! SIGHUP, or files that have changed: the project of a run is read anew, first in a process of its own, so that nothing that is in
//! it can hurt the run.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use crate::definition::model::{DeadLetters, SinkConfig};
use datafusion::arrow::datatypes::SchemaRef;

use crate::runtime::live::vitals::Vitals;
use crate::runtime::live::{Definitions, Fresh, Offered};
use crate::runtime::outlet::tap_schema;
use crate::state::definitions::{self, Packed};

use super::exit::describe;
use super::project::{Opened, lookups, open_kept};
use super::say::say;
use super::stop::Hangups;
use super::watch::{Files, LOOK, Stamps, Watch};
use super::wire;

/// The longest that a project may take to be checked, as time and as work of the processor, in seconds.
const PATIENCE: u64 = 60;
/// And the memory that its check may have, as addresses.
const MEMORY_BYTES: u64 = 8 << 30;
/// How often files are read that change meanwhile.
const TRIES: usize = 3;

/// What of a run stays as it is whatever the project says.
pub struct Fixed {
    pub sinks: Vec<SinkConfig>,
    pub dead_letters: Option<DeadLetters>,
    /// Relations that are written, with their columns, and all that are shown.
    pub taps: Vec<(String, Option<(SchemaRef, bool)>)>,
    pub shown: Vec<String>,
}

/// Who asks for the project to be read.
pub struct Asks {
    pub hangups: Hangups,
    /// Its files; how they were before the definitions in force were read.
    pub files: Option<(Files, Stamps)>,
    /// Do files ask that have changed?
    pub watched: bool,
    pub begins: Begins,
}

/// What the run begins with.
pub enum Begins {
    /// The project as it is.
    Project,
    /// Definitions that were kept: the project is read at once.
    Kept,
    /// Those too, because the project is wrong, for this reason.
    Without(String),
}

/// What was read last, and how many were read before it that nobody has looked at. A run that waits for its disk looks at none, and
/// each may be as large as its lookups.
#[derive(Default)]
struct Slot(Mutex<(Option<Offered>, u64)>);

impl Slot {
    fn put(&self, offered: Offered) {
        let (last, overtaken) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *overtaken += u64::from(last.replace(offered).is_some());
    }
}

struct Offers(Arc<Slot>);

impl Definitions for Offers {
    fn next(&mut self, _: u64) -> Option<Offered> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).0.take()
    }

    fn overtaken(&mut self) -> u64 {
        std::mem::take(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// Has the project read when somebody asks for it.
pub fn definitions(fixed: Fixed, asks: Asks, vitals: &Arc<Vitals>) -> Box<dyn Definitions> {
    let vitals = Arc::clone(vitals);
    let offers = Arc::new(Slot::default());
    // Where the run has ended nobody takes any.
    let slot = Arc::downgrade(&offers);
    let runs = thread::current();
    thread::spawn(move || {
        let Asks { hangups, mut files, watched, begins } = asks;
        let mut watch = files.clone().filter(|_| watched).map(|(files, read)| Watch::new(files, read));
        let mut due = matches!(begins, Begins::Kept);
        if let Begins::Without(why) = begins {
            slot.upgrade().into_iter().for_each(|slot| slot.put(Err(why.clone())));
        }
        while let Some(asked) = asked(&hangups.asks, &mut watch, std::mem::take(&mut due)) {
            vitals.checks(true);
            let offered = match &mut files {
                Some((files, _)) => still(files, watch.as_mut(), &mut |files| fixed.read(files))
                    .map(|read| Box::new(Fresh { asked, ..*read })),
                None => Err(anyhow!(
                    "the run is of the built-in pack, which does not change\nhelp: `tripline init DIR` writes a project"
                )),
            };
            let offered = offered.map_err(|error| describe(&error).trim_start_matches("error: ").to_owned());
            let Some(slot) = slot.upgrade() else { return };
            slot.put(offered);
            vitals.checks(false);
            runs.unpark();
        }
    });
    Box::new(Offers(offers))
}

/// Waits until the project is to be read; `due`: it is. True: somebody asked for it; false: its files have changed. `None`: nobody will.
fn asked(asks: &Receiver<()>, watch: &mut Option<Watch>, due: bool) -> Option<bool> {
    let asked = match watch {
        None if due => true,
        None => asks.recv().ok().map(|()| true)?,
        // Nobody is there who starts a run again that died.
        Some(_) if due => false,
        Some(watch) => loop {
            match asks.recv_timeout(LOOK) {
                Ok(()) => break true,
                Err(RecvTimeoutError::Timeout) if watch.is_changed() => break false,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        },
    };
    // Asked twice, it is read once.
    Some(asks.try_iter().count() > 0 || asked)
}

/// Why a project was not taken, and what its check said of it.
struct Wrong {
    findings: String,
    why: anyhow::Error,
}

impl From<anyhow::Error> for Wrong {
    fn from(why: anyhow::Error) -> Self {
        Self { findings: String::new(), why }
    }
}

/// What was read while nobody wrote to it. Of what was read otherwise nothing is said.
fn still<T>(
    files: &mut Files,
    mut watch: Option<&mut Watch>,
    read: &mut dyn FnMut(&mut Files) -> Result<T, Wrong>,
) -> anyhow::Result<T> {
    for _ in 0..TRIES {
        let before = files.stamps();
        let read = read(files);
        if before == files.stamps() {
            watch.iter_mut().for_each(|watch| watch.read(files, before.clone()));
            return read.map_err(|wrong| {
                say(&wrong.findings);
                wrong.why
            });
        }
    }
    bail!("its files change while they are read\nhelp: write them beside it, and rename them to their places")
}

impl Fixed {
    fn read(&self, files: &mut Files) -> Result<Box<Fresh>, Wrong> {
        self.check(&files.folder)?;
        let (opened, kept) = open_kept(wire::folder(&files.folder).as_ref());
        if let Some(findings) = opened.errors_text() {
            return Err(Wrong { findings, why: anyhow!("the project has errors") });
        }
        files.know(&kept);
        Ok(self.fresh(opened, &kept)?)
    }

    fn fresh(&self, opened: Opened, kept: &definitions::Files) -> anyhow::Result<Box<Fresh>> {
        let Opened { mut plan, project, generation, files: texts, .. } = opened;
        if project.config.sinks != self.sinks || project.config.dead_letters != self.dead_letters {
            bail!("its sinks or its `dead_letters` are others than before\nhelp: stop the run and start it again");
        }
        let other = |(tap, schema): &&(String, Option<(SchemaRef, bool)>)| tap_schema(&plan, tap) != *schema;
        if let Some((tap, _)) = self.taps.iter().find(other) {
            bail!(
                "`--tap {tap}` writes a relation that has other columns now, or is gone\nhelp: stop the run and start it again"
            );
        }
        plan.show(&self.shown.iter().map(String::as_str).collect::<Vec<_>>());
        let files = Some(Packed::new(kept)?);
        let lookups = lookups(&plan, &texts);
        Ok(Box::new(Fresh { plan, generation, lookups, files, asked: true }))
    }

    /// In a process of its own, which takes neither more time nor more memory than it may.
    fn check(&self, folder: &Path) -> Result<(), Wrong> {
        let folder = ["check".to_owned(), "--project".to_owned(), folder.display().to_string()];
        let limits = [format!("--limit-seconds={PATIENCE}"), format!("--limit-bytes={MEMORY_BYTES}")];
        let arguments: Vec<String> = folder.into_iter().chain(limits).collect();
        let ended =
            wire::run_self(&arguments, Duration::from_secs(PATIENCE)).context("the project cannot be checked")?;
        let why = match ended.status.map(|status| (status.code(), status)) {
            Some((Some(0), _)) => return Ok(()),
            Some((Some(1), _)) => {
                let why = anyhow!("the project has errors\nhelp: `tripline check` says them too");
                return Err(Wrong { findings: ended.output, why });
            }
            Some((Some(_), _)) => anyhow!("{}", ended.errors.trim().trim_start_matches("error: ")),
            Some((None, status)) => {
                anyhow!("its check ended with {status}\nhelp: it may need more memory or time than a reload gives it")
            }
            None => anyhow!("its check took longer than {PATIENCE} s\nhelp: `tripline check` says where it is"),
        };
        Err(why.into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use crate::runtime::live::Definitions;
    use crate::runtime::outlet::tap_schema;
    use crate::state::definitions;

    use super::super::project::open_kept;
    use super::super::watch::Files;
    use super::super::wire;
    use super::{Fixed, Offers, Slot, asked, still};

    #[test]
    fn the_last_that_was_read_waits_alone() {
        let slot = Arc::new(Slot::default());
        let mut offers = Offers(Arc::clone(&slot));
        assert!(offers.next(0).is_none());
        (0..100).for_each(|number| slot.put(Err(number.to_string())));
        assert_eq!(offers.next(0).and_then(Result::err).as_deref(), Some("99"));
        assert_eq!((offers.overtaken(), offers.overtaken()), (99, 0));
        slot.put(Err("the next".to_owned()));
        assert!(offers.next(0).is_some() && offers.next(0).is_none());
        assert_eq!(offers.overtaken(), 0);
    }

    #[test]
    fn what_was_asked_twice_is_read_once() {
        let (asker, asks) = channel();
        (0..3).for_each(|_| asker.send(()).expect("asked"));
        assert_eq!(asked(&asks, &mut None, false), Some(true));
        assert!(asks.try_recv().is_err());
        assert_eq!(asked(&asks, &mut None, true), Some(true));
        drop(asker);
        assert_eq!(asked(&asks, &mut None, false), None);
    }

    #[test]
    fn files_that_change_while_they_are_read_are_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("tripline.yaml");
        fs::write(&config, "name: a\n").expect("written");
        let mut files = Files::new(folder.path().to_owned());
        let mut reads = |changes: usize| {
            let mut count = 0;
            let read = still(&mut files, None, &mut |_| {
                count += 1;
                if count <= changes {
                    let text = fs::read_to_string(&config).expect("read");
                    fs::write(&config, text + "# A remark.\n").expect("written");
                }
                Ok(count)
            });
            read.map_err(|error| error.to_string())
        };
        assert_eq!(reads(0), Ok(1));
        assert_eq!(reads(2), Ok(3));
        assert!(reads(3).is_err_and(|error| error.starts_with("its files change while they are read")));
    }

    const PROJECT: [(&str, &str); 5] = [
        ("tripline.yaml", "name: small\n"),
        (
            "sql/netlog/source.yaml",
            "source: netlog\nformat: json\ncolumns: {time: TIMESTAMP, src: STRING}\nevent_time: time\nlateness: 10m\n",
        ),
        ("sql/netlog/flows.sql", "SELECT time AS end_time, src AS src_ip FROM netlog\n"),
        (
            "features/busy.yaml",
            "feature: busy\nfrom: flows\nkey: [src_ip]\nwindow: {size: 1m}\ncolumns: {flows: COUNT(*)}\n",
        ),
        (
            "rules/many.yaml",
            "rule: many\ntitle: Many\nseverity: low\nsql: SELECT * FROM busy WHERE flows > 9\n\
             alert: {title: many, key: [src_ip]}\n",
        ),
    ];

    /// Of a run of the small project.
    fn fixed() -> Fixed {
        let files = PROJECT.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let (opened, _) = open_kept(wire::files(definitions::Files::from(files)).as_ref());
        let taps = vec![("busy".to_owned(), tap_schema(&opened.plan, "busy"))];
        Fixed { sinks: Vec::new(), dead_letters: None, taps, shown: Vec::new() }
    }

    /// Why the small project is not taken with a text in a file of it replaced.
    fn refused(fixed: &Fixed, path: &str, (from, to): (&str, &str)) -> Option<String> {
        let files = PROJECT.map(|(own, text)| {
            let text = if own == path { text.replace(from, to) } else { text.to_owned() };
            (own.to_owned(), text.into_bytes())
        });
        let (opened, kept) = open_kept(wire::files(definitions::Files::from(files)).as_ref());
        assert_eq!(opened.errors_text(), None);
        fixed.fresh(opened, &kept).err().map(|error| error.to_string())
    }

    #[test]
    fn other_sinks_are_refused() {
        let fixed = fixed();
        assert_eq!(refused(&fixed, "rules/many.yaml", ("> 9", "> 8")), None);
        let sinks = ("small\n", "small\nsinks: {other: {type: pubsub, topic: projects/p/topics/t}}\n");
        assert!(refused(&fixed, "tripline.yaml", sinks).is_some_and(|why| why.starts_with("its sinks or its")));
        let letters = ("small\n", "small\ndead_letters: {type: file, file: letters.jsonl}\n");
        assert!(refused(&fixed, "tripline.yaml", letters).is_some_and(|why| why.starts_with("its sinks or its")));
    }

    #[test]
    fn a_tap_whose_columns_change_is_refused() {
        let fixed = fixed();
        let tapped = ("flows: COUNT(*)", "flows: COUNT(*), more: COUNT(*)");
        assert!(
            refused(&fixed, "features/busy.yaml", tapped).is_some_and(|why| why.starts_with("`--tap busy` writes"))
        );
    }
}
