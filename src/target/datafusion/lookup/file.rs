//! Addresses looked up in a file of networks, one by one: it may have millions, and none is made a row before it is found.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{Array, ArrayRef, StringArray, UInt32Array, new_empty_array};
use datafusion::arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use hashbrown::HashMap;

use crate::mmdb::{Damaged, Table};
use crate::record::Value;

use super::super::lower::scalar;

/// Addresses whose rows are kept; then it begins anew.
const KEPT_MAX: usize = 1 << 16;

type Row = Option<Arc<[Value]>>;

pub struct FileIndex {
    table: Arc<Table>,
    /// What was found before: the same addresses come again and again.
    kept: Mutex<HashMap<IpAddr, Row>>,
}

impl FileIndex {
    pub fn new(table: &Arc<Table>) -> Self {
        Self { table: Arc::clone(table), kept: Mutex::default() }
    }

    /// The rows that the addresses have, and for each address which of them is its own.
    pub fn found(&self, addresses: &StringArray) -> Result<(Vec<ArrayRef>, UInt32Array), ArrowError> {
        // A thread that failed while it held the lock left whole answers behind.
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut rows: Vec<Arc<[Value]>> = Vec::new();
        let mut places: HashMap<IpAddr, Option<u32>> = HashMap::new();
        let mut picks: Vec<Option<u32>> = Vec::with_capacity(addresses.len());
        for text in addresses {
            let Some(address) = text.and_then(|text| text.parse::<IpAddr>().ok()) else {
                picks.push(None);
                continue;
            };
            if let Some(place) = places.get(&address) {
                picks.push(*place);
                continue;
            }
            let place = self.row(address, &mut kept).map_err(|error| ArrowError::ExternalError(error.into()))?;
            let place = place.and_then(|row| {
                rows.push(row);
                u32::try_from(rows.len() - 1).ok()
            });
            places.insert(address, place);
            picks.push(place);
        }
        drop(kept);
        let columns = self.table.columns.iter().enumerate().map(|(column, (_, ty))| {
            if rows.is_empty() {
                return Ok(new_empty_array(&ty.arrow()));
            }
            Ok(ScalarValue::iter_to_array(rows.iter().map(|row| scalar(&row[column])))?)
        });
        Ok((columns.collect::<Result<_, ArrowError>>()?, picks.into()))
    }

    fn row(&self, address: IpAddr, kept: &mut HashMap<IpAddr, Row>) -> Result<Row, Damaged> {
        if let Some(row) = kept.get(&address) {
            return Ok(row.clone());
        }
        let row: Row = self.table.find(address)?.map(Arc::from);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(address, row.clone());
        Ok(row)
    }
}
