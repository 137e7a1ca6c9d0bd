//! Recorded answers, as questions to the service: expressions over values, each with what Google's reference
//! implementation of GoogleSQL answers (`tests/golden`).
//!
//! Each question is a branch of a UNION ALL over rows written out in the statement: no table is read. Rows that fail are left out, since one
//! of them would fail the statement.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::record::{Type, Value};

use super::text::{id_text, literal, name};

const RECORDED: &str = include_str!("../../../tests/golden/functions.json");
/// The same expressions as they are printed for BigQuery, in the same order.
const PRINTED: &str = include_str!("../../../tests/golden/printed.json");
/// Rows of an expression that are asked, spread over those that are recorded.
const ROWS: usize = 6;

#[derive(Debug, Deserialize)]
struct Recorded {
    expression: String,
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Option<String>>>,
    #[serde(rename = "type")]
    ty: String,
    answers: Vec<Answer>,
    tolerance: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Value(Option<String>),
    /// The row fails.
    Error {},
}

/// An expression over some rows, and what it should give.
#[derive(Debug)]
pub struct Question {
    pub expression: String,
    number: usize,
    sql: String,
    ty: Type,
    /// Of FLOAT64, relative; zero: to the bit.
    tolerance: f64,
    /// By row.
    expected: BTreeMap<usize, Option<String>>,
}

/// An answer that is another one.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    pub expression: String,
    /// What was to be equal: `exact`, `approximate` within the recorded tolerance, or `missing` where no row came back.
    pub class: &'static str,
    pub row: String,
    pub expected: String,
    pub answered: String,
}

/// All that can be asked.
pub fn questions() -> Result<Vec<Question>, serde_json::Error> {
    let recorded: Vec<Recorded> = serde_json::from_str(RECORDED)?;
    let printed: Vec<String> = serde_json::from_str(PRINTED)?;
    let pairs = recorded.into_iter().zip(printed).enumerate();
    Ok(pairs.filter_map(|(number, (recorded, printed))| question(number, &recorded, &printed)).collect())
}

fn question(number: usize, recorded: &Recorded, printed: &str) -> Option<Question> {
    let types: Vec<Type> = recorded.columns.iter().map(|(_, ty)| Type::from_name(ty)).collect::<Option<_>>()?;
    let ty = Type::from_name(&recorded.ty)?;
    let answers = recorded.answers.iter().enumerate();
    let values: Vec<(usize, &Option<String>)> = answers
        .filter_map(|(row, answer)| match answer {
            Answer::Value(value) => Some((row, value)),
            Answer::Error {} => None,
        })
        .collect();
    let step = values.len().div_ceil(ROWS).max(1);
    let chosen: Vec<(usize, &Option<String>)> = values.into_iter().step_by(step).collect();
    let mut rows = Vec::new();
    for (row, _) in &chosen {
        let cells = recorded.rows.get(*row)?.iter().zip(&types).map(|(cell, ty)| Some(literal(&value(cell, *ty)?)));
        let cells: Vec<String> = cells.collect::<Option<_>>()?;
        rows.push(format!("({row}{})", cells.iter().map(|cell| format!(", {cell}")).collect::<String>()));
    }
    if rows.is_empty() {
        return None;
    }
    let columns = recorded.columns.iter().zip(&types).map(|((column, _), ty)| format!(", {} {ty}", name(column)));
    let sql = format!(
        "SELECT {number} AS question, row_number, {} AS answer\nFROM UNNEST(ARRAY<STRUCT<row_number INT64{}>>[{}])",
        id_text(&format!("({printed})"), ty),
        columns.collect::<String>(),
        rows.join(", ")
    );
    Some(Question {
        expression: recorded.expression.clone(),
        number,
        sql,
        ty,
        tolerance: recorded.tolerance.as_ref().and_then(|text| text.parse().ok()).unwrap_or(0.0),
        expected: chosen.into_iter().map(|(row, value)| (row, value.clone())).collect(),
    })
}

