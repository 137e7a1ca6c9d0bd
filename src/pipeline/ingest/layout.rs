//! How the records of a chunk are laid out: told by the format, and for CSV and Zeek by
//! what the input itself says at its head.

use super::chunk::Chunk;
use crate::record::Format;

#[derive(Debug, Clone)]
pub(super) enum Layout {
    Json,
}

pub(super) enum LayoutFinder {
    Json,
}

impl LayoutFinder {
    pub(super) fn new(_format: Format) -> Self {
        Self::Json
    }

    pub(super) fn find(&mut self, chunk: &mut Chunk) {
        chunk.layout = Layout::Json;
    }
}
