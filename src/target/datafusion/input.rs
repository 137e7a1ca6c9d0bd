//! Arguments of a kernel: arrays, or one value for all rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayAccessor, ArrayRef, Datum};

/// The evaluated arguments of one call.
pub(super) struct Inputs {
    pub columns: Vec<Input>,
    pub rows: usize,
}

pub(super) struct Input {
    pub array: ArrayRef,
    /// The array holds one value, which stands for every row.
    pub scalar: bool,
}

impl Datum for Input {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.scalar)
    }
}

impl Input {
    /// The array, a single value repeated.
    pub fn expanded(&self, rows: usize) -> Result<ArrayRef, String> {
        if !self.scalar {
            return Ok(Arc::clone(&self.array));
        }
        let indices = datafusion::arrow::array::UInt32Array::from_value(0, rows);
        datafusion::arrow::compute::take(&self.array, &indices, None).map_err(|e| e.to_string())
    }
}

/// Typed access to one argument, by row.
pub(super) struct Cells<'a, A> {
    array: &'a A,
    /// 0 for a single value, so that every row reads it.
    step: usize,
}

impl<'a, A> Cells<'a, A>
where
    &'a A: ArrayAccessor,
{
    pub fn get(&self, row: usize) -> Option<<&'a A as ArrayAccessor>::Item> {
        let index = row * self.step;
        let array = self.array;
        if array.is_null(index) { None } else { Some(ArrayAccessor::value(&array, index)) }
    }
}

impl Inputs {
    /// The arguments of some rows.
    pub fn slice(&self, from: usize, rows: usize) -> Self {
        let part = |input: &Input| Input {
            array: if input.scalar { Arc::clone(&input.array) } else { input.array.slice(from, rows) },
            scalar: input.scalar,
        };
        Self { columns: self.columns.iter().map(part).collect(), rows }
    }

    pub fn input(&self, index: usize) -> Result<&Input, String> {
        self.columns.get(index).ok_or_else(|| format!("argument {index} is missing"))
    }

    pub fn cells<A: Array + 'static>(&self, index: usize) -> Result<Cells<'_, A>, String> {
        let input = self.input(index)?;
        let array = input.array.as_any().downcast_ref::<A>();
        let array = array.ok_or_else(|| format!("argument {index} is {}", input.array.data_type()))?;
        Ok(Cells { array, step: usize::from(!input.scalar) })
    }

    /// The same of an argument that may be left out.
    pub fn optional<A: Array + 'static>(&self, index: usize) -> Result<Option<Cells<'_, A>>, String> {
        if index < self.columns.len() { self.cells(index).map(Some) } else { Ok(None) }
    }

    /// Computes each row from one argument; NULL stays NULL.
    pub fn unary<'a, A, T, O>(
        &'a self,
        f: impl Fn(<&'a A as ArrayAccessor>::Item) -> Result<Option<T>, String>,
    ) -> Result<ArrayRef, String>
    where
        A: Array + 'static,
        &'a A: ArrayAccessor,
        O: Array + FromIterator<Option<T>> + 'static,
    {
        let a = self.cells::<A>(0)?;
        let rows = (0..self.rows).map(|row| a.get(row).map_or(Ok(None), &f));
        Ok(Arc::new(rows.collect::<Result<O, String>>()?))
    }

    /// Computes each row from two arguments; NULL in either gives NULL.
    pub fn binary<'a, A, B, T, O>(
        &'a self,
        f: impl Fn(<&'a A as ArrayAccessor>::Item, <&'a B as ArrayAccessor>::Item) -> Result<Option<T>, String>,
    ) -> Result<ArrayRef, String>
    where
        A: Array + 'static,
        B: Array + 'static,
        &'a A: ArrayAccessor,
        &'a B: ArrayAccessor,
        O: Array + FromIterator<Option<T>> + 'static,
    {
        let (a, b) = (self.cells::<A>(0)?, self.cells::<B>(1)?);
        let rows = (0..self.rows).map(|row| match (a.get(row), b.get(row)) {
            (Some(a), Some(b)) => f(a, b),
            _ => Ok(None),
        });
        Ok(Arc::new(rows.collect::<Result<O, String>>()?))
    }
}
