//! Lookups whose rows have changed since the run.

use std::collections::HashSet;
use std::sync::Arc;

use crate::plan::{LookupPlan, Plan};
use crate::record::{EventTime, key_text};

/// Rows that are named.
const SHOWN: usize = 3;

/// Gives lookups of a plan the rows that they had in the run; tells which those are and how they differ.
pub fn taken_from(plan: &mut Plan, run: &Plan) -> Vec<String> {
    let mut changed = Vec::new();
    for here in &mut plan.lookups {
        let Some(there) = run.lookups.iter().find(|there| is_alike(here, there)) else { continue };
        let digest = |plan: &LookupPlan| plan.table.as_ref().map(|table| table.digest().to_owned());
        if digest(here) != digest(there) {
            changed.push(format!("lookup {} had another file in the run", here.name));
            *here = Arc::clone(there);
            continue;
        }
        let told: Vec<String> =
            [only(there, here, "gone since:"), only(here, there, "new:")].into_iter().flatten().collect();
        if !told.is_empty() {
            changed.push(format!("lookup {} had other rows in the run, {}", here.name, told.join(", ")));
            *here = Arc::clone(there);
        }
    }
    changed
}

/// The same lookup, with whatever rows.
fn is_alike(here: &LookupPlan, there: &LookupPlan) -> bool {
    let fields = |plan: &LookupPlan| plan.fields.iter().map(|f| (f.name.clone(), f.ty)).collect::<Vec<_>>();
    here.name == there.name && fields(here) == fields(there)
}

/// What one has and the other has not, as a text.
fn only(one: &LookupPlan, other: &LookupPlan, word: &str) -> Option<String> {
    let others: HashSet<String> = (0..other.rows.len()).map(|row| row_text(other, row)).collect();
    let missing: Vec<usize> = (0..one.rows.len()).filter(|row| !others.contains(&row_text(one, *row))).collect();
    let first = missing.iter().take(SHOWN).filter_map(|row| one.rows[*row].first());
    let shown = first.map(|value| value.display().to_string()).collect::<Vec<_>>().join(", ");
    let more = if missing.len() > SHOWN { format!(" and {} more", missing.len() - SHOWN) } else { String::new() };
    (!missing.is_empty()).then(|| format!("{word} {shown}{more}"))
}

/// Values and valid time.
fn row_text(lookup: &LookupPlan, row: usize) -> String {
    let time = |at: Option<EventTime>| at.map_or_else(String::new, |at| at.0.to_string());
    let valid = lookup.valid.get(row);
    let [from, to] = [valid.and_then(|v| v.from), valid.and_then(|v| v.to)].map(time);
    format!("{from} {to} {}", key_text(&lookup.rows[row]))
}
