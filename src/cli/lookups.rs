//! What is said of lookups with files after they were read.

use crate::plan::LookupPlan;

use super::say::note;

/// Values of other types that were read as NULL.
pub fn strange(lookup: &LookupPlan) {
    let Some(table) = &lookup.table else { return };
    let fields = table.strange().into_iter().filter_map(|column| lookup.fields.get(column));
    let names: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
    if !names.is_empty() {
        note(&format!(
            "lookup {}: records of {} have values of another type for {}, which are NULL",
            lookup.name,
            table.path,
            names.join(", ")
        ));
    }
}
