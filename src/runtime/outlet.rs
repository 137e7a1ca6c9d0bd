//! Where a run's rows go: taps by relation, alerts to their writer.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde_json::{Map, Value as Json};

use crate::pipeline::alert::AlertRecord;
use crate::pipeline::batch;
use crate::pipeline::detect::Hit;
use crate::pipeline::merge::BEFORE_ALL;
use crate::pipeline::outlet::{Outlet, OutletError, Uncomputed};
use crate::plan::{Plan, RulePlan};
use crate::port::RowWriter;
use crate::record::alert::{self, ALERTS, Phase};
use crate::record::flow::{self, LATE};
use crate::record::{Column, Disposition, EventTime, Reject, Type};
use crate::target::bigquery::rule_table;

use super::alert::alert_rows;

/// Relations that are not rows of a feature or rule, beside those of [`flow`].
pub const HITS: &str = "hits";
pub const REJECTS: &str = "rejects";

const BUFFER_ROWS: usize = 1_024;

/// How alerts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertFormat {
    Json,
    Text,
}

/// Makes the writer of a tap.
pub type OpenWriter<'a> = dyn Fn(&str, SchemaRef) -> io::Result<Box<dyn RowWriter>> + 'a;

/// What a run needs of the place that its rows go to.
pub trait RunOutlet: Outlet {
    /// What comes from now on is of these rules.
    fn put_out_by(&mut self, rules: &[Arc<RulePlan>]) -> Result<(), OutletError>;
    /// After it, everything said so far can be read.
    fn flush(&mut self) -> Result<(), OutletError>;
    /// Completes what was written; nothing comes after it.
    fn finish(&mut self) -> Result<(), OutletError>;
}

pub struct Outlets {
    taps: BTreeMap<String, Tap>,
    alerts: Option<(Box<dyn Write + Send>, AlertFormat)>,
    rules: Vec<Arc<RulePlan>>,
    hits: Vec<(Hit, Disposition)>,
    rejects: Vec<Reject>,
    alert_rows: Vec<AlertRecord>,
    /// Kept for callers that read alerts instead of files.
    pub kept_alerts: Option<Vec<AlertRecord>>,
    /// What could not be computed, when all is over.
    pub uncomputed: Vec<Uncomputed>,
}

struct Tap {
    path: String,
    writer: Box<dyn RowWriter>,
    schema: SchemaRef,
    windowed: bool,
}

/// A relation that cannot be tapped.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    #[error("no relation `{name}` to tap")]
    Unknown { name: String, relations: Vec<String> },
    #[error("{error}")]
    Open { path: String, error: io::Error },
}

impl Outlets {
    pub fn new(
        plan: &Plan,
        taps: &[(String, String)],
        alerts: Option<(Box<dyn Write + Send>, AlertFormat)>,
        open: &OpenWriter,
    ) -> Result<Self, TapError> {
        let mut opened = BTreeMap::new();
        for (name, path) in taps {
            let (schema, windowed) = tap_schema(plan, name)
                .ok_or_else(|| TapError::Unknown { name: name.clone(), relations: relations(plan) })?;
            let writer =
                open(path, Arc::clone(&schema)).map_err(|error| TapError::Open { path: path.clone(), error })?;
            opened.insert(name.clone(), Tap { path: path.clone(), writer, schema, windowed });
        }
        Ok(Self {
            taps: opened,
            alerts,
            rules: plan.rules.clone(),
            hits: Vec::new(),
            rejects: Vec::new(),
            alert_rows: Vec::new(),
            kept_alerts: None,
            uncomputed: Vec::new(),
        })
    }

    /// Taps that are open; their relations are known.
    pub fn of(plan: &Plan, writers: Vec<(String, Box<dyn RowWriter>)>) -> Self {
        let taps = writers.into_iter().filter_map(|(name, writer)| {
            let (schema, windowed) = tap_schema(plan, &name)?;
            Some((name.clone(), Tap { path: name, writer, schema, windowed }))
        });
        Self {
            taps: taps.collect(),
            alerts: None,
            rules: plan.rules.clone(),
            hits: Vec::new(),
            rejects: Vec::new(),
            alert_rows: Vec::new(),
            kept_alerts: None,
            uncomputed: Vec::new(),
        }
    }

    fn write(&mut self, relation: &str, columns: Vec<ArrayRef>) -> Result<(), OutletError> {
        let Some(tap) = self.taps.get_mut(relation) else { return Ok(()) };
        let failed = |error| OutletError { name: tap.path.clone(), error };
        let rows = RecordBatch::try_new(Arc::clone(&tap.schema), columns).map_err(io::Error::other).map_err(failed)?;
        tap.writer.write(&rows).map_err(|error| OutletError { name: tap.path.clone(), error })
    }

