//! Rows of one relation on both sides: found by key, compared column by column. Equal rows are forgotten at once.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use hashbrown::HashMap;

use crate::record::{EventTime, Value, fingerprint64};

use super::shape::Shape;
use super::threshold::Near;
use super::value::{equal, size};

/// Which rows are compared.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    pub from: EventTime,
    /// Before this.
    pub to: EventTime,
    /// One key of so many.
    pub sample: u64,
}

impl Scope {
    fn holds(&self, at: Option<i64>) -> bool {
        at.is_some_and(|at| self.from.0 <= at && at < self.to.0)
    }

    /// Is the key of a row among those that are looked at?
    fn sampled(&self, shape: &Shape, rows: &RecordBatch, row: usize) -> bool {
        self.sample <= 1 || fingerprint64(shape.text_of(rows, row, &shape.by).as_bytes()).is_multiple_of(self.sample)
    }

    /// Which rows are compared, and how many are of another time.
    fn inside(&self, shape: &Shape, rows: &RecordBatch) -> (BooleanArray, u64) {
        let times = rows.column(shape.time).as_primitive::<TimestampMicrosecondType>();
        let mut outside = 0;
        let inside = times.iter().enumerate().map(|(row, at)| {
            let holds = self.holds(at);
            outside += u64::from(!holds);
            Some(holds && self.sampled(shape, rows, row))
        });
        (inside.collect(), outside)
    }
}

/// What is wrong with a row of the emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The history gives it.
    Missing,
    /// The history does not give it.
    Extra,
    /// The history gives it fewer times.
    Repeated,
    Different,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Repeated => "repeated",
            Self::Different => "different",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Difference {
    pub kind: Kind,
    pub key: String,
    pub emitted: Option<Vec<Value>>,
    pub computed: Option<Vec<Value>>,
    /// Columns that differ.
    pub columns: Vec<usize>,
}

impl Difference {
    /// One of its rows.
    pub fn row(&self) -> &[Value] {
        self.emitted.as_deref().or(self.computed.as_deref()).unwrap_or_default()
    }
}

/// How a column differs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ColumnStats {
    pub rows: u64,
    /// Of numbers.
    pub sized: u64,
    pub largest: f64,
    pub sum: f64,
}

/// Rows that were emitted, by key.
#[derive(Debug, Default)]
pub struct Emitted {
    batches: Vec<RecordBatch>,
    places: HashMap<String, Places>,
    pub rows: u64,
    /// Of another time than is compared.
    pub outside: u64,
}

#[derive(Debug, Default)]
struct Places {
    left: Vec<(usize, usize)>,
    /// One of them was found.
    found: bool,
}

impl Emitted {
    pub fn push(&mut self, shape: &Shape, scope: Scope, rows: &RecordBatch) -> io::Result<()> {
        let (inside, outside) = scope.inside(shape, rows);
        self.outside += outside;
        let rows = filter_record_batch(rows, &inside).map_err(io::Error::other)?;
        let batch = self.batches.len();
        for row in 0..rows.num_rows() {
            self.places.entry(shape.key_of(&rows, row)).or_default().left.push((batch, row));
        }
        self.rows += rows.num_rows() as u64;
        if rows.num_rows() > 0 {
            self.batches.push(rows);
        }
        Ok(())
    }
}

/// A relation while its computed rows come.
pub struct Comparison {
    pub shape: Arc<Shape>,
    scope: Scope,
    emitted: Emitted,
    /// Computed rows that no emitted row is equal to, by key.
    unmatched: BTreeMap<String, Vec<Vec<Value>>>,
    pub computed: u64,
    /// Rows of both sides that are one.
    pub matched: u64,
    /// Those of them that are so but for the last digits of a float; not of hits and alerts.
    near: Vec<Near>,
}

/// What came of it.
#[derive(Debug)]
pub struct Compared {
    pub shape: Arc<Shape>,
    pub emitted: u64,
    pub outside: u64,
    pub computed: u64,
    pub matched: u64,
    pub near: Vec<Near>,
    pub differences: Vec<Difference>,
    /// By column.
    pub columns: Vec<ColumnStats>,
}

