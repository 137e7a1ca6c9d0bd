//! Our own computations, where GoogleSQL's differ from DataFusion's.
//!
//! A kernel reads evaluated arguments and returns an array of the result's exact type. It fails on a row that
//! GoogleSQL fails, with what is wrong with the row's value.

mod arithmetic;
mod bits;
mod cast;
mod compare;
mod date;
mod encode;
mod format;
mod hash;
mod hexadecimal;
mod instr;
mod json;
mod math;
mod network;
mod number;
mod occurrence;
mod pad;
mod parse;
mod pattern;
mod pseudonym;
mod text;
mod time;
mod word;

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;

use crate::language::function::Id;
use crate::language::tree::Expr;
use crate::record::Type;

use super::LowerError;
use super::input::Inputs;
use super::kernel_expr::Kernel;

pub(super) use cast::cast;
pub(super) use network::canonical_address;
pub(super) use pseudonym::pseudonymize;
pub use pseudonym::pseudonyms;

type Computed = Result<ArrayRef, String>;

/// A result may not outgrow its text by more than a row may hold.
const RESULT_BYTES_MAX: usize = 1 << 20;

/// A function of the arguments as a kernel.
fn kernel(f: impl Fn(&Inputs) -> Computed + Send + Sync + 'static) -> Option<Kernel> {
    Some(Arc::new(f))
}

/// The kernel of an entry of the function table; `None` for one that needs none, or for wrong arguments.
pub(super) fn of(id: Id, args: &[Expr]) -> Result<Option<Kernel>, LowerError> {
    let ty = args.first().map_or(Type::Int64, |a| a.ty);
    let last = args.last().map_or(Type::Int64, |a| a.ty);
    Ok(match id {
        // By their definitions.
        Id::GeoKm | Id::InCidr => None,
        // Needs a key.
        Id::Pseudonymize => None,
        Id::PortService => kernel(network::port_service),
        Id::And | Id::Or | Id::Not | Id::IsNull | Id::IsNotNull | Id::If | Id::Coalesce | Id::IfNull => None,
        Id::Eq | Id::NotEq | Id::Lt | Id::LtEq | Id::Gt | Id::GtEq => compare::float(id),
        Id::IsDistinctFrom | Id::IsNotDistinctFrom => kernel(move |inputs| compare::distinct(id, inputs)),
        Id::IsTrue | Id::IsNotTrue | Id::IsFalse | Id::IsNotFalse => compare::truth(id),
        Id::NullIf => kernel(compare::null_if),
        Id::Greatest | Id::Least => compare::extreme(id == Id::Greatest, ty),
        Id::Like | Id::RegexpContains | Id::RegexpExtract | Id::RegexpInstr | Id::RegexpReplace => {
            return pattern::of(id, args);
        }
        Id::Add | Id::Subtract | Id::Multiply | Id::Divide | Id::Negate => arithmetic::checked(id, ty),
        Id::SafeAdd | Id::SafeSubtract | Id::SafeMultiply | Id::SafeDivide | Id::SafeNegate => arithmetic::safe(id, ty),
        Id::Div | Id::Mod => arithmetic::whole(id),
        Id::BitAnd | Id::BitOr | Id::BitXor | Id::BitNot | Id::ShiftLeft | Id::ShiftRight | Id::BitCount => {
            bits::of(id, ty)
        }
        Id::Abs | Id::Sign => math::signs(id, ty),
        Id::Round | Id::Trunc => math::digits(id, args.len()),
        Id::Floor | Id::Ceil | Id::Sqrt | Id::Exp | Id::Ln | Id::Log10 | Id::IsNan | Id::IsInf => math::of_one(id),
        Id::Sin | Id::Cos | Id::Tan | Id::Asin | Id::Acos | Id::Atan => math::angle(id),
        Id::Sinh | Id::Cosh | Id::Tanh | Id::Cbrt => math::angle(id),
        Id::Atan2 | Id::Pow | Id::Log => math::of_two(id),
        Id::Concat => text::concat(ty),
        Id::Length | Id::CharLength | Id::ByteLength => text::length(id, ty),
        Id::Lower | Id::Upper | Id::Reverse => text::transform(id, ty),
        Id::Trim | Id::LTrim | Id::RTrim => text::trim(id),
        Id::Substr => text::substr(ty),
        Id::Left | Id::Right => text::end(id == Id::Left, ty),
        Id::StartsWith | Id::EndsWith | Id::StrPos => text::find(id, ty),
        Id::LPad | Id::RPad | Id::Repeat => pad::of(id, ty),
        Id::Instr => instr::instr(ty),
        Id::InitCap | Id::Translate | Id::Soundex | Id::Entropy | Id::Ascii | Id::Unicode | Id::Chr => word::of(id),
        Id::JsonValue | Id::JsonQuery => return json::of(id, args),
        Id::Replace => kernel(text::replace),
        Id::SplitPart => kernel(text::split_part),
        Id::ToBase64 | Id::FromBase64 | Id::SafeConvertBytesToString => encode::of(id),
        Id::ToHex | Id::FromHex | Id::Md5 | Id::Sha1 | Id::Sha256 | Id::Sha512 | Id::FarmFingerprint => {
            hash::of(id, ty)
        }
        Id::TimestampAdd | Id::TimestampSub | Id::TimestampDiff | Id::TimestampTrunc | Id::Extract => {
            return time::with_part(id, ty, args).map(Some);
        }
        Id::UnixMicros
        | Id::UnixMillis
        | Id::UnixSeconds
        | Id::TimestampMicros
        | Id::TimestampMillis
        | Id::TimestampSeconds => time::unix(id),
        Id::TimestampOf => cast(ty, Type::Timestamp, false),
        Id::StringOf => cast(ty, Type::String, false),
        Id::UnixDate | Id::DateFromUnixDate => date::unix(id),
        Id::DateAdd | Id::DateSub | Id::DateDiff | Id::DateTrunc | Id::LastDay => return date::with_part(id, args),
        Id::FormatTimestamp | Id::FormatDate => return format::of(id, args),
        Id::ParseTimestamp | Id::ParseDate => return parse::of(id, args),
        Id::DateOf => time::date(last),
        Id::IpFromString
        | Id::SafeIpFromString
        | Id::IpToString
        | Id::IpNetMask
        | Id::IpTrunc
        | Id::Ipv4ToInt64
        | Id::Ipv4FromInt64 => network::of(id),
    })
}
