//! `tripline backtest`: what the rules would have found in rows of the past.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{anyhow, bail};
use clap::{Args, ValueEnum};
use indicatif::HumanCount;
use serde_json::{Value as Json, json};

use crate::definition::model::Status;
use crate::diagnostic::{Diagnostic, Severity, render_text, suggest};
use crate::history::Part;
use crate::plan::{self, Plan, ResolveOptions, RulePlan};
use crate::record::Day;
use crate::runtime::backtest::{Against, Found, RuleTally, Tally, alert_all, as_if_stable, compare, silent};
use crate::runtime::outlet::HITS;
use crate::runtime::past::{Past, Within};
use crate::runtime::replay::LocalDays;

use super::exit::Exit;
use super::inputs::InputsOrHistory;
use super::keys;
use super::project::{Opened, folder_of, open_valid, valid};
use super::run::all_rejected;
use super::say::{note, say};
use super::stop::stop_flag;
use super::summary::{Waiting, note_uncomputed};
use super::trial::over_inputs;
use super::wire;

/// Entities, exceptions and alerts that are shown of a rule.
const SHOWN: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Backtest {
    /// Rules (default: all). Drafts and rules in the shadow are tried as if they were stable; of those that are not named
    /// no other rule reads the hits
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    #[command(flatten)]
    inputs: InputsOrHistory,
    /// Other definitions, as they run: which alerts they would not have given, and which they alone. A folder, or a git
    /// revision of the project, such as `HEAD`
    #[arg(long, value_name = "DIR|REVISION")]
    against: Option<String>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// Definitions that are tried.
struct Tried {
    opened: Opened,
    plan: Plan,
    promoted: Vec<(String, Status)>,
}

/// What they gave, of which rows.
struct Played {
    tally: Tally,
    flows: u64,
    first: Option<Day>,
    last: Option<Day>,
    interrupted: bool,
    all_rejected: bool,
}

impl Backtest {
    pub fn run(self) -> anyhow::Result<Exit> {
        let stop = stop_flag()?;
        let here = tried(self.project.as_deref(), &self.rules)?;
        let there = self.against.as_deref().map(|other| as_it_is(other, self.project.as_deref())).transpose()?;
        let Some(mine) = self.play(&here, &stop)? else {
            say("stopped, nothing is known\n");
            return Ok(Exit::Interrupted);
        };
        let other = match &there {
            Some(there) if !mine.interrupted => self.play(there, &stop)?,
            _ => None,
        };
        if mine.interrupted || other.as_ref().is_some_and(|other| other.interrupted) {
            note("stopped: these are the alerts until then");
        }
        note_uncomputed(&mine.tally.uncomputed, 0);
        let rules = named(&here.plan, &self.rules);
        let lines: Vec<Line<'_>> =
            rules.iter().map(|rule| Line::of(rule, &mine, there.as_ref().zip(other.as_ref()), &here)).collect();
        let gone: Vec<&str> = match (&there, &other) {
            (Some(there), Some(_)) if self.rules.is_empty() => {
                let known = |name: &str| here.plan.rules.iter().any(|rule| rule.name == name);
                there.plan.rules.iter().map(|rule| rule.name.as_str()).filter(|name| !known(name)).collect()
            }
            _ => Vec::new(),
        };
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Json => writeln!(out, "{:#}", as_json(&mine, &lines, &gone))?,
            Format::Text => write!(out, "{}", as_text(&mine, &lines, &gone))?,
        }
        Ok(if mine.interrupted {
            Exit::Interrupted
        } else if mine.all_rejected {
            Exit::Findings
        } else {
            Exit::Fine
        })
    }

    /// `None` when it was stopped before anything was known.
    fn play(&self, tried: &Tried, stop: &Arc<AtomicBool>) -> anyhow::Result<Option<Played>> {
        match self.inputs.past(&tried.plan, &tried.opened.generation)? {
            Some(past) => over_history(past, tried, stop),
            None => self.over_inputs(tried, stop).map(Some),
        }
    }

    fn over_inputs(&self, tried: &Tried, stop: &Arc<AtomicBool>) -> anyhow::Result<Played> {
        let generation = &tried.opened.generation;
        let (report, tally) = over_inputs(&self.inputs, &tried.plan, generation, None, stop)?;
        let rejected = report.ledger.rejected_total();
        if rejected > 0 {
            note(&format!("{rejected} of {} records were rejected", report.ledger.offered));
        }
        let (late, windows) = (report.ledger.late, report.ledger.late_windows);
        if late > 0 || windows > 0 {
            note(&format!("{late} records came too late for every window, {windows} windows were missed"));
        }
        let all_rejected = all_rejected(&report);
        let [first, last] = [report.first_time, report.last_time].map(|at| at.map(Day::of));
        Ok(Played { flows: report.ledger.accepted, tally, first, last, interrupted: report.interrupted, all_rejected })
    }
}

