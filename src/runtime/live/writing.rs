//! A snapshot on its way to the disk: the loop says the state into memory, piece by piece, and goes on; a thread compresses, writes
//! and syncs it. It comes to have its name when it is whole.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::pipeline::saved::SavedError;
use crate::port::disk::Disk;
use crate::state::snapshot;

use super::run_error;
use super::{EventTime, LiveError, RunError};

const PIECE_BYTES: usize = 1 << 20;

/// A piece of the state; none behind its last.
type Piece = Option<Vec<u8>>;

/// One that is being written.
pub struct Writing {
    pub entries: u64,
    begun: Instant,
    at: EventTime,
    /// How long the loop did nothing else.
    pause: Duration,
    done: Receiver<Result<u64, LiveError>>,
}

/// One that is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    /// Entries of the log that it stands for.
    pub entries: u64,
    pub bytes: u64,
    /// How long it took, and for how long of that nothing else was done.
    pub took: Duration,
    pub pause: Duration,
    pub at: EventTime,
}

impl Writing {
    /// `begun`: when the loop left off doing other things for it. `ahead`: bytes that it may be ahead of the disk; it waits then.
    pub fn begin(
        disk: Arc<dyn Disk>,
        entries: u64,
        (begun, at): (Instant, EventTime),
        ahead: u64,
        save: &mut dyn FnMut(&mut dyn Write) -> Result<(), SavedError>,
    ) -> Result<Self, LiveError> {
        let (mut out, given) = Pieces::ahead(ahead);
        let (sender, done) = channel();
        let waiting = thread::current();
        thread::spawn(move || {
            let write = |out: &mut dyn Write| write_all(&given, out).map_err(SavedError::from).map_err(run_error);
            let mut write = write;
            // Nobody waits for it when the run has ended.
            let _ = sender.send(snapshot::write(&disk, entries, &mut write));
            waiting.unpark();
        });
        save(&mut out).map_err(RunError::from)?;
        out.finish();
        Ok(Self { entries, begun, at, pause: begun.elapsed(), done })
    }

    /// What became of it; `None` while it is being written, unless somebody `waits`.
    pub fn done(&self, waits: bool) -> Option<Result<Written, LiveError>> {
        let done = if waits { self.done.recv().map_err(|_| TryRecvError::Disconnected) } else { self.done.try_recv() };
        match done {
            Ok(Ok(bytes)) => {
                let Self { entries, at, pause, .. } = *self;
                Some(Ok(Written { entries, bytes, took: self.begun.elapsed(), pause, at }))
            }
            Ok(Err(error)) => Some(Err(error)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(LiveError::Thread)),
        }
    }
}

fn write_all(pieces: &Receiver<Piece>, out: &mut dyn Write) -> io::Result<()> {
    loop {
        match pieces.recv() {
            Ok(Some(piece)) => out.write_all(&piece)?,
            Ok(None) => return Ok(()),
            Err(_) => return Err(io::Error::other("the state could not be said to its end")),
        }
    }
}

/// Bytes to pieces. Where nobody takes them any more, the one who took them says why.
struct Pieces {
    pieces: SyncSender<Piece>,
    piece: Vec<u8>,
}

impl Pieces {
    /// Whoever writes may be so many bytes ahead of the one who takes them.
    fn ahead(bytes: u64) -> (Self, Receiver<Piece>) {
        let pieces = usize::try_from(bytes).unwrap_or(usize::MAX) / PIECE_BYTES;
        let (pieces, given) = sync_channel(pieces.max(1));
        (Self { pieces, piece: Vec::with_capacity(PIECE_BYTES) }, given)
    }

    fn put(&mut self) {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let _ = self.pieces.send(Some(piece));
    }

    fn finish(mut self) {
        self.put();
        let _ = self.pieces.send(None);
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.put();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::{PIECE_BYTES, Pieces, write_all};

    #[test]
    fn a_state_is_not_said_far_ahead_of_the_disk() {
        let (mut out, given) = Pieces::ahead(2 * PIECE_BYTES as u64);
        let said = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..40 {
                    out.write_all(&[7; PIECE_BYTES / 4]).expect("is taken");
                    said.fetch_add(PIECE_BYTES / 4, Ordering::SeqCst);
                }
                out.finish();
            });
            thread::sleep(Duration::from_millis(200));
            let ahead = said.load(Ordering::SeqCst);
            assert!((2 * PIECE_BYTES..4 * PIECE_BYTES).contains(&ahead), "{ahead}");
            let mut written = Vec::new();
            write_all(&given, &mut written).expect("all of it");
            assert_eq!(written, vec![7; 10 * PIECE_BYTES]);
        });
    }
}
