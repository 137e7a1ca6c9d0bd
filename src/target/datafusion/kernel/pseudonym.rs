//! Pseudonyms of a column's values.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray, StringBuilder};

use crate::record::pseudonym::CODE_BYTES;
use crate::record::{MacKey, Type};
use crate::target::datafusion::kernel_expr::Kernel;

/// A kernel over (value, the key's id): `ty` is the value's.
pub fn pseudonymize(key: Arc<MacKey>, id: &str, ty: Type) -> Kernel {
    let id = id.to_owned();
    Arc::new(move |inputs| match ty {
        Type::Bytes => inputs.unary::<BinaryArray, String, StringArray>(|value| Ok(Some(key.pseudonym(&id, value)))),
        _ => inputs.unary::<StringArray, String, StringArray>(|value| Ok(Some(key.pseudonym(&id, value.as_bytes())))),
    })
}

/// The same of a whole column of texts, as a record has it.
pub fn pseudonyms(key: &MacKey, id: &str, column: &ArrayRef) -> ArrayRef {
    let Some(values) = column.as_string_opt::<i32>() else { return Arc::clone(column) };
    let mut made = StringBuilder::with_capacity(values.len(), values.len() * (id.len() + 1 + 2 * CODE_BYTES));
    values.iter().for_each(|value| made.append_option(value.map(|value| key.pseudonym(id, value.as_bytes()))));
    Arc::new(made.finish())
}
