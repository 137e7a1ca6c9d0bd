//! What a lookup reads of a file: a row for each network, of typed values.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use maxminddb::MaxMindDbError;

use crate::record::{Network, Type, Value};

use super::any::Any;
use super::database::{Damaged, Database, Found};
use super::path::Path;
use super::survey::Kind;

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The network itself.
    Network,
    /// The record, there.
    Record(Path),
}

#[derive(Debug)]
pub struct Table {
    /// From the project's folder.
    pub path: String,
    pub columns: Vec<(Source, Type)>,
    /// `None`: the file is not there, and nothing is found.
    pub database: Option<Database>,
    /// By column: was a value of another type, and so NULL?
    strange: Vec<AtomicBool>,
}

/// A value of a record as a column's type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Value(Value),
    Absent,
    /// Of a type that the column does not have.
    Strange(Kind),
}

impl Table {
    pub fn new(path: String, columns: Vec<(Source, Type)>, database: Option<Database>) -> Self {
        let strange = columns.iter().map(|_| AtomicBool::new(false)).collect();
        Self { path, columns, database, strange }
    }

    /// SHA-256 of the file; empty where there is none.
    pub fn digest(&self) -> &str {
        self.database.as_ref().map_or("", Database::digest)
    }

    /// The row of the network that has an address.
    pub fn find(&self, address: IpAddr) -> Result<Option<Vec<Value>>, Damaged> {
        let Some(database) = &self.database else { return Ok(None) };
        let found = database.find(address).map_err(|error| self.named(error))?;
        found.map(|found| self.row(&found)).transpose()
    }

    /// All rows, each with its network, in the order of the tree.
    pub fn rows(&self) -> Result<impl Iterator<Item = Result<(Network, Vec<Value>), Damaged>> + '_, Damaged> {
        let networks = self.database.as_ref().map(Database::networks).transpose().map_err(|error| self.named(error))?;
        let rows = networks.into_iter().flatten().map(|found| {
            let found = found.map_err(|error| self.named(error))?;
            Ok((found.network, self.row(&found)?))
        });
        Ok(rows)
    }

    /// Columns in which a value that was read so far had another type, by index.
    pub fn strange(&self) -> Vec<usize> {
        let strange = self.strange.iter().enumerate().filter(|(_, strange)| strange.load(Ordering::Relaxed));
        strange.map(|(column, _)| column).collect()
    }

    fn row(&self, found: &Found<'_>) -> Result<Vec<Value>, Damaged> {
        let cells = self.columns.iter().zip(&self.strange).map(|((source, ty), strange)| {
            Ok(match cell(found, source, *ty).map_err(|error| self.named(error))? {
                Cell::Value(value) => value,
                Cell::Absent => Value::Null(*ty),
                Cell::Strange(_) => {
                    strange.store(true, Ordering::Relaxed);
                    Value::Null(*ty)
                }
            })
        });
        cells.collect()
    }

    pub(super) fn named(&self, error: Damaged) -> Damaged {
        Damaged(format!("{} is damaged: {error}", self.path))
    }
}

pub(super) fn cell(found: &Found<'_>, source: &Source, ty: Type) -> Result<Cell, Damaged> {
    let Source::Record(path) = source else { return Ok(Cell::Value(Value::String(found.network.to_string()))) };
    match found.record.decode_path::<Any>(&path.elements()) {
        Ok(Some(value)) => Ok(typed(value, ty)),
        // Where a part of the path leads into something that has no parts, there is nothing either.
        Ok(None) | Err(MaxMindDbError::Decoding { .. }) => Ok(Cell::Absent),
        Err(error) => Err(error.into()),
    }
}

fn typed(value: Any, ty: Type) -> Cell {
    let kind = Kind::of(&value);
    let value = match (ty, value) {
        (Type::String, Any::Text(text)) => Some(Value::String(text)),
        (Type::Bool, Any::Bool(flag)) => Some(Value::Bool(flag)),
        (Type::Int64, Any::Integer(number)) => i64::try_from(number).ok().map(Value::Int64),
        #[expect(clippy::cast_precision_loss, reason = "as GoogleSQL rounds an INT64")]
        (Type::Float64, Any::Integer(number)) => i64::try_from(number).ok().map(|number| Value::Float64(number as f64)),
        // As everywhere: neither is a value.
        (Type::Float64, Any::Float(number)) if !number.is_finite() => return Cell::Absent,
        (Type::Float64, Any::Float(number)) => Some(Value::Float64(number)),
        _ => None,
    };
    value.map_or(Cell::Strange(kind), Cell::Value)
}
