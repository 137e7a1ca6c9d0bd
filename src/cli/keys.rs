//! Secret keys of pseudonyms: read for a plan, and said where they are not there.

use crate::plan::Plan;

use super::say::note;
use super::wire;

/// Reads the keys that a project names. Those that are not there are missed where a value is to become a pseudonym.
pub fn read(plan: &mut Plan) {
    for key in &mut plan.pseudonym_keys {
        let text = wire::key_text(&key.place);
        key.set(text);
    }
}

/// Definitions are right or wrong without keys, so that this is no finding.
pub fn tell_of_missing(plan: &Plan) {
    for key in plan.keys_used() {
        if let Err(missing) = &key.key {
            let (name, place, why) = (&missing.name, &missing.place, &missing.why);
            note(&format!("the pseudonym key `{name}` is not there: {place} {why}; a run needs it, a check does not"));
        }
    }
}
