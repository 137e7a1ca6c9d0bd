//! Mathematics.

use super::short::{FLOAT, INT, TO_BOOL, TO_FLOAT, TO_INT};
use super::{Class, Function, Guard, Id, Signature, sig, sig_optional};

const NUMBER: &[Signature] = &[sig(&[INT], TO_INT), sig(&[FLOAT], TO_FLOAT)];
const FLOAT_ONE: &[Signature] = &[sig(&[FLOAT], TO_FLOAT)];
const DIGITS: &[Signature] = &[sig_optional(&[FLOAT, INT], 1, TO_FLOAT)];
const TEST: &[Signature] = &[sig(&[FLOAT], TO_BOOL)];

/// A function of the mathematics library: engines may differ in the last bit.
const fn library(id: Id, name: &'static str, signatures: &'static [Signature], doc: &'static str) -> Function {
    Function::new(id, name, signatures, doc).guard(Guard::Domain).class(Class::FloatOrder)
}

/// The same, with a value for every number.
const fn everywhere(id: Id, name: &'static str, signatures: &'static [Signature], doc: &'static str) -> Function {
    Function::new(id, name, signatures, doc).class(Class::FloatOrder)
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(Id::Abs, "ABS", NUMBER, "without its sign; an overflow fails the row")
        .guard(Guard::Domain)
        .examples(&[("ABS(-3)", "3")]),
    Function::new(Id::Sign, "SIGN", NUMBER, "-1, 0 or 1").examples(&[("SIGN(-2.5)", "-1.0")]),
    Function::new(Id::Round, "ROUND", DIGITS, "rounded half away from zero, to digits after the point")
        .guard(Guard::Domain)
        .examples(&[("ROUND(2.5)", "3.0"), ("ROUND(-2.5)", "-3.0"), ("ROUND(1234.5, -2)", "1200.0")]),
    Function::new(Id::Floor, "FLOOR", FLOAT_ONE, "the next whole number below").examples(&[("FLOOR(-1.5)", "-2.0")]),
    Function::new(Id::Ceil, "CEIL", FLOAT_ONE, "the next whole number above")
        .aliases(&["CEILING"])
        .examples(&[("CEIL(1.2)", "2.0")]),
    Function::new(Id::Trunc, "TRUNC", DIGITS, "cut towards zero, to digits after the point")
        .guard(Guard::Domain)
        .examples(&[("TRUNC(-1.7)", "-1.0")]),
    library(Id::Sqrt, "SQRT", FLOAT_ONE, "square root; a negative number fails the row")
        .class(Class::Exact)
        .examples(&[("SQRT(9)", "3.0")]),
    library(Id::Pow, "POW", &[sig(&[FLOAT, FLOAT], TO_FLOAT)], "power; an overflow fails the row")
        .aliases(&["POWER"])
        .examples(&[("POW(2, 10)", "1024.0")]),
    library(Id::Exp, "EXP", FLOAT_ONE, "e to a power; an overflow fails the row").examples(&[("EXP(0)", "1.0")]),
    library(Id::Ln, "LN", FLOAT_ONE, "natural logarithm; zero and less fail the row").examples(&[("LN(1)", "0.0")]),
    library(
        Id::Log,
        "LOG",
        &[sig_optional(&[FLOAT, FLOAT], 1, TO_FLOAT)],
        "logarithm to the second argument, natural without it; LN and LOG10 are plainer",
    )
    .examples(&[("LOG(8, 2)", "3.0")]),
    library(Id::Log10, "LOG10", FLOAT_ONE, "logarithm to 10; zero and less fail the row")
        .examples(&[("LOG10(1000)", "3.0")]),
    everywhere(Id::Sin, "SIN", FLOAT_ONE, "sine of an angle in radians").examples(&[("SIN(0)", "0.0")]),
    everywhere(Id::Cos, "COS", FLOAT_ONE, "cosine of an angle in radians").examples(&[("COS(0)", "1.0")]),
    everywhere(Id::Tan, "TAN", FLOAT_ONE, "tangent of an angle in radians").examples(&[("TAN(0)", "0.0")]),
    library(Id::Asin, "ASIN", FLOAT_ONE, "angle of a sine; beyond -1 and 1 the row fails")
        .examples(&[("ASIN(0)", "0.0")]),
    library(Id::Acos, "ACOS", FLOAT_ONE, "angle of a cosine; beyond -1 and 1 the row fails")
        .examples(&[("ACOS(1)", "0.0")]),
    everywhere(Id::Atan, "ATAN", FLOAT_ONE, "angle of a tangent").examples(&[("ATAN(0)", "0.0")]),
    everywhere(Id::Atan2, "ATAN2", &[sig(&[FLOAT, FLOAT], TO_FLOAT)], "angle of a point, ATAN2(y, x)")
        .examples(&[("ATAN2(0, 1)", "0.0")]),
    library(Id::Sinh, "SINH", FLOAT_ONE, "hyperbolic sine; an overflow fails the row").examples(&[("SINH(0)", "0.0")]),
    library(Id::Cosh, "COSH", FLOAT_ONE, "hyperbolic cosine; an overflow fails the row")
        .examples(&[("COSH(0)", "1.0")]),
    everywhere(Id::Tanh, "TANH", FLOAT_ONE, "hyperbolic tangent").examples(&[("TANH(0)", "0.0")]),
    everywhere(Id::Cbrt, "CBRT", FLOAT_ONE, "cube root").examples(&[("CBRT(0)", "0.0")]),
    Function::new(Id::IsNan, "IS_NAN", TEST, "TRUE for NaN").examples(&[("IS_NAN(1)", "FALSE")]),
    Function::new(Id::IsInf, "IS_INF", TEST, "TRUE for an infinity").examples(&[("IS_INF(1)", "FALSE")]),
];
