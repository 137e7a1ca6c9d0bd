//! Drafts a source from a sample of its records: the format, the columns and their types,
//! and which canonical columns of `flows` they feed. A draft is to be read by a person: it
//! promises only that the sample's own records decode with it.

use std::fs::File;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use serde_json::Value;

use super::chunk::length;
use super::csv::{CsvFields, CsvHeader, CsvState};
use super::draft::{self, Decided};
use super::flags::flags_of_text;
use super::time::{Epoch, instant_of_number, instant_of_text};
use super::zeek::ZeekHeader;
use crate::record::{Decode, Format, RawField, Type};

/// Records that are looked at.
const RECORDS_MAX: usize = 10_000;
/// Columns that are drafted.
const COLUMNS_MAX: usize = 500;
/// 2000-01-01 to 2100-01-01: a number in between, under a name that speaks of time, is one.
const EPOCH_MICROS: std::ops::Range<i64> = 946_684_800_000_000..4_102_444_800_000_000;

/// A drafted source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    /// The source's name.
    pub name: String,
    pub format: Format,
    /// In the order of the sample; empty when no record was understood.
    pub columns: Vec<RawField>,
    /// Records looked at, and those that were not understood.
    pub records: u64,
    pub refused: u64,
    /// What separates the fields in place of commas, when the sample is one column for that.
    pub separator: Option<char>,
    /// The text of `source.yaml`.
    pub source_yaml: String,
    /// The text of `flows.sql`.
    pub flows_sql: String,
}

/// Drafts a source from the beginning of an input. `name_hint` is a file's name or a word.
pub fn infer(sample: &[u8], name_hint: &str) -> Inferred {
    // The last line may be cut off, unless it is the only one.
    let whole = memchr::memrchr(b'\n', sample).map_or(sample, |end| &sample[..=end]);
    let text = String::from_utf8_lossy(whole);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let mut seen = Seen::default();
    let format = if text.starts_with('{') {
        seen.json(text);
        let zeek = seen.has("uid") && ["id.orig_h", "id_orig_h"].iter().any(|name| seen.has(name));
        if zeek { Format::Zeek } else { Format::Json }
    } else if ["#separator", "#fields"].iter().any(|head| text.starts_with(head)) {
        seen.zeek(text);
        Format::Zeek
    } else {
        seen.csv(text);
        Format::Csv
    };
    seen.drafted(format, name_hint)
}

/// Drafts a source from a Parquet file.
pub fn infer_parquet(file: File, name_hint: &str) -> Result<Inferred, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let mut seen = Seen::default();
    // Every column is drafted, one without values too; those that hold columns cannot be.
    for field in builder.schema().fields().iter().filter(|field| !field.data_type().is_nested()) {
        seen.see(field.name(), None, false);
        if let Some(column) = seen.columns.last_mut() {
            column.declared = declared(field.data_type());
        }
    }
    let reader = builder.with_batch_size(RECORDS_MAX).with_limit(RECORDS_MAX).build()?;
    for batch in reader {
        seen.batch(&batch?)?;
    }
    Ok(seen.drafted(Format::Parquet, name_hint))
}

/// What a Parquet column becomes whatever its values are. Of text and integers the values decide.
fn declared(ty: &DataType) -> Option<Type> {
    Some(match ty {
        DataType::Boolean => Type::Bool,
        DataType::Timestamp(_, _) => Type::Timestamp,
        DataType::Date32 | DataType::Date64 => Type::Date,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::Bytes,
        ty if ty.is_floating() || matches!(ty, DataType::Decimal128(_, _)) => Type::Float64,
        _ => return None,
    })
}

#[derive(Debug, Default)]
struct Seen {
    columns: Vec<SeenColumn>,
    records: u64,
    refused: u64,
    separator: Option<char>,
}

/// What all of a column's values have been so far.
#[derive(Debug)]
struct SeenColumn {
    name: String,
    values: u64,
    bools: bool,
    flags: bool,
    whole: bool,
    numbers: bool,
    /// Every value is an instant as text, or a likely epoch number; and is any of them text?
    instants: bool,
    any_instant_text: bool,
    /// Is any of them `-`, which many exporters write for no value?
    dashes: bool,
    /// What a typed file says.
    declared: Option<Type>,
}

