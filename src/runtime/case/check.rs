//! What can be told of rules' tests without running them: names, types, the expressions in `${…}`.

use crate::definition::model::{Case, Given, Project, Rule, Source};
use crate::diagnostic::Diagnostic;
use crate::plan::Plan;
use crate::record::flow;

use super::given::{CaseError, check_names, lookup_row, param, values};
use super::{columns_of, expect};

pub const INVALID: &str = "test.invalid";

/// The findings of all tests of the rules that the plan has.
pub fn check(project: &Project, plan: &Plan) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in &project.rules {
        for case in &rule.tests {
            for error in errors(project, plan, rule, case) {
                found.extend(findings(error));
            }
        }
    }
    found
}

fn findings(error: CaseError) -> Vec<Diagnostic> {
    if error.diagnostics.is_empty() {
        // A suggestion is said on a line of its own.
        let (message, help) = error.message.split_once("; ").unwrap_or((&error.message, ""));
        let finding = Diagnostic::error(INVALID, error.span, message).label("in a test");
        return vec![if help.is_empty() { finding } else { finding.help(help) }];
    }
    error.diagnostics
}

fn errors(project: &Project, plan: &Plan, rule: &Rule, case: &Case) -> Vec<CaseError> {
    let mut errors: Vec<CaseError> = Vec::new();
    for given in &case.given {
        given_errors(given, &mut errors);
    }
    errors.extend(delay_error(project, case));
    for (name, value) in &case.params {
        errors.extend(param(rule, name, value).err());
    }
    for (name, rows) in &case.lookups {
        match project.lookups.iter().find(|lookup| lookup.name.text == name.text) {
            Some(lookup) => errors.extend(rows.iter().filter_map(|row| lookup_row(lookup, row).err())),
            None => errors.push(CaseError::new(name.span(), format!("no lookup `{}`", name.text))),
        }
    }
    // A draft is not in the plan, and neither is a rule with errors of its own.
    if let Some(rule) = plan.rules.iter().find(|planned| planned.name == rule.name.text) {
        for (name, value) in case.expect.fields.iter().flatten() {
            let typed = expect::field_type(&rule.columns, name).and_then(|ty| super::given::scalar(value, ty));
            errors.extend(typed.err());
        }
        for (relation, rows) in &case.expect.rows {
            match columns_of(plan, relation.as_str()) {
                Some(columns) => errors.extend(rows.iter().filter_map(|row| expect::typed(row, &columns).err())),
                None => errors.push(CaseError::new(relation.span(), format!("no relation `{}`", relation.text))),
            }
        }
    }
    errors
}

/// A delay that a source would not wait for: rows of the sources that the test names, or else of any.
fn delay_error(project: &Project, case: &Case) -> Option<CaseError> {
    let shuffle = case.shuffle.as_ref()?;
    let fields = case.given.iter().flat_map(|given| &given.row).filter(|(name, _)| name.text == "source");
    let named: Vec<&str> = fields.filter_map(|(_, value)| Some(value.text.as_ref()?.as_str())).collect();
    let given = |source: &&Source| named.is_empty() || named.contains(&source.name.as_str());
    let source = project.sources.iter().filter(given).min_by_key(|source| source.lateness)?;
    (shuffle.max_delay > source.lateness).then(|| {
        let (name, lateness) = (&source.name.text, source.lateness);
        let message = format!("rows of `{name}` may be {lateness} late, not {}", shuffle.max_delay);
        CaseError::new(shuffle.max_delay_span, format!("{message}; write `max_delay: {lateness}` or less"))
    })
}

/// The first and the last row of a `given`: values differ between rows by `i` alone.
fn given_errors(given: &Given, errors: &mut Vec<CaseError>) {
    let columns = flow::columns();
    if let Err(error) = check_names(given, &columns) {
        errors.push(error);
        return;
    }
    let last = i64::try_from(given.repeat.max(1) - 1).unwrap_or(i64::MAX);
    let numbers = if last > 0 { vec![0, last] } else { vec![0] };
    for (name, scalar) in &given.row {
        if let Some(column) = columns.iter().find(|column| column.name == name.text) {
            errors.extend(values(scalar, column, &numbers, given).err());
        }
    }
}
