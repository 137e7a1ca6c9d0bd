//! A plan's lookups as expressions and joins read them, and its pseudonym keys.

mod file;
mod index;
mod members;
mod prefix;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_empty_array};
use datafusion::arrow::compute::{filter_record_batch, prep_null_mask_filter};
use datafusion::arrow::datatypes::Schema;
use datafusion::common::ScalarValue;

use crate::language::tree::LookupValues;
use crate::plan::{LookupPlan, Plan};
use crate::record::{Column, MacKey, Period, PseudonymKey, Value};

use super::kernel_expr::Kernel;
use super::lower::{lower, scalar};
use super::{EvaluateError, LowerContext, LowerError, evaluate};

pub use index::{LookupIndex, pick};

/// Each set and each index is made once, for the first that needs it, and shared by all expressions and joins: a
/// lookup may have many rows, and many rules.
#[derive(Default)]
pub struct Lookups {
    all: Vec<Lookup>,
    keys: Vec<PseudonymKey>,
}

/// Key columns, and whether they are networks.
type IndexKey = (Vec<usize>, bool);

struct Lookup {
    plan: Arc<LookupPlan>,
    columns: OnceCell<Vec<ArrayRef>>,
    /// Sets of the values of one column.
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
        Self { all: lookups.collect(), keys: Vec::new() }
    }

    /// Those of a plan, with its keys.
    pub fn of(plan: &Plan) -> Self {
        Self { keys: plan.pseudonym_keys.clone(), ..Self::new(&plan.lookups) }
    }

    /// The key with this id, when it is there.
    pub fn key(&self, id: &str) -> Result<Arc<MacKey>, LowerError> {
        let key = self.keys.iter().find(|key| key.id == id).ok_or(LowerError::Arguments("pseudonymize"))?;
        Ok(Arc::clone(key.key.as_ref().map_err(Clone::clone)?))
    }

    fn get(&self, lookup: usize) -> Result<&Lookup, LowerError> {
        self.all.get(lookup).ok_or(LowerError::Lookup(lookup))
    }

    /// A kernel over (value, event time): is the value in that set then?
    pub(super) fn members(&self, set: &[LookupValues]) -> Result<Kernel, LowerError> {
        if let [part] = set
            && let Some(column) = part.plain_column()
        {
            let lookup = self.get(part.lookup)?;
            if let Some(kernel) = lookup.members.borrow().get(&column) {
                return Ok(Arc::clone(kernel));
            }
            let kernel = members::kernel(&self.values(part)?, part.value.ty);
            lookup.members.borrow_mut().insert(column, Arc::clone(&kernel));
            return Ok(kernel);
        }
        let mut values = Vec::new();
        for part in set {
            values.extend(self.values(part)?);
        }
        let ty = set.first().map(|part| part.value.ty).ok_or(LowerError::Arguments("IN"))?;
        Ok(members::kernel(&values, ty))
    }

    /// The values of one part, each with the period of its row.
    fn values(&self, part: &LookupValues) -> Result<Vec<(Value, Period)>, LowerError> {
        let lookup = self.get(part.lookup)?;
        let plan = &lookup.plan;
        if let Some(column) = part.plain_column() {
            let cell = |row: &Vec<Value>| row.get(column).cloned().ok_or(LowerError::Column(column));
            return plan.rows.iter().zip(&plan.valid).map(|(row, valid)| Ok((cell(row)?, *valid))).collect();
        }
        let columns: Vec<Column> =
            plan.fields.iter().map(|field| Column::new(field.name.clone(), field.ty, field.nullable)).collect();
        let context = LowerContext { columns: &columns, lookups: self, event_time: None };
        let fields: Vec<_> = columns.iter().map(|column| column.field()).collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), lookup.columns()?.to_vec())?;
        let failed = |error: EvaluateError| LowerError::LookupRow(plan.name.clone(), error);
        let keep = match &part.filter {
            Some(filter) => Some(evaluate(&lower(filter, &context)?, &rows).map_err(failed)?),
            None => None,
        };
        // Only rows that count have to have a value.
        let (mut kept, mut valid) = (rows, plan.valid.clone());
        if let Some(keep) = keep {
            let mask = keep.as_boolean();
            let mask = if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() };
            valid = valid.into_iter().zip(mask.values()).filter(|(_, keep)| *keep).map(|(valid, _)| valid).collect();
            kept = filter_record_batch(&kept, &mask)?;
        }
        let values = evaluate(&lower(&part.value, &context)?, &kept).map_err(failed)?;
        Ok(valid.into_iter().enumerate().map(|(row, valid)| (Value::at(&values, row, part.value.ty), valid)).collect())
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