    fn flush_hits(&mut self) -> Result<(), OutletError> {
        if self.hits.is_empty() {
            return Ok(());
        }
        let hits = std::mem::take(&mut self.hits);
        self.write(HITS, hit_columns(&self.rules, &hits))
    }

    fn flush_alerts(&mut self) -> Result<(), OutletError> {
        if self.alert_rows.is_empty() {
            return Ok(());
        }
        let alerts = std::mem::take(&mut self.alert_rows);
        self.write(ALERTS, alert_rows(&alerts))
    }

    fn flush_rejects(&mut self) -> Result<(), OutletError> {
        if self.rejects.is_empty() {
            return Ok(());
        }
        let rejects = std::mem::take(&mut self.rejects);
        let text = |of: &dyn Fn(&Reject) -> &str| -> ArrayRef {
            Arc::new(rejects.iter().map(|reject| Some(of(reject))).collect::<StringArray>())
        };
        let number = |of: &dyn Fn(&Reject) -> u64| -> ArrayRef {
            let numbers = rejects.iter().map(|reject| i64::try_from(of(reject)).ok());
            Arc::new(numbers.collect::<datafusion::arrow::array::Int64Array>())
        };
        let columns = vec![
            text(&|r| r.reason.code()),
            text(&|r| &r.detail),
            text(&|r| &r.origin.file),
            number(&|r| r.origin.line),
            number(&|r| r.origin.offset),
            text(&|r| &r.raw),
        ];
        self.write(REJECTS, columns)
    }
}

