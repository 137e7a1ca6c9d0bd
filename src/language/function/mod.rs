//! The closed table of functions and operators: what an expression may call.
//!
//! An entry says everything of a function but how an engine computes it; engines match on [`Id`], so that
//! one without its lowering does not compile.

mod aggregate;
mod arithmetic;
mod form;
mod logic;
mod math;
mod network;
mod own;
mod text;
mod time;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::record::Type;

pub use own::SERVICES;
pub(crate) use time::DATE_SHIFT;

pub use aggregate::{AGGREGATES, AggregateEntry, COUNT_DISTINCT_MAX, LIST_MAX, QUANTILES_MAX};

/// Identifies an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Id {
    And,
    Or,
    Not,
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    IsNull,
    IsNotNull,
    IsTrue,
    IsNotTrue,
    IsFalse,
    IsNotFalse,
    IsDistinctFrom,
    IsNotDistinctFrom,
    Like,
    If,
    Coalesce,
    IfNull,
    NullIf,
    Greatest,
    Least,
    Add,
    Subtract,
    Multiply,
    Divide,
    Negate,
    SafeAdd,
    SafeSubtract,
    SafeMultiply,
    SafeDivide,
    SafeNegate,
    Div,
    Mod,
    BitAnd,
    BitOr,
    BitXor,
    BitNot,
    ShiftLeft,
    ShiftRight,
    BitCount,
    Abs,
    Sign,
    Round,
    Floor,
    Ceil,
    Trunc,
    Sqrt,
    Pow,
    Exp,
    Ln,
    Log,
    Log10,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Atan2,
    Sinh,
    Cosh,
    Tanh,
    Cbrt,
    IsNan,
    IsInf,
    Concat,
    Length,
    CharLength,
    ByteLength,
    Lower,
    Upper,
    Trim,
    LTrim,
    RTrim,
    Substr,
    Left,
    Right,
    StartsWith,
    EndsWith,
    StrPos,
    Replace,
    Reverse,
    LPad,
    RPad,
    Repeat,
    Instr,
    InitCap,
    Translate,
    Ascii,
    Chr,
    Unicode,
    Soundex,
    SplitPart,
    JsonValue,
    JsonQuery,
    Entropy,
    RegexpContains,
    RegexpExtract,
    RegexpInstr,
    RegexpReplace,
    ToHex,
    FromHex,
    ToBase64,
    FromBase64,
    SafeConvertBytesToString,
    Md5,
    Sha1,
    Sha256,
    Sha512,
    FarmFingerprint,
    TimestampAdd,
    TimestampSub,
    TimestampDiff,
    TimestampTrunc,
    Extract,
    UnixMicros,
    UnixMillis,
    UnixSeconds,
    TimestampMicros,
    TimestampMillis,
    TimestampSeconds,
    TimestampOf,
    DateOf,
    DateAdd,
    DateSub,
    DateDiff,
    DateTrunc,
    LastDay,
    UnixDate,
    DateFromUnixDate,
    FormatTimestamp,
    FormatDate,
    ParseTimestamp,
    ParseDate,
    StringOf,
    IpFromString,
    SafeIpFromString,
    IpToString,
    IpNetMask,
    IpTrunc,
    Ipv4ToInt64,
    Ipv4FromInt64,
    GeoKm,
    InCidr,
    PortService,
    Pseudonymize,
}

/// How an entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `NAME(a, b)`.
    Call,
    /// `a NAME b`.
    Infix,
    /// `NAME a`.
    Prefix,
    /// `a NAME`.
    Postfix,
    /// A form of its own, such as `EXTRACT(part FROM t)`.
    Special,
}

/// What one argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    Is(Type),
    /// Any type, the same for all such arguments of a call.
    Same,
    /// One of these words: a part of a time. Becomes a literal STRING in upper case.
    Part(&'static [&'static str]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Is(Type),
    /// The type of the arguments that are [`Param::Same`].
    Same,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    pub params: &'static [Param],
    /// How many of the last params may be left out.
    pub optional: usize,
    /// The last param may be repeated.
    pub variadic: bool,
    pub result: Output,
}

/// When a result may be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullRule {
    /// NULL exactly when an argument is.
    Strict,
    /// May be NULL when no argument is.
    Nullable,
    Never,
    /// NULL only when all arguments are.
    AllNull,
    /// Three-valued logic: NULL only when an argument is.
    Kleene,
    /// `IF`: NULL when a branch is.
    Branches,
}

/// What must hold of the arguments before a call is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    None,
    /// The second argument is a non-zero constant, or for [`Id::Mod`] and [`Id::Div`] a `NULLIF(x, 0)`.
    NonZeroDivisor,
    /// The second argument is a constant regular expression that RE2 reads as we do.
    ConstantPattern,
    /// The first argument is a constant format of elements that every engine reads alike.
    ConstantFormat,
    /// The second argument, if there is one, is a constant path into JSON.
    ConstantPath,
    /// The second argument is a constant network.
    ConstantNetwork,
    /// The second argument is the constant name of a pseudonym key, and stands for the key's id from then on.
    ConstantKey,
    /// Values outside the domain fail the row with an error.
    Domain,
}

