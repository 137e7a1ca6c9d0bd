//! A plan's lookups as expressions and joins read them.

mod index;
mod members;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, new_empty_array};
use datafusion::common::ScalarValue;

use crate::plan::LookupPlan;

use super::LowerError;
use super::kernel_expr::Kernel;
use super::lower::scalar;

pub use index::LookupIndex;

/// Each set and each index is made once, for the first that needs it, and shared by all expressions and joins: a
/// lookup may have many rows, and many rules.
#[derive(Default)]
pub struct Lookups(Vec<Lookup>);

/// Key columns, and whether they are networks.
type IndexKey = (Vec<usize>, bool);

struct Lookup {
    plan: Arc<LookupPlan>,
    columns: OnceCell<Vec<ArrayRef>>,
    /// By column.
    members: RefCell<HashMap<usize, Kernel>>,
    indexes: RefCell<HashMap<IndexKey, Arc<LookupIndex>>>,
}

impl Lookups {
    pub fn new(plans: &[Arc<LookupPlan>]) -> Self {
        let lookups = plans.iter().map(|plan| Lookup {
            plan: Arc::clone(plan),
            columns: OnceCell::new(),
            members: RefCell::default(),
            indexes: RefCell::default(),
        });
        Self(lookups.collect())
    }

    fn get(&self, lookup: usize) -> Result<&Lookup, LowerError> {
        self.0.get(lookup).ok_or(LowerError::Lookup(lookup))
    }

    /// A kernel over (value, event time): is the value in that column then?
    pub(super) fn members(&self, lookup: usize, column: usize) -> Result<Kernel, LowerError> {
        let lookup = self.get(lookup)?;
        let field = lookup.plan.fields.get(column).ok_or(LowerError::Column(column))?;
        let mut made = lookup.members.borrow_mut();
        let kernel = made.entry(column).or_insert_with(|| members::kernel(&lookup.plan, column, field.ty));
        Ok(Arc::clone(kernel))
    }

    /// The rows by some columns, or by the one column of networks.
    pub fn index(
        &self,
        lookup: usize,
        columns: &[usize],
        longest_prefix: bool,
    ) -> Result<Arc<LookupIndex>, LowerError> {
        let lookup = self.get(lookup)?;
        let key = (columns.to_vec(), longest_prefix);
        if let Some(index) = lookup.indexes.borrow().get(&key) {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(LookupIndex::new(&lookup.plan, lookup.columns()?, columns, longest_prefix)?);
        lookup.indexes.borrow_mut().insert(key, Arc::clone(&index));
        Ok(index)
    }
}

impl Lookup {
    fn columns(&self) -> Result<&[ArrayRef], LowerError> {
        if let Some(columns) = self.columns.get() {
            return Ok(columns);
        }
        let columns = self.plan.fields.iter().enumerate().map(|(index, field)| {
            if self.plan.rows.is_empty() {
                return Ok(new_empty_array(&field.ty.arrow()));
            }
            Ok(ScalarValue::iter_to_array(self.plan.rows.iter().map(|row| scalar(&row[index])))?)
        });
        let columns = columns.collect::<Result<Vec<_>, LowerError>>()?;
        Ok(self.columns.get_or_init(|| columns))
    }
}
