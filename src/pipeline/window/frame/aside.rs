//! Rows of a frame that are put aside and brought back.

use std::sync::Arc;

use crate::pipeline::saved::{Loader, SavedError, Saver, mismatch};
use crate::port::Spill;

use super::super::operator::WindowError;
use super::super::saved::SavedRows;
use super::Frame;
use super::stack::{Piece, Row, Stack};

/// How many rows of a stack are worth a piece, and how many of them stay; when that is not enough, any row.
const WORTH: [(usize, usize); 2] = [(32, 8), (1, 0)];
/// Rows of a piece: when one is needed, all come back.
const PIECE_ROWS: usize = 128;
/// Pieces are written so many at a time.
const PIECES: usize = 4_096;

/// Where rows go that are too many.
pub struct Aside {
    spill: Arc<dyn Spill>,
    /// Rows that stay in memory.
    rows_max: usize,
    /// The key whose rows were looked at last.
    last: usize,
}

/// What a piece is taken from.
struct From {
    number: usize,
    older: bool,
    first: i64,
    last: i64,
    bytes: Vec<u8>,
}

impl Frame {
    /// From now on holds at most about `rows_max` rows in memory.
    pub fn spill_to(&mut self, spill: Arc<dyn Spill>, rows_max: usize) {
        self.aside = Some(Aside { spill, rows_max, last: 0 });
    }

    /// From now on holds fewer, where there is a place for the others; those go at once, and with them the room that they had.
    pub fn hold_at_most(&mut self, rows_max: usize) -> Result<(), WindowError> {
        let Some(aside) = self.aside.as_mut().filter(|aside| rows_max < aside.rows_max) else { return Ok(()) };
        aside.rows_max = rows_max;
        self.put_aside()?;
        self.close_up();
        Ok(())
    }

    /// Rows in memory.
    pub fn rows_held(&self) -> usize {
        if self.aside.is_some() { self.held } else { 0 }
    }

    /// Slots that are free go, where they are most of them.
    fn close_up(&mut self) {
        if self.free.len() < self.slots as usize / 2 {
            return;
        }
        let mut used = Vec::with_capacity(self.slots as usize - self.free.len());
        let mut number = |slot: &mut u32| {
            let new = u32::try_from(used.len()).unwrap_or(u32::MAX);
            used.push(std::mem::replace(slot, new));
        };
        for stacks in &mut self.stacks {
            let rows = stacks.older.rows.iter_mut().chain(&mut stacks.newer.rows).map(|row| &mut row.slot);
            rows.chain(&mut stacks.sum).for_each(&mut number);
        }
        self.states.iter_mut().for_each(|states| *states = states.gather(&used));
        self.slots = u32::try_from(used.len()).unwrap_or(u32::MAX);
        self.free = Vec::new();
    }

    /// Puts rows aside where there are too many in memory, until a quarter is free.
    pub(super) fn put_aside(&mut self) -> Result<(), WindowError> {
        let Some(aside) = &self.aside else { return Ok(()) };
        let rows_max = aside.rows_max;
        if self.held <= rows_max {
            return Ok(());
        }
        let goal = rows_max - rows_max / 4;
        for (worth, stay) in WORTH {
            let mut looked = 0;
            while looked < self.stacks.len() && self.held > goal {
                looked += self.put_some_aside(goal, worth, stay, self.stacks.len() - looked)?;
            }
        }
        Ok(())
    }

    /// A key's rows may all have come back: where there are too many now, they go again, but for those that are needed next.
    pub(super) fn put_key_aside(&mut self, number: u32) -> Result<(), WindowError> {
        let [(worth, stay), _] = WORTH;
        let number = number as usize;
        match &self.aside {
            Some(aside) if self.held > aside.rows_max => {
                let pieces = self.pieces_of(number, worth, stay)?;
                self.write(pieces)
            }
            _ => Ok(()),
        }
    }

    /// Looks at up to `most` keys; returns at how many.
    fn put_some_aside(&mut self, goal: usize, worth: usize, stay: usize, most: usize) -> Result<usize, WindowError> {
        let mut pieces: Vec<From> = Vec::new();
        let mut looked = 0;
        let mut last = self.aside.as_ref().map_or(0, |aside| aside.last);
        while looked < most && pieces.len() < PIECES && self.held > goal {
            looked += 1;
            last = (last + 1) % self.stacks.len();
            pieces.extend(self.pieces_of(last, worth, stay)?);
        }
        self.aside.iter_mut().for_each(|aside| aside.last = last);
        self.write(pieces)?;
        Ok(looked)
    }

