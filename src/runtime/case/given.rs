//! What a test gives: rows with relative times and `${…}` in their values, lookups, parameters.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::compute::concat;

use crate::definition::model::{Case, Given, Lookup, LookupRow, Override, Project, Rule, Scalar};
use crate::diagnostic::{Diagnostic, Span, Text, suggest};
use crate::language::bind_expression;
use crate::language::scope::Scope;
use crate::pipeline::batch::{self, FlowBatch};
use crate::pipeline::compiled::Compiled;
use crate::record::time::parse_day;
use crate::record::{Column, EventTime, Micros, Network, Type, Value, flow};
use crate::target::datafusion::{Lookups, LowerContext};

/// Rows of one test.
const ROWS_MAX: u64 = 1_000_000;

/// A test that cannot be run, with its place.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CaseError {
    pub span: Span,
    pub message: String,
    /// Findings inside an expression, when that is the cause.
    pub diagnostics: Vec<Diagnostic>,
}

impl CaseError {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), diagnostics: Vec::new() }
    }
}

/// The rows of all `given`, in order of time.
pub(super) fn flows(case: &Case) -> Result<FlowBatch, CaseError> {
    let total: u64 = case.given.iter().map(|given| given.repeat.max(1)).sum();
    if total > ROWS_MAX {
        return Err(CaseError::new(case.span, format!("{total} rows are more than {ROWS_MAX}")));
    }
    let columns = flow::columns();
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); columns.len()];
    let mut times: Vec<i64> = Vec::new();
    for given in &case.given {
        let rows = usize::try_from(given.repeat.max(1)).unwrap_or(usize::MAX);
        let numbers: Vec<i64> = (0..).take(rows).collect();
        let at = |i: &i64| case.start.plus(given.at).0.saturating_add(given.every.0.saturating_mul(*i));
        let own: Vec<i64> = numbers.iter().map(at).collect();
        let row_ids: Vec<i64> = (0..).skip(times.len()).take(rows).collect();
        check_names(given, &columns)?;
        for (column, parts) in columns.iter().zip(&mut parts) {
            let array: ArrayRef = match column.name.as_str() {
                "row_id" => Arc::new(Int64Array::from(row_ids.clone())),
                "event_time" => times_array(&own),
                name => match given.row.iter().find(|(field, _)| field.text == name) {
                    Some((_, scalar)) => values(scalar, column, &numbers, given)?,
                    None => default(column, &own),
                },
            };
            parts.push(array);
        }
        times.extend(own);
    }
    let failed = |error: datafusion::arrow::error::ArrowError| CaseError::new(case.span, error.to_string());
    let mut arrays = Vec::with_capacity(columns.len());
    for (column, parts) in columns.iter().zip(&parts) {
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        let empty = Value::Null(column.ty).array(0);
        arrays.push(Some(if parts.is_empty() { empty } else { concat(&parts).map_err(failed)? }));
    }
    let rows = batch::batch(&batch::schema(&columns), arrays, times.len()).map_err(failed)?;
    let flows = FlowBatch { rows, times, origins: Vec::new(), duplicates: Vec::new() };
    let mut order: Vec<usize> = (0..flows.times.len()).collect();
    order.sort_by_key(|row| flows.times[*row]);
    flows.take(&order).map_err(failed)
}

pub(super) fn check_names(given: &Given, columns: &[Column]) -> Result<(), CaseError> {
    for (name, _) in &given.row {
        let names = || columns.iter().map(|c| c.name.as_str());
        if !names().any(|column| column == name.text) {
            let near = suggest(name.as_str(), names()).map(|near| format!("; did you mean `{near}`?"));
            let message = format!("flows has no column `{}`{}", name.text, near.unwrap_or_default());
            return Err(CaseError::new(name.span(), message));
        }
        if matches!(name.as_str(), "row_id" | "event_time") {
            let message = format!("`{}` follows from `at` and `every`", name.text);
            return Err(CaseError::new(name.span(), message));
        }
    }
    Ok(())
}

fn times_array(times: &[i64]) -> ArrayRef {
    use datafusion::arrow::array::TimestampMicrosecondArray;
    Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC"))
}

/// What a column holds that a test does not name.
fn default(column: &Column, times: &[i64]) -> ArrayRef {
    let rows = times.len();
    match column.name.as_str() {
        "start_time" | "end_time" => times_array(times),
        "outcome" => Value::String(flow::OUTCOME_UNKNOWN.to_owned()).array(rows),
        "sampling" => Value::Int64(1).array(rows),
        "source" => Value::String("test".to_owned()).array(rows),
        _ => Value::Null(column.ty).array(rows),
    }
}

