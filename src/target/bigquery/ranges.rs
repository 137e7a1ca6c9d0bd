//! Lookups whose rows are a file's networks: a table of ranges, which is loaded, and the join that finds in it.
//!
//! The table has the lookup's columns, and the first and last address of each network with its length. An address finds its
//! network by equality alone: cut to each length that occurs there, it is the first address of the network of that length
//! that has it. So millions of ranges are joined by their hashes, and nothing is compared with each of them.

use crate::mmdb::Damaged;
use crate::plan::LookupPlan;
use crate::record::{Column, Network, Type, Value};

use super::file::File;
use super::query::{Query, Step, comment, select};
use super::scope::Rows;
use super::text::{fresh, name};

/// Made from what a lookup has, under names that its own columns do not have.
const RANGE: [(&str, Type); 3] =
    [("first_address", Type::Bytes), ("last_address", Type::Bytes), ("prefix_length", Type::Int64)];

pub(super) fn is_loaded(lookup: &LookupPlan) -> bool {
    lookup.table.is_some()
}

/// The names of [`RANGE`].
fn range_names(lookup: &LookupPlan) -> [String; 3] {
    RANGE.map(|(base, _)| fresh(base, lookup.fields.iter().map(|field| field.name.as_str())))
}

/// Of the table.
pub fn range_columns(lookup: &LookupPlan) -> Vec<Column> {
    let own = lookup.fields.iter().map(|f| Column::new(f.name.clone(), f.ty, f.nullable));
    let range = range_names(lookup).into_iter().zip(RANGE).map(|(name, (_, ty))| Column::new(name, ty, false));
    own.chain(range).collect()
}

/// Rows of the table; none where there is no file.
pub fn range_rows(lookup: &LookupPlan) -> Result<impl Iterator<Item = Result<Vec<Value>, Damaged>> + '_, Damaged> {
    let rows = lookup.table.as_ref().map(|table| table.rows()).transpose()?;
    Ok(rows.into_iter().flatten().map(|row| {
        let (network, mut row) = row?;
        row.extend(range(network));
        Ok(row)
    }))
}

fn range(network: Network) -> [Value; 3] {
    let bytes = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(v4) => Value::Bytes(v4.octets().to_vec()),
        std::net::IpAddr::V6(v6) => Value::Bytes(v6.octets().to_vec()),
    };
    [bytes(network.base()), bytes(network.last()), Value::Int64(network.length().into())]
}

/// Its rows are nowhere else.
pub(super) fn query(lookup: &LookupPlan) -> Query {
    let file = lookup.table.as_ref().map_or("", |table| &table.path);
    Query {
        comment: format!("The networks of {file}, loaded by `tripline backfill`."),
        steps: Vec::new(),
        body: format!("SELECT * FROM {}", name(&lookup.name)),
    }
}

/// Made where it is not there.
pub(super) fn file(lookup: &LookupPlan, path: String) -> File {
    let table = lookup.table.as_ref().map_or("", |table| &table.path);
    let about = format!(
        "The networks of {table}, no two of which share an address. `tripline backfill --target bigquery` loads them, or\n\
         `tripline compile --relation {} --rows FILE.parquet` writes them to be loaded.",
        lookup.name
    );
    let text = format!("{}{}", comment(&about, ""), create(lookup, &lookup.name, "CREATE TABLE IF NOT EXISTS", LABELS));
    File { path, text }
}

const LABELS: &str = "labels = [('tripline', 'ranges')]";
/// How long rows wait to be put into their table, at most.
const WAITING: &str = "expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 24 HOUR)";

fn create(lookup: &LookupPlan, table: &str, head: &str, options: &str) -> String {
    let columns: Vec<String> = range_columns(lookup).iter().map(|c| format!("{} {}", name(&c.name), c.ty)).collect();
    format!("{head} {} (\n  {}\n)\nOPTIONS ({options});\n", name(table), columns.join(",\n  "))
}

/// A table for the rows of a file, until all are there.
pub fn create_waiting_ranges(lookup: &LookupPlan, waiting: &str) -> String {
    create(lookup, waiting, "CREATE TABLE", WAITING)
}

/// Readers see the rows of the file before or those of this one.
pub fn replace_ranges(lookup: &LookupPlan, waiting: &str) -> String {
    let digest = lookup.table.as_ref().map_or("", |table| table.digest());
    let columns: Vec<String> = range_columns(lookup).iter().map(|column| name(&column.name)).collect();
    format!(
        "-- SHA-256 of the file: {digest}\nCREATE OR REPLACE TABLE {}\nOPTIONS ({LABELS}) AS\n{};\n",
        name(&lookup.name),
        select(&columns, &name(waiting), &[])
    )
}

/// An empty table in the place of one that is not there.
pub(super) fn absent(lookup: &LookupPlan) -> Step {
    let columns = range_columns(lookup);
    let items: Vec<String> =
        columns.iter().map(|column| format!("CAST(NULL AS {}) AS {}", column.ty, name(&column.name))).collect();
    Step {
        name: name(&lookup.name),
        comment: "Its table is not there.".to_owned(),
        sql: select(&items, "UNNEST(ARRAY<INT64>[])", &[]),
    }
}

/// Each address once, beside the row of its network. Gives the step's column of addresses.
pub(super) fn step(there: &LookupPlan, address: &str, rows: &Rows, step: &str) -> (Step, String) {
    let table = name(&there.name);
    let fields = || there.fields.iter().map(|field| field.name.as_str());
    let found = fresh("address", fields());
    let [first, _, length] = range_names(there).map(|column| name(&column));
    let asked = select(&[format!("DISTINCT {address} AS address")], &rows.from, &rows.range);
    let bytes = "NET.SAFE_IP_FROM_STRING(a.address)";
    let mut items = vec![format!("a.address AS {found}")];
    items.extend(there.fields.iter().map(|field| format!("l.{0} AS {0}", name(&field.name))));
    let tables = format!(
        "(\n  {}\n) AS a\nINNER JOIN (SELECT DISTINCT BYTE_LENGTH({first}) AS bytes, {length} AS bits FROM {table}) AS p\n  ON \
         p.bytes = BYTE_LENGTH({bytes})\nINNER JOIN {table} AS l\n  ON l.{first} = NET.IP_TRUNC({bytes}, LEAST(p.bits, 8 * \
         BYTE_LENGTH({bytes})))\n  AND l.{length} = p.bits",
        asked.replace('\n', "\n  "),
    );
    let longest = format!("\nQUALIFY ROW_NUMBER() OVER (PARTITION BY a.address ORDER BY l.{length} DESC) = 1");
    let sql = select(&items, &tables, &["a.address IS NOT NULL".to_owned()]) + &longest;
    let comment = format!("The row of {} for each address: that of the longest network that has it.", there.name);
    (Step { name: name(step), comment, sql }, found)
}
