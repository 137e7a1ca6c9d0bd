//! COALESCE: each argument is computed only for the rows that still need it.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{is_not_null, is_null};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use crate::record::Type;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CoalesceExpr {
    pub args: Vec<Arc<dyn PhysicalExpr>>,
    pub ty: Type,
}

impl PhysicalExpr for CoalesceExpr {
    fn data_type(&self, _input_schema: &Schema) -> Result<DataType> {
        Ok(self.ty.arrow())
    }

    fn nullable(&self, _input_schema: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let mut args = self.args.iter();
        let Some(first) = args.next() else {
            return datafusion::common::exec_err!("COALESCE has no arguments");
        };
        let mut result = first.evaluate(batch)?.into_array(rows)?;
        for arg in args {
            if result.null_count() == 0 {
                break;
            }
            let missing = is_null(&result)?;
            let more = arg.evaluate_selection(batch, &missing)?.into_array(rows)?;
            result = zip(&is_not_null(&result)?, &result, &more)?;
        }
        Ok(ColumnarValue::Array(result))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.args.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { args: children, ty: self.ty }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CoalesceExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("COALESCE(")?;
        for (index, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if index > 0 { ", " } else { "" })?;
        }
        f.write_str(")")
    }
}
