//! A record with its length, its number in the log and a checksum over all of it.

/// Length, checksum, number.
pub const HEAD_BYTES: usize = 4 + 4 + 8;
/// A longer one is no record of ours.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// From 0, without a gap.
    pub number: u64,
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(self.payload);
        let sum = checksum(&out[start..]);
        out[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    }

    /// The frame at the beginning of these bytes, if it is whole.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let number_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let word_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let length = usize::try_from(word_at(0)?).ok().filter(|length| *length <= PAYLOAD_BYTES_MAX)?;
        let whole = bytes.get(..HEAD_BYTES + length)?;
        let frame = Self { number: number_at(8)?, payload: &whole[HEAD_BYTES..] };
        (checksum(whole) == word_at(4)?).then_some(frame)
    }

    pub fn bytes(&self) -> usize {
        HEAD_BYTES + self.payload.len()
    }
}

/// Over everything but itself.
fn checksum(frame: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&frame[..4]);
    sum.update(&frame[8..]);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::Frame;

    #[test]
    fn a_frame_with_any_bit_flipped_or_cut_anywhere_is_none() {
        let frame = Frame { number: 7, payload: b"seven" };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        assert_eq!(Frame::read(&bytes), Some(frame));
        assert_eq!(bytes.len(), frame.bytes());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::read(&flipped), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Frame::read(&bytes[..length]), None, "cut to {length}");
        }
    }
}
