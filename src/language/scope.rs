//! What names mean where an expression stands.

use std::collections::BTreeMap;

use crate::record::{Column, Type, Value};

/// The columns, parameters and lookups that an expression may name.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// In the order of the batches that the expression will run on.
    pub columns: Vec<ScopeColumn>,
    /// Values of `@name`.
    pub params: BTreeMap<String, Value>,
    pub lookups: Vec<ScopeLookup>,
    /// The names and ids of pseudonym keys, where values may be made pseudonyms.
    pub keys: Option<Vec<(String, String)>>,
    /// Aliases of joins and names of definitions with errors of their own: nothing is said about what names them.
    pub broken: Vec<String>,
    /// Names that mean something elsewhere, each with what to do about it.
    pub elsewhere: Vec<(String, String)>,
    /// Says what the columns belong to, for messages: "feature pair_5m".
    pub owner: String,
    /// Aggregates may be over no row at all: a count may be zero, everything else NULL.
    pub empty: bool,
    /// Is a sum over no rows 0?
    pub zeros: bool,
}

#[derive(Debug, Clone)]
pub struct ScopeColumn {
    /// The alias of a joined relation: its columns are named `alias.column`.
    pub qualifier: Option<String>,
    pub column: Column,
}

/// A lookup that `IN (SELECT column FROM lookup)` may name.
#[derive(Debug, Clone)]
pub struct ScopeLookup {
    pub name: String,
    pub columns: Vec<LookupField>,
    /// It has no rows at hand: joins find single ones.
    pub joined_only: bool,
}

#[derive(Debug, Clone)]
pub struct LookupField {
    pub name: String,
    pub ty: Type,
    pub nullable: bool,
    /// A network: matched by containment, not by equality.
    pub cidr: bool,
}

impl Scope {
    /// A scope over one relation's columns, without qualifier.
    pub fn over(owner: impl Into<String>, columns: &[Column]) -> Self {
        let columns = columns.iter().map(|c| ScopeColumn { qualifier: None, column: c.clone() }).collect();
        Self { columns, owner: owner.into(), ..Self::default() }
    }
}
