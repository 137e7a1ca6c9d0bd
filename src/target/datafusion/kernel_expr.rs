//! A kernel as an expression of DataFusion.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray, new_null_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use crate::record::Type;

use super::EvaluateError;
use super::input::{Input, Inputs};

/// Computes an array from arguments, or says why a row has no value.
pub(super) type Kernel = Arc<dyn Fn(&Inputs) -> std::result::Result<ArrayRef, String> + Send + Sync>;

/// The same kernel with NULL for the rows that fail it.
pub(super) fn safe(kernel: Kernel, ty: Type) -> Kernel {
    Arc::new(move |inputs| {
        let mut parts = Vec::new();
        try_rows(&kernel, inputs, 0, inputs.rows, &mut parts);
        let computed = parts.iter().flatten().next().map(|part| part.data_type().clone());
        let null = new_null_array(&computed.unwrap_or_else(|| ty.arrow()), 1);
        let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_deref().unwrap_or(null.as_ref())).collect();
        if parts.is_empty() { kernel(inputs) } else { concat(&parts).map_err(|error| error.to_string()) }
    })
}

/// Most batches have no row that fails, or few: they are looked for by halves. `None` stands for one that does.
fn try_rows(kernel: &Kernel, inputs: &Inputs, from: usize, rows: usize, parts: &mut Vec<Option<ArrayRef>>) {
    if rows == 0 {
        return;
    }
    match kernel(&inputs.slice(from, rows)) {
        Ok(array) => parts.push(Some(array)),
        Err(_) if rows == 1 => parts.push(None),
        Err(_) => {
            let half = rows / 2;
            try_rows(kernel, inputs, from, half, parts);
            try_rows(kernel, inputs, from + half, rows - half, parts);
        }
    }
}

/// A call of a kernel.
pub(super) struct KernelExpr {
    pub name: &'static str,
    pub args: Vec<Arc<dyn PhysicalExpr>>,
    pub ty: Type,
    pub kernel: Kernel,
}

impl KernelExpr {
    fn fail(&self, message: String) -> DataFusionError {
        DataFusionError::External(Box::new(EvaluateError { function: self.name.to_owned(), message }))
    }

    fn inputs(&self, batch: &RecordBatch) -> Result<Inputs> {
        let mut columns = Vec::with_capacity(self.args.len());
        for arg in &self.args {
            columns.push(match arg.evaluate(batch)? {
                ColumnarValue::Array(array) => Input { array, scalar: false },
                ColumnarValue::Scalar(value) => Input { array: value.to_array()?, scalar: true },
            });
        }
        Ok(Inputs { columns, rows: batch.num_rows() })
    }
}

impl PhysicalExpr for KernelExpr {
    fn data_type(&self, _input_schema: &Schema) -> Result<DataType> {
        Ok(self.ty.arrow())
    }

    fn nullable(&self, _input_schema: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let mut inputs = self.inputs(batch)?;
        let constant = !inputs.columns.is_empty() && inputs.columns.iter().all(|c| c.scalar);
        if constant {
            inputs.rows = 1;
        }
        let mut array = (self.kernel)(&inputs).map_err(|message| self.fail(message))?;
        if self.ty == Type::Timestamp
            && let Some(times) = array.as_any().downcast_ref::<TimestampMicrosecondArray>()
            && times.timezone().is_none()
        {
            array = Arc::new(times.clone().with_timezone("UTC"));
        }
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.args.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let kernel = Arc::clone(&self.kernel);
        Ok(Arc::new(Self { name: self.name, args: children, ty: self.ty, kernel }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for KernelExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (index, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if index > 0 { ", " } else { "" })?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for KernelExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for KernelExpr {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.ty == other.ty
            && self.args == other.args
            && Arc::ptr_eq(&self.kernel, &other.kernel)
    }
}

impl Eq for KernelExpr {}

impl Hash for KernelExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.ty.hash(state);
        self.args.hash(state);
    }
}
