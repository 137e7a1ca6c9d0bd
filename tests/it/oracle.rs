//! What the features of `order` must give, recomputed in the plainest way: every row, every window, every value.
//!
//! A row counts in a window iff the window's end is after the watermark that was before the row. Nothing here is
//! shared with the engine but the shape of its answer.

use std::collections::{BTreeMap, BTreeSet};

use super::arrival::{Flow, Logged};

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Float(f64),
    /// A value, and the size of what it is a part of: rounding may be as large as that allows.
    Near(f64, f64),
    Text(String),
}

/// Rows of a relation, by (window end, key).
pub type Answer = BTreeMap<(i64, Vec<String>), Vec<Cell>>;

#[derive(Debug, Clone, Copy)]
pub struct Hops {
    pub size: i64,
    pub every: i64,
}

/// Is a row that came at this watermark still in the window with this end?
pub type Counts = fn(window_end: i64, admit: i64) -> bool;

/// The rule.
pub fn after(window_end: i64, admit: i64) -> bool {
    window_end > admit
}

impl Hops {
    /// Ends of all windows that hold an instant, found by trying.
    pub fn ends(self, at: i64) -> Vec<i64> {
        let mut end = (at - self.size).div_euclid(self.every) * self.every;
        let mut ends = Vec::new();
        while end <= at + self.size + self.every {
            if end - self.size <= at && at < end {
                ends.push(end);
            }
            end += self.every;
        }
        ends
    }
}

/// Rows of each (window end, key).
pub fn windows<'a, R>(
    rows: impl Iterator<Item = (R, i64, i64)>,
    hops: Hops,
    key: impl Fn(&R) -> Option<Vec<String>> + 'a,
    counts: Counts,
) -> BTreeMap<(i64, Vec<String>), Vec<R>>
where
    R: Clone,
{
    let mut windows: BTreeMap<(i64, Vec<String>), Vec<R>> = BTreeMap::new();
    for (row, time, admit) in rows {
        let Some(key) = key(&row) else { continue };
        for end in hops.ends(time).into_iter().filter(|end| counts(*end, admit)) {
            windows.entry((end, key.clone())).or_default().push(row.clone());
        }
    }
    windows
}

pub fn flows_of(log: &[Logged]) -> impl Iterator<Item = (&Flow, i64, i64)> {
    log.iter().map(|(flow, admit)| (flow, flow.time, *admit))
}

/// Rows that count one by one, by key, in the order of (time, `row_id`): not those older than the watermark before them.
pub fn in_order(
    log: &[Logged],
    key: impl Fn(&Flow) -> Option<Vec<String>>,
    counts: Counts,
) -> BTreeMap<Vec<String>, Vec<&Flow>> {
    let mut rows: BTreeMap<Vec<String>, Vec<&Flow>> = BTreeMap::new();
    for (flow, _) in log.iter().filter(|(flow, admit)| counts(flow.time + 1, *admit)) {
        if let Some(key) = key(flow) {
            rows.entry(key).or_default().push(flow);
        }
    }
    rows.values_mut().for_each(|rows| rows.sort_by_key(|flow| (flow.time, flow.row_id)));
    rows
}

/// How sessions are made.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    pub gap: i64,
    pub max: i64,
}

/// Sessions of rows in order: (end, rows).
pub fn sessions<R>(rows: &[R], time: impl Fn(&R) -> i64, Pauses { gap, max }: Pauses) -> Vec<(i64, &[R])> {
    let together = |a: &R, b: &R| time(b) - time(a) < gap && time(a).div_euclid(max) == time(b).div_euclid(max);
    let end = |rows: &[R]| {
        let last = time(&rows[rows.len() - 1]);
        (last + gap).min((last.div_euclid(max) + 1) * max)
    };
    rows.chunk_by(together).map(|rows| (end(rows), rows)).collect()
}

/// Windows without rows too, of each key, until `expire` after the last with rows and none behind the last flow.
pub fn filled(with_rows: Answer, every: i64, expire: i64, last: i64, zero: &[Cell]) -> Answer {
    let mut all = with_rows.clone();
    for (end, key) in with_rows.keys() {
        let mut silent = end + every;
        while silent - end <= expire && silent <= last && !with_rows.contains_key(&(silent, key.clone())) {
            all.insert((silent, key.clone()), zero.to_vec());
            silent += every;
        }
    }
    all
}

/// Windows that rows missed.
pub fn missed(log: &[Logged], hops: Hops, counts: impl Fn(&Flow) -> bool) -> u64 {
    let rows = log.iter().filter(|(flow, _)| counts(flow));
    let all = rows.flat_map(|(flow, admit)| hops.ends(flow.time).into_iter().map(move |end| (end, *admit)));
    all.filter(|(end, admit)| !after(*end, *admit)).count() as u64
}

/// Rows for which no window is open.
pub fn late(log: &[Logged], all: &[Hops]) -> Vec<i64> {
    let late = log
        .iter()
        .filter(|(flow, admit)| all.iter().all(|hops| hops.ends(flow.time).into_iter().all(|end| !after(end, *admit))));
    late.map(|(flow, _)| flow.row_id).collect()
}

