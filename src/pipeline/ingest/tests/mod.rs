//! Whole inputs to rows and rejects. Each case is data: an input, the rows and the rejects.

mod infer;
mod json;
mod parquet;
mod random;
mod stream;
mod tables;

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{RawBatch, Reader, ReaderOptions};
use crate::port::{Input, InputBytes};
use crate::record::{Decode, Format, RawField, RawSchema, Type};

/// An input in memory, that fails at its end if told so, or comes in small reads.
#[derive(Default, Clone)]
struct Bytes {
    bytes: Vec<u8>,
    fails: bool,
    live: bool,
    read_bytes_max: Option<usize>,
}

struct BytesRead {
    bytes: Cursor<Vec<u8>>,
    fails: bool,
    read_bytes_max: usize,
}

impl Read for BytesRead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.read_bytes_max);
        match self.bytes.read(&mut into[..most])? {
            0 if self.fails => Err(io::Error::other("the input broke off")),
            read => Ok(read),
        }
    }
}

impl Input for Bytes {
    fn name(&self) -> Arc<str> {
        "memory".into()
    }

    fn size_bytes(&self) -> Option<u64> {
        (!self.live).then_some(self.bytes.len() as u64)
    }

    fn open(&self) -> io::Result<InputBytes> {
        Ok(InputBytes::Stream(Box::new(BytesRead {
            bytes: Cursor::new(self.bytes.clone()),
            fails: self.fails,
            read_bytes_max: self.read_bytes_max.unwrap_or(usize::MAX),
        })))
    }
}

/// `name TYPE decode flags`: `ports INT64 flags required unwanted`; `a|b` are names in the record.
fn schema(format: Format, fields: &[&str]) -> Arc<RawSchema> {
    let field = |text: &&str| {
        let mut words = text.split(' ');
        let names: Vec<String> = words.next().unwrap().split('|').map(str::to_owned).collect();
        let ty = Type::from_name(words.next().unwrap()).unwrap();
        let mut field = RawField {
            name: names[0].clone(),
            fields: names,
            ty,
            decode: Decode::Plain,
            pseudonym: None,
            carried: None,
            required: false,
            wanted: true,
        };
        for word in words {
            match word {
                "flags" => field.decode = Decode::TcpFlags,
                "auto" => field.decode = Decode::TimeAuto,
                "seconds" => field.decode = Decode::TimeSeconds,
                "millis" => field.decode = Decode::TimeMillis,
                "micros" => field.decode = Decode::TimeMicros,
                "required" => field.required = true,
                "unwanted" => field.wanted = false,
                other => panic!("{other}"),
            }
        }
        field
    };
    Arc::new(RawSchema { format, fields: fields.iter().map(field).collect() })
}

/// Rows as `line@offset: value | value`, in order.
fn shown(batch: &RawBatch) -> Vec<String> {
    let values = values(&batch.rows);
    assert_eq!(values.len(), batch.lines.len());
    assert_eq!(values.len(), batch.offsets.len());
    let places = batch.lines.iter().zip(&batch.offsets);
    values.iter().zip(places).map(|(row, (line, offset))| format!("{line}@{offset}: {row}")).collect()
}

fn values(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> =
        rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let row = |row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(" | ");
    (0..rows.num_rows()).map(row).collect()
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    rows: Vec<String>,
    /// `line@offset code: detail <raw>`.
    rejects: Vec<String>,
    ignored: Vec<(String, u64)>,
    error: Option<String>,
}

fn read(input: Bytes, schema: &Arc<RawSchema>, options: &ReaderOptions) -> Outcome {
    match Reader::open(Arc::new(input), Arc::clone(schema), options) {
        Ok(mut reader) => drain(&mut reader, options.keep_raw),
        Err(error) => Outcome { error: Some(error.to_string()), ..Outcome::default() },
    }
}

fn drain(reader: &mut Reader, raw: bool) -> Outcome {
    let mut all = Outcome::default();
    let mut ignored = std::collections::BTreeMap::new();
    loop {
        let batch = match reader.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                all.error = Some(error.to_string());
                assert!(matches!(reader.next_batch(), Ok(None)));
                break;
            }
        };
        let part = outcome(&batch, raw);
        all.rows.extend(part.rows);
        all.rejects.extend(part.rejects);
        for (name, records) in batch.ignored.counts() {
            *ignored.entry(name.clone()).or_insert(0) += records;
        }
    }
    all.ignored = ignored.into_iter().collect();
    all
}

/// Rows and rejects of one batch.
fn outcome(batch: &RawBatch, raw: bool) -> Outcome {
    assert_eq!(batch.offered, (batch.lines.len() + batch.rejects.len()) as u64);
    let mut rows = shown(batch);
    if raw {
        let text = batch.raw.as_ref().unwrap();
        rows.iter_mut().enumerate().for_each(|(row, shown)| *shown += &format!(" <{}>", text.get(row)));
    }
    let rejects = batch.rejects.iter().map(|reject| {
        let (reason, origin) = (reject.reason.code(), &reject.origin);
        format!("{}@{} {reason}: {} <{}>", origin.line, origin.offset, reject.detail, reject.raw)
    });
    Outcome { rows, rejects: rejects.collect(), ..Outcome::default() }
}

fn read_text(text: impl Into<Vec<u8>>, schema: &Arc<RawSchema>) -> Outcome {
    read(Bytes { bytes: text.into(), ..Bytes::default() }, schema, &ReaderOptions::default())
}

/// Each case: an input, the rows without places, the rejects as `code: detail`.
fn check(schema: &Arc<RawSchema>, cases: &[(&str, &[&str], &[&str])]) {
    for (input, rows, rejects) in cases {
        let outcome = read_text(*input, schema);
        assert_eq!(outcome.error, None, "{input}");
        let found: Vec<_> = outcome.rows.iter().map(|row| row.split_once(": ").unwrap().1).collect();
        assert_eq!(found, *rows, "rows of {input}");
        let found: Vec<_> = outcome.rejects.iter().map(|reject| reject.split_once(' ').unwrap().1).collect();
        let found: Vec<_> = found.iter().map(|reject| reject.rsplit_once(" <").unwrap().0).collect();
        assert_eq!(found, *rejects, "rejects of {input}");
    }
}
