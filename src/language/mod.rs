//! A strict subset of GoogleSQL: text to a typed tree with places.
//!
//! sqlparser (BigQuery dialect) gives syntax and places; everything else is decided here: names, types,
//! NULL rules, what is refused. The closed table in [`function`] is the single list of functions and operators.
//! Lowering to an engine is in `target`.

mod bind;
pub mod codes;
pub mod format;
pub mod function;
pub mod instant;
pub mod json_path;
mod null;
pub mod own;
pub mod pattern;
pub mod scope;
mod syntax;
#[cfg(test)]
mod tests;
mod total;
pub mod tree;

pub use bind::{
    ParsedAdHoc, ParsedQuery, bind_adhoc, bind_aggregation, bind_condition, bind_expression, bind_query, both,
    lookups_of, parameters_of, parse_adhoc, parse_query, unknown_key,
};
pub use function::{Function, functions};
pub use null::{conjuncts, null_warnings};
pub use scope::{LookupField, Scope, ScopeColumn, ScopeLookup};
pub use syntax::is_reserved;
pub use tree::{
    AdHoc, Aggregate, AggregateFunction, Aggregation, Expr, ExprKind, Group, Item, LookupValues, OrderColumn, OrderKey,
    Query, Rank, RankFunction, Select,
};

/// What to write instead of a test whether an address lies in a network.
const NETWORKS: &str = "make the networks a lookup with `cidr: true` and join it with `how: longest_prefix`, or compare \
    NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(x), length)";
