//! Look-backs beside the rows of a feature: what is carried over, frames with keys of their own, how much history each has.

use crate::definition::model::Frame;
use crate::diagnostic::{Diagnostic, Text};
use crate::language;
use crate::language::tree::{Aggregate, AggregateFunction as F};
use crate::record::Column;

use super::feature::{Read, Results, WINDOW_MAX, bind_derived, bind_key};
use super::{FeaturePlan, FramePlan, TrailingPlan, Upstream, WINDOW_COLUMNS};

pub(super) fn bind(
    mut read: Read<'_>,
    frames: &[Frame],
    emit: Option<&Text>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<FeaturePlan> {
    let Upstream::Feature(index) = read.upstream else {
        let from = &read.feature.from;
        let finding = Diagnostic::error("feature.trailing", from.span(), "look-backs are over rows of a feature");
        let finding = finding.label("single flows and hits have no window that they could look back from");
        diagnostics.push(finding.help("read a feature with a window; `window: {size: 1us}` holds single instants"));
        return None;
    };
    let there = &read.resolver.plan.features[index];
    if there.window.session_gap.is_some() {
        let message = format!("`{}` has sessions: look-backs are over windows of one length", there.name);
        let finding = Diagnostic::error("feature.trailing", read.feature.from.span(), message);
        let finding = finding.label("sessions end at any time");
        diagnostics.push(finding.help("read the sessions in a feature with a `size`, and look back over that one"));
        return None;
    }
    let (keys, window) = (there.key.len(), there.window);
    let mut columns = there.columns.clone();
    let carried: Vec<usize> = (keys + WINDOW_COLUMNS..read.scope.columns.len()).collect();
    columns.extend(read.scope.columns[columns.len()..].iter().map(|c| c.column.clone()));
    // The first row of a key has nothing before it.
    read.scope.empty = true;
    let mut results = Results::default();
    let mut bound = Vec::new();
    let mut derive = Vec::new();
    for frame in frames {
        let first = results.aggregates.len();
        let named = |name: &str| format!("{}_{name}", frame.name.text);
        let own = |name: &str, text: String| (at(&frame.name, named(name)), at(&frame.name, text));
        let (texts, taken): (Vec<_>, Vec<_>) =
            frame.columns.iter().partition(|(name, _)| !OWN.iter().any(|own| name.text.eq_ignore_ascii_case(own)));
        diagnostics.extend(taken.into_iter().map(|(name, _)| of_every_frame(name)));
        let texts = texts.into_iter().map(|(name, text)| (at(name, named(name.as_str())), text.clone()));
        let mut texts: Vec<(Text, Text)> = texts.collect();
        // Of a name that is none, or beside joins that are refused, nothing more is said.
        let clear = read.joins.is_empty()
            && is_name(&frame.name.text)
            && !columns.iter().any(|c| c.name.eq_ignore_ascii_case(&named("since")));
        if clear {
            texts.push(own("since", "MIN(window_start)".to_owned()));
        } else if read.joins.is_empty() && is_name(&frame.name.text) {
            diagnostics.push(taken_frame(&frame.name));
        }
        results.bind(&read, &texts, &mut columns, diagnostics);
        results.aggregates[first..].iter().for_each(|aggregate| check(aggregate, diagnostics));
        let days = format!("COALESCE(TIMESTAMP_DIFF(window_start, {}, DAY), 0)", named("since"));
        if clear {
            derive.push(own("history_days", days));
        }
        if frame.size > WINDOW_MAX {
            let message = format!("a look-back of {} is more than {WINDOW_MAX}", frame.size);
            let finding = Diagnostic::error("feature.trailing", frame.size_span, message);
            diagnostics.push(finding.help("use a shorter one"));
        }
        bound.push(FramePlan {
            name: frame.name.text.clone(),
            key: bind_key(&frame.key, &read.scope, diagnostics),
            size: frame.size,
            aggregates: first..results.aggregates.len(),
        });
    }
    derive.extend(read.feature.derive.iter().cloned());
    let derive = bind_derived(&read, &derive, &mut columns, diagnostics);
    let emit = emit.and_then(|text| condition(&read, text, &columns, diagnostics));
    Some(FeaturePlan {
        name: read.feature.name.text.clone(),
        upstream: read.upstream,
        joins: read.joins,
        scope: read.scope.columns.into_iter().map(|c| c.column).collect(),
        previous: None,
        row: read.row,
        filter: read.filter,
        key: (0..keys).collect(),
        window,
        aggregates: results.aggregates,
        outputs: results.outputs,
        derive,
        columns,
        fill: None,
        trailing: Some(TrailingPlan { carried, frames: bound, emit }),
    })
}

fn condition(
    read: &Read<'_>,
    text: &Text,
    columns: &[Column],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<crate::language::tree::Expr> {
    read.resolver.use_lookups_of(text);
    let scope = read.resolver.scope(format!("feature {}", read.feature.name.text), columns);
    let bound = language::bind_condition(text, &scope, diagnostics)?;
    diagnostics.extend(language::null_warnings(&bound, &scope));
    Some(bound)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Its own columns are there already.
fn taken_frame(name: &Text) -> Diagnostic {
    let message = format!("there are columns of a look-back `{}` already", name.text);
    let finding = Diagnostic::error("feature.duplicate-column", name.span(), message);
    finding.label("here or in the feature that is read").help("name this look-back otherwise")
}

/// Columns that every look-back has: where its first window began, and how many days ago.
const OWN: [&str; 2] = ["since", "history_days"];

fn of_every_frame(name: &Text) -> Diagnostic {
    let message = format!("every look-back has a column `{}`", name.text);
    let finding = Diagnostic::error("feature.duplicate-column", name.span(), message);
    finding.label("there already").help("choose another name, or leave it out")
}

/// A text that stands for another at its place.
fn at(place: &Text, text: String) -> Text {
    Text { text, map: place.map.clone() }
}

/// BigQuery has to know the aggregate over a frame of rows.
fn check(aggregate: &Aggregate, diagnostics: &mut Vec<Diagnostic>) {
    let help = match aggregate.function {
        F::First | F::StringAgg => "MIN and MAX do not depend on an order",
        F::ApproxCountDistinct => "use COUNT(DISTINCT x), which is exact",
        F::BitAnd | F::BitOr | F::BitXor => "LOGICAL_AND, LOGICAL_OR or COUNTIF of conditions can be looked back over",
        _ => return,
    };
    let finding = Diagnostic::error("feature.trailing", aggregate.span, "this aggregate cannot look back");
    diagnostics.push(finding.label("BigQuery does not compute it over a frame of rows").help(help));
}
