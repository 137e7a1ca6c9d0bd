//! Hashes and hexadecimal digits.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BinaryArray, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::functions::crypto::digest;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::language::function::Id;
use crate::record::{Type, fingerprint64};
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{Computed, kernel};

pub(super) fn of(id: Id, ty: Type) -> Option<Kernel> {
    match (id, ty) {
        (Id::ToHex, _) => kernel(|inputs| inputs.unary::<BinaryArray, String, StringArray>(|b| Ok(Some(to_hex(b))))),
        (Id::FromHex, _) => {
            kernel(|inputs| inputs.unary::<StringArray, Vec<u8>, BinaryArray>(|s| from_hex(s).map(Some)))
        }
        (Id::Md5, _) => kernel(md5),
        (Id::FarmFingerprint, Type::Bytes) => {
            kernel(|inputs| inputs.unary::<BinaryArray, i64, Int64Array>(|b| Ok(Some(fingerprint(b)))))
        }
        (Id::FarmFingerprint, _) => {
            kernel(|inputs| inputs.unary::<StringArray, i64, Int64Array>(|s| Ok(Some(fingerprint(s.as_bytes())))))
        }
        (_, Type::Bytes) => {
            kernel(move |inputs| inputs.unary::<BinaryArray, Vec<u8>, BinaryArray>(|b| Ok(Some(sha(id, b)))))
        }
        _ => {
            kernel(move |inputs| inputs.unary::<StringArray, Vec<u8>, BinaryArray>(|s| Ok(Some(sha(id, s.as_bytes())))))
        }
    }
}

fn sha(id: Id, bytes: &[u8]) -> Vec<u8> {
    match id {
        Id::Sha1 => Sha1::digest(bytes).to_vec(),
        Id::Sha256 => Sha256::digest(bytes).to_vec(),
        _ => Sha512::digest(bytes).to_vec(),
    }
}

fn fingerprint(bytes: &[u8]) -> i64 {
    fingerprint64(bytes).cast_signed()
}

/// MD5 comes from DataFusion.
fn md5(inputs: &Inputs) -> Computed {
    let input = inputs.input(0)?;
    let array: ArrayRef = Arc::clone(&input.array);
    let rows = array.len();
    let method = ColumnarValue::Scalar(ScalarValue::Utf8(Some("md5".into())));
    let arg_fields = vec![
        Arc::new(Field::new("data", array.data_type().clone(), true)),
        Arc::new(Field::new("method", DataType::Utf8, true)),
    ];
    let args = ScalarFunctionArgs {
        args: vec![ColumnarValue::Array(array), method],
        arg_fields,
        number_rows: rows,
        return_field: Arc::new(Field::new("digest", DataType::Binary, true)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    let digests = digest().invoke_with_args(args).and_then(|value| value.into_array(rows));
    let digests = digests.map_err(|e| e.to_string())?;
    crate::target::datafusion::input::Input { array: digests, scalar: input.scalar }.expanded(inputs.rows)
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |d: u8| char::from(DIGITS[usize::from(d)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digit = |b: u8| {
        char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or("not hexadecimal digits".to_owned())
    };
    let mut digits: Vec<u8> = Vec::with_capacity(text.len() + 1);
    // An odd number of digits lacks a leading zero.
    if text.len() % 2 == 1 {
        digits.push(0);
    }
    for b in text.bytes() {
        digits.push(digit(b)?);
    }
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
