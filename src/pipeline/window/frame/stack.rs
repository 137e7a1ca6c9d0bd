//! Rows of a key in their order, of which those at the front may have been put aside.

use serde::{Deserialize, Serialize};

/// A row in memory.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Row {
    pub end: i64,
    pub slot: u32,
}

/// Rows that were put aside together.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Piece {
    pub number: u64,
    /// When the windows of its first and its last row ended.
    pub first: i64,
    pub last: i64,
}

/// The last row is taken first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Stack {
    /// Before the rows.
    pub pieces: Pieces,
    pub rows: Vec<Row>,
}

/// Few keys have any, and there may be many keys.
#[derive(Debug, Default, Serialize, Deserialize)]
#[expect(clippy::box_collection, reason = "a key without pieces has room for a pointer alone")]
pub struct Pieces(Option<Box<Vec<Piece>>>);

impl Pieces {
    pub fn push(&mut self, piece: Piece) {
        self.0.get_or_insert_default().push(piece);
    }

    pub fn pop(&mut self) -> Option<Piece> {
        self.pop_if(|_| true)
    }

    pub fn pop_if(&mut self, when: impl FnOnce(&mut Piece) -> bool) -> Option<Piece> {
        self.0.as_mut()?.pop_if(when)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Piece> {
        self.0.as_ref().map_or(&[][..], |pieces| pieces).iter()
    }

    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Piece> {
        self.0.as_mut().map_or(&mut [][..], |pieces| pieces).iter_mut()
    }
}

impl Stack {
    /// Most keys have one row or two: room for more is not made at once.
    pub fn push(&mut self, row: Row) {
        if self.rows.len() == self.rows.capacity() {
            self.rows.reserve_exact((self.rows.len() / 2).max(1));
        }
        self.rows.push(row);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.pieces.iter().next().is_none()
    }

    /// When the window of its first row ended.
    pub fn first(&self) -> Option<i64> {
        self.pieces.iter().next().map(|piece| piece.first).or(self.rows.first().map(|row| row.end))
    }

    /// When the window of its last row ended.
    pub fn last(&self) -> Option<i64> {
        self.rows.last().map(|row| row.end).or(self.pieces.iter().next_back().map(|piece| piece.last))
    }

    /// Takes out all rows in memory but the last few.
    pub fn front(&mut self, but: usize) -> Vec<Row> {
        self.rows.drain(..self.rows.len().saturating_sub(but)).collect()
    }
}