impl RunOutlet for Outlets {
    fn put_out_by(&mut self, rules: &[Arc<RulePlan>]) -> Result<(), OutletError> {
        self.flush_hits()?;
        self.rules = rules.to_vec();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OutletError> {
        self.flush_hits()?;
        self.flush_rejects()?;
        self.flush_alerts()?;
        if let Some((writer, _)) = &mut self.alerts {
            writer.flush().map_err(|error| OutletError { name: "alerts".to_owned(), error })?;
        }
        for tap in self.taps.values_mut() {
            tap.writer.flush().map_err(|error| OutletError { name: tap.path.clone(), error })?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        self.flush()?;
        for tap in self.taps.values_mut() {
            tap.writer.finish().map_err(|error| OutletError { name: tap.path.clone(), error })?;
        }
        Ok(())
    }
}

impl Outlet for Outlets {
    fn wants(&self, relation: &str) -> bool {
        self.taps.contains_key(relation)
    }

    fn rows(&mut self, relation: &str, rows: &RecordBatch, partial: bool) -> Result<(), OutletError> {
        let Some(tap) = self.taps.get(relation) else { return Ok(()) };
        let mut columns = rows.columns().to_vec();
        if tap.windowed {
            columns.push(Arc::new(BooleanArray::from(vec![partial; rows.num_rows()])));
        }
        self.write(relation, columns)
    }

    fn flows(&mut self, relation: &str, rows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        if !self.taps.contains_key(relation) {
            return Ok(());
        }
        let mut columns = rows.columns().to_vec();
        let times: Vec<Option<i64>> = admit.iter().map(|at| (*at != BEFORE_ALL).then_some(*at)).collect();
        columns.push(Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")));
        self.write(relation, columns)
    }

    fn reject(&mut self, reject: Reject) -> Result<(), OutletError> {
        if !self.taps.contains_key(REJECTS) {
            return Ok(());
        }
        self.rejects.push(reject);
        if self.rejects.len() >= BUFFER_ROWS { self.flush_rejects() } else { Ok(()) }
    }

    fn hit(&mut self, _: &str, hit: &Hit, disposition: Disposition) -> Result<(), OutletError> {
        if !self.taps.contains_key(HITS) {
            return Ok(());
        }
        self.hits.push((hit.clone(), disposition));
        if self.hits.len() >= BUFFER_ROWS { self.flush_hits() } else { Ok(()) }
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        if let Some(kept) = &mut self.kept_alerts {
            kept.push(alert.clone());
        }
        // A row of the relation is an incident that is over.
        if self.taps.contains_key(ALERTS) && alert.phase == Phase::Final {
            self.alert_rows.push(alert.clone());
            if self.alert_rows.len() >= BUFFER_ROWS {
                self.flush_alerts()?;
            }
        }
        let Some((writer, format)) = &mut self.alerts else { return Ok(()) };
        let written = match format {
            AlertFormat::Json => writeln!(writer, "{}", alert.json()),
            AlertFormat::Text => writeln!(writer, "{}", alert.text()),
        };
        written.map_err(|error| OutletError { name: "alerts".to_owned(), error })
    }

    fn uncomputed(&mut self, rows: &[Uncomputed]) {
        self.uncomputed = rows.to_vec();
    }
}

/// Rows of the relation `hits`.
pub fn hit_columns(rules: &[Arc<RulePlan>], hits: &[(Hit, Disposition)]) -> Vec<ArrayRef> {
    let text = |of: &dyn Fn(&(Hit, Disposition)) -> String| -> ArrayRef {
        Arc::new(hits.iter().map(|hit| Some(of(hit))).collect::<StringArray>())
    };
    let time = |of: &dyn Fn(&Hit) -> EventTime| -> ArrayRef {
        let times: Vec<i64> = hits.iter().map(|(hit, _)| of(hit).0).collect();
        Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
    };
    vec![
        text(&|(hit, _)| hit.hit_id.clone()),
        text(&|(hit, _)| rules[hit.rule].name.clone()),
        time(&|hit| hit.event_time),
        time(&|hit| hit.window_start),
        time(&|hit| hit.window_end),
        Arc::new(hits.iter().map(|(hit, _)| Some(hit.score)).collect::<Float64Array>()),
        text(&|(_, disposition)| disposition.name().to_owned()),
        Arc::new(BooleanArray::from(hits.iter().map(|(hit, _)| hit.partial).collect::<Vec<_>>())),
        text(&|(hit, _)| entities(&rules[hit.rule], hit)),
        text(&|(hit, _)| values(&rules[hit.rule], hit)),
        text(&|(hit, _)| rules[hit.rule].fingerprint.clone()),
    ]
}

fn entities(rule: &RulePlan, hit: &Hit) -> String {
    let entities = rule.entities.iter().map(
        |entity| serde_json::json!({"type": entity.ty, "role": entity.role, "value": hit.values[entity.column].json()}),
    );
    Json::Array(entities.collect()).to_string()
}

fn values(rule: &RulePlan, hit: &Hit) -> String {
    let columns = rule.columns.iter().zip(&hit.values);
    let object: Map<String, Json> = columns.map(|(column, value)| (column.name.clone(), value.json())).collect();
    Json::Object(object).to_string()
}

/// A relation's own name where it may be named as its table: `rule_net_beacon` is `net.beacon`.
pub fn own_name<'a>(plan: &'a Plan, named: &'a str) -> &'a str {
    if plan.feature(named).is_some() {
        return named;
    }
    plan.rules.iter().find(|rule| rule_table(rule) == named).map_or(named, |rule| rule.name.as_str())
}

/// Everything that can be tapped.
pub fn relations(plan: &Plan) -> Vec<String> {
    let own = [flow::FLOWS, HITS, REJECTS, LATE].into_iter().map(str::to_owned);
    let features = plan.features.iter().map(|f| f.name.clone());
    own.chain(features).chain(plan.rules.iter().map(|r| r.name.clone())).collect()
}

/// The schema of a tap, and whether its rows are windows.
pub fn tap_schema(plan: &Plan, name: &str) -> Option<(SchemaRef, bool)> {
    let time = Type::Timestamp;
    let fixed = |columns: &[(&str, Type)]| {
        let columns: Vec<Column> = columns.iter().map(|(name, ty)| Column::new(*name, *ty, true)).collect();
        batch::schema(&columns)
    };
    Some(match name {
        flow::FLOWS | LATE => {
            let mut columns = flow::columns();
            columns.push(Column::new(flow::ADMIT_WATERMARK, time, true));
            (batch::schema(&columns), false)
        }
        HITS => {
            let columns = fixed(&[
                ("hit_id", Type::String),
                ("rule", Type::String),
                ("event_time", time),
                ("window_start", time),
                ("window_end", time),
                ("score", Type::Float64),
                ("disposition", Type::String),
                ("partial", Type::Bool),
                ("entities", Type::String),
                ("values", Type::String),
                ("fingerprint", Type::String),
            ]);
            (columns, false)
        }
        ALERTS => (batch::schema(&alert::columns_of_a_run()), false),
        REJECTS => {
            let columns = fixed(&[
                ("reason", Type::String),
                ("detail", Type::String),
                ("file", Type::String),
                ("line", Type::Int64),
                ("offset", Type::Int64),
                ("raw", Type::String),
            ]);
            (columns, false)
        }
        _ => {
            let columns = match plan.feature(name) {
                Some(index) => &plan.features[index].columns,
                None => &plan.rules.iter().find(|rule| rule.name == name)?.columns,
            };
            let mut fields: Vec<Field> = columns.iter().map(Column::field).collect();
            fields.push(Field::new("partial", DataType::Boolean, true));
            (Arc::new(Schema::new(fields)), true)
        }
    })
}
