//! The frames of one file: what is whole, what is torn, what is damaged.

use super::StateError;
use super::frame::Frame;

/// Says what the file is, and which form it has.
const MAGIC: &[u8; 8] = b"triplog1";
/// The magic, and the number of the first frame.
pub const HEAD_BYTES: usize = 16;

pub fn head(first: u64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..].copy_from_slice(&first.to_le_bytes());
    head
}

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// From the frame of the number that was asked for.
    pub entries: Vec<&'a [u8]>,
    /// Bytes up to the last whole frame. What is behind them was never confirmed.
    pub bytes: usize,
}

/// Reads the frames of a file, which begins with frame `first`. Those before frame `confirmed` have to be whole, and there.
pub fn read<'a>(file: &str, bytes: &'a [u8], first: u64, confirmed: u64) -> Result<Found<'a>, StateError> {
    let damaged = |at: usize, what: String| StateError::Damaged { file: file.to_owned(), at: at as u64, what };
    if bytes.get(..HEAD_BYTES) != Some(&head(first)[..]) {
        return match first < confirmed {
            true => Err(damaged(0, format!("it does not begin with frame {first}"))),
            // It was made, and nothing of it was confirmed.
            false => Ok(Found { entries: Vec::new(), bytes: 0 }),
        };
    }
    let (mut at, mut number, mut entries) = (HEAD_BYTES, first, Vec::new());
    while let Some(frame) = Frame::read(&bytes[at..]).filter(|frame| frame.number == number) {
        entries.push(frame.payload);
        number += 1;
        at += frame.bytes();
    }
    if number < confirmed {
        let what = if at < bytes.len() { "cannot be read" } else { "is missing" };
        return Err(damaged(at, format!("frame {number}, which was confirmed, {what}")));
    }
    Ok(Found { entries, bytes: at })
}
