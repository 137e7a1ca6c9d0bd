//! Ctrl-C: the first asks the run to stop cleanly, the second ends the program. SIGHUP asks for something to be read anew.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::Context;

use super::say::say;

/// A flag that Ctrl-C or SIGTERM sets.
pub fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot watch signals")?;
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                if signal().await.is_err() {
                    return;
                }
                if seen.swap(true, Ordering::Relaxed) {
                    process::exit(130);
                }
                say("stopping; press Ctrl-C again to end at once\n");
            }
        });
    });
    Ok(flag)
}

/// Each SIGHUP from now on; before, it would end the program.
pub struct Hangups {
    pub asks: Receiver<()>,
    /// Where there are no signals, nobody asks, and nobody has gone away.
    _asker: Sender<()>,
}

impl Hangups {
    pub fn begin() -> anyhow::Result<Self> {
        let (asker, asks) = channel();
        each_hangup(asker.clone())?;
        Ok(Self { asks, _asker: asker })
    }
}

#[cfg(unix)]
fn each_hangup(told: Sender<()>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot watch signals")?;
    let mut hangup = {
        let _inside = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).context("cannot watch signals")?
    };
    thread::spawn(move || {
        runtime.block_on(async { while hangup.recv().await.is_some() && told.send(()).is_ok() {} });
    });
    Ok(())
}

#[cfg(not(unix))]
fn each_hangup(_: Sender<()>) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
