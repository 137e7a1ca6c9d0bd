//! Arithmetic and bits.

use super::short::{BYTES, FLOAT, INT, TO_FLOAT, TO_INT};
use super::{Function, Guard, Id, NullRule, Signature, Syntax, sig};

const NUMBERS: &[Signature] = &[sig(&[INT, INT], TO_INT), sig(&[FLOAT, FLOAT], TO_FLOAT)];
const NUMBER: &[Signature] = &[sig(&[INT], TO_INT), sig(&[FLOAT], TO_FLOAT)];
const FLOATS: &[Signature] = &[sig(&[FLOAT, FLOAT], TO_FLOAT)];
const INTS: &[Signature] = &[sig(&[INT, INT], TO_INT)];

const fn infix(id: Id, name: &'static str, signatures: &'static [Signature], doc: &'static str) -> Function {
    Function::new(id, name, signatures, doc).syntax(Syntax::Infix)
}

pub(super) const OPERATORS: &[Function] = &[
    infix(Id::Add, "+", NUMBERS, "sum; an overflow fails the row").guard(Guard::Domain).examples(&[("1 + 2", "3")]),
    infix(Id::Subtract, "-", NUMBERS, "difference; an overflow fails the row")
        .guard(Guard::Domain)
        .examples(&[("1 - 2", "-1")]),
    infix(Id::Multiply, "*", NUMBERS, "product; an overflow fails the row")
        .guard(Guard::Domain)
        .examples(&[("2 * 2.5", "5.0")]),
    infix(Id::Divide, "/", FLOATS, "quotient as FLOAT64; the divisor is never zero")
        .guard(Guard::NonZeroDivisor)
        .examples(&[("7 / 2", "3.5")]),
    Function::new(Id::Negate, "-", NUMBER, "the opposite number; an overflow fails the row")
        .syntax(Syntax::Prefix)
        .guard(Guard::Domain),
    infix(Id::BitAnd, "&", INTS, "bits that both have").examples(&[("6 & 3", "2")]),
    infix(Id::BitOr, "|", INTS, "bits that one has").examples(&[("6 | 3", "7")]),
    infix(Id::BitXor, "^", INTS, "bits that exactly one has").examples(&[("6 ^ 3", "5")]),
    Function::new(Id::BitNot, "~", &[sig(&[INT], TO_INT)], "all bits turned")
        .syntax(Syntax::Prefix)
        .examples(&[("~0", "-1")]),
    infix(Id::ShiftLeft, "<<", INTS, "bits moved up; 0 when moved by 64 or more")
        .guard(Guard::Domain)
        .examples(&[("1 << 4", "16"), ("1 << 64", "0")]),
    infix(Id::ShiftRight, ">>", INTS, "bits moved down, filled with zeros; 0 when moved by 64 or more")
        .guard(Guard::Domain)
        .examples(&[("16 >> 4", "1")]),
];

pub(super) const NAMED: &[Function] = &[
    Function::new(Id::SafeAdd, "SAFE_ADD", NUMBERS, "sum; NULL on overflow")
        .null(NullRule::Nullable)
        .examples(&[("SAFE_ADD(9223372036854775807, 1)", "NULL")]),
    Function::new(Id::SafeSubtract, "SAFE_SUBTRACT", NUMBERS, "difference; NULL on overflow")
        .null(NullRule::Nullable)
        .examples(&[("SAFE_SUBTRACT(1, 2)", "-1")]),
    Function::new(Id::SafeMultiply, "SAFE_MULTIPLY", NUMBERS, "product; NULL on overflow")
        .null(NullRule::Nullable)
        .examples(&[("SAFE_MULTIPLY(9223372036854775807, 2)", "NULL")]),
    Function::new(Id::SafeDivide, "SAFE_DIVIDE", FLOATS, "quotient; NULL when the divisor is zero")
        .null(NullRule::Nullable)
        .examples(&[("SAFE_DIVIDE(7, 2)", "3.5"), ("SAFE_DIVIDE(7, 0)", "NULL")]),
    Function::new(Id::SafeNegate, "SAFE_NEGATE", NUMBER, "the opposite number; NULL on overflow")
        .null(NullRule::Nullable)
        .examples(&[("SAFE_NEGATE(1)", "-1")]),
    Function::new(Id::Div, "DIV", INTS, "whole quotient, cut towards zero")
        .guard(Guard::NonZeroDivisor)
        .examples(&[("DIV(-7, 2)", "-3")]),
    Function::new(Id::Mod, "MOD", INTS, "remainder with the sign of the first argument")
        .guard(Guard::NonZeroDivisor)
        .examples(&[("MOD(-7, 2)", "-1"), ("MOD(7, NULLIF(0, 0))", "NULL")]),
    Function::new(Id::BitCount, "BIT_COUNT", &[sig(&[INT], TO_INT), sig(&[BYTES], TO_INT)], "how many bits are set")
        .examples(&[("BIT_COUNT(7)", "3")]),
];
