//! Lookups as the language and the engine see them.

use crate::definition::model::Lookup;
use crate::language::scope::{LookupField, ScopeLookup};
use crate::record::Period;

use super::LookupPlan;

pub(super) fn plan(lookup: &Lookup) -> LookupPlan {
    LookupPlan {
        name: lookup.name.text.clone(),
        fields: fields(lookup),
        rows: lookup.rows.iter().map(|row| row.values.clone()).collect(),
        valid: lookup.rows.iter().map(|row| Period { from: row.valid_from, to: row.valid_to }).collect(),
        table: lookup.table.clone(),
    }
}

pub(super) fn scope(lookup: &Lookup) -> ScopeLookup {
    ScopeLookup { name: lookup.name.text.clone(), columns: fields(lookup), joined_only: lookup.table.is_some() }
}

fn fields(lookup: &Lookup) -> Vec<LookupField> {
    let fields = lookup.columns.iter().map(|column| LookupField {
        name: column.name.text.clone(),
        ty: column.ty,
        nullable: column.nullable,
        cidr: column.cidr,
    });
    fields.collect()
}