/// A recorded value: times as microseconds, days as numbers, bytes in hexadecimal.
fn value(text: &Option<String>, ty: Type) -> Option<Value> {
    let Some(text) = text else { return Some(Value::Null(ty)) };
    Some(match ty {
        Type::Bool => Value::Bool(text.parse().ok()?),
        Type::Int64 => Value::Int64(text.parse().ok()?),
        Type::Float64 => Value::Float64(text.parse().ok()?),
        Type::String => Value::String(text.clone()),
        Type::Bytes => Value::Bytes(bytes(text)?),
        Type::Timestamp => Value::Timestamp(text.parse().ok()?),
        Type::Date => Value::Date(text.parse().ok()?),
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

/// One statement for all of them.
pub fn statement(questions: &[Question]) -> String {
    let parts: Vec<&str> = questions.iter().map(|question| question.sql.as_str()).collect();
    format!("{}\n", parts.join("\nUNION ALL\n"))
}

/// How many rows they ask.
pub fn rows(questions: &[Question]) -> usize {
    questions.iter().map(|question| question.expected.len()).sum()
}

/// What the rows of [`statement`] answer otherwise.
pub fn differences(questions: &[Question], rows: &[Vec<Option<String>>]) -> Vec<Difference> {
    let mut answers: BTreeMap<(usize, usize), &Option<String>> = BTreeMap::new();
    for row in rows {
        if let [Some(question), Some(number), answer] = row.as_slice()
            && let (Ok(question), Ok(number)) = (question.parse(), number.parse())
        {
            answers.insert((question, number), answer);
        }
    }
    let mut found = Vec::new();
    for question in questions {
        for (row, expected) in &question.expected {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
            let (class, answered) = match answers.get(&(question.number, *row)) {
                Some(answer) if question.same(expected, answer) => continue,
                Some(answer) if question.tolerance > 0.0 => ("approximate", shown(answer)),
                Some(answer) => ("exact", shown(answer)),
                None => ("missing", "no row".to_owned()),
            };
            let expected = shown(expected);
            found.push(Difference {
                expression: question.expression.clone(),
                class,
                row: row.to_string(),
                expected,
                answered,
            });
        }
    }
    found
}

impl Question {
    fn same(&self, expected: &Option<String>, answer: &Option<String>) -> bool {
        let (Some(a), Some(b)) = (expected, answer) else { return expected == answer };
        if self.ty != Type::Float64 {
            return a == b;
        }
        match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= self.tolerance * a.abs(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{differences, questions, rows, statement};

    /// What a service that is right would answer.
    fn right(questions: &[super::Question]) -> Vec<Vec<Option<String>>> {
        let rows = questions.iter().flat_map(|question| {
            let number = question.number.to_string();
            question
                .expected
                .iter()
                .map(move |(row, value)| vec![Some(number.clone()), Some(row.to_string()), value.clone()])
        });
        rows.collect()
    }

    #[test]
    fn every_recorded_expression_is_asked() {
        let questions = questions().expect("recorded answers");
        assert!(questions.len() > 440, "{}", questions.len());
        assert!(rows(&questions) > 2_000, "{}", rows(&questions));
        // BigQuery takes a statement of 1 MB.
        assert!(statement(&questions).len() < 1_000_000, "{}", statement(&questions).len());
        assert_eq!(differences(&questions, &right(&questions)), []);
    }

    #[test]
    fn another_answer_is_a_difference_of_its_class() {
        let questions = questions().expect("recorded answers");
        let question = questions.iter().position(|q| q.expression == "ROUND(a, b)").expect("ROUND");
        let mut answers = right(&questions);
        let at = answers.iter().position(|row| row[0] == Some(question.to_string())).expect("a row");
        answers[at][2] = Some("0.125".to_owned());
        let found = differences(&questions, &answers);
        assert_eq!(found.iter().map(|one| one.class).collect::<Vec<_>>(), ["exact"]);
        answers.remove(at);
        assert_eq!(differences(&questions, &answers)[0].class, "missing");
    }
}
