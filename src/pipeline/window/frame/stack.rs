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
    pub pieces: Vec<Piece>,
    pub rows: Vec<Row>,
}

impl Stack {
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.rows.is_empty()
    }

    /// When the window of its first row ended.
    pub fn first(&self) -> Option<i64> {
        self.pieces.first().map(|piece| piece.first).or(self.rows.first().map(|row| row.end))
    }

    /// When the window of its last row ended.
    pub fn last(&self) -> Option<i64> {
        self.rows.last().map(|row| row.end).or(self.pieces.last().map(|piece| piece.last))
    }

    /// Takes out all rows in memory but the last few.
    pub fn front(&mut self, but: usize) -> Vec<Row> {
        self.rows.drain(..self.rows.len().saturating_sub(but)).collect()
    }
}
