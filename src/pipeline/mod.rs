//! The stages, in order: `ingest` (bytes to raw rows), `normalize` (raw rows to flows), `merge` (inputs to one log),
//! `window` (flows to feature rows), `detect` (feature rows to hits), `alert` (hits to alerts). `graph` drives the
//! last three; `ledger` counts what each did. `saved` is their state as bytes, `ipc` rows as Arrow's.

pub mod admission;
pub mod alert;
pub mod batch;
mod cells;
pub mod compiled;
pub mod cost;
pub mod dedupe;
pub mod detect;
pub mod evidence;
pub mod graph;
pub mod halve;
pub mod hits;
pub mod ingest;
pub mod ipc;
pub mod join;
pub mod ledger;
pub mod merge;
pub mod normalize;
pub mod outlet;
pub mod past;
pub mod rank;
pub mod saved;
pub mod select;
pub mod window;
