//! Comparison, logic and conditionals.

use super::short::{BOOL, SAME, STRING, TO_BOOL, TO_SAME};
use super::{Function, Guard, Id, NullRule, Signature, Syntax, sig, sig_variadic};

const COMPARE: &[Signature] = &[sig(&[SAME, SAME], TO_BOOL)];
const ANY: &[Signature] = &[sig(&[SAME], TO_BOOL)];
const TRUTH: &[Signature] = &[sig(&[BOOL], TO_BOOL)];
const LOGIC: &[Signature] = &[sig_variadic(&[BOOL, BOOL], TO_BOOL)];
const FIRST: &[Signature] = &[sig_variadic(&[SAME], TO_SAME)];
const PAIR: &[Signature] = &[sig(&[SAME, SAME], TO_SAME)];

const fn infix(id: Id, name: &'static str, doc: &'static str) -> Function {
    Function::new(id, name, COMPARE, doc).syntax(Syntax::Infix)
}

const fn test(id: Id, name: &'static str, signatures: &'static [Signature], doc: &'static str) -> Function {
    Function::new(id, name, signatures, doc).syntax(Syntax::Postfix).null(NullRule::Never)
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(Id::And, "AND", LOGIC, "TRUE when both are; FALSE wins over NULL")
        .syntax(Syntax::Infix)
        .null(NullRule::Kleene)
        .examples(&[("FALSE AND NULL", "FALSE"), ("TRUE AND NULL", "NULL")]),
    Function::new(Id::Or, "OR", LOGIC, "TRUE when one is; TRUE wins over NULL")
        .syntax(Syntax::Infix)
        .null(NullRule::Kleene)
        .examples(&[("TRUE OR NULL", "TRUE"), ("FALSE OR NULL", "NULL")]),
    Function::new(Id::Not, "NOT", TRUTH, "the opposite; NULL stays NULL").syntax(Syntax::Prefix),
    infix(Id::Eq, "=", "equal; NULL when a side is NULL").examples(&[("1 = 1.0", "TRUE")]),
    infix(Id::NotEq, "!=", "not equal; also written <>").examples(&[("'a' != 'A'", "TRUE")]),
    infix(Id::Lt, "<", "less").examples(&[("'a' < 'b'", "TRUE")]),
    infix(Id::LtEq, "<=", "less or equal").examples(&[("1 <= 1", "TRUE")]),
    infix(Id::Gt, ">", "greater").examples(&[("2 > 1", "TRUE")]),
    infix(Id::GtEq, ">=", "greater or equal").examples(&[("1 >= 2", "FALSE")]),
    infix(Id::IsDistinctFrom, "IS DISTINCT FROM", "not equal, where NULL is a value like others; never NULL")
        .null(NullRule::Never)
        .examples(&[("1 IS DISTINCT FROM NULL", "TRUE")]),
    infix(Id::IsNotDistinctFrom, "IS NOT DISTINCT FROM", "equal, where NULL is a value like others; never NULL")
        .null(NullRule::Never)
        .examples(&[("NULL IS NOT DISTINCT FROM NULL", "TRUE")]),
    test(Id::IsNull, "IS NULL", ANY, "TRUE for NULL").examples(&[("NULL IS NULL", "TRUE")]),
    test(Id::IsNotNull, "IS NOT NULL", ANY, "TRUE for a value").examples(&[("1 IS NOT NULL", "TRUE")]),
    test(Id::IsTrue, "IS TRUE", TRUTH, "TRUE for TRUE, FALSE for NULL"),
    test(Id::IsNotTrue, "IS NOT TRUE", TRUTH, "TRUE for FALSE and NULL"),
    test(Id::IsFalse, "IS FALSE", TRUTH, "TRUE for FALSE, FALSE for NULL"),
    test(Id::IsNotFalse, "IS NOT FALSE", TRUTH, "TRUE for TRUE and NULL"),
    Function::new(
        Id::Like,
        "LIKE",
        &[sig(&[STRING, STRING], TO_BOOL)],
        "matches a pattern: % is any text, _ any character, a backslash takes the next letter as it is",
    )
    .syntax(Syntax::Infix)
    .guard(Guard::Domain)
    .examples(&[("'abc' LIKE 'a%'", "TRUE"), ("'abc' LIKE 'A%'", "FALSE")]),
    Function::new(
        Id::If,
        "IF",
        &[super::Signature { params: &[BOOL, SAME, SAME], optional: 0, variadic: false, result: TO_SAME }],
        "the second argument when the first is TRUE, else the third; the other is not computed",
    )
    .null(NullRule::Branches)
    .examples(&[("IF(NULL, 1, 2)", "2")]),
    Function::new(Id::Coalesce, "COALESCE", FIRST, "the first argument that is not NULL")
        .null(NullRule::AllNull)
        .examples(&[("COALESCE(NULL, 2, 3)", "2")]),
    Function::new(Id::IfNull, "IFNULL", PAIR, "the second argument when the first is NULL")
        .null(NullRule::AllNull)
        .examples(&[("IFNULL(NULL, 0)", "0")]),
    Function::new(Id::NullIf, "NULLIF", PAIR, "NULL when both are equal, else the first")
        .null(NullRule::Nullable)
        .examples(&[("NULLIF(0, 0)", "NULL")]),
    Function::new(Id::Greatest, "GREATEST", FIRST, "the largest argument; NULL when one is NULL")
        .examples(&[("GREATEST(1, 3, 2)", "3"), ("GREATEST(1, NULL)", "NULL")]),
    Function::new(Id::Least, "LEAST", FIRST, "the smallest argument; NULL when one is NULL")
        .examples(&[("LEAST(1, 3, 2)", "1")]),
];
