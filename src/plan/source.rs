//! Sources: a raw record, its event time, and the SELECT that makes it a flow.

use crate::definition::model::Source;
use crate::diagnostic::{Diagnostic, Text, suggest};
use crate::language::function::Id;
use crate::language::tree::{Expr, ExprKind, Query, Select};
use crate::language::{self};
use crate::record::{Column, Micros, RawField, RawSchema, Type, Value, flow};

use super::SourcePlan;
use super::resolve::Resolver;

/// Lateness beyond this would keep windows open for more than a week.
const LATENESS_MAX: Micros = Micros(7 * 86_400_000_000);

pub(super) fn bind(resolver: &Resolver, source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Option<SourcePlan> {
    let columns: Vec<Column> =
        source.columns.iter().map(|c| Column::new(c.name.text.clone(), c.ty, !c.required)).collect();
    let mut scope = resolver.scope(format!("source {}", source.name.text), &columns);
    let keys: Vec<(String, String)> =
        resolver.plan.pseudonym_keys.iter().map(|key| (key.name.clone(), key.id.clone())).collect();
    let named = source.columns.iter().filter_map(|column| column.pseudonymize.as_ref());
    let unknown = named.filter(|name| keys.iter().all(|(known, _)| known != name.as_str()));
    diagnostics.extend(unknown.map(|name| language::unknown_key(name.as_str(), name.span(), &keys)));
    let id = |name: &Text| keys.iter().find(|(known, _)| known == name.as_str()).map(|(_, id)| id.clone());
    let pseudonyms: Vec<Option<String>> =
        source.columns.iter().map(|column| column.pseudonymize.as_ref().and_then(id)).collect();
    scope.keys = Some(keys);
    let event_time = language::bind_expression(&source.event_time, &scope, diagnostics);
    if let Some(expr) = event_time.as_ref().filter(|e| e.ty != Type::Timestamp) {
        let message = format!("`event_time` is {}, not TIMESTAMP", expr.ty);
        diagnostics.push(
            Diagnostic::error("source.event-time", expr.span, message)
                .help("give the column `type: TIMESTAMP`, with `decode: seconds` for a number of seconds"),
        );
    }
    if let Some((name, place)) = language::lookups_of(&source.event_time).first() {
        let message = format!("`event_time` reads the lookup `{name}`");
        diagnostics.push(
            Diagnostic::error("source.event-time", *place, message)
                .label("its rows hold at event times")
                .help("take the event time from the record's own columns"),
        );
    }
    if source.lateness > LATENESS_MAX {
        let message = format!("lateness of {} is more than {LATENESS_MAX}", source.lateness);
        let finding = Diagnostic::error("source.lateness", source.lateness_span, message);
        diagnostics.push(
            finding.label("too long").help("windows stay open for so long; rows that come later are counted as late"),
        );
    }
    // Names that are no columns were found when the definition was read.
    let dedupe = source.dedupe.iter().filter_map(|name| columns.iter().position(|c| c.name == name.text)).collect();
    let parsed = language::parse_query(&source.flows, diagnostics)?;
    resolver.use_lookups(&parsed);
    for (from, place) in parsed.relations() {
        if from.eq_ignore_ascii_case(source.name.as_str()) {
            continue;
        }
        let message = format!("normalization reads `{from}`, but its source is `{}`", source.name.text);
        diagnostics
            .push(Diagnostic::error("source.from", *place, message).help(format!("write FROM {}", source.name.text)));
    }
    let scopes = vec![scope; parsed.relations().len()];
    let select = one_select(language::bind_query(&parsed, &source.flows, &scopes, diagnostics)?, diagnostics)?;
    let flows = flows_columns(select.items, diagnostics);
    let fields = source.columns.iter().zip(pseudonyms).map(|(c, pseudonym)| RawField {
        name: c.name.text.clone(),
        fields: if c.fields.is_empty() { vec![c.name.text.clone()] } else { c.fields.clone() },
        ty: c.ty,
        decode: c.decode,
        pseudonym,
        carried: c.carried.clone(),
        required: c.required,
        wanted: true,
    });
    Some(SourcePlan {
        name: source.name.text.clone(),
        raw: RawSchema { format: source.format, fields: fields.collect() },
        event_time: event_time?,
        lateness: source.lateness,
        future_skew: source.future_skew,
        idle_after: source.idle_after,
        silent_after: source.silent_after,
        dedupe,
        filter: select.filter,
        flows,
    })
}

impl SourcePlan {
    /// The ids of the keys under which its expressions make pseudonyms; those of its raw columns are made before.
    pub fn pseudonym_ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let given = self.flows.iter().flatten().chain(&self.filter).chain([&self.event_time]);
        given.for_each(|expr| {
            expr.walk(&mut |part| {
                if let ExprKind::Call { function, args } = &part.kind
                    && let (Id::Pseudonymize, Some(ExprKind::Literal(Value::String(id)))) =
                        (function.id, args.last().map(|arg| &arg.kind))
                {
                    ids.push(id.clone());
                }
            });
        });
        ids
    }
}

/// A record makes one flow or none: ids, duplicates and the counts of a run rely on it.
fn one_select(query: Query, diagnostics: &mut Vec<Diagnostic>) -> Option<Select> {
    let mut branches = query.branches.into_iter();
    let first = branches.next()?;
    if let Some(second) = branches.next() {
        let message = "a normalization with UNION ALL would make two flows of one record";
        let finding =
            Diagnostic::error(language::codes::REFUSED, second.from.1, message).label("the same record again");
        diagnostics.push(finding.help("write one SELECT, with CASE where records differ; or declare a second source"));
        return None;
    }
    if let Some(rank) = first.ranks.first() {
        let message = format!("{} over records has no end: they never all are there", rank.function.name());
        let finding = Diagnostic::error(language::codes::REFUSED, rank.span, message).label("a stream");
        diagnostics
            .push(finding.help("duplicates are told by `dedupe` in source.yaml; rank the rows of a feature's window"));
        return None;
    }
    Some(first)
}

/// The SELECT's items by canonical column; wrong names and types are findings.
fn flows_columns(items: Vec<language::tree::Item>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Option<Expr>> {
    let canonical = flow::columns();
    let mut flows: Vec<Option<Expr>> = vec![None; canonical.len()];
    for item in items {
        let given = |c: &&Column| !flow::ENGINE_COLUMNS.contains(&c.name.as_str());
        let Some(index) = canonical.iter().position(|c| c.name.eq_ignore_ascii_case(&item.name)) else {
            let message = format!("`{}` is not a column of flows", item.name);
            let finding = Diagnostic::error("source.unknown-column", item.expr.span, message);
            let names = || canonical.iter().filter(given).map(|c| c.name.as_str());
            diagnostics.push(match suggest(&item.name, names()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("columns of flows: {}", names().collect::<Vec<_>>().join(", "))),
            });
            continue;
        };
        let column = &canonical[index];
        if !given(&column) {
            let message = format!("`{}` is added by the engine", column.name);
            diagnostics.push(
                Diagnostic::error("source.engine-column", item.expr.span, message)
                    .help("event time is declared in source.yaml; leave the column out here"),
            );
        } else if item.expr.ty != column.ty {
            let message = format!("`{}` is {}, but flows has {}", column.name, item.expr.ty, column.ty);
            diagnostics.push(
                Diagnostic::error("source.column-type", item.expr.span, message)
                    .help(format!("write CAST(… AS {})", column.ty)),
            );
        } else {
            // Two items of one name are the SELECT's finding.
            flows[index] = Some(item.expr);
        }
    }
    flows
}
