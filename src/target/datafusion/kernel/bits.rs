//! Operations on bits.

use datafusion::arrow::array::{BinaryArray, Int64Array};

use crate::language::function::Id;
use crate::record::Type;
use crate::target::datafusion::kernel_expr::Kernel;

use super::kernel;

pub(super) fn of(id: Id, ty: Type) -> Option<Kernel> {
    match (id, ty) {
        (Id::BitNot, _) => kernel(|inputs| inputs.unary::<Int64Array, i64, Int64Array>(|a| Ok(Some(!a)))),
        (Id::BitCount, Type::Bytes) => kernel(|inputs| {
            inputs.unary::<BinaryArray, i64, Int64Array>(|bytes| {
                Ok(Some(bytes.iter().map(|b| i64::from(b.count_ones())).sum()))
            })
        }),
        (Id::BitCount, _) => {
            kernel(|inputs| inputs.unary::<Int64Array, i64, Int64Array>(|a| Ok(Some(i64::from(a.count_ones())))))
        }
        _ => kernel(move |inputs| {
            inputs.binary::<Int64Array, Int64Array, i64, Int64Array>(|a, b| {
                Ok(Some(match id {
                    Id::BitAnd => a & b,
                    Id::BitOr => a | b,
                    Id::BitXor => a ^ b,
                    _ => shift(id, a, b)?,
                }))
            })
        }),
    }
}

/// Bits that are moved out are lost, zeros come in.
fn shift(id: Id, a: i64, by: i64) -> Result<i64, String> {
    let Ok(by) = u32::try_from(by.min(i64::from(i64::BITS))) else {
        return Err(format!("a shift by {by}, which is negative"));
    };
    let bits = a.cast_unsigned();
    let moved = if id == Id::ShiftLeft { bits.checked_shl(by) } else { bits.checked_shr(by) };
    Ok(moved.unwrap_or(0).cast_signed())
}
