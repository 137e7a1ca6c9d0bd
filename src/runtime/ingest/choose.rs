//! Which inputs are ingested: those whose content the place does not hold.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::history::IngestedInput;
use crate::plan::Plan;
use crate::port::{Digest, Input};

use super::hashed::{Hashed, Passed};
use super::known::{Known, KnownIngest};
use super::{IngestFailed, IngestOptions};

/// An input whose content is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub name: String,
    /// Under which name it is there.
    pub known: String,
}

pub struct Taken {
    pub source: usize,
    pub input: Arc<dyn Input>,
    identity: IngestedInput,
    /// Of a stream, whose identity is known when it has been read.
    passed: Option<Arc<Mutex<Passed>>>,
    /// The hash of what the place holds of it from when it was shorter.
    was: Option<String>,
}

pub struct Chosen {
    pub inputs: Vec<Taken>,
    pub skipped: Vec<Skipped>,
    pub replaces: BTreeSet<String>,
}

pub fn choose(plan: &Plan, known: &Known, options: &IngestOptions) -> Result<Chosen, IngestFailed> {
    let mut chosen = Chosen { inputs: Vec::new(), skipped: Vec::new(), replaces: BTreeSet::new() };
    for (source, input) in &options.inputs {
        let name = input.name().to_string();
        let unreadable = |source| IngestFailed::Input { name: name.clone(), source };
        let source_name = plan.sources[*source].name.clone();
        let Some(found) = input.digest(&shorter(known, &source_name, &name)).map_err(unreadable)? else {
            let (input, passed) = Hashed::over(Arc::clone(input));
            let identity = IngestedInput { source: source_name, name, bytes: 0, digest: String::new() };
            chosen.inputs.push(Taken { source: *source, input, identity, passed: Some(passed), was: None });
            continue;
        };
        let (bytes, digest) = (found.bytes, found.whole.clone());
        let identity = IngestedInput { source: source_name, name: name.clone(), bytes, digest };
        if let Some(same) = chosen.inputs.iter().find(|taken| taken.identity.same(&identity)) {
            chosen.skipped.push(Skipped { name, known: same.identity.name.clone() });
            continue;
        }
        let mut was = None;
        if let Some(holder) = known.holder(&identity.source, &identity.digest) {
            if !options.again {
                chosen.skipped.push(Skipped { name, known: known_name(holder, &identity) });
                continue;
            }
            chosen.replaces.insert(holder.id.clone());
        } else if let Some((holder, before)) = grown(known, &found, &identity) {
            if !options.again {
                return Err(IngestFailed::Grown { name, before: before.bytes, now: bytes });
            }
            chosen.replaces.insert(holder.id.clone());
            was = Some(before.digest.clone());
        }
        chosen.inputs.push(Taken { source: *source, input: Arc::clone(input), identity, passed: None, was });
    }
    if chosen.inputs.iter().all(|taken| taken.passed.is_none()) {
        chosen.check_whole(known)?;
    }
    Ok(chosen)
}

/// The inputs that one may have grown from: of its source and its file's name.
fn namesakes<'a>(
    place: &'a Known,
    source: &'a str,
    name: &'a str,
) -> impl Iterator<Item = (&'a KnownIngest, &'a IngestedInput)> {
    let file = |name: &'a str| name.rsplit(['/', '\\']).next();
    let inputs = place.ingests.iter().flat_map(|ingest| ingest.inputs.iter().map(move |input| (ingest, input)));
    inputs.filter(move |(_, known)| known.bytes > 0 && known.source == source && file(&known.name) == file(name))
}

/// How long they were.
fn shorter(place: &Known, source: &str, name: &str) -> BTreeSet<u64> {
    namesakes(place, source, name).map(|(_, known)| known.bytes).collect()
}

/// The ingest that holds the beginning of an input, from when it was shorter.
fn grown<'a>(
    place: &'a Known,
    found: &Digest,
    identity: &'a IngestedInput,
) -> Option<(&'a KnownIngest, &'a IngestedInput)> {
    let mut namesakes = namesakes(place, &identity.source, &identity.name);
    namesakes.find(|(_, known)| found.first.get(&known.bytes) == Some(&known.digest))
}

fn known_name(holder: &KnownIngest, identity: &IngestedInput) -> String {
    let same = holder.inputs.iter().find(|input| input.same(identity));
    same.map_or_else(String::new, |input| input.name.clone())
}

impl IngestedInput {
    fn same(&self, other: &Self) -> bool {
        self.source == other.source && self.digest == other.digest
    }
}

impl Chosen {
    pub fn identities(&self) -> Vec<IngestedInput> {
        self.inputs.iter().map(|taken| taken.identity.clone()).collect()
    }

    /// What was read once is known now.
    pub fn finish_streams(&mut self, plan: &Plan, known: &Known, again: bool) -> Result<(), IngestFailed> {
        let mut any = false;
        for taken in &mut self.inputs {
            let Some(passed) = &taken.passed else { continue };
            any = true;
            (taken.identity.bytes, taken.identity.digest) = Passed::identity(passed);
            let Some(holder) = known.holder(&plan.sources[taken.source].name, &taken.identity.digest) else {
                continue;
            };
            if !again {
                let (name, known) = (taken.identity.name.clone(), known_name(holder, &taken.identity));
                return Err(IngestFailed::StreamKnown { name, known });
            }
            self.replaces.insert(holder.id.clone());
        }
        if any { self.check_whole(known) } else { Ok(()) }
    }

    /// An ingest is replaced as a whole: each of its inputs has to be there again.
    fn check_whole(&self, known: &Known) -> Result<(), IngestFailed> {
        for ingest in known.ingests.iter().filter(|ingest| self.replaces.contains(&ingest.id)) {
            let again = |known: &&IngestedInput| {
                self.inputs.iter().any(|taken| {
                    taken.identity.source == known.source
                        && (taken.identity.digest == known.digest || taken.was.as_ref() == Some(&known.digest))
                })
            };
            let (named, others): (Vec<&IngestedInput>, Vec<&IngestedInput>) = ingest.inputs.iter().partition(again);
            if let (Some(named), false) = (named.first(), others.is_empty()) {
                let others = others.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(IngestFailed::Together { name: named.name.clone(), others });
            }
        }
        Ok(())
    }
}
