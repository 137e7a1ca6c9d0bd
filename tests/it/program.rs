//! The real program in tests: a project for it, and runs that do not outlive their test.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

/// How long somebody waits for the end of a run.
const PATIENCE: Duration = Duration::from_secs(180);

/// The pack, with room for what comes in any order.
pub fn project(folder: &Path, lateness: &str, more: &str) -> Result<(), Failed> {
    fs::create_dir_all(folder)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["tripline.yaml", "sql", "features", "rules"] {
        copy(&root.join(part), &folder.join(part))?;
    }
    let source = folder.join("sql/netlog/source.yaml");
    let text = fs::read_to_string(&source)?;
    if !text.contains("\nlateness: 30s\n") {
        return Err("the source says no lateness".into());
    }
    Ok(fs::write(source, text.replace("\nlateness: 30s\n", &format!("\nlateness: {lateness}\n{more}")))?)
}

/// `TRIPLINE_PROGRAM` may name another build of it.
pub fn tripline() -> Command {
    let other = std::env::var_os("TRIPLINE_PROGRAM");
    Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_tripline").into()))
}

pub fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    if !from.is_dir() {
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A run, which does not outlive its test.
pub struct Started(pub Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Started {
    pub fn of(child: Child) -> Self {
        Self(child)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL; it has to have been alive.
    pub fn kill(mut self) -> Result<(), Option<ExitStatus>> {
        match self.0.try_wait() {
            Ok(None) => self.0.kill().and_then(|()| self.0.wait()).map(drop).map_err(|_| None),
            ended => Err(ended.ok().flatten()),
        }
    }

    /// Its end, when it is asked for.
    pub fn stop(&mut self) -> Result<ExitStatus, Failed> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        self.end()
    }

    /// Its end, by itself.
    pub fn end(&mut self) -> Result<ExitStatus, Failed> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.0.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() > until => return Err("it does not end".into()),
                None => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}
