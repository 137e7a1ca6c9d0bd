//! Every recorded answer of Google's reference implementation about an aggregate: rows in any order, cut into panes anywhere.
//!
//! `tests/judge/record.py` records them.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::common::ScalarValue;
use serde_json::Value as Json;

use crate::diagnostic::{FileId, Text};
use crate::language::{Aggregate, Scope, bind_aggregation};
use crate::record::{Column, Type};
use crate::target::datafusion::{Lookups, LowerContext, batch, columns_of, recorded, same};

use super::accumulate::AggregateKind;
use super::operator::{Hop, WindowRows, WindowState};
use super::ordered::Argument;

const GOLDEN: &str = include_str!("../../../tests/golden/aggregates.json");
const TOLERANCE: f64 = 1e-9;

fn bind(sql: &str, columns: &[Column]) -> Aggregate {
    let mut diagnostics = Vec::new();
    let text = Text::verbatim(sql, FileId(0), 0);
    let bound = bind_aggregation(&text, &Scope::over("t", columns), &mut diagnostics);
    bound.unwrap_or_else(|| panic!("{sql}: {diagnostics:?}")).aggregates.remove(0)
}

/// The answer over rows of which the first `cut` are in a pane of their own.
fn answer(aggregate: &Aggregate, columns: &[Column], rows: &RecordBatch, cut: usize) -> ScalarValue {
    let lookups = Lookups::default();
    let argument = Argument::new(aggregate, LowerContext { columns, lookups: &lookups, event_time: None });
    let argument = argument.expect("compiles").expect("has an argument");
    let hop = Hop { size: 2, every: 1 };
    let mut state = WindowState::new(hop, vec![AggregateKind::of(aggregate)], Vec::new(), 0).expect("state");
    for (time, part) in [(0, rows.slice(0, cut)), (1, rows.slice(cut, rows.num_rows() - cut))] {
        let arg = argument.run(&part).unwrap_or_else(|_| panic!("{aggregate:?} fails"));
        let times = vec![time; part.num_rows()];
        let rows = WindowRows { times: &times, keys: &[], numbers: None, args: &[Some(arg)], evidence: None };
        state.push(&rows).expect("takes rows");
    }
    let closed = state.close(2, None).expect("closes");
    ScalarValue::try_from_array(&closed.columns[0], 0).expect("one row")
}

#[test]
fn every_recorded_answer_is_given() {
    let golden: Json = serde_json::from_str(GOLDEN).expect("JSON");
    let (mut wrong, mut values) = (Vec::new(), 0);
    for case in golden.as_array().expect("a list") {
        let sql = case["expression"].as_str().expect("text");
        let columns = columns_of(case);
        let aggregate = bind(sql, &columns);
        let ty = Type::from_name(case["type"].as_str().expect("text")).expect("a type");
        assert_eq!(aggregate.ty, ty, "{sql}");
        let want = recorded(ty, case["answer"].as_str());
        values += usize::from(!want.is_null());
        let rows = case["rows"].as_array().expect("rows");
        // A window without rows does not exist.
        let Some(last) = rows.len().checked_sub(1) else { continue };
        let given = batch(&columns, rows);
        for turn in 0..=last {
            let turned = [given.slice(turn, rows.len() - turn), given.slice(0, turn)];
            let turned = concat_batches(&given.schema(), &turned).expect("one batch");
            for cut in [0, 1, rows.len() / 2, last] {
                let got = answer(&aggregate, &columns, &turned, cut);
                if !same(&got, &want, TOLERANCE) {
                    wrong.push(format!("{sql} over {rows:?} from {turn}, cut at {cut}: {got:?}, not {want:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(values > 200, "{values} answers are values");
}
