//! Pseudonyms of a column's values.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray, StringBuilder};
use datafusion::arrow::error::ArrowError;

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

/// The same of a whole column of texts, as a record has it. What is no text is an error, and never left as it is.
pub fn pseudonyms(key: &MacKey, id: &str, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some(values) = column.as_string_opt::<i32>() else {
        let found = column.data_type();
        return Err(ArrowError::InvalidArgumentError(format!("pseudonyms are made of STRING, and not of {found}")));
    };
    let mut made = StringBuilder::with_capacity(values.len(), values.len() * (id.len() + 1 + 2 * CODE_BYTES));
    values.iter().for_each(|value| made.append_option(value.map(|value| key.pseudonym(id, value.as_bytes()))));
    Ok(Arc::new(made.finish()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        Array, ArrayRef, AsArray, BinaryArray, LargeStringArray, StringArray, StringViewArray,
    };

    use super::pseudonyms;
    use crate::record::MacKey;

    #[test]
    fn what_is_no_text_is_not_let_through() {
        let key = MacKey::parse("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").expect("a key");
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("ann"), None]));
        let made = pseudonyms(&key, "k1", &texts).expect("texts");
        let made = made.as_string::<i32>();
        assert_eq!((made.value(0), made.is_null(1)), ("k1_07db5b4bba5fef53c763f1a9cb1ae82c", true));
        let others: [ArrayRef; 3] = [
            Arc::new(LargeStringArray::from(vec!["ann"])),
            Arc::new(StringViewArray::from(vec!["ann"])),
            Arc::new(BinaryArray::from_vec(vec![b"ann"])),
        ];
        for other in others {
            let error = pseudonyms(&key, "k1", &other).expect_err("no texts").to_string();
            assert!(error.contains("pseudonyms are made of STRING") && !error.contains("ann"), "{error}");
        }
    }
}
