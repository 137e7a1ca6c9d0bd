//! Alert titles: text with `{column}` in it.

use crate::definition::model::Rule;
use crate::diagnostic::{Diagnostic, suggest};
use crate::record::Column;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TitlePart {
    Text(String),
    /// Index into the hit's columns.
    Column(usize),
}

/// Splits a title; unknown columns are findings.
pub(super) fn parse(rule: &Rule, columns: &[Column], diagnostics: &mut Vec<Diagnostic>) -> Vec<TitlePart> {
    let title = &rule.alert.title;
    let text = title.as_str();
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|i| at + i) {
        let Some(close) = text[open..].find('}').map(|i| open + i) else {
            diagnostics.push(
                Diagnostic::error("rule.bad-title", title.span_of(open, open + 1), "a `{` that is not closed")
                    .label("opens a column's name")
                    .help("write {column}"),
            );
            break;
        };
        if open > at {
            parts.push(TitlePart::Text(text[at..open].to_owned()));
        }
        let name = &text[open + 1..close];
        match columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)) {
            Some(column) => parts.push(TitlePart::Column(column)),
            None => {
                let mut finding = Diagnostic::error(
                    "rule.unknown-column",
                    title.span_of(open + 1, close),
                    format!("the alert's title names `{name}`, which the rule does not return"),
                )
                .label("not a column of this rule");
                let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                finding = match suggest(name, names.iter().copied()) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("its columns are {}", names.join(", "))),
                };
                diagnostics.push(finding);
            }
        }
        at = close + 1;
    }
    if at < text.len() {
        parts.push(TitlePart::Text(text[at..].to_owned()));
    }
    parts
}