/// How near the two engines' answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// To the bit.
    Exact,
    /// Within 1e-9 relative.
    FloatOrder,
    Approximate,
}

/// An expression and the value that GoogleSQL gives it, as SQL.
pub type Example = (&'static str, &'static str);

/// An entry of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub id: Id,
    /// As GoogleSQL prints it.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub syntax: Syntax,
    pub signatures: &'static [Signature],
    pub null: NullRule,
    pub guard: Guard,
    pub class: Class,
    pub doc: &'static str,
    pub examples: &'static [Example],
}

impl Function {
    /// Is there no value for some arguments? Two times of the years 1 to 9999 always have a difference.
    pub fn can_fail(&self) -> bool {
        self.guard == Guard::Domain && self.id != Id::TimestampDiff
    }

    const fn new(id: Id, name: &'static str, signatures: &'static [Signature], doc: &'static str) -> Self {
        Self {
            id,
            name,
            aliases: &[],
            syntax: Syntax::Call,
            signatures,
            null: NullRule::Strict,
            guard: Guard::None,
            class: Class::Exact,
            doc,
            examples: &[],
        }
    }

    /// Is it tripline's own, which BigQuery has not?
    pub fn is_own(&self) -> bool {
        own::is_own(self.id)
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn syntax(mut self, syntax: Syntax) -> Self {
        self.syntax = syntax;
        self
    }

    const fn null(mut self, null: NullRule) -> Self {
        self.null = null;
        self
    }

    const fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    const fn examples(mut self, examples: &'static [Example]) -> Self {
        self.examples = examples;
        self
    }
}

const fn sig(params: &'static [Param], result: Output) -> Signature {
    Signature { params, optional: 0, variadic: false, result }
}

const fn sig_optional(params: &'static [Param], optional: usize, result: Output) -> Signature {
    Signature { params, optional, variadic: false, result }
}

const fn sig_variadic(params: &'static [Param], result: Output) -> Signature {
    Signature { params, optional: 0, variadic: true, result }
}

/// Short names for the tables below this module.
mod short {
    use super::{Output, Param, Type};

    pub(super) const BOOL: Param = Param::Is(Type::Bool);
    pub(super) const INT: Param = Param::Is(Type::Int64);
    pub(super) const FLOAT: Param = Param::Is(Type::Float64);
    pub(super) const STRING: Param = Param::Is(Type::String);
    pub(super) const BYTES: Param = Param::Is(Type::Bytes);
    pub(super) const TIME: Param = Param::Is(Type::Timestamp);
    pub(super) const DATE: Param = Param::Is(Type::Date);
    pub(super) const SAME: Param = Param::Same;

    pub(super) const TO_BOOL: Output = Output::Is(Type::Bool);
    pub(super) const TO_INT: Output = Output::Is(Type::Int64);
    pub(super) const TO_FLOAT: Output = Output::Is(Type::Float64);
    pub(super) const TO_STRING: Output = Output::Is(Type::String);
    pub(super) const TO_BYTES: Output = Output::Is(Type::Bytes);
    pub(super) const TO_TIME: Output = Output::Is(Type::Timestamp);
    pub(super) const TO_DATE: Output = Output::Is(Type::Date);
    pub(super) const TO_SAME: Output = Output::Same;
}

static TABLE: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let families = [
        logic::FUNCTIONS,
        arithmetic::OPERATORS,
        arithmetic::NAMED,
        math::FUNCTIONS,
        text::STRINGS,
        text::SEARCHES,
        text::JSON,
        text::HASHES,
        time::FUNCTIONS,
        time::DATES,
        time::FORMATS,
        network::FUNCTIONS,
        own::FUNCTIONS,
    ];
    families.concat()
});

static BY_NAME: LazyLock<HashMap<String, &'static Function>> = LazyLock::new(|| {
    let named = functions().iter().filter(|f| f.syntax == Syntax::Call);
    named.flat_map(|f| f.aliases.iter().chain([&f.name]).map(move |name| (name.to_ascii_uppercase(), f))).collect()
});

static BY_ID: LazyLock<HashMap<Id, &'static Function>> =
    LazyLock::new(|| functions().iter().map(|f| (f.id, f)).collect());

/// Every function and operator.
pub fn functions() -> &'static [Function] {
    &TABLE
}

/// The function with this name, in any case.
pub fn named(name: &str) -> Option<&'static Function> {
    BY_NAME.get(&name.to_ascii_uppercase()).copied()
}

/// The entry with this identity.
pub fn by_id(id: Id) -> Option<&'static Function> {
    BY_ID.get(&id).copied()
}

/// The names of all functions that are called by name, for suggestions.
pub(super) fn call_names() -> impl Iterator<Item = &'static str> {
    let scalar = functions().iter().filter(|f| f.syntax == Syntax::Call);
    scalar.flat_map(|f| f.aliases.iter().copied().chain([f.name])).chain(AGGREGATES.iter().map(|a| a.name))
}
