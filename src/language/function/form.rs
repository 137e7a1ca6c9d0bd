//! How entries of the tables are written, for people.

use crate::language::tree::AggregateFunction;

use super::{AggregateEntry, Class, Function, Output, Param, Signature, Syntax};

impl Function {
    /// `NAME()`, `a NAME b`, ….
    pub fn form(&self) -> String {
        match self.syntax {
            Syntax::Call => format!("{}()", self.name),
            Syntax::Infix => format!("a {} b", self.name),
            Syntax::Prefix => format!("{} a", self.name),
            Syntax::Postfix => format!("a {}", self.name),
            Syntax::Special => self.name.to_owned(),
        }
    }
}

impl AggregateEntry {
    pub fn form(&self) -> String {
        match self.function {
            AggregateFunction::CountStar => "COUNT(*)".to_owned(),
            AggregateFunction::CountDistinct => "COUNT(DISTINCT x)".to_owned(),
            _ => format!("{}(x)", self.name),
        }
    }
}

impl Signature {
    /// `STRING, [INT64] → STRING`.
    pub fn form(&self) -> String {
        let result = match self.result {
            Output::Is(ty) => ty.name(),
            Output::Same => "T",
        };
        format!("{} → {result}", self.params())
    }

    /// `STRING, [INT64]`.
    pub fn params(&self) -> String {
        let count = self.params.len();
        let params = self.params.iter().enumerate().map(|(index, param)| {
            let name = match param {
                Param::Is(ty) => ty.name().to_owned(),
                Param::Same => "T".to_owned(),
                Param::Part(words) => words.join("/"),
            };
            let repeated = if self.variadic && index + 1 == count { ", …" } else { "" };
            if index + self.optional >= count { format!("[{name}]") } else { format!("{name}{repeated}") }
        });
        params.collect::<Vec<_>>().join(", ")
    }
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::FloatOrder => "1e-9",
            Self::Approximate => "approximate",
        }
    }
}
