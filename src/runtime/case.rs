//! The rules' own tests: rows given at times, alerts and rows expected, in every order of arrival.

mod check;
mod expect;
mod given;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;

use crate::definition::model::{Case, Project, Rule, Status};
use crate::diagnostic::{Diagnostic, Severity};
use crate::pipeline::alert::AlertRecord;
use crate::pipeline::batch::FlowBatch;
use crate::pipeline::detect::Hit;
use crate::pipeline::detect::focus::Focus;
use crate::pipeline::detect::nearest::Nearest;
use crate::pipeline::graph::{Graph, GraphError};
use crate::pipeline::halve::FailedRow;
use crate::pipeline::ledger::Imbalance;
use crate::pipeline::merge::{Merge, Step};
use crate::pipeline::outlet::{Outlet, OutletError};
use crate::pipeline::window::feature::BuildError;
use crate::plan::{self, Plan, ResolveOptions, Upstream};
use crate::record::{Column, Disposition, Micros, flow};
use crate::target::datafusion::Lookups;

pub use check::check;
pub use given::CaseError;

/// Lateness of a test that is not shuffled.
const LATENESS: Micros = Micros(30_000_000);

/// What came of one test.
#[derive(Debug)]
pub struct CaseReport {
    pub rule: String,
    pub case: String,
    pub elapsed: Duration,
    /// Empty when it passed.
    pub failures: Vec<Failure>,
    /// Orders of arrival that were tried.
    pub orders: u64,
}

/// Something that is not as expected.
#[derive(Debug)]
pub struct Failure {
    /// `None`: rows in the order of time.
    pub seed: Option<u64>,
    pub what: String,
    pub expected: String,
    pub actual: String,
    /// When an alert is missing: the row that came nearest.
    pub near: Option<Near>,
    /// When rows could not be computed: the first.
    pub failed: Option<FailedRow>,
    /// When an alert is missing: what else keeps it away.
    pub notes: Vec<String>,
}

impl Failure {
    fn new(seed: Option<u64>, what: impl Into<String>, expected: impl Into<String>, actual: impl Into<String>) -> Self {
        let (what, expected, actual) = (what.into(), expected.into(), actual.into());
        Self { seed, what, expected, actual, near: None, failed: None, notes: Vec::new() }
    }
}

/// A row that came near to what was expected of it.
#[derive(Debug, Clone)]
pub struct Near {
    /// Whose row it is, and near to what.
    pub what: String,
    pub row: Nearest,
}

