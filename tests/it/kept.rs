//! An outlet that keeps everything a graph puts out, as values that can be compared.

use std::collections::BTreeMap;

use tripline::pipeline::alert::AlertRecord;
use tripline::pipeline::detect::Hit;
use tripline::pipeline::outlet::{Outlet, OutletError};
use tripline::plan::Plan;
use tripline::record::alert::Phase;
use tripline::record::{Column, Disposition, Value, flow};

use datafusion::arrow::array::RecordBatch;

/// One row of a relation: its values, and whether its window is partial.
pub type KeptRow = (Vec<Value>, bool);

#[derive(Default)]
pub struct Kept {
    columns: BTreeMap<String, Vec<Column>>,
    pub rows: BTreeMap<String, Vec<KeptRow>>,
    /// Flows with the watermark before each.
    pub late: Vec<(Vec<Value>, i64)>,
    /// (rule, hit id, disposition)
    pub hits: Vec<(String, String, &'static str)>,
    pub alerts: Vec<AlertRecord>,
    /// Nobody asks for rows of relations.
    alerts_alone: bool,
}

impl Kept {
    pub fn new(plan: &Plan) -> Self {
        let features = plan.features.iter().map(|f| (f.name.clone(), f.columns.clone()));
        let rules = plan.rules.iter().map(|r| (r.name.clone(), r.columns.clone()));
        let mut columns: BTreeMap<String, Vec<Column>> = features.chain(rules).collect();
        columns.insert(flow::FLOWS.to_owned(), flow::columns());
        Self { columns, ..Self::default() }
    }

    /// As a run without taps: what no rule asks for need not be made.
    pub fn alerts_alone() -> Self {
        Self { alerts_alone: true, ..Self::default() }
    }

    /// Alerts of incidents that are over.
    pub fn finals(&self) -> impl Iterator<Item = &AlertRecord> {
        self.alerts.iter().filter(|alert| alert.phase == Phase::Final)
    }

    /// Hits and alerts as sorted lines.
    pub fn told(&self) -> Vec<String> {
        let hits = self.hits.iter().map(|hit| format!("hit {hit:?}"));
        let mut lines: Vec<String> = hits.chain(self.finals().map(|alert| format!("alert {}", alert.json()))).collect();
        lines.sort();
        lines
    }

    /// Everything as sorted lines: two runs are equal when these are. Floats are told apart to the bit.
    pub fn lines(&self) -> Vec<String> {
        let rows = self.rows.iter().filter(|(relation, _)| *relation != flow::FLOWS);
        let rows = rows.flat_map(|(relation, rows)| rows.iter().map(move |row| format!("{relation} {row:?}")));
        let hits = self.hits.iter().map(|hit| format!("hit {hit:?}"));
        let alerts = self.finals().map(|alert| format!("alert {}", alert.json()));
        let late = self.late.iter().map(|late| format!("late {late:?}"));
        let mut lines: Vec<String> = rows.chain(hits).chain(alerts).chain(late).collect();
        lines.sort();
        lines
    }

    fn values(&self, relation: &str, rows: &RecordBatch) -> Vec<Vec<Value>> {
        let columns = self.columns.get(relation).map(Vec::as_slice).unwrap_or_default();
        let row = |row| columns.iter().zip(rows.columns()).map(|(c, array)| Value::at(array, row, c.ty)).collect();
        (0..rows.num_rows()).map(row).collect()
    }
}

impl Outlet for Kept {
    fn wants(&self, _: &str) -> bool {
        !self.alerts_alone
    }

    fn rows(&mut self, relation: &str, rows: &RecordBatch, partial: bool) -> Result<(), OutletError> {
        let values = self.values(relation, rows);
        self.rows.entry(relation.to_owned()).or_default().extend(values.into_iter().map(|row| (row, partial)));
        Ok(())
    }

    fn flows(&mut self, relation: &str, rows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        if relation == flow::FLOWS {
            return self.rows(relation, rows, false);
        }
        let values = self.values(flow::FLOWS, rows);
        self.late.extend(values.into_iter().zip(admit.iter().copied()));
        Ok(())
    }

    fn hit(&mut self, rule: &str, hit: &Hit, disposition: Disposition) -> Result<(), OutletError> {
        self.hits.push((rule.to_owned(), hit.hit_id.clone(), disposition.name()));
        Ok(())
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        self.alerts.push(alert.clone());
        Ok(())
    }
}