/// The values of one field for each `i`.
pub(super) fn values(scalar: &Scalar, column: &Column, numbers: &[i64], given: &Given) -> Result<ArrayRef, CaseError> {
    let Some(text) = &scalar.text else {
        if scalar.list.is_some() {
            return Err(CaseError::new(given.span, format!("`{}` is one value, not a list", column.name)));
        }
        return Ok(Value::Null(column.ty).array(numbers.len()));
    };
    if !text.text.contains("${") {
        let value = self::scalar(scalar, column.ty)?;
        check_value(column, &value, text)?;
        return Ok(value.array(numbers.len()));
    }
    let array = computed(text, column, numbers)?;
    if flow::values(&column.name).is_some() {
        (0..array.len()).try_for_each(|row| check_value(column, &Value::at(&array, row, column.ty), text))?;
    }
    Ok(array)
}

/// What no source may give, a test may not either: a rule that needs it never fires.
fn check_value(column: &Column, value: &Value, place: &Text) -> Result<(), CaseError> {
    match flow::values(&column.name).filter(|values| !values.has(value)) {
        Some(values) => {
            let message = format!("`{}` is never {}; it is {}", column.name, value.display(), values.form());
            Err(CaseError::new(place.span(), message))
        }
        None => Ok(()),
    }
}

/// The values of a text with `${…}` in it.
fn computed(text: &Text, column: &Column, numbers: &[i64]) -> Result<ArrayRef, CaseError> {
    let pieces = pieces(text)?;
    let scope = Scope::over("a test's row", &[Column::new("i", Type::Int64, false)]);
    let batch = batch::batch(
        &batch::schema(&[Column::new("i", Type::Int64, false)]),
        vec![Some(Arc::new(Int64Array::from(numbers.to_vec())))],
        numbers.len(),
    );
    let batch = batch.map_err(|error| CaseError::new(text.span(), error.to_string()))?;
    let mut evaluated: Vec<Piece> = Vec::new();
    for piece in pieces {
        evaluated.push(match piece {
            Part::Text(text) => Piece::Text(text),
            Part::Expression(expression) => evaluate(&expression, &scope, &batch)?,
        });
    }
    if let [Piece::Values(array, ty)] = evaluated.as_slice()
        && *ty == column.ty
    {
        return Ok(Arc::clone(array));
    }
    let rows: Result<Vec<ArrayRef>, CaseError> = (0..numbers.len())
        .map(|row| {
            let whole: String = evaluated.iter().map(|piece| piece.text(row)).collect();
            let mut value = text.clone();
            value.text = whole;
            Ok(parse(&value, column.ty)?.array(1))
        })
        .collect();
    let rows = rows?;
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    concat(&rows).map_err(|error| CaseError::new(text.span(), error.to_string()))
}

fn evaluate(text: &Text, scope: &Scope, batch: &RecordBatch) -> Result<Piece, CaseError> {
    let mut diagnostics = Vec::new();
    let Some(expr) = bind_expression(text, scope, &mut diagnostics) else {
        let message = "the expression in ${…} is not valid".to_owned();
        return Err(CaseError { span: text.span(), message, diagnostics });
    };
    let columns = [Column::new("i", Type::Int64, false)];
    let context = LowerContext { columns: &columns, lookups: &Lookups::default(), event_time: None };
    let compiled = Compiled::new(&expr, context);
    let compiled = compiled.map_err(|error| CaseError::new(expr.span, error.to_string()))?;
    let array = compiled.run(batch).map_err(|error| CaseError::new(expr.span, error.to_string()))?;
    Ok(Piece::Values(array, expr.ty))
}

enum Part {
    Text(String),
    Expression(Text),
}

enum Piece {
    Text(String),
    Values(ArrayRef, Type),
}

impl Piece {
    fn text(&self, row: usize) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Values(array, ty) => Value::at(array, row, *ty).display(),
        }
    }
}

/// Splits `10.0.0.${1 + i}`.
fn pieces(text: &Text) -> Result<Vec<Part>, CaseError> {
    let whole = text.as_str();
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(open) = whole[at..].find("${").map(|i| at + i) {
        if open > at {
            parts.push(Part::Text(whole[at..open].to_owned()));
        }
        let Some(close) = whole[open..].find('}').map(|i| open + i) else {
            return Err(CaseError::new(text.span_of(open, whole.len()), "`${` is not closed by `}`"));
        };
        let place = text.span_of(open + 2, close);
        parts.push(Part::Expression(Text::verbatim(&whole[open + 2..close], place.file, place.start)));
        at = close + 1;
    }
    if at < whole.len() {
        parts.push(Part::Text(whole[at..].to_owned()));
    }
    Ok(parts)
}