fn over_history(past: Past, tried: &Tried, stop: &AtomicBool) -> anyhow::Result<Option<Played>> {
    let (from, to) = (past.from, past.to);
    let waiting = Waiting::on(format!("computing {from} to {}", Day(to.0 - 1)));
    let days: LocalDays = past.replay_of(tried.plan.clone(), vec![HITS.to_owned()]);
    let mut out = Within { from: from.start(), to: to.start(), inner: Tally::of(&tried.plan) };
    let counts = days.span(from.start(), to.start(), &mut out, stop)?;
    drop(waiting);
    // The days that have flows: what is before and behind has no rows of its own.
    let held = past.history.span();
    if counts.is_none() {
        return Ok(None);
    }
    // Without those of the look-back.
    let own = |part: &Part| part.first >= from.start().0 && part.first < to.start().0;
    Ok(Some(Played {
        tally: out.inner,
        flows: past.history.parts().map(|(_, part)| part).filter(|part| own(part)).map(|part| part.rows).sum(),
        first: held.map(|(first, _)| Day::of(first).max(from)),
        last: held.map(|(_, last)| Day::of(last).min(Day(to.0 - 1))),
        interrupted: false,
        all_rejected: false,
    }))
}

fn tried(folder: Option<&Path>, rules: &[String]) -> anyhow::Result<Tried> {
    let opened = open_valid(folder)?;
    let mut project = opened.project.clone();
    let promoted = as_if_stable(&mut project, rules);
    let resolved = plan::resolve(&project, ResolveOptions { as_of: wire::clock().now() });
    if resolved.has_errors() {
        let errors: Vec<Diagnostic> =
            resolved.diagnostics.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
        say(&render_text(&errors, &opened.files, std::io::stderr().is_terminal()));
        bail!("with drafts and rules in the shadow the project has errors");
    }
    let mut plan = resolved.plan;
    keys::read(&mut plan, opened.folder.as_deref());
    alert_all(&mut plan);
    for rule in rules {
        if plan.rules.iter().all(|known| known.name != *rule) {
            let near = suggest(rule, plan.rules.iter().map(|known| known.name.as_str()));
            let help = near.map_or_else(
                || "`tripline check` tells of the rules".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            bail!("no rule `{rule}`\nhelp: {help}");
        }
    }
    plan.evidence_rows = 0;
    plan.keep_rules(&|name| rules.is_empty() || rules.iter().any(|rule| rule == name), &[]);
    Ok(Tried { opened, plan, promoted })
}

/// What runs there: in a folder, or in a revision of the project.
fn as_it_is(other: &str, project: Option<&Path>) -> anyhow::Result<Tried> {
    let folder = Path::new(other);
    let opened = if folder.is_dir() {
        open_valid(Some(folder))?
    } else {
        let Some(project) = folder_of(project) else {
            bail!(
                "`{other}` is no folder, and the built-in pack has no revisions\nhelp: name a folder with other definitions"
            );
        };
        let tree = wire::revision(&project, other)?;
        valid(tree.as_ref()).map_err(|error| anyhow!("revision `{other}`: {error}"))?
    };
    let mut plan = opened.plan.clone();
    plan.evidence_rows = 0;
    plan.show(&[]);
    Ok(Tried { opened, plan, promoted: Vec::new() })
}

fn named<'a>(plan: &'a Plan, rules: &[String]) -> Vec<&'a RulePlan> {
    let wanted = |rule: &&Arc<RulePlan>| rules.is_empty() || rules.contains(&rule.name);
    plan.rules.iter().filter(wanted).map(Arc::as_ref).collect()
}

