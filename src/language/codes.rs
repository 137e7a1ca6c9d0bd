//! The permanent codes of what this module finds. Each has a page in `src/diagnostic/codes`.

pub const AGGREGATE: &str = "sql.aggregate";
pub const AMBIGUOUS_COLUMN: &str = "sql.ambiguous-column";
pub const BAD_LITERAL: &str = "sql.bad-literal";
pub const BAD_PATTERN: &str = "sql.bad-pattern";
pub const DIVISION: &str = "sql.division";
pub const DOUBLE_QUOTED_COLUMN: &str = "sql.double-quoted-column";
pub const DUPLICATE_ITEM: &str = "sql.duplicate-item";
pub const JOINED_LOOKUP: &str = "sql.joined-lookup";
pub const NETWORK_LOOKUP: &str = "sql.network-lookup";
pub const NOT_BOOLEAN: &str = "sql.not-boolean";
pub const NOT_IN_NULLABLE: &str = "sql.not-in-nullable";
pub const NULL_OPERAND: &str = "sql.null-operand";
pub const NULL_CONDITION: &str = "sql.null-condition";
pub const REFUSED: &str = "sql.refused";
pub const SYNTAX: &str = "sql.syntax";
pub const TOO_LARGE: &str = "sql.too-large";
pub const TYPE_MISMATCH: &str = "sql.type-mismatch";
pub const UNKNOWN_COLUMN: &str = "sql.unknown-column";
pub const UNKNOWN_FUNCTION: &str = "sql.unknown-function";
pub const UNKNOWN_KEY: &str = "sql.unknown-key";
pub const UNKNOWN_LOOKUP: &str = "sql.unknown-lookup";
pub const UNKNOWN_PARAMETER: &str = "sql.unknown-parameter";
pub const UNNAMED_ITEM: &str = "sql.unnamed-item";
pub const WRONG_ARGUMENTS: &str = "sql.wrong-arguments";

/// Every code with a summary of one line.
pub const CODES: &[(&str, &str)] = &[
    (AGGREGATE, "an aggregate stands where none may stand, or a column is not aggregated"),
    (AMBIGUOUS_COLUMN, "a name that more than one joined relation has"),
    (BAD_LITERAL, "a literal that GoogleSQL cannot read"),
    (BAD_PATTERN, "a pattern, format, path or network that cannot be read, or that is not constant"),
    (DIVISION, "a division whose divisor may be zero"),
    (DOUBLE_QUOTED_COLUMN, "a column's name in double quotes is a string"),
    (DUPLICATE_ITEM, "two items of a SELECT have one name"),
    (JOINED_LOOKUP, "a lookup that can only be joined stands in a subquery"),
    (NETWORK_LOOKUP, "IN compares networks as text"),
    (NOT_BOOLEAN, "a condition that is not BOOL"),
    (NOT_IN_NULLABLE, "NOT IN over values that may be NULL"),
    (NULL_OPERAND, "an operand is the literal NULL, so the result always is NULL"),
    (NULL_CONDITION, "a NULL silences a condition"),
    (REFUSED, "a construct that the two engines do not share"),
    (SYNTAX, "a text that is not GoogleSQL"),
    (TOO_LARGE, "a text beyond a limit of size or depth"),
    (TYPE_MISMATCH, "two types that do not meet"),
    (UNKNOWN_COLUMN, "a column that is not there"),
    (UNKNOWN_FUNCTION, "a function that is not in the table"),
    (UNKNOWN_KEY, "a pseudonym key that is not there"),
    (UNKNOWN_LOOKUP, "a lookup or a lookup's column that is not there"),
    (UNKNOWN_PARAMETER, "a parameter that is not declared"),
    (UNNAMED_ITEM, "an item of a SELECT without a name"),
    (WRONG_ARGUMENTS, "a function called with arguments that it does not take"),
];
