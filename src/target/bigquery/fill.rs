//! Windows without rows, of keys that had some.

use crate::language::tree::{Aggregate, AggregateFunction as F};
use crate::plan::FeaturePlan;
use crate::record::{Micros, flow};

use super::query::{Step, select};
use super::text::{interval, name, times};

/// The time of the last flow: no window that ends later is filled in. In a file it is a variable.
pub(super) const LAST: &str = "tripline_last";

pub(super) fn last(from: Option<&str>) -> String {
    let from = from.map_or_else(String::new, |from| format!(" WHERE event_time >= {from}"));
    format!("(SELECT MAX(event_time) FROM {}{from})", flow::FLOWS)
}

/// Windows of a feature, by key and the column `start`, with a column for each aggregate.
pub(super) struct Windows<'a> {
    pub from: &'a str,
    pub key: &'a [String],
    pub start: &'a str,
    pub names: &'a [String],
    /// Names that no column has.
    pub hop: &'a str,
    pub next: &'a str,
}

/// Steps whose last has the windows that are filled in too.
pub(super) fn steps(feature: &FeaturePlan, expire: Micros, windows: &Windows<'_>, ranged: bool) -> [Step; 2] {
    let Windows { from, key, start, names, hop, next } = windows;
    let every = feature.window.every.0;
    let follows = name(&format!("{}__follows", feature.name));
    let partition = if key.is_empty() { String::new() } else { format!("PARTITION BY {} ", key.join(", ")) };
    let lead = format!("LEAD({start}) OVER ({partition}ORDER BY UNIX_MICROS({start})) AS {next}");
    let columns: Vec<String> = key.iter().cloned().chain([(*start).to_owned()]).collect();
    let items: Vec<String> = columns.iter().cloned().chain([lead]).collect();
    let until_next = Step {
        name: follows.clone(),
        comment: "When the key's next window with rows begins.".to_owned(),
        sql: select(&items, from, &[]),
    };
    let most = expire.0 / every;
    let between = format!("DIV(TIMESTAMP_DIFF({next}, {start}, MICROSECOND), {every}) - 1");
    let tables =
        format!("{follows}\nCROSS JOIN UNNEST(GENERATE_ARRAY(1, LEAST({most}, COALESCE({between}, {most})))) AS {hop}");
    let filled_start = format!("TIMESTAMP_ADD({start}, {})", times(hop, every));
    let filled_end = format!("TIMESTAMP_ADD({filled_start}, {})", interval(feature.window.size.0));
    let last = if ranged { LAST.to_owned() } else { last(None) };
    let mut filled: Vec<String> = key.to_vec();
    filled.push(format!("{filled_start} AS {start}"));
    let values = feature.aggregates.iter().zip(*names);
    filled.extend(values.map(|(aggregate, own)| format!("{} AS {own}", without_rows(aggregate))));
    let whole: Vec<String> = columns.into_iter().chain(names.iter().cloned()).collect();
    let branches = [select(&whole, from, &[]), select(&filled, &tables, &[format!("{filled_end} <= {last}")])]
        .join("\nUNION ALL\n");
    let comment = format!("Windows without rows too, until {expire} after the key's last with rows.");
    [until_next, Step { name: name(&format!("{}__filled", feature.name)), comment, sql: branches }]
}

/// What an aggregate is where there is no row.
fn without_rows(aggregate: &Aggregate) -> &'static str {
    match aggregate.function {
        F::CountStar | F::Count | F::CountIf | F::CountDistinct | F::ApproxCountDistinct | F::Sum => "0",
        _ => "NULL",
    }
}
