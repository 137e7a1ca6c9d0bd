//! What a place holds already: ingests by their inputs.

use crate::history::IngestedInput;

/// An ingest, and what it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIngest {
    pub id: String,
    pub inputs: Vec<IngestedInput>,
}

#[derive(Debug, Clone, Default)]
pub struct Known {
    pub ingests: Vec<KnownIngest>,
}

impl Known {
    /// The ingest that holds an input.
    pub fn holder(&self, source: &str, digest: &str) -> Option<&KnownIngest> {
        let holds = |input: &IngestedInput| input.source == source && input.digest == digest;
        self.ingests.iter().find(|ingest| ingest.inputs.iter().any(holds))
    }
}
