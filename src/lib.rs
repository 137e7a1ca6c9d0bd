//! Watches network flows: definitions in YAML and GoogleSQL become a graph of relations, and rows that stream through it
//! become alerts. The same rows in any order within the lateness, cut into batches in any way, give the same alerts with
//! the same ids.
//!
//! # The map
//!
//! A *relation* is a named stream of rows with a schema and an event time. A `SELECT` over one (normalization, rules) keeps
//! nothing; windowed aggregation (features) is the only stateful operator. Definitions are compiled to an engine-neutral
//! [`plan`]; [`target`] lowers its expressions to DataFusion, which runs them batch by batch. Watermarks, windows, joins and
//! incidents are our own, in [`pipeline`].
//!
//! | folder | does |
//! |---|---|
//! | [`record`] | leaf types: a flow's columns, values, times, reject reasons, hits and their ids |
//! | [`diagnostic`] | what is said of a definition: codes, places, renderings |
//! | [`definition`] | files to typed definitions with places; the JSON Schemas |
//! | [`language`] | GoogleSQL: text to a typed tree; the closed table of functions |
//! | [`plan`] | definitions to the graph of relations: names, keys, windows, which columns are read |
//! | [`target`] | what an engine runs: expressions in `target/datafusion`, whole relations as SQL in `target/bigquery` |
//! | [`pipeline`] | the stages: `ingest` `normalize` `merge` `window` `detect` `alert`; `graph` drives, `admission` says where late rows count, `ledger` counts |
//! | [`mmdb`] | files of networks that lookups read: where an address is, what its record has |
//! | [`history`] | flows as they are kept: parts by day, manifests, a reader that prunes |
//! | [`state`] | what a run that does not end keeps on disk: the logs of its input and of its alerts, snapshots, how far its outputs are |
//! | [`runtime`] | a run: threads, stopping, taps, the report; `ingest` into a history, days of it (`backfill`, `replay`), compared with a run (`reconcile`); the rules' own tests (`case`) |
//! | [`generate`] | synthetic NetLog with labelled attacks |
//! | [`alert_format`] | what is sent of an alert: JSON, Slack, PagerDuty, Splunk, OCSF |
//! | [`port`] | traits for what is outside: inputs, files, writers, the clock, a warehouse, sinks of alerts |
//! | [`adapter`] | what fills them: `adapter/local`, `adapter/gcp` for BigQuery, Cloud Storage and Pub/Sub, `adapter/http` for webhooks and pages about a run |
//! | [`cli`] | one file a command; `cli/wire.rs` alone names adapters |
//!
//! # A definition's journey to a running plan
//!
//! 1. `adapter/local/folder.rs` (or `embedded.rs`) gives the files of the project, as a [`port::FileTree`].
//! 2. `definition/load.rs` reads each; `yaml.rs` keeps the place of every value, `validate.rs` checks against the tables of
//!    keys (`source.rs`, `feature.rs`, `rule.rs`, …), `model.rs` is the result. SQL is still text.
//! 3. `plan/resolve.rs` puts features in order (`order.rs`) and binds sources, lookups, features and rules.
//! 4. For each expression `language/syntax` parses and `language/bind` gives names, types and NULL rules
//!    (`language/function` is the table); `language/null.rs` finds conditions that a NULL can silence. A query's `WITH`,
//!    subqueries and `UNION ALL` become one SELECT for each part (`bind/query.rs`, `layer.rs`); `plan/branch.rs` makes each a
//!    branch of its rule.
//! 5. `plan/fingerprint.rs` hashes what each rule means; `plan/wanted.rs` marks what is read: other features do not run,
//!    other columns are not decoded. `plan/depends.rs` tells what rows depend on and how far back, `plan/asked.rs` which rows of a feature its readers ask for, `plan/condition.rs` what is
//!    asked of a row alone, `plan/reads.rs` which columns are carried along with it, `plan/key_space.rs` which features have one key.
//! 6. `plan/order.rs` names the rules of `hits(*)` and `alerts(*)` and tells what stands on what; `Plan::order` (`plan/hits.rs`) has features and
//!    rules each after what it reads. `pipeline/graph.rs` builds a stage for each live feature and rule; `pipeline/compiled.rs` has
//!    `target/datafusion/lower.rs` make each expression a physical one, once.
//!
//! # A record's journey to an alert
//!
//! 1. `runtime/lane.rs` gives each input a thread, of many files each when its turn comes; `runtime/run.rs` takes what
//!    they read where the log needs it. `pipeline/ingest/reader.rs` cuts an input into chunks of whole records
//!    (`chunk.rs`) and decodes them (`json.rs`, `csv.rs`, `zeek.rs`, `parquet.rs`) to columns, or to rejects.
//! 2. `pipeline/normalize` evaluates event time and `flows.sql`, adds `row_id` (`row_id.rs`); on the same thread.
//! 3. `pipeline/merge.rs` makes one log of all inputs, row by row, and gives each row the watermark before it.
//! 4. `pipeline/graph.rs` leaves out duplicates (`dedupe.rs`), counts late rows, and hands the rest to every feature over
//!    `flows` and every rule over it, whose hits features that read them take as they take flows (`graph/close.rs`).
//! 5. `pipeline/window/feature.rs` is a feature with windows: `input.rs` evaluates joins, `row`, `where`, key and arguments on rows
//!    that `lean.rs` keeps small; `previous.rs` lets rows wait for their row before; `operator.rs` keeps panes, `fill.rs` tells which
//!    windows without rows are there too, `session.rs` keeps sessions, `accumulate.rs` exact states, `distinct.rs` sets, `evidence.rs` the first
//!    flows of each key. `key.rs` numbers keys; features of one key share its numbers, which go along with rows
//!    (`graph/spaces.rs`). Where keys are too many, `graph/caps.rs` has stages let some go (`evict.rs`).
//! 6. When the watermark passes a window's end, `graph/close.rs` closes it: feature rows that something asks for go to features over features (joined in
//!    `join.rs`, with those of the same window or, out of `past.rs`, with earlier ones), to look-backs (`window/trailing.rs` over
//!    the two stacks of `frame.rs`, or the bags of `frame/bag.rs`, long ones partly on disk by `frame/aside.rs`; `stage.rs` is either kind) and to the rules, `pipeline/detect`; `select.rs` evaluates a branch,
//!    `rank.rs` its ranks. Hits are rows of `hits(…)` and `alerts(…)` again for the features that read them (`hits.rs`).
//! 7. `pipeline/alert` orders hits by when they were known, applies exceptions, merges them to incidents (`incident.rs`) and writes
//!    alerts (`record.rs`) when no further hit can belong to one. In a run that does not end it says before that there is one
//!    (`early.rs`): for rules of which `plan/early.rs` proves that nothing can undo their condition, as soon as rows that have
//!    come meet it (`graph/early.rs`, over the open windows of `window/operator/early.rs`).
//! 8. `pipeline/outlet.rs` is the port for all that comes out: `runtime/outlet.rs` takes rows to taps and alerts to their file; `runtime/report.rs` tells the counts of
//!    `pipeline/ledger.rs`, and of `pipeline/cost.rs` what each feature and rule took.
//!
//! # History
//!
//! `runtime/ingest.rs` makes the log of its inputs as a run does, and hands the rows that the graph admits to
//! `history/write.rs`: parts by day, with the watermark before each late row. `history/store.rs` makes them one ingest, that
//! is there whole or not at all. What a place of rows has to do says `runtime/ingest/place.rs`: a folder is one
//! (`ingest/folder.rs`), a warehouse another (`ingest/tables.rs`), which takes rows as they were decoded
//! (`pipeline/normalize/decoded.rs`). `runtime/ingest/log.rs` takes rows from the log of a run over subscriptions, merged again as
//! the run merged them. A day of a backfill is read by `history/read.rs` with the look-back that
//! `plan/look_back.rs` tells, goes through a graph of its own in `runtime/replay.rs`, and its rows into files
//! (`runtime/day.rs`). Which days, and what became of them, is `runtime/backfill.rs`, for every place that days are computed
//! at. `runtime/reconcile.rs` compares what a run wrote with what days give, and finds why rows differ by computing them again
//! from what the run had: its flows (`runtime/patch.rs`), lookups and definitions, the digits of its floats
//! (`reconcile/threshold.rs`). `runtime/warm.rs` lets a run begin with what a history has. `runtime/fetch.rs` brings days of a
//! warehouse's flows into a history (`fetch/cells.rs`: cells to rows).
//!
//! # A run that does not end
//!
//! `runtime/live` takes messages of subscriptions ([`port::subscription`]), and does five things with each group, in this order:
//! append to the log (`state/log.rs`), sync, acknowledge, compute, put out. What it was given and when the clock moved a watermark are
//! entries of the log (`state/entry.rs`); `runtime/live/core.rs` computes from entries alone, so that after a crash the log read again
//! (`recover.rs`) gives the state and all alerts, of which those that are out are left out (`outbox.rs`). A snapshot (`snapshots.rs`,
//! `state/snapshot.rs`) is that state as bytes (`pipeline/saved.rs`; each stage says what of it rows have changed): a start reads only the
//! log behind it. Alerts are in a log of their own, from which each sink is told on a thread of its own (`deliver.rs`, `feed.rs`), but for what
//! `quiet.rs` keeps from it; refused records are told from the log of the input (`letter.rs`). The file of alerts is
//! `alert_file.rs`, which closes it. Once a second it leaves its
//! figures in `live/vitals`, which `adapter/http` shows to whoever watches it.
//!
//! Other definitions can come in force meanwhile. `cli/reload.rs` has them checked by a process of its own and reads them; `live/warming.rs`
//! makes a graph for them beside the one that runs, from the log where `plan/same.rs` finds features that do not mean the same;
//! `live/reload.rs` lets it take over between two entries, with the state of what does (`graph/carry.rs`, `alert/carry.rs`,
//! `window/handover.rs`). `live/writing.rs` brings a snapshot to the disk while the run goes on.
//!
//! Where alerts go says `definition/sink.rs`, and `definition/computed.rs` that nothing which is computed depends on it. A sink
//! ([`port::sink`]) makes one attempt and tells how far it came: `adapter/http/webhook.rs`, `adapter/gcp/topic.rs` and `adapter/record.rs`,
//! which appends each alert once to a table ([`port::table`], `adapter/gcp/table.rs`), with `adapter/severe.rs` around those that are told of some severities only. What is sent makes [`alert_format`].
//!
//! # Questions, trials and training rows
//!
//! All are runs whose rows end in memory: `runtime/backtest.rs` counts hits and alerts and compares those of two sets of
//! definitions; `pipeline/detect/nearest.rs` keeps the row that came nearest to firing, of those that `focus.rs` says are
//! meant. `runtime/query.rs` puts GROUP BY (`query/group.rs`, the states of a feature) and ORDER BY (`query/order.rs`) around the stage of a SELECT; `runtime/training.rs` gives each label the last window
//! before it. `runtime/past.rs` reads both from a history. A warehouse makes training rows itself (`training/place.rs`).
//!
//! # Invariants
//!
//! - **A batch border never changes a result**: everything that depends on order is decided row by row, by event time.
//! - **Decoding ends before parity starts**: after normalization there are typed columns and canonical texts, and nothing
//!   looks at a record's bytes again.
//! - **Definitions never abort at the first mistake**: `load` and `resolve` return what they could make, and all findings.
//! - **A plan is complete**: after it nothing reads definitions or meets an unknown name, and it knows no engine.
//! - **Nothing is lost uncounted**: each term of the ledger is counted where it happens, none by subtraction, and a run
//!   whose sums do not agree fails.
//! - **States are exact**: panes merged in any order give what one pass gives; floats are rounded once, at the end.
//! - **What becomes of a record depends on the record and its source**, never on who reads which of its columns.
//! - **A day is computed alone**: its flows and its look-back give the rows, hits and alerts that a run over everything gives.
//! - **The clock is read only for live input**, for exceptions' expiry in `check`, for which day is the last whole one of a
//!   warehouse (`ingest --from`), and for how long a run took.
//! - **A bad row is that row's problem**: it is rejected or counted, with its reason, and the others go on.
//! - **Input never panics the program**: no `unwrap`, `expect`, `panic` or `unsafe`; limits are named constants.
//! - **DataFusion never sees a window or an unbounded input**: it evaluates expressions over batches.
//!
//! # Who may use whom
//!
//! Tests aside. `tests/it/layout.rs` compares this table with the program.
//!
//! | module | uses |
//! |---|---|
//! | [`record`] | nothing |
//! | [`diagnostic`] | nothing |
//! | [`port`] | `record` |
//! | [`generate`] | `record` |
//! | [`mmdb`] | `record` |
//! | [`alert_format`] | `record` |
//! | [`adapter`] | `alert_format`, `port`, `record` |
//! | [`definition`] | `diagnostic`, `mmdb`, `port`, `record` |
//! | [`language`] | `diagnostic`, `record` |
//! | [`plan`] | `definition`, `diagnostic`, `language`, `mmdb`, `record` |
//! | [`target`] | `plan`, `language`, `mmdb`, `record` |
//! | [`pipeline`] | `target`, `plan`, `language`, `port`, `record`, and for words and places `definition`, `diagnostic` |
//! | [`history`] | `pipeline`, `port`, `record` |
//! | [`state`] | `pipeline`, `port`, `record` |
//! | [`runtime`] | `history`, `state`, `pipeline`, `target`, `plan`, `language`, `definition`, `diagnostic`, `mmdb`, `port`, `record` |
//! | [`cli`] | everything; `cli/wire.rs` alone names `adapter` |
//!
//! # Tests
//!
//! Beside the code (`#[cfg(test)]`) where one module is enough; in `tests/it` what is seen from outside, with cases that are
//! files: `tests/error` holds a wrong project for each code and how it is shown, and the pages of `docs` are run as they
//! are written. The rules of the pack are tested by their own tests (`tripline test`).

pub mod adapter;
pub mod alert_format;
pub mod cli;
pub mod definition;
pub mod diagnostic;
pub mod generate;
pub mod history;
pub mod language;
pub mod mmdb;
pub mod pipeline;
pub mod plan;
pub mod port;
pub mod record;
pub mod runtime;
pub mod state;
pub mod target;
