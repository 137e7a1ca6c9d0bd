//! This program once more, in a process of its own that ends in time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether it has ended.
const POLL: Duration = Duration::from_millis(20);
/// What it says beyond this is not read.
const SAID_BYTES_MAX: u64 = 1 << 20;

/// What became of it.
#[derive(Debug)]
pub struct Ended {
    /// `None` where it took too long, and was ended.
    pub status: Option<ExitStatus>,
    pub output: String,
    pub errors: String,
}

/// Runs this program with these arguments, at most so long.
pub fn run(arguments: &[String], patience: Duration) -> io::Result<Ended> {
    let (mut output, mut errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = Command::new(program()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(errors.try_clone()?)
        .spawn()?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begun.elapsed() >= patience {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(POLL);
    };
    Ok(Ended { status, output: said(&mut output)?, errors: said(&mut errors)? })
}

/// The same program, although another may have its name by now.
fn program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

fn said(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(SAID_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
