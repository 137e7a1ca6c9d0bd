//! `tripline explain RULE --entity E --at T`: why the rule fired, or did not: each condition on the row that came nearest.

use std::io::Write;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use anyhow::bail;
use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::inputs::InputsOrHistory;
use crate::cli::near::describe_near;
use crate::cli::project::{Opened, parse_time};
use crate::cli::say::say;
use crate::cli::stop::stop_flag;
use crate::cli::summary::Waiting;
use crate::cli::trial::over_inputs;
use crate::diagnostic::{SourceFiles, suggest};
use crate::pipeline::detect::focus::Focus;
use crate::plan::{Plan, RulePlan, Upstream};
use crate::record::{Day, EventTime};
use crate::runtime::backtest::Tally;
use crate::runtime::past::{Past, Within};
use crate::runtime::report::NearestRows;

#[derive(Debug, Args)]
pub struct Asked {
    /// Of a rule: the row about this address, account or port that came nearest to firing, and what each condition said
    #[arg(long, value_name = "VALUE")]
    entity: Option<String>,
    /// Of rows whose window holds this time
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    inputs: InputsOrHistory,
}

impl Asked {
    pub fn given(&self) -> bool {
        self.entity.is_some() || self.at.is_some() || self.inputs.given()
    }

    pub fn answer(&self, opened: Opened, name: &str) -> anyhow::Result<Exit> {
        let mut plan = opened.plan.clone();
        if plan.rules.iter().all(|rule| rule.name != name) {
            let near = suggest(name, plan.rules.iter().map(|rule| rule.name.as_str()));
            let help =
                near.map_or_else(|| "name a rule that runs".to_owned(), |near| format!("did you mean `{near}`?"));
            bail!("no rule `{name}`: rows are explained of rules\nhelp: {help}");
        }
        plan.evidence_rows = 0;
        plan.keep_rules(&|rule| rule == name, &[]);
        let at = self.at.as_deref().map(parse_time).transpose()?;
        let focus = Focus { entity: self.entity.clone(), at: at.map(|at| at.0) };
        let stop = stop_flag()?;
        let found = match self.inputs.past(&plan, &opened.generation)? {
            Some(past) => over_history(past, &plan, at, &focus, &stop)?,
            None => {
                let (report, _) = over_inputs(&self.inputs, &plan, &opened.generation, Some(focus), &stop)?;
                (!report.interrupted).then_some(report.nearest)
            }
        };
        let Some(found) = found else {
            say("stopped, nothing is known\n");
            return Ok(Exit::Interrupted);
        };
        let index = plan.rules.iter().position(|rule| rule.name == name).unwrap_or_default();
        let text = told(&plan, &plan.rules[index], index, &found, &opened.files, &self.whom());
        write!(std::io::stdout().lock(), "{text}")?;
        Ok(Exit::Fine)
    }

    fn whom(&self) -> String {
        let entity = self.entity.as_ref().map(|entity| format!(" about {entity}")).unwrap_or_default();
        let at = self.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        format!("{entity}{at}")
    }
}

fn over_history(
    mut past: Past,
    plan: &Plan,
    at: Option<EventTime>,
    focus: &Focus,
    stop: &AtomicBool,
) -> anyhow::Result<Option<NearestRows>> {
    // What holds an instant ends on its day, or behind it.
    if let Some(at) = at {
        let last = Day::of(at.plus(plan.lasting()));
        (past.from, past.to) = (past.from.max(Day::of(at)), past.to.min(Day(last.0 + 1)));
        if past.from >= past.to {
            (past.from, past.to) = (Day::of(at), Day(last.0 + 1));
        }
    }
    let waiting = Waiting::on(format!("computing {} to {}", past.from, Day(past.to.0 - 1)));
    let rules = plan.rules.iter().map(|rule| rule.name.clone()).collect();
    let mut days = past.replay_of(plan.clone(), rules);
    days.watch = Some(focus.clone());
    let (from, to) = (past.from.start(), past.to.start());
    let counts = days.span(from, to, &mut Within { from, to, inner: Tally::of(plan) }, stop)?;
    drop(waiting);
    if counts.is_none() {
        return Ok(None);
    }
    Ok(days.nearest.lock().unwrap_or_else(PoisonError::into_inner).take())
}

/// Of the rule, or of the first feature behind it that has rows which are meant.
fn told(plan: &Plan, rule: &RulePlan, index: usize, found: &NearestRows, files: &SourceFiles, whom: &str) -> String {
    let mut text = String::new();
    let mut nearest = found.rules.get(index).and_then(Option::as_ref);
    let Some(mut upstream) = rule.upstreams().next() else { return text };
    let mut to = format!("`{}`", rule.name);
    let mut counted = None;
    while nearest.is_none() {
        text.push_str(&format!("{} has no rows{whom}\n", plan.relation_name(upstream)));
        let Upstream::Feature(read) = upstream else { return text };
        let feature = &plan.features[read];
        nearest = found.features.get(&feature.name);
        to = format!("counting in `{}`", feature.name);
        counted = Some(&feature.name);
        upstream = feature.upstream;
    }
    let Some(nearest) = nearest else { return text };
    let holds = nearest.held() == nearest.conditions.len();
    let relation = plan.relation_name(upstream);
    let what = match (holds, counted) {
        (true, Some(feature)) => format!("a row of {relation}{whom} counts in `{feature}`, in another window"),
        (true, None) => format!("a row of {relation}{whom} meets every condition of {to}"),
        (false, _) => format!("the row of {relation}{whom} that came nearest to {to}"),
    };
    // A test's report has it further in.
    let near = describe_near(files, &what, nearest);
    near.lines().for_each(|line| text.push_str(&format!("{}\n", line.strip_prefix("       ").unwrap_or(line))));
    text
}