/// What is told of a rule.
struct Line<'a> {
    rule: &'a RulePlan,
    tally: RuleTally,
    /// Why its hits alert nobody, or would not as the project is.
    mark: Option<String>,
    against: Option<Against>,
    /// What makes the two hard to compare.
    other: Option<String>,
}

impl<'a> Line<'a> {
    fn of(rule: &'a RulePlan, mine: &Played, other: Option<(&Tried, &Played)>, here: &Tried) -> Self {
        let tally = mine.tally.rules.get(&rule.name).cloned().unwrap_or_default();
        let status =
            here.promoted.iter().find(|(name, _)| *name == rule.name).map(|(_, status)| status.name().to_owned());
        let when = silent(&here.plan).get(&rule.name).map(|when| format!("alert: {}", when.name()));
        let there = other.map(|(there, _)| there.plan.rules.iter().find(|known| known.name == rule.name));
        let other_key = there.map(|there| match there {
            None => Some("does not run there".to_owned()),
            Some(there) if there.status == Status::Shadow => Some("in the shadow there".to_owned()),
            Some(there) => {
                let names = |rule: &RulePlan| {
                    let names = rule.alert_key.iter().map(|index| rule.columns[*index].name.clone());
                    names.collect::<Vec<_>>().join(", ")
                };
                (names(there) != names(rule)).then(|| format!("its alert key is ({}) there", names(there)))
            }
        });
        let against = other.map(|(_, other)| {
            let there = other.tally.rules.get(&rule.name).map(|tally| tally.alerts.as_slice()).unwrap_or_default();
            compare(&tally.alerts, there, rule.merge_within.0)
        });
        Self { rule, tally, mark: status.or(when), against, other: other_key.flatten() }
    }

    fn excepted(&self) -> u64 {
        self.tally.excepted.values().sum()
    }
}