#[derive(Debug, thiserror::Error)]
pub enum CaseRunError {
    #[error("{0}")]
    Case(#[from] CaseError),
    #[error("the test's own parameters or lookups do not fit")]
    Definition(Vec<Diagnostic>),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Arrow(#[from] datafusion::arrow::error::ArrowError),
    #[error(transparent)]
    Imbalance(#[from] Imbalance),
}

/// Runs one test of a rule.
pub fn run_case(
    project: &Project,
    rule: &Rule,
    case: &Case,
    options: ResolveOptions,
) -> Result<CaseReport, CaseRunError> {
    let started = Instant::now();
    let plan = plan_of(project, rule, case, options)?;
    let lookups = Lookups::of(&plan);
    let flows = given::flows(case)?;
    let (max_delay, seeds) = case.shuffle.as_ref().map_or((LATENESS, 0), |s| (s.max_delay, s.seeds));
    let mut failures = Vec::new();
    let orders = std::iter::once(None).chain((0..seeds).map(Some));
    for seed in orders {
        let arrived = match seed {
            Some(seed) => given::shuffled(&flows, max_delay, seed)?,
            None => flows.clone(),
        };
        let outcome = play(&plan, rule, &lookups, &arrived, max_delay)?;
        failures.extend(expect::compare(&plan, case, seed, &outcome)?);
        if !failures.is_empty() {
            break;
        }
    }
    Ok(CaseReport {
        rule: rule.name.text.clone(),
        case: case.name.text.clone(),
        elapsed: started.elapsed(),
        failures,
        orders: seeds + 1,
    })
}

/// The definitions with the test's parameters and lookups, cut down to the rule.
fn plan_of(project: &Project, rule: &Rule, case: &Case, options: ResolveOptions) -> Result<Plan, CaseRunError> {
    let mut project = project.clone();
    // A test is of the rule as its file has it: what a project overrides must not break it.
    project.config.overrides.clear();
    given::override_lookups(&mut project, case)?;
    given::override_params(&mut project, rule, case)?;
    plan::name_all_hits(&mut project);
    let rows = case.expect.rows.iter().map(|(relation, _)| relation.as_str());
    plan::cut_down(&mut project, &rows.chain([rule.name.as_str()]).collect::<Vec<_>>());
    // Drafts and shadow rules are tested as what they will be; of others, they feed nobody.
    for tested in project.rules.iter_mut().filter(|other| other.name.text == rule.name.text) {
        tested.status = Status::Stable;
    }
    let resolved = plan::resolve(&project, options);
    if resolved.has_errors() {
        let errors = resolved.diagnostics.into_iter().filter(|d| d.severity == Severity::Error);
        return Err(CaseRunError::Definition(errors.collect()));
    }
    let mut plan = resolved.plan;
    let shown: Vec<&str> = case.expect.rows.iter().map(|(relation, _)| relation.as_str()).collect();
    plan.show(&shown);
    Ok(plan)
}

/// What a test's run gave.
pub(crate) struct Outcome {
    /// Rows that could not be computed: feature or rule, how many, and the first one.
    pub errors: Vec<(String, u64, FailedRow)>,
    pub alerts: Vec<AlertRecord>,
    pub rows: BTreeMap<String, Vec<RecordBatch>>,
    pub near: Option<Near>,
    pub notes: Vec<String>,
}

fn play(
    plan: &Plan,
    rule: &Rule,
    lookups: &Lookups,
    flows: &FlowBatch,
    lateness: Micros,
) -> Result<Outcome, CaseRunError> {
    let mut graph = Graph::new(plan, lookups, String::new(), None)?;
    graph.watch(plan, lookups, Focus::default())?;
    graph.ledger.offered = flows.times.len() as u64;
    let mut kept = Kept::default();
    let mut merge = Merge::new(&[lateness]);
    merge.give(0, Some(flows.clone()));
    loop {
        match merge.step()? {
            Step::Rows(batch) => graph.push(&batch, &mut kept)?,
            Step::Need(lane) => merge.give(lane, None),
            Step::Done => break,
        }
    }
    graph.finish(merge.last_watermark(), &mut kept)?;
    graph.ledger.verify()?;
    kept.alerts.retain(|alert| alert.rule == rule.name.text);
    let (near, notes) = reasons(plan, rule, &graph, &kept);
    Ok(Outcome { errors: graph.uncomputed(), alerts: kept.alerts, rows: kept.rows, near, notes })
}

/// What keeps alerts away: the row that came nearest, of the rule or of a feature without rows before it, and notes.
fn reasons(plan: &Plan, rule: &Rule, graph: &Graph, kept: &Kept) -> (Option<Near>, Vec<String>) {
    let mut notes = Vec::new();
    let named = plan.rules.iter().position(|planned| planned.name == rule.name.text);
    let Some(index) = named else { return (None, notes) };
    let (rule, mut nearest) = (&plan.rules[index], graph.nearest(index));
    // Of several SELECTs the first: what the others lack is told by their own conditions.
    let Some(first) = rule.upstreams().next() else { return (None, notes) };
    let (mut upstream, mut to) = (first, "firing");
    while !kept.rows.contains_key(plan.relation_name(upstream)) {
        notes.push(format!("{} has no rows", plan.relation_name(upstream)));
        let Upstream::Feature(index) = upstream else { break };
        let feature = &plan.features[index];
        nearest =
            graph.features().find(|stage| stage.name() == feature.name).and_then(|stage| stage.windows()?.nearest());
        (upstream, to) = (feature.upstream, &feature.name);
    }
    for ((name, index), hits) in &kept.excepted {
        let named = plan.rules.iter().find(|rule| rule.name == *name);
        if let Some(exception) = named.and_then(|rule| rule.exceptions.get(*index)) {
            let hits = if *hits == 1 { "1 hit is".to_owned() } else { format!("{hits} hits are") };
            notes.push(format!("{hits} excepted: {}", exception.reason));
        }
    }
    let near = nearest.filter(|row| row.held() < row.conditions.len()).map(|row| Near {
        what: format!("the row of {} that came nearest to {to}", plan.relation_name(upstream)),
        row: row.clone(),
    });
    (near, notes)
}

/// Keeps everything.
#[derive(Default)]
struct Kept {
    alerts: Vec<AlertRecord>,
    rows: BTreeMap<String, Vec<RecordBatch>>,
    /// Hits by rule and exception.
    excepted: BTreeMap<(String, usize), u64>,
}

impl Outlet for Kept {
    fn wants(&self, _: &str) -> bool {
        true
    }

    fn rows(&mut self, relation: &str, rows: &RecordBatch, _: bool) -> Result<(), OutletError> {
        self.rows.entry(relation.to_owned()).or_default().push(rows.clone());
        Ok(())
    }

    fn flows(&mut self, relation: &str, rows: &RecordBatch, _: &[i64]) -> Result<(), OutletError> {
        if relation == flow::FLOWS { self.rows(relation, rows, false) } else { Ok(()) }
    }

    fn hit(&mut self, rule: &str, hit: &Hit, _: Disposition) -> Result<(), OutletError> {
        if let Some(exception) = hit.excepted {
            *self.excepted.entry((rule.to_owned(), exception)).or_default() += 1;
        }
        Ok(())
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        self.alerts.push(alert.clone());
        Ok(())
    }
}

/// The columns of a relation of the plan.
pub(crate) fn columns_of(plan: &Plan, relation: &str) -> Option<Vec<Column>> {
    if relation == flow::FLOWS {
        return Some(flow::columns());
    }
    if let Some(index) = plan.feature(relation) {
        return Some(plan.features[index].columns.clone());
    }
    plan.rules.iter().find(|rule| rule.name == relation).map(|rule| rule.columns.clone())
}
