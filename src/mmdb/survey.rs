//! What the records of a file have for a table's columns: before anything is looked up, wrong paths are found.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::any::Any;
use super::database::{Damaged, Found};
use super::table::{Cell, Table, cell};

/// Networks from the start of the tree that a short look sees.
const FIRST: usize = 1_024;
/// Addresses of each family that it asks for, evenly apart.
const ASKED: u32 = 1_024;
/// Records whose parts are noted, for help.
const NOTED: usize = 64;
/// Parts that are noted.
const PARTS_MAX: usize = 1_000;

/// The type of a value in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Text,
    Bool,
    Integer,
    Float,
    Bytes,
    Map,
    List,
}

impl Kind {
    pub(super) fn of(value: &Any) -> Self {
        match value {
            Any::Text(_) => Self::Text,
            Any::Bool(_) => Self::Bool,
            Any::Integer(_) | Any::Large => Self::Integer,
            Any::Float(_) => Self::Float,
            Any::Bytes => Self::Bytes,
            Any::Map(_) => Self::Map,
            Any::List(_) => Self::List,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Bool => "true or false",
            Self::Integer => "a whole number",
            Self::Float => "a number with a fraction",
            Self::Bytes => "bytes",
            Self::Map => "a mapping",
            Self::List => "a list",
        })
    }
}

/// By column: how many records have a value there.
#[derive(Debug, Default)]
pub struct Survey {
    /// Different ones.
    pub records: u64,
    pub columns: Vec<Seen>,
    /// Where the first records have values, each with its type.
    pub parts: BTreeMap<String, Kind>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of the column's type.
    pub values: u64,
    /// Of other types.
    pub strange: u64,
    /// What these are.
    pub kinds: BTreeSet<Kind>,
}

impl Table {
    /// Looks at some records: all of a small file.
    pub fn glance(&self) -> Result<Survey, Damaged> {
        let mut looking = Looking::new(self);
        if let Some(database) = &self.database {
            let all = database.networks().map_err(|error| self.named(error))?;
            all.take(FIRST).try_for_each(|found| looking.at(&found?)).map_err(|error| self.named(error))?;
            for address in addresses() {
                let found = database.find(address).map_err(|error| self.named(error))?;
                found.map_or(Ok(()), |found| looking.at(&found)).map_err(|error| self.named(error))?;
            }
        }
        Ok(looking.survey)
    }
}

/// In all of IPv4, and in the part of IPv6 that is given out.
fn addresses() -> impl Iterator<Item = IpAddr> {
    let v4 = (0..ASKED).map(|at| Ipv4Addr::from_bits(at * (u32::MAX / ASKED)).into());
    let v6 = (0..ASKED).map(|at| {
        let first = u128::from(0x2000u16) << 112;
        Ipv6Addr::from_bits(first + u128::from(at) * ((1u128 << 125) / u128::from(ASKED))).into()
    });
    v4.chain(v6)
}

struct Looking<'a> {
    table: &'a Table,
    survey: Survey,
    /// Records lie where many networks find them.
    seen: HashSet<usize>,
}

impl<'a> Looking<'a> {
    fn new(table: &'a Table) -> Self {
        let columns = vec![Seen::default(); table.columns.len()];
        Self { table, survey: Survey { columns, ..Survey::default() }, seen: HashSet::new() }
    }

    fn at(&mut self, found: &Found<'_>) -> Result<(), Damaged> {
        if found.record.offset().is_some_and(|offset| !self.seen.insert(offset)) {
            return Ok(());
        }
        self.survey.records += 1;
        for ((source, ty), seen) in self.table.columns.iter().zip(&mut self.survey.columns) {
            match cell(found, source, *ty)? {
                Cell::Value(_) => seen.values += 1,
                Cell::Absent => {}
                Cell::Strange(kind) => {
                    seen.strange += 1;
                    seen.kinds.insert(kind);
                }
            }
        }
        if self.seen.len() <= NOTED
            && let Some(record) = found.record.decode::<Any>()?
        {
            note(&record, String::new(), &mut self.survey.parts);
        }
        Ok(())
    }
}

fn note(value: &Any, path: String, parts: &mut BTreeMap<String, Kind>) {
    let below = |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
    match value {
        Any::Map(entries) => entries.iter().for_each(|(key, value)| note(value, below(key), parts)),
        Any::List(items) => items.iter().take(1).for_each(|value| note(value, below("0"), parts)),
        _ if parts.len() < PARTS_MAX && !path.is_empty() => {
            parts.insert(path, Kind::of(value));
        }
        _ => {}
    }
}