    /// What a key's stacks hold in front, where it is worth a piece.
    fn pieces_of(&mut self, number: usize, worth: usize, stay: usize) -> Result<Vec<From>, WindowError> {
        let mut pieces = Vec::new();
        for older in [true, false] {
            let stacks = &mut self.stacks[number];
            let stack = if older { &mut stacks.older } else { &mut stacks.newer };
            if stack.rows.len() >= worth {
                let rows = stack.front(stay);
                for rows in rows.chunks(PIECE_ROWS) {
                    pieces.extend(self.written(number, older, rows)?);
                }
            }
        }
        Ok(pieces)
    }

    fn write(&mut self, mut pieces: Vec<From>) -> Result<(), WindowError> {
        let Some(aside) = self.aside.as_ref().filter(|_| !pieces.is_empty()) else { return Ok(()) };
        let bytes: Vec<Vec<u8>> = pieces.iter_mut().map(|piece| std::mem::take(&mut piece.bytes)).collect();
        let numbers = aside.spill.put(&bytes).map_err(WindowError::Spill)?;
        for (piece, number) in pieces.into_iter().zip(numbers) {
            let stacks = &mut self.stacks[piece.number];
            let stack: &mut Stack = if piece.older { &mut stacks.older } else { &mut stacks.newer };
            stack.pieces.push(Piece { number, first: piece.first, last: piece.last });
        }
        Ok(())
    }

    /// Rows as bytes; their slots are free.
    fn written(&mut self, number: usize, older: bool, rows: &[Row]) -> Result<Option<From>, WindowError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
        let slots: Vec<u32> = rows.iter().map(|row| row.slot).collect();
        let ends = rows.iter().map(|row| row.end).collect();
        let saved = SavedRows::of(ends, &self.states, &slots, &self.values);
        let bytes = postcard::to_allocvec(&saved).map_err(|error| WindowError::Spill(std::io::Error::other(error)))?;
        self.held -= rows.len();
        slots.into_iter().for_each(|slot| self.give_back(slot));
        Ok(Some(From { number, older, first: first.end, last: last.end, bytes }))
    }

    /// The rows of a piece, in memory.
    pub(super) fn bring_back(&mut self, piece: Piece) -> Result<Vec<Row>, WindowError> {
        let Some(aside) = &self.aside else { return Ok(Vec::new()) };
        let bytes = aside.spill.take(piece.number).map_err(WindowError::Spill)?;
        let saved: SavedRows =
            postcard::from_bytes(&bytes).map_err(|error| WindowError::Spill(std::io::Error::other(error)))?;
        let ends = saved.ends.clone();
        let slots: Vec<u32> = ends.iter().map(|_| self.take_slot()).collect();
        let read = saved.states(&mut self.values);
        for ((states, read), kind) in self.states.iter_mut().zip(&read).zip(&self.kinds) {
            states.merge(kind.function, read, &slots)?;
        }
        self.held += ends.len();
        Ok(ends.into_iter().zip(slots).map(|(end, slot)| Row { end, slot }).collect())
    }

    /// What is asked for of the older stack is in memory.
    pub(super) fn bring_back_top(&mut self, number: u32) -> Result<(), WindowError> {
        let older = &mut self.stacks[number as usize].older;
        if older.rows.is_empty()
            && let Some(piece) = older.pieces.pop()
        {
            let rows = self.bring_back(piece)?;
            self.stacks[number as usize].older.rows = rows;
        }
        Ok(())
    }

    pub(super) fn forget_pieces<'a>(&self, pieces: impl IntoIterator<Item = &'a Piece>) -> Result<(), WindowError> {
        let numbers: Vec<u64> = pieces.into_iter().map(|piece| piece.number).collect();
        match &self.aside {
            Some(aside) if !numbers.is_empty() => aside.spill.forget(&numbers).map_err(WindowError::Spill),
            _ => Ok(()),
        }
    }

    /// What was put aside, in the order of the stacks.
    pub(super) fn save_pieces(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        let stacks = self.stacks.iter().flat_map(|stacks| [&stacks.older, &stacks.newer]);
        for piece in stacks.flat_map(|stack| stack.pieces.iter()) {
            let aside = self.aside.as_ref().ok_or_else(|| mismatch("rows that were put aside"))?;
            out.put(&aside.spill.read(piece.number)?)?;
        }
        Ok(())
    }

    pub(super) fn load_pieces(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let stacks = self.stacks.iter_mut().flat_map(|stacks| [&mut stacks.older, &mut stacks.newer]);
        let mut pieces: Vec<&mut Piece> = stacks.flat_map(|stack| stack.pieces.iter_mut()).collect();
        for some in pieces.chunks_mut(PIECES) {
            let aside = self.aside.as_ref().ok_or_else(|| mismatch("rows that were put aside"))?;
            let bytes = some.iter().map(|_| from.take()).collect::<Result<Vec<Vec<u8>>, _>>()?;
            let numbers = aside.spill.put(&bytes)?;
            some.iter_mut().zip(numbers).for_each(|(piece, number)| piece.number = number);
        }
        Ok(())
    }
}
