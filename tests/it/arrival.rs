//! Random flows, the orders in which they arrive, and the log that the stated rule makes of them.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::error::ArrowError;
use tripline::pipeline::batch::{self, AdmittedBatch, FlowBatch};
use tripline::pipeline::merge::BEFORE_ALL;
use tripline::record::flow;

use super::random::Random;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
/// 2026-01-05T23:40:00Z: midnight falls into most runs.
pub const START: i64 = 1_767_656_400_000_000;

/// One flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    pub time: i64,
    pub row_id: i64,
    pub subscriber_id: Option<String>,
    pub src_ip: Option<String>,
    pub dst_port: Option<i64>,
    pub tx_bytes: Option<i64>,
    /// Any float: the language has to add it up exactly.
    pub latitude: Option<f64>,
}

/// A row of the log, with the watermark before it.
pub type Logged = (Flow, i64);

/// Rows over `span`, few keys, NULLs and extremes among them.
pub fn flows(random: &mut Random, count: usize, span: i64) -> Vec<Flow> {
    const ADDRESSES: [&str; 5] = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "::ffff:10.0.0.1", ""];
    const BYTES: [i64; 6] = [0, 1, -1, 1 << 53, 5_000_000_000_000_000_000, i64::MIN];
    const FLOATS: [f64; 8] = [0.1, 0.2, 0.3, -0.1, 1e-3, 90.0, -179.999_999, 0.0];
    let mut flows: Vec<Flow> = (0..count)
        .map(|row| Flow {
            // Now and then exactly on the edge of a window, or beside it.
            time: match random.below(6) {
                0 => START + random.between(0, span / (10 * SECOND)) * 10 * SECOND + random.between(-1, 1),
                _ => START + random.between(0, span),
            },
            row_id: i64::try_from(random.next() >> 2).unwrap_or(0) ^ i64::try_from(row).unwrap_or(0),
            subscriber_id: (!random.one_in(8)).then(|| format!("s{}", random.below(3))),
            src_ip: (!random.one_in(8)).then(|| (*random.pick(&ADDRESSES)).to_owned()),
            dst_port: (!random.one_in(6)).then(|| *random.pick(&[0, 22, 443, 65_535])),
            tx_bytes: match random.below(8) {
                0 => None,
                1 => Some(*random.pick(&BYTES)),
                _ => Some(random.between(0, 2_000)),
            },
            latitude: (!random.one_in(5)).then(|| *random.pick(&FLOATS)),
        })
        .collect();
    flows.sort_by_key(|flow| (flow.time, flow.row_id));
    flows
}

/// Each row comes up to `delay` after its time: no row comes after one that is more than `delay` newer.
pub fn delayed(random: &mut Random, flows: &[Flow], delay: i64) -> Vec<Flow> {
    let mut arrivals: Vec<(i64, u64, &Flow)> =
        flows.iter().map(|flow| (flow.time + random.between(0, delay), random.next(), flow)).collect();
    arrivals.sort_by_key(|(at, tie, _)| (*at, *tie));
    arrivals.into_iter().map(|(_, _, flow)| flow.clone()).collect()
}

/// Splits rows over files, each in the order of the whole.
pub fn split(random: &mut Random, flows: &[Flow], files: usize) -> Vec<Vec<Flow>> {
    let mut lanes = vec![Vec::new(); files];
    for flow in flows {
        lanes[random.below(files)].push(flow.clone());
    }
    lanes
}

/// The log as the rule says, row by row: the next row is of the unfinished input whose watermark (largest event
/// time so far − lateness) is smallest, the first of them on ties. Returns the largest watermark too.
pub fn log(lanes: &[(Vec<Flow>, i64)]) -> (Vec<Logged>, i64) {
    let mut watermarks = vec![BEFORE_ALL; lanes.len()];
    let mut next = vec![0; lanes.len()];
    let mut open: Vec<usize> = (0..lanes.len()).collect();
    let mut log = Vec::new();
    while let Some(lane) = open.iter().copied().min_by_key(|lane| (watermarks[*lane], *lane)) {
        let (rows, lateness) = &lanes[lane];
        match rows.get(next[lane]) {
            None => open.retain(|other| *other != lane),
            Some(flow) => {
                log.push((flow.clone(), watermarks[lane]));
                watermarks[lane] = watermarks[lane].max(flow.time - lateness);
                next[lane] += 1;
            }
        }
    }
    (log, watermarks.into_iter().max().unwrap_or(BEFORE_ALL))
}

/// Flows as a batch.
pub fn batch_of(flows: &[Flow]) -> Result<FlowBatch, ArrowError> {
    let schema = batch::schema(&flow::columns());
    let times: Vec<i64> = flows.iter().map(|f| f.time).collect();
    let columns = flow::columns().into_iter().map(|column| -> Option<ArrayRef> {
        Some(match column.name.as_str() {
            "row_id" => Arc::new(flows.iter().map(|f| Some(f.row_id)).collect::<Int64Array>()),
            "event_time" | "end_time" => Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC")),
            "subscriber_id" => Arc::new(flows.iter().map(|f| f.subscriber_id.as_deref()).collect::<StringArray>()),
            "src_ip" => Arc::new(flows.iter().map(|f| f.src_ip.as_deref()).collect::<StringArray>()),
            "dst_port" => Arc::new(flows.iter().map(|f| f.dst_port).collect::<Int64Array>()),
            "tx_bytes" => Arc::new(flows.iter().map(|f| f.tx_bytes).collect::<Int64Array>()),
            "latitude" => Arc::new(flows.iter().map(|f| f.latitude).collect::<Float64Array>()),
            "sampling" => Arc::new(Int64Array::from(vec![1; flows.len()])),
            "outcome" => Arc::new(StringArray::from(vec!["unknown"; flows.len()])),
            "source" => Arc::new(StringArray::from(vec!["netlog"; flows.len()])),
            _ => return None,
        })
    });
    let rows: RecordBatch = batch::batch(&schema, columns.collect(), flows.len())?;
    Ok(FlowBatch { rows, times, origins: Vec::new(), duplicates: Vec::new() })
}

/// The log cut into batches of random sizes, at most `longest` rows each.
pub fn batches(
    random: &mut Random,
    log: &[Logged],
    last: i64,
    longest: usize,
) -> Result<Vec<AdmittedBatch>, ArrowError> {
    let mut batches = Vec::new();
    let mut start = 0;
    while start < log.len() {
        let end = (start + 1 + random.below(longest)).min(log.len());
        let flows: Vec<Flow> = log[start..end].iter().map(|(flow, _)| flow.clone()).collect();
        batches.push(AdmittedBatch {
            flows: batch_of(&flows)?,
            admit: log[start..end].iter().map(|(_, admit)| *admit).collect(),
            watermark: log.get(end).map_or(last, |(_, admit)| *admit),
        });
        start = end;
    }
    Ok(batches)
}
