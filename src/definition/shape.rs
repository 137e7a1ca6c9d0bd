//! The shape of a definition file: every key once, with its kind, its need and its meaning.
//!
//! The validator, the JSON Schemas and the messages all come from these tables, so they cannot drift apart.

/// A mapping with known keys.
#[derive(Debug)]
pub(super) struct Table {
    /// As in "unknown key in *a rule*".
    pub name: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
}

#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub need: Need,
    pub shape: Shape,
    pub doc: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    /// Where the other key is not there.
    Without(&'static str),
    Optional,
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    /// A text for people.
    Text,
    /// A name that SQL can use: a letter or `_`, then letters, digits and `_`.
    Name,
    /// The name of a rule: like [`Shape::Name`], with `.` and `-` between parts.
    RuleName,
    /// The name of a relation, `hits(rule, …)` or `alerts(rule, …)`.
    Relation,
    /// A GoogleSQL expression or query.
    Sql,
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Flag,
    /// A length of time such as `4m50s`; may it be zero?
    Length {
        zero: bool,
    },
    /// A date or a date and time, UTC.
    Instant,
    /// The id of an ATT&CK technique.
    Technique,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The name of a GoogleSQL type.
    Type,
    /// One value, typed as YAML types it: a number, true or false, else a text.
    Literal,
    /// A test's value, typed later by its column: one value, null, or a list of values.
    Cell,
    List {
        item: &'static Self,
        empty: bool,
    },
    /// A mapping with names of the user's own.
    Map {
        name: &'static Self,
        value: &'static Self,
        empty: bool,
    },
    Object(&'static Table),
    /// One value in the short form, a mapping in the long.
    ShortOr(&'static Self, &'static Table),
    /// One value or a list of them.
    OneOrMany(&'static Self),
    /// Known, not supported yet; the text says what to do instead.
    Later(&'static str),
}

impl Table {
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The keys that can be written today.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().filter(|key| !matches!(key.shape, Shape::Later(_))).map(|key| key.name)
    }
}

pub(super) const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, need: Need::Required, shape, doc }
}

pub(super) const fn required_without(other: &'static str, name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, need: Need::Without(other), shape, doc }
}

pub(super) const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, need: Need::Optional, shape, doc }
}

pub(super) const fn later(name: &'static str, instead: &'static str) -> Key {
    Key { name, need: Need::Optional, shape: Shape::Later(instead), doc: "" }
}
