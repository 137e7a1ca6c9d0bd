//! A raw schema made ready for decoding: which name in a record feeds which column.
//! Knows names only; never sees a record's bytes.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use rustc_hash::{FxHashMap, FxHashSet};

use super::time::Epoch;
use super::value::RawValue;
use crate::record::{Decode, RawField, RawSchema, Type};

/// What a column is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int64,
    Flags,
    Float64,
    String,
    Bytes,
    Timestamp(Epoch),
    Date,
}

impl Kind {
    fn of(field: &RawField) -> Self {
        match (field.ty, field.decode) {
            (Type::Bool, _) => Self::Bool,
            (Type::Int64, Decode::TcpFlags) => Self::Flags,
            (Type::Int64, _) => Self::Int64,
            (Type::Float64, _) => Self::Float64,
            (Type::String, _) => Self::String,
            (Type::Bytes, _) => Self::Bytes,
            (Type::Date, _) => Self::Date,
            (Type::Timestamp, Decode::TimeSeconds) => Self::Timestamp(Epoch::Seconds),
            (Type::Timestamp, Decode::TimeMillis) => Self::Timestamp(Epoch::Millis),
            (Type::Timestamp, Decode::TimeMicros) => Self::Timestamp(Epoch::Micros),
            (Type::Timestamp, _) => Self::Timestamp(Epoch::Auto),
        }
    }

    /// With its article, for messages.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Bool => "a BOOL",
            Self::Int64 => "an INT64",
            Self::Flags => "a set of TCP flags",
            Self::Float64 => "a FLOAT64",
            Self::String => "a STRING",
            Self::Bytes => "BYTES in base64",
            Self::Timestamp(_) => "a TIMESTAMP",
            Self::Date => "a DATE",
        }
    }
}

/// A field whose value is decoded, or whose presence is required.
#[derive(Debug)]
pub(super) struct Field {
    /// Where its value may be: the first present counts. Never empty.
    pub(super) slots: Vec<usize>,
    pub(super) kind: Kind,
    pub(super) ty: Type,
    pub(super) required: bool,
    pub(super) wanted: bool,
}

/// A raw schema's fields by slot: a slot is a name under which a record may carry a value.
#[derive(Debug)]
pub(super) struct Fields {
    /// The name of each slot.
    pub(super) slots: Vec<String>,
    /// Names whose values are known by their pseudonyms alone: nothing repeats one.
    unsaid: FxHashSet<String>,
    pub(super) fields: Vec<Field>,
    /// The wanted columns.
    pub(super) schema: SchemaRef,
    by_name: FxHashMap<String, Option<usize>>,
    /// `id` for a declared `id.orig_h`.
    parents: FxHashSet<String>,
}

impl Fields {
    pub(super) fn new(schema: &RawSchema) -> Self {
        let mut all = Self {
            slots: Vec::new(),
            unsaid: unsaid(schema),
            fields: Vec::new(),
            schema: columns(schema),
            by_name: FxHashMap::default(),
            parents: FxHashSet::default(),
        };
        for field in &schema.fields {
            all.declare(field);
        }
        all
    }

    fn declare(&mut self, field: &RawField) {
        if field.carried.is_some() {
            self.declare_carried(field);
            return;
        }
        // Whether a value is a text is checked wherever it stands.
        let read = field.wanted || field.required || field.ty == Type::String;
        let own = [field.name.clone()];
        let names = if field.fields.is_empty() { &own[..] } else { &field.fields[..] };
        let mut slots = Vec::new();
        for name in names {
            for (at, _) in name.match_indices('.') {
                self.parents.insert(name[..at].to_owned());
            }
            let slot = self.by_name.entry(name.clone()).or_insert(None);
            if read {
                slots.push(*slot.get_or_insert_with(|| {
                    self.slots.push(name.clone());
                    self.slots.len() - 1
                }));
            }
        }
        if read {
            let (kind, ty) = (Kind::of(field), field.ty);
            self.fields.push(Field { slots, kind, ty, required: field.required, wanted: field.wanted });
        }
    }

    /// Its slot has no name by which a record could fill it: it is NULL until somebody else does.
    fn declare_carried(&mut self, field: &RawField) {
        if field.wanted {
            self.slots.push(field.name.clone());
            let (slots, kind) = (vec![self.slots.len() - 1], Kind::of(field));
            self.fields.push(Field { slots, kind, ty: field.ty, required: false, wanted: true });
        }
    }

    /// What is wrong with the value of a slot.
    #[cold]
    pub(super) fn wrong(&self, slot: usize, value: RawValue<'_>, is: &str, noun: &str) -> String {
        let name = &self.slots[slot];
        let within =
            |other: &String| other.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if self.unsaid.iter().any(within) {
            return format!("{name}: the value is {is} {noun}");
        }
        format!("{name}: {value} is {is} {noun}")
    }

    /// Whether a record may be told of by what is in it, where nobody knows in which column that is.
    pub(super) fn may_quote(&self) -> bool {
        self.unsaid.is_empty()
    }

    /// `None`: not declared. `Some(None)`: declared, not read.
    pub(super) fn find(&self, name: &str) -> Option<Option<usize>> {
        self.by_name.get(name).copied()
    }

    /// May an object under this name hold declared fields?
    pub(super) fn is_parent(&self, name: &str) -> bool {
        self.parents.contains(name)
    }
}

fn unsaid(schema: &RawSchema) -> FxHashSet<String> {
    let fields = schema.fields.iter().filter(|field| field.pseudonym.is_some());
    fields.flat_map(|field| field.fields.iter().chain([&field.name])).cloned().collect()
}

fn columns(schema: &RawSchema) -> SchemaRef {
    let wanted = schema.fields.iter().filter(|field| field.wanted);
    Arc::new(Schema::new(wanted.map(|f| ArrowField::new(&f.name, f.ty.arrow(), true)).collect::<Vec<_>>()))
}
