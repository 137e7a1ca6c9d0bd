//! Splits a chunk into records and counts them, before anything looks inside: this is where
//! `offered` of the conservation law comes from.

use memchr::memchr_iter;

use super::chunk::LINE_BYTES_MAX;
use super::csv::CsvState;
use super::rows::Span;

#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) spans: Vec<Span>,
    pub(super) too_long: Vec<Span>,
    /// Lines of the whole piece, blank ones too.
    pub(super) lines: u64,
    /// Records that were seen.
    pub(super) offered: u64,
}

impl Split {
    /// Lines that are not blank and not comments.
    pub(super) fn lines(&mut self, bytes: &[u8], start: usize, end: usize, comments: bool) {
        let mut from = start;
        for at in memchr_iter(b'\n', &bytes[start..end]) {
            let to = start + at;
            self.line(bytes, from, to, comments);
            from = to + 1;
        }
        if from < end {
            self.line(bytes, from, end, comments);
        }
    }

    #[inline]
    fn line(&mut self, bytes: &[u8], start: usize, end: usize, comments: bool) {
        let line = &bytes[start..end];
        let comment = comments && line.first() == Some(&b'#');
        let blank = line.first().is_none_or(|first| *first <= b' ' && line.trim_ascii().is_empty());
        if !comment && !blank {
            self.record(bytes, start, end);
        }
        self.lines += 1;
    }

    /// CSV records, which may have line breaks within quotes.
    pub(super) fn csv(&mut self, bytes: &[u8], start: usize, end: usize) {
        let bytes = &bytes[..end];
        let mut from = start;
        while from < end {
            let mut state = CsvState::default();
            let next = state.record_end(bytes, from).unwrap_or(end);
            let to = if bytes[next - 1] == b'\n' && state.is_between() { next - 1 } else { next };
            if !bytes[from..to].trim_ascii().is_empty() {
                self.record(bytes, from, to);
            }
            let breaks = memchr_iter(b'\n', &bytes[from..to]).count();
            self.lines += 1 + u64::try_from(breaks).unwrap_or_default();
            from = next;
        }
    }

    /// A record without its line break.
    #[inline]
    fn record(&mut self, bytes: &[u8], start: usize, end: usize) {
        self.offered += 1;
        let end = if bytes[start..end].ends_with(b"\r") { end - 1 } else { end };
        let span = Span { start, end, line: self.lines };
        if end - start > LINE_BYTES_MAX { self.too_long.push(span) } else { self.spans.push(span) }
    }
}
