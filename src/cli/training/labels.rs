//! A file of labels.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use datafusion::arrow::array::RecordBatch;

use crate::pipeline::ingest::{Reader, ReaderOptions};
use crate::plan::{LABEL, LABEL_TIME, TrainingPlan};
use crate::port::{Input, InputBytes};
use crate::record::{Column, Decode, Format, RawField, RawSchema, Type};

use super::super::place::check_outputs;
use super::super::wire;

/// Of an input, to find its header.
const HEADER_BYTES: u64 = 1 << 20;
/// Of a header, in a message.
const HEADER_CHARS: usize = 200;

/// Every label has to be understood: a lost one would be a wrong set. The columns are [`TrainingPlan::label_columns`].
pub fn read_labels(file: &str, out: Option<&str>, training: &TrainingPlan) -> anyhow::Result<Vec<RecordBatch>> {
    let inputs = wire::inputs(&[file.to_owned()])?;
    check_outputs(&out.into_iter().collect::<Vec<_>>(), &inputs)?;
    let extension = file.trim_end_matches(".gz").trim_end_matches(".zst");
    let format = match Path::new(extension).extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => Format::Parquet,
        Some("json" | "jsonl" | "ndjson") => Format::Json,
        _ => Format::Csv,
    };
    let field = |column: &Column| RawField {
        name: column.name.clone(),
        fields: vec![column.name.clone()],
        ty: column.ty,
        decode: if column.ty == Type::Timestamp { Decode::TimeAuto } else { Decode::Plain },
        pseudonym: None,
        carried: None,
        required: column.name == LABEL_TIME || column.name == LABEL,
        wanted: true,
    };
    let columns = training.label_columns();
    let schema = Arc::new(RawSchema { format, fields: columns.iter().map(field).collect() });
    let mut all = Vec::new();
    for input in inputs {
        let name = input.name();
        if format == Format::Csv {
            check_header(input.as_ref(), &columns)?;
        }
        let mut reader = Reader::open(input, Arc::clone(&schema), &ReaderOptions::default())
            .with_context(|| format!("cannot read {name}"))?;
        while let Some(batch) = reader.next_batch().with_context(|| format!("cannot read {name}"))? {
            if let Some(reject) = batch.rejects.first() {
                bail!(
                    "{name}:{}: {}\nhelp: labels have {}; `--label-type` says what `{LABEL}` is",
                    reject.origin.line,
                    reject.detail,
                    names(&columns)
                );
            }
            all.push(batch.rows);
        }
    }
    if all.iter().all(|rows| rows.num_rows() == 0) {
        bail!("{file} holds no label\nhelp: each is a line with {}", names(&columns));
    }
    // A column under another name would make every entity unknown.
    let empty = |place: usize| all.iter().all(|rows| rows.column(place).null_count() == rows.num_rows());
    if let Some(column) = (0..training.key.len()).find(|place| empty(*place)).map(|place| &training.key[place]) {
        bail!("no label of {file} has a value of `{}`\nhelp: labels have {}", column.name, names(&columns));
    }
    Ok(all)
}

/// What a header has to hold, when it can be looked at before.
fn check_header(input: &dyn Input, columns: &[Column]) -> anyhow::Result<()> {
    let name = input.name();
    let unreadable = || format!("cannot read {name}");
    if input.size_bytes().is_none() {
        return Ok(());
    }
    let InputBytes::Stream(bytes) = input.open().with_context(unreadable)? else { return Ok(()) };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes.take(HEADER_BYTES));
    let mut header = csv::ByteRecord::new();
    // What cannot be read is told where labels are read.
    if !reader.read_byte_record(&mut header).unwrap_or(false) {
        return Ok(());
    }
    let line = header.position().map_or(1, csv::Position::line);
    let text = |name: &[u8]| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned();
    let found: Vec<String> = header.iter().map(text).collect();
    let times = |column: &&Column| found.iter().filter(|name| **name == column.name).count();
    if columns.iter().all(|column| times(&column) == 0) {
        let found: String = found.join(",").chars().take(HEADER_CHARS).collect();
        bail!("{name}:{line}: the header has no column of labels: {found}\nhelp: labels have {}", names(columns));
    }
    if let Some(column) = columns.iter().find(|column| times(column) > 1) {
        bail!(
            "{name}:{line}: the header has {} columns named `{}`\nhelp: leave one, or rename the others",
            times(&column),
            column.name
        );
    }
    Ok(())
}

/// `src_ip STRING, label_time TIMESTAMP`.
fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("{} {}", column.name, column.ty)).collect::<Vec<_>>().join(", ")
}