/// A written value as a column's type.
pub(super) fn parse(text: &Text, ty: Type) -> Result<Value, CaseError> {
    let written = text.as_str();
    let parsed = match ty {
        Type::String => Some(Value::String(written.to_owned())),
        Type::Bytes => Some(Value::Bytes(written.as_bytes().to_vec())),
        Type::Int64 => written.replace('_', "").parse().ok().map(Value::Int64),
        Type::Float64 => written.parse().ok().map(Value::Float64),
        Type::Bool => written.to_ascii_lowercase().parse().ok().map(Value::Bool),
        Type::Timestamp => EventTime::parse(written).map(|time| Value::Timestamp(time.0)),
        Type::Date => parse_day(written).map(Value::Date),
    };
    parsed.ok_or_else(|| CaseError::new(text.span(), format!("`{written}` is not {ty}")))
}

/// A value as written: in quotes it is a text, and no number.
pub(super) fn scalar(scalar: &Scalar, ty: Type) -> Result<Value, CaseError> {
    let Some(text) = &scalar.text else { return Ok(Value::Null(ty)) };
    if scalar.quoted && matches!(ty, Type::Int64 | Type::Float64 | Type::Bool) {
        let message = format!("`{}` is a text in quotes, not {ty}; write it without quotes", text.as_str());
        return Err(CaseError::new(text.span(), message));
    }
    parse(text, ty)
}

/// Rows as they may arrive: each is late by up to `max_delay` of event time.
pub(super) fn shuffled(
    flows: &FlowBatch,
    max_delay: Micros,
    seed: u64,
) -> Result<FlowBatch, datafusion::arrow::error::ArrowError> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678);
    let mut next = || {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let bound = u64::try_from(max_delay.0).unwrap_or(0).saturating_add(1);
    let mut arrival: Vec<(i64, u64, usize)> = Vec::with_capacity(flows.times.len());
    for (row, time) in flows.times.iter().enumerate() {
        let delay = i64::try_from(next() % bound).unwrap_or(0);
        arrival.push((time.saturating_add(delay), next(), row));
    }
    arrival.sort_unstable();
    let order: Vec<usize> = arrival.into_iter().map(|(_, _, row)| row).collect();
    flows.take(&order)
}

/// A parameter's value in a test, of its default's type.
pub(super) fn param(rule: &Rule, name: &Text, given: &Scalar) -> Result<Value, CaseError> {
    let Some(param) = rule.params.iter().find(|param| param.name.text == name.text) else {
        let near = suggest(name.as_str(), rule.params.iter().map(|p| p.name.as_str()));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(CaseError::new(name.span(), format!("the rule has no parameter `{}`{near}", name.text)));
    };
    scalar(given, param.default.ty())
}

pub(super) fn override_params(project: &mut Project, rule: &Rule, case: &Case) -> Result<(), CaseError> {
    let mut params = Vec::new();
    for (name, given) in &case.params {
        let value = param(rule, name, given)?;
        params.push((name.clone(), value));
    }
    let over = Override { rule: rule.name.clone(), params, status: None, exceptions: Vec::new() };
    project.config.overrides.insert(rule.name.text.clone(), over);
    Ok(())
}

/// A row of a lookup as a test writes it.
pub(super) fn lookup_row(lookup: &Lookup, row: &[(Text, Scalar)]) -> Result<Vec<Value>, CaseError> {
    if let Some((field, _)) = row.iter().find(|(field, _)| lookup.columns.iter().all(|c| c.name.text != field.text)) {
        let message = format!("lookup `{}` has no column `{}`", lookup.name.text, field.text);
        return Err(CaseError::new(field.span(), message));
    }
    let values = lookup.columns.iter().map(|column| {
        let cell = row.iter().find(|(field, _)| field.text == column.name.text);
        let Some((field, cell)) = cell else { return Ok(Value::Null(column.ty)) };
        let value = scalar(cell, column.ty)?;
        if let Value::String(text) = &value
            && column.cidr
            && Network::parse(text).is_none()
        {
            let message = format!("`{text}` is not a network such as 10.0.0.0/8");
            return Err(CaseError::new(field.span(), message));
        }
        Ok(value)
    });
    values.collect()
}

pub(super) fn override_lookups(project: &mut Project, case: &Case) -> Result<(), CaseError> {
    for (name, rows) in &case.lookups {
        let Some(lookup) = project.lookups.iter_mut().find(|lookup| lookup.name.text == name.text) else {
            return Err(CaseError::new(name.span(), format!("no lookup `{}`", name.text)));
        };
        lookup.rows.clear();
        lookup.table = None;
        for row in rows {
            let values = lookup_row(lookup, row)?;
            lookup.rows.push(LookupRow { values, valid_from: None, valid_to: None, span: name.span() });
        }
    }
    Ok(())
}
