//! Base64, and bytes as text.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use datafusion::arrow::array::{BinaryArray, StringArray};

use crate::language::function::Id;
use crate::target::datafusion::kernel_expr::Kernel;

use super::kernel;

/// As GoogleSQL reads it: padding may be left out, and bits behind the last byte do not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) fn of(id: Id) -> Option<Kernel> {
    match id {
        Id::ToBase64 => {
            kernel(|inputs| inputs.unary::<BinaryArray, String, StringArray>(|bytes| Ok(Some(BASE64.encode(bytes)))))
        }
        Id::FromBase64 => kernel(|inputs| {
            inputs.unary::<StringArray, Vec<u8>, BinaryArray>(|text| {
                let text: String = text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '\u{b}').collect();
                // A point at the end pads as well.
                let (data, padding) = text.split_at(text.trim_end_matches(['=', '.']).len());
                let text = format!("{data}{}", padding.replace('.', "="));
                // Padding is whole or left out.
                let whole = !text.contains('=') || text.len().is_multiple_of(4);
                let decoded = if whole { BASE64.decode(text).ok() } else { None };
                decoded.map(Some).ok_or_else(|| "not Base64".into())
            })
        }),
        _ => kernel(|inputs| inputs.unary::<BinaryArray, String, StringArray>(|bytes| Ok(Some(text(bytes))))),
    }
}

/// Each byte that is not UTF-8 becomes a character of its own.
fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => return out + text,
            Err(error) => error.valid_up_to(),
        };
        let (text, bad) = rest.split_at(valid);
        out.push_str(&String::from_utf8_lossy(text));
        out.push(char::REPLACEMENT_CHARACTER);
        rest = bad.get(1..).unwrap_or_default();
    }
}