pub fn text(value: Option<&str>) -> String {
    value.map_or("NULL".to_owned(), |value| format!("'{value}'"))
}

pub fn number(value: Option<i64>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

pub fn int(count: usize) -> Cell {
    i64::try_from(count).map_or(Cell::Null, Cell::Int)
}

/// SUM of INT64; it stops at the bounds.
pub fn sum(values: &[i64]) -> Cell {
    if values.is_empty() {
        return Cell::Null;
    }
    let total: i128 = values.iter().map(|v| i128::from(*v)).sum();
    Cell::Int(i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX }))
}

/// The floats of the tests are multiples of 2^-70 and small: their sum is exact in 128 bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "exact below 2^127; rounded once")]
pub fn sum_float(values: &[f64]) -> Cell {
    const SCALE: f64 = (1u128 << 70) as f64;
    if values.is_empty() {
        return Cell::Null;
    }
    let total: i128 = values.iter().map(|v| (v * SCALE) as i128).sum();
    Cell::Float(total as f64 / SCALE)
}

#[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
pub fn avg(values: &[i64]) -> Cell {
    if values.is_empty() {
        return Cell::Null;
    }
    let total: i128 = values.iter().map(|v| i128::from(*v)).sum();
    Cell::Float(total as f64 / values.len() as f64)
}

/// In two passes; 0 when all are equal.
#[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
pub fn stddev_samp(values: &[f64]) -> Cell {
    if values.len() < 2 {
        return Cell::Null;
    }
    if values.iter().all(|v| *v == values[0]) {
        return Cell::Float(0.0);
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    Cell::Float((values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt())
}

/// Different texts from the last to the first, joined, so many at most.
pub fn different(texts: impl Iterator<Item = String>, between: &str, most: usize) -> Cell {
    let different: BTreeSet<String> = texts.collect();
    let listed: Vec<String> = different.into_iter().rev().take(most).collect();
    if listed.is_empty() { Cell::Null } else { Cell::Text(listed.join(between)) }
}

/// Texts by an order, joined, so many at most.
pub fn listed<O: Ord>(texts: impl Iterator<Item = (O, String)>, between: &str, most: usize) -> Cell {
    let mut ordered: Vec<(O, String)> = texts.collect();
    ordered.sort();
    let listed: Vec<String> = ordered.into_iter().take(most).map(|(_, text)| text).collect();
    if listed.is_empty() { Cell::Null } else { Cell::Text(listed.join(between)) }
}

/// Sums of the products of the distances from the means, in two passes: of both, and of each with itself.
#[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
fn products(pairs: &[(f64, f64)]) -> (f64, f64, f64) {
    let count = pairs.len() as f64;
    let flat = |of: fn(&(f64, f64)) -> f64| pairs.iter().all(|pair| of(pair) == of(&pairs[0]));
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let away = |of: fn(&(f64, f64)) -> f64, mean: f64| {
        if flat(of) { vec![0.0; pairs.len()] } else { pairs.iter().map(|pair| of(pair) - mean).collect::<Vec<f64>>() }
    };
    let (xs, ys) = (away(|p| p.0, x), away(|p| p.1, y));
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    (sum(&xs, &ys), sum(&xs, &xs), sum(&ys, &ys))
}

pub fn correlation(pairs: &[(f64, f64)]) -> Cell {
    if pairs.len() < 2 {
        return Cell::Null;
    }
    let (common, x, y) = products(pairs);
    Cell::Near(if x == 0.0 || y == 0.0 { f64::NAN } else { common / (x * y).sqrt() }, 1.0)
}

/// Of a sample with 1 for `less`.
#[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
pub fn covariance(pairs: &[(f64, f64)], less: usize) -> Cell {
    if pairs.len() <= less {
        return Cell::Null;
    }
    let (common, x, y) = products(pairs);
    let count = (pairs.len() - less) as f64;
    Cell::Near(common / count, (x * y).sqrt() / count)
}

/// The smallest value that has that part of all at or below it.
pub fn quantile(values: &[i64], number: usize, of: usize) -> Cell {
    let enough = |value: &&i64| values.iter().filter(|other| other <= value).count() * of >= number * values.len();
    extreme(values.iter().filter(enough).min().copied())
}

pub fn distinct(values: impl Iterator<Item = i64>) -> Cell {
    int(values.collect::<BTreeSet<_>>().len())
}

pub fn smallest(values: impl Iterator<Item = String>) -> Cell {
    values.min().map_or(Cell::Null, Cell::Text)
}

pub fn extreme(value: Option<i64>) -> Cell {
    value.map_or(Cell::Null, Cell::Int)
}

/// Where two answers differ; floats may differ by 1e-9 of their size.
pub fn differences(expected: &Answer, found: &Answer) -> Vec<String> {
    let mut differences = Vec::new();
    for key in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        match (expected.get(key), found.get(key)) {
            (Some(a), Some(b)) if a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)) => {}
            (a, b) => differences.push(format!("{key:?}: expected {a:?}, found {b:?}")),
        }
    }
    differences
}

fn same(a: &Cell, b: &Cell) -> bool {
    match (a, b) {
        (Cell::Float(a), Cell::Float(b)) => a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        (Cell::Near(a, size), Cell::Float(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * size,
        _ => a == b,
    }
}
