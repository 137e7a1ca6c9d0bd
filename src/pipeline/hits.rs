//! Hits of a rule as rows of `hits(…)` and `alerts(…)`, for the features that read them.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;

use crate::plan::{Plan, RulePlan, Upstream, hits};
use crate::record::{Type, Value};

use super::batch;
use super::detect::Hit;
use super::window::evidence::FlowsBehind;

/// Who reads the hits of each rule.
pub struct HitReaders {
    /// By rule: live features that read its hits, each instant's when it is over.
    hits: Vec<Vec<usize>>,
    /// By rule: live features that read those that open an incident.
    alerts: Vec<Vec<usize>>,
    /// By rule over flows: live features that take its hits in any order, as others take flows.
    early: Vec<Vec<usize>>,
    schema: SchemaRef,
}

/// Hits as rows, and the flows behind each.
pub struct HitRows {
    pub rows: RecordBatch,
    pub evidence: Arc<FlowsBehind>,
}

impl HitReaders {
    pub fn of(plan: &Plan) -> Self {
        let [mut hits_of, mut alerts_of, mut early] = [(); 3].map(|()| vec![Vec::new(); plan.rules.len()]);
        for (index, feature) in plan.features.iter().enumerate().filter(|(index, _)| plan.live[*index]) {
            let Upstream::Hits(read) = feature.upstream else { continue };
            // Rows that wait for the row before them may not be passed by those of another rule.
            let any_order = feature.previous.is_none() || plan.rules_behind(read).all(|(_, rule)| rule.reads_flows());
            for (rule, own) in plan.rules_behind(read) {
                let features = match plan.hits[read].opening {
                    true => &mut alerts_of,
                    false if any_order && own.reads_flows() => &mut early,
                    false => &mut hits_of,
                };
                features[rule].push(index);
            }
        }
        Self { hits: hits_of, alerts: alerts_of, early, schema: batch::schema(&hits::columns()) }
    }

    /// Those that take hits of flows as they come.
    pub fn early(&self, rule: usize) -> &[usize] {
        &self.early[rule]
    }

    /// Does anyone wait for a rule's hits of an instant?
    pub fn waits(&self, rule: usize) -> bool {
        !self.hits[rule].is_empty() || !self.alerts[rule].is_empty()
    }

    /// Is a late hit missing somewhere?
    pub fn misses_late(&self, rule: usize) -> bool {
        !self.hits[rule].is_empty() || !self.early[rule].is_empty()
    }

    /// Those of a rule's hits.
    pub fn of_hits(&self, rule: usize) -> &[usize] {
        &self.hits[rule]
    }

    /// Those of its hits that open an incident.
    pub fn of_alerts(&self, rule: usize) -> &[usize] {
        &self.alerts[rule]
    }

    pub fn rows(&self, rule: &RulePlan, hits: &[&Hit]) -> Result<HitRows, ArrowError> {
        let time = |of: &dyn Fn(&Hit) -> i64| -> ArrayRef {
            let times: Vec<i64> = hits.iter().map(|hit| of(hit)).collect();
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
        };
        let weight = rule.score.as_ref().map_or(1.0, |score| score.weight);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(hits.iter().map(|hit| hit.hit_id.as_str()))),
            Arc::new(StringArray::from(vec![rule.name.as_str(); hits.len()])),
            time(&|hit| hit.window_start.0),
            time(&|hit| hit.window_end.0),
            time(&|hit| hit.event_time.0),
            Arc::new(Float64Array::from_iter_values(hits.iter().map(|hit| hit.score))),
            Arc::new(Float64Array::from(vec![weight; hits.len()])),
            Arc::new(StringArray::from(vec![rule.severity.name(); hits.len()])),
            Arc::new(StringArray::from(vec![rule.when.name(); hits.len()])),
        ];
        let declared = hits::columns();
        for (column, own) in declared[columns.len()..].iter().zip(hits::of_rule(rule)) {
            let values = hits.iter().map(|hit| own.and_then(|own| hit.values.get(own)));
            columns.push(match column.ty {
                Type::Int64 => Arc::new(Int64Array::from_iter(values.map(|value| match value {
                    Some(Value::Int64(value)) => Some(*value),
                    _ => None,
                }))),
                _ => Arc::new(StringArray::from_iter(values.map(|value| value.and_then(Value::id_text)))),
            });
        }
        let rows = batch::leading(&self.schema, columns, hits.len())?;
        let behind = hits.iter().map(|hit| hit.evidence.clone().into()).collect();
        Ok(HitRows { rows, evidence: Arc::new(FlowsBehind::Rows(behind)) })
    }
}