impl Seen {
    fn drafted(self, format: Format, name_hint: &str) -> Inferred {
        let file = name_hint.rsplit('/').next().unwrap_or(name_hint);
        let name = draft::identifier(file.split('.').next().unwrap_or(""));
        let columns = draft::columns(self.columns.iter().map(|column| (column.name.as_str(), column.decided())));
        Inferred {
            source_yaml: draft::source_yaml(&name, format, &columns),
            flows_sql: draft::flows_sql(&name, &columns),
            name,
            format,
            columns: columns.into_iter().map(|column| column.field).collect(),
            records: self.records,
            refused: self.refused,
            separator: self.separator,
        }
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let options = FormatOptions::new();
        self.records += length(batch.num_rows());
        let columns = batch.schema_ref().fields().iter().zip(batch.columns());
        for (field, column) in columns.filter(|(field, _)| !field.data_type().is_nested()) {
            let text = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
            let formatter = ArrayFormatter::try_new(column, &options)?;
            for row in 0..column.len() {
                let value = column.is_valid(row).then(|| formatter.value(row).to_string());
                self.see(field.name(), value.as_deref(), text);
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    fn json(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()).take(RECORDS_MAX) {
            self.records += 1;
            match serde_json::from_str(line) {
                Ok(object @ Value::Object(_)) => self.member("", &object),
                _ => self.refused += 1,
            }
        }
    }

    fn member(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let nested = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                    self.member(&nested, value);
                }
            }
            Value::Null => self.see(name, None, false),
            Value::Bool(value) => self.see(name, Some(&value.to_string()), false),
            Value::Number(value) => self.see(name, Some(&value.to_string()), false),
            Value::String(value) => self.see(name, Some(value), true),
            Value::Array(items) => {
                let names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                self.see(name, Some(&names.join(",")), true);
            }
        }
    }

    fn csv(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut header: Option<CsvHeader> = None;
        let mut fields = CsvFields::default();
        let mut at = 0;
        while at < bytes.len() && self.records < length(RECORDS_MAX) {
            let end = CsvState::default().record_end(bytes, at).unwrap_or(bytes.len());
            let record = bytes[at..end].trim_ascii_end();
            at = end;
            let Some(header) = &header else {
                header = (!record.is_empty()).then(|| CsvHeader::new(record));
                if let Some([only]) = header.as_ref().map(|header| header.names.as_slice()) {
                    self.separator = only.chars().find(|c| matches!(c, ';' | '\t' | '|'));
                }
                continue;
            };
            if record.is_empty() {
                continue;
            }
            self.records += 1;
            fields.split(record);
            if fields.len() != header.names.len() {
                self.refused += 1;
                continue;
            }
            for (index, name) in header.names.iter().enumerate() {
                self.see(name, Some(&String::from_utf8_lossy(fields.get(index))), true);
            }
        }
    }

    fn zeek(&mut self, text: &str) {
        let mut header = ZeekHeader::default();
        for line in text.lines().take(RECORDS_MAX) {
            if header.read_all(line.as_bytes()) || line.trim().is_empty() {
                continue;
            }
            self.records += 1;
            match header.texts(line.as_bytes()) {
                Some(values) => values.into_iter().for_each(|(name, value)| self.see(&name, value.as_deref(), true)),
                None => self.refused += 1,
            }
        }
    }

    /// Takes a value into account; `None` is null.
    fn see(&mut self, name: &str, value: Option<&str>, text: bool) {
        let index = match self.columns.iter().position(|column| column.name == name) {
            Some(index) => index,
            None if self.columns.len() < COLUMNS_MAX && !name.is_empty() => {
                self.columns.push(SeenColumn::new(name));
                self.columns.len() - 1
            }
            None => return,
        };
        if let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) {
            self.columns[index].see(value, text);
        }
    }
}

impl SeenColumn {
    fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self {
            name,
            values: 0,
            bools: true,
            flags: true,
            whole: true,
            numbers: true,
            instants: true,
            any_instant_text: false,
            dashes: false,
            declared: None,
        }
    }

    fn see(&mut self, value: &str, text: bool) {
        if text && value == "-" {
            self.dashes = true;
            return;
        }
        self.values += 1;
        let number = value.parse::<f64>().is_ok_and(f64::is_finite);
        // `007` is a name that has digits.
        let name = text && value.len() > 1 && value.starts_with('0') && !value.starts_with("0.");
        self.bools &= matches!(value, "true" | "false");
        self.flags &= flags_of_text(value.as_bytes()).is_some();
        self.numbers &= number && !name;
        let whole = value.strip_suffix(".0").unwrap_or(value);
        self.whole &= whole.parse::<i64>().is_ok() && !name;
        let instant_text = !number && instant_of_text(value.as_bytes(), Epoch::Auto).is_some();
        let epoch = instant_of_number(value.as_bytes(), Epoch::Auto).is_some_and(|at| EPOCH_MICROS.contains(&at));
        self.instants &= instant_text || epoch;
        self.any_instant_text |= instant_text;
    }

    fn decided(&self) -> Decided {
        match self.without_dashes() {
            (ty, decode) if !self.dashes => Decided { ty, decode, holds: None },
            // SAFE_CAST makes these of a text, and NULL of `-`.
            (ty @ (Type::String | Type::Bool | Type::Int64 | Type::Float64), Decode::Plain) => {
                Decided { ty: Type::String, decode: Decode::Plain, holds: Some(ty) }
            }
            _ => Decided { ty: Type::String, decode: Decode::Plain, holds: None },
        }
    }

    fn without_dashes(&self) -> (Type, Decode) {
        let name = self.name.to_ascii_lowercase();
        let of_time = ["time", "date", "start", "end", "seen"].iter().any(|word| name.contains(word));
        match self {
            Self { declared: Some(Type::Timestamp), .. } => (Type::Timestamp, Decode::TimeAuto),
            Self { declared: Some(ty), .. } => (*ty, Decode::Plain),
            Self { values: 0, .. } => (Type::String, Decode::Plain),
            Self { flags: true, .. } if name.contains("flag") => (Type::Int64, Decode::TcpFlags),
            Self { bools: true, .. } => (Type::Bool, Decode::Plain),
            Self { instants: true, any_instant_text: true, .. } => (Type::Timestamp, Decode::TimeAuto),
            Self { instants: true, .. } if of_time || name == "ts" => (Type::Timestamp, Decode::TimeAuto),
            Self { whole: true, .. } => (Type::Int64, Decode::Plain),
            Self { numbers: true, .. } => (Type::Float64, Decode::Plain),
            _ => (Type::String, Decode::Plain),
        }
    }
}