fn as_text(played: &Played, lines: &[Line<'_>], gone: &[&str]) -> String {
    let days = days(played);
    let mut text = match (played.first, played.last) {
        (Some(first), Some(last)) => {
            let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
            format!("{first} to {last}, {days}, {} flows\n", HumanCount(played.flows))
        }
        _ => format!("{} flows\n", HumanCount(played.flows)),
    };
    let width = lines.iter().map(|line| line.rule.name.len()).max().unwrap_or(4).max("rule".len());
    let _ = writeln!(text, "\n{:<width$}  alerts  a day  at most           hits  excepted", "rule");
    let mut total = 0;
    for line in lines {
        let alerts = line.tally.alerts.len() as u64;
        total += alerts;
        let most = line.tally.by_day().into_iter().max_by_key(|(day, count)| (*count, std::cmp::Reverse(*day)));
        let most = most.map_or_else(|| "-".to_owned(), |(day, count)| format!("{count} on {day}"));
        let mark = line.mark.as_ref().map(|mark| format!("  ({mark})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<width$}  {alerts:>6}  {:>5}  {most:<16}{:>6}  {:>8}{mark}",
            line.rule.name,
            a_day(alerts, days),
            line.tally.hits,
            line.excepted()
        );
    }
    let _ = writeln!(text, "{:<width$}  {total:>6}  {:>5}", "all", a_day(total, days));
    for line in lines {
        details(line, &mut text);
    }
    for rule in gone {
        let _ = writeln!(text, "\n{rule}\n  is not in this project");
    }
    text
}

fn details(line: &Line<'_>, text: &mut String) {
    let changed = line.against.as_ref().is_some_and(|a| !a.gained.is_empty() || !a.lost.is_empty());
    if line.tally.alerts.is_empty() && line.excepted() == 0 && !changed {
        return;
    }
    let _ = writeln!(text, "\n{}: {}", line.rule.name, line.rule.title);
    let by_day = line.tally.by_day();
    if by_day.len() > 1 {
        let days: Vec<String> = by_day.iter().map(|(day, count)| format!("{day} {count}")).collect();
        let _ = writeln!(text, "  by day    {}", days.join(", "));
    }
    for ((ty, role, value), count) in line.tally.top(SHOWN) {
        let _ = writeln!(text, "  {role:<8}  {ty} {value}: {count} of {}", line.tally.alerts.len());
    }
    for (index, hits) in &line.tally.excepted {
        let reason = line.rule.exceptions.get(*index).map(|exception| exception.reason.as_str()).unwrap_or_default();
        let _ = writeln!(text, "  excepted  {hits} hits: {reason}");
    }
    let Some(against) = &line.against else { return };
    let _ = writeln!(
        text,
        "  against   {} as before, {} gained, {} lost{}",
        against.both,
        against.gained.len(),
        against.lost.len(),
        line.other.as_ref().map(|other| format!(" ({other})")).unwrap_or_default()
    );
    for (sign, alerts) in [("+", &against.gained), ("-", &against.lost)] {
        for alert in alerts.iter().take(SHOWN) {
            let _ = writeln!(text, "    {sign} {}  {}", alert.first, alert.title);
        }
        if alerts.len() > SHOWN {
            let _ = writeln!(text, "    {sign} … and {} more", alerts.len() - SHOWN);
        }
    }
}

fn as_json(played: &Played, lines: &[Line<'_>], gone: &[&str]) -> Json {
    let alert = |alert: &Found| {
        json!({
            "alert_id": alert.alert_id,
            "title": alert.title,
            "key": alert.key,
            "first_time": alert.first.to_string(),
            "last_time": alert.last.to_string(),
        })
    };
    let alerts = |found: &[Found]| Json::Array(found.iter().map(alert).collect());
    let rules = lines.iter().map(|line| {
        let by_day: serde_json::Map<String, Json> =
            line.tally.by_day().into_iter().map(|(day, count)| (day.to_string(), json!(count))).collect();
        let entities = line.tally.top(usize::MAX);
        let entities = entities
            .into_iter()
            .map(|((ty, role, value), count)| json!({"type": ty, "role": role, "value": value, "alerts": count}));
        let excepted = line.tally.excepted.iter().map(|(index, hits)| {
            let reason = line.rule.exceptions.get(*index).map(|exception| exception.reason.clone());
            json!({"reason": reason, "hits": hits})
        });
        let against = line.against.as_ref().map(
            |against| json!({"both": against.both, "gained": alerts(&against.gained), "lost": alerts(&against.lost)}),
        );
        json!({
            "rule": line.rule.name,
            "severity": line.rule.severity.name(),
            "mark": line.mark,
            "fingerprint": line.rule.fingerprint,
            "hits": line.tally.hits,
            "alerts": alerts(&line.tally.alerts),
            "by_day": by_day,
            "entities": entities.collect::<Vec<_>>(),
            "excepted": excepted.collect::<Vec<_>>(),
            "against": against,
            "other": line.other,
        })
    });
    json!({
        "first_day": played.first.map(|day| day.to_string()),
        "last_day": played.last.map(|day| day.to_string()),
        "flows": played.flows,
        "interrupted": played.interrupted,
        "rules": rules.collect::<Vec<_>>(),
        "rules_of_the_other_alone": gone,
    })
}

fn days(played: &Played) -> i64 {
    match (played.first, played.last) {
        (Some(first), Some(last)) => i64::from(last.0) - i64::from(first.0) + 1,
        _ => 0,
    }
}

/// To one decimal.
fn a_day(count: u64, days: i64) -> String {
    match u64::try_from(days) {
        Ok(days) if days > 0 => {
            let tenths = (count * 10 + days / 2) / days;
            format!("{}.{}", tenths / 10, tenths % 10)
        }
        _ => "-".to_owned(),
    }
}
