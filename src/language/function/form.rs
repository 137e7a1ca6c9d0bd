//! How entries of the tables are written, for people.

use crate::language::tree::AggregateFunction;
use crate::record::Type;

use super::{AggregateEntry, Class, Function, Output, Param, Signature, Syntax};

impl Function {
    /// `NAME(a, b)`, `a NAME b`, …; `NAME(a) or NAME(a, b, c)` when it takes either.
    pub fn form(&self) -> String {
        match self.syntax {
            Syntax::Call => {
                let mut forms: Vec<String> = Vec::new();
                for signature in self.signatures {
                    let form = format!("{}({})", self.name, signature.letters());
                    if !forms.contains(&form) {
                        forms.push(form);
                    }
                }
                forms.join(" or ")
            }
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
            AggregateFunction::First => {
                "ARRAY_AGG(x IGNORE NULLS ORDER BY t, row_id LIMIT 1)[SAFE_OFFSET(0)]".to_owned()
            }
            AggregateFunction::StringAgg => "STRING_AGG([DISTINCT] x, [','] ORDER BY x LIMIT n)".to_owned(),
            AggregateFunction::Quantile { .. } => "APPROX_QUANTILES(x, n)[OFFSET(k)]".to_owned(),
            function if function.takes_pairs() => format!("{}(x, y)", self.name),
            _ => format!("{}(x)", self.name),
        }
    }
}

impl Signature {
    /// `a, b, [c]`.
    fn letters(&self) -> String {
        let interval = |index: usize| {
            let here = self.params.get(index..=index + 1);
            matches!(here, Some([Param::Is(Type::Int64), Param::Part(_)]))
        };
        let mut letters = Vec::new();
        for (index, (param, letter)) in self.params.iter().zip('a'..='z').enumerate() {
            letters.push(match param {
                // The part belongs to the number before it.
                Param::Part(_) if index > 0 && interval(index - 1) => continue,
                Param::Part(_) if index + self.optional >= self.params.len() => "[part]".to_owned(),
                Param::Part(_) => "part".to_owned(),
                _ if interval(index) => format!("INTERVAL {letter} part"),
                _ if index + self.optional >= self.params.len() => format!("[{letter}]"),
                _ => letter.to_string(),
            });
        }
        if self.variadic {
            letters.push("…".to_owned());
        }
        letters.join(", ")
    }

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