impl Comparison {
    pub fn new(shape: Arc<Shape>, scope: Scope, emitted: Emitted) -> Self {
        Self { shape, scope, emitted, unmatched: BTreeMap::new(), computed: 0, matched: 0, near: Vec::new() }
    }

    /// Rows that the history gives.
    pub fn push(&mut self, rows: &RecordBatch) {
        let (inside, _) = self.scope.inside(&self.shape, rows);
        for row in (0..rows.num_rows()).filter(|row| inside.value(*row)) {
            self.computed += 1;
            let key = self.shape.key_of(rows, row);
            let shape = &self.shape;
            let batches = &self.emitted.batches;
            let same = |(batch, place): &(usize, usize)| {
                (0..shape.columns.len()).all(|column| {
                    let emitted = shape.value(&batches[*batch], *place, column);
                    is_equal(shape, column, &emitted, &shape.value(rows, row, column))
                })
            };
            let places = self.emitted.places.get_mut(&key);
            let found = places.and_then(|places| {
                let at = places.left.iter().position(same)?;
                places.found = true;
                Some(places.left.swap_remove(at))
            });
            match found {
                Some((batch, place)) => {
                    self.matched += 1;
                    if !shape.is_settled() {
                        let emitted = shape.row(&batches[batch], place);
                        self.near.extend(Near::of(shape, &emitted, &shape.row(rows, row)));
                    }
                }
                None => self.unmatched.entry(key).or_default().push(shape.row(rows, row)),
            }
        }
    }

    pub fn finish(mut self) -> Compared {
        let shape = Arc::clone(&self.shape);
        let mut differences = Vec::new();
        let mut columns = vec![ColumnStats::default(); shape.columns.len()];
        for (key, rows) in std::mem::take(&mut self.unmatched) {
            for computed in rows {
                let emitted = self.emitted.places.get_mut(&key).and_then(|places| places.left.pop());
                let emitted = emitted.map(|(batch, row)| shape.row(&self.emitted.batches[batch], row));
                let mut differing = Vec::new();
                if let Some(emitted) = &emitted {
                    differing = differing_columns(&shape, emitted, &computed);
                    differing.iter().for_each(|column| columns[*column].add(&emitted[*column], &computed[*column]));
                }
                let kind = if emitted.is_some() { Kind::Different } else { Kind::Missing };
                let computed = Some(computed);
                differences.push(Difference { kind, key: key.clone(), emitted, computed, columns: differing });
            }
        }
        for (key, places) in self.emitted.places {
            for (batch, row) in places.left {
                let emitted = Some(shape.row(&self.emitted.batches[batch], row));
                let kind = if places.found { Kind::Repeated } else { Kind::Extra };
                differences.push(Difference { kind, key: key.clone(), emitted, computed: None, columns: Vec::new() });
            }
        }
        differences.sort_by_cached_key(|difference| {
            (shape.time_of(difference.row()), difference.key.clone(), difference.kind)
        });
        Compared {
            emitted: self.emitted.rows,
            outside: self.emitted.outside,
            computed: self.computed,
            matched: self.matched,
            near: self.near,
            shape,
            differences,
            columns,
        }
    }
}

fn is_equal(shape: &Shape, column: usize, emitted: &Value, computed: &Value) -> bool {
    shape.beside.contains(&column) || equal(emitted, computed, shape.json.contains(&column))
}

pub fn differing_columns(shape: &Shape, emitted: &[Value], computed: &[Value]) -> Vec<usize> {
    (0..shape.columns.len()).filter(|column| !is_equal(shape, *column, &emitted[*column], &computed[*column])).collect()
}

impl ColumnStats {
    fn add(&mut self, emitted: &Value, computed: &Value) {
        self.rows += 1;
        if let Some(size) = size(emitted, computed) {
            self.sized += 1;
            self.largest = self.largest.max(size);
            self.sum += size;
        }
    }
}
