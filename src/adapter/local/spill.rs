//! What does not fit into memory, in an embedded store in a temporary file.
//!
//! The file is made when the first piece comes and has no name from then on: it is gone with the program, however that ends.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use crate::port::Spill;

const PIECES: TableDefinition<u64, &[u8]> = TableDefinition::new("pieces");
/// Memory for pages of the file.
const CACHE_BYTES: usize = 16 << 20;
/// Room in the file is used again only after a commit that waits for the disk: one in so many.
const COMMITS: u32 = 64;

/// An embedded store in `TMPDIR`.
#[derive(Default)]
pub struct LocalSpill {
    open: Mutex<Option<Open>>,
}

struct Open {
    database: Database,
    next: u64,
    commits: u32,
    /// Pieces to be removed with the next commit.
    gone: Vec<u64>,
}

impl LocalSpill {
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn new() -> io::Result<Self> {
        let file = FileBackend::new(tempfile::tempfile()?).map_err(failed)?;
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file).map_err(failed)?;
        Ok(Self { database, next: 0, commits: 0, gone: Vec::new() })
    }

    fn put(&mut self, pieces: &[Vec<u8>]) -> Result<Vec<u64>, redb::Error> {
        let first = self.next;
        self.next += pieces.len() as u64;
        self.commits += 1;
        let mut work = self.database.begin_write()?;
        let waits = self.commits.is_multiple_of(COMMITS);
        work.set_durability(if waits { Durability::Immediate } else { Durability::None })?;
        {
            let mut table = work.open_table(PIECES)?;
            for piece in self.gone.drain(..) {
                table.remove(piece)?;
            }
            for (number, piece) in (first..).zip(pieces) {
                table.insert(number, piece.as_slice())?;
            }
        }
        work.commit()?;
        Ok((first..self.next).collect())
    }

    fn read(&self, piece: u64) -> Result<Option<Vec<u8>>, redb::Error> {
        let table = self.database.begin_read()?.open_table(PIECES)?;
        Ok(table.get(piece)?.map(|bytes| bytes.value().to_vec()))
    }
}

impl Spill for LocalSpill {
    fn put(&self, pieces: &[Vec<u8>]) -> io::Result<Vec<u64>> {
        let mut open = self.lock();
        let open = match &mut *open {
            Some(open) => open,
            none => none.insert(Open::new()?),
        };
        open.put(pieces).map_err(failed)
    }

    fn read(&self, piece: u64) -> io::Result<Vec<u8>> {
        let found = self.lock().as_ref().map(|open| open.read(piece)).transpose().map_err(failed)?.flatten();
        found.ok_or_else(|| io::Error::other(format!("piece {piece} is not there")))
    }

    fn take(&self, piece: u64) -> io::Result<Vec<u8>> {
        let bytes = self.read(piece)?;
        self.forget(&[piece])?;
        Ok(bytes)
    }

    fn forget(&self, pieces: &[u64]) -> io::Result<()> {
        if let Some(open) = &mut *self.lock() {
            open.gone.extend_from_slice(pieces);
        }
        Ok(())
    }
}

fn failed(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::LocalSpill;
    use crate::port::Spill;

    #[test]
    fn pieces_come_back_once() {
        let spill = LocalSpill::default();
        let mut kept = Vec::new();
        for round in 0..200u8 {
            let pieces = vec![vec![round; 10], vec![round; 5_000]];
            kept.extend(spill.put(&pieces).expect("puts").into_iter().zip(pieces));
            let (number, bytes) = kept.remove(usize::from(round) / 2);
            assert_eq!(spill.take(number).expect("takes"), bytes);
        }
        let (number, _) = kept.pop().expect("one is left");
        spill.forget(&[number]).expect("forgets");
        spill.put(&[Vec::new()]).expect("puts");
        assert!(spill.take(number).is_err());
        assert!(spill.take(9_999).is_err());
    }
}
