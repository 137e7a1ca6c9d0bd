//! A tree of YAML nodes against the shape of its file.
//!
//! Everything that is wrong is said, each at its own place; nothing stops the walk. Readers can then take
//! what is there without saying anything again.

use super::shape::{Key, Need, Shape, Table};
use super::yaml::{Kind, Node};
use super::{habit, lint, scalar};
use crate::diagnostic::{Diagnostic, Span, Text, suggest};
use crate::record::alert::OWN_RULES;
use crate::record::{EventTime, Type};

/// `name` is the key whose value this is.
pub(super) fn validate(node: &Node, shape: &Shape, name: &str, out: &mut Vec<Diagnostic>) {
    match shape {
        Shape::Object(table) => object(node, table, name, out),
        Shape::ShortOr(short, table) => match node.kind {
            Kind::Scalar { .. } => validate(node, short, name, out),
            _ => object(node, table, name, out),
        },
        Shape::OneOrMany(item) => match &node.kind {
            Kind::List(_) => list(node, item, false, name, out),
            _ => validate(node, item, name, out),
        },
        Shape::List { item, empty } => list(node, item, *empty, name, out),
        Shape::Map { name: key, value, empty } => map(node, key, value, *empty, name, out),
        Shape::Cell => cell(node, name, out),
        // Said by the table that has the key.
        Shape::Later(_) => {}
        _ => {
            if let Some(text) = single(node, shape, name, out)
                && let Some(problem) = problem(text, shape, name)
            {
                out.push(problem);
            }
        }
    }
}

fn object(node: &Node, table: &Table, name: &str, out: &mut Vec<Diagnostic>) {
    let Kind::Map { entries, flow } = &node.kind else {
        let mut error = wrong_kind(node, name, "a mapping");
        let mut required = table.keys.iter().filter(|key| key.need == Need::Required);
        if let (Some(text), Some(key), None) = (node.text(), required.next(), required.next()) {
            error = error.help(format!("write `{name}: {{{}: {}}}`", key.name, shortened(text.as_str())));
        }
        out.push(error.help(format!("its keys are {}", list_of(table.names()))));
        return;
    };
    let mut cut = Cut { flow: *flow, before: None, said: false };
    let mut later = false;
    let mut meant = Vec::new();
    for entry in entries {
        let (key, value) = entry;
        match table.key(key.as_str()) {
            None if cut.is_rest(value) => out.extend(cut.finding(key)),
            None => {
                let (error, near) = unknown_key(key, table);
                out.push(error);
                meant.extend(near);
            }
            Some(found) => {
                if let Shape::Later(instead) = found.shape {
                    later = true;
                    let message = format!("`{}` is not supported yet", found.name);
                    let error = Diagnostic::error("definition.not-yet", key.span(), message);
                    out.push(error.label("a key of a later version").help(instead));
                } else {
                    validate(value, &found.shape, found.name, out);
                }
                cut = Cut { before: Some(entry), said: false, ..cut };
            }
        }
    }
    // A key of a later version may stand in for one that is needed today.
    if later {
        return;
    }
    let needed = |key: &Key| match key.need {
        Need::Required => true,
        Need::Without(other) => node.get(other).is_none(),
        Need::Optional => false,
    };
    let absent = |key: &&Key| needed(key) && node.get(key.name).is_none() && !meant.contains(&key.name);
    for key in table.keys.iter().filter(absent) {
        let message = format!("{} needs the key `{}`", table.name, key.name);
        let error = Diagnostic::error("definition.missing-key", node.head(), message);
        out.push(error.label(format!("has no `{}`", key.name)).help(format!("`{}`: {}", key.name, key.doc)));
    }
}

/// `{description: of five, or more}`: what looks like a key without a value is the rest of a text.
struct Cut<'a> {
    flow: bool,
    /// The last entry with a known key.
    before: Option<&'a (Text, Node)>,
    said: bool,
}

impl Cut<'_> {
    fn is_rest(&self, value: &Node) -> bool {
        self.flow && self.before.is_some() && value.is_null() && value.span.start == value.span.end
    }

    /// Said once a value, and not when the open parenthesis has been reported already.
    fn finding(&mut self, key: &Text) -> Option<Diagnostic> {
        let (before, value) = self.before?;
        let open = value.text().is_some_and(|text| lint::open_parentheses(text.as_str()) > 0);
        if std::mem::replace(&mut self.said, true) || open {
            return None;
        }
        let message = format!("a comma ends the value of `{}` inside `{{ }}`", before.as_str());
        let error = Diagnostic::error("yaml.cut-comma", key.span(), message).label("read as a key of its own");
        Some(error.related(value.span, "the value ends here").help(lint::QUOTE))
    }
}

/// The finding, and the key that is meant.
fn unknown_key(key: &Text, table: &Table) -> (Diagnostic, Option<&'static str>) {
    let message = format!("unknown key `{}` in {}", key.as_str(), table.name);
    let error = Diagnostic::error("definition.unknown-key", key.span(), message);
    let habit = habit::key(key.as_str(), table.names());
    let near = habit.map(|ours| ours.name).or_else(|| suggest(key.as_str(), table.names()));
    let error = named(error, habit, near);
    (error.help(format!("the keys of {} are {}", table.name, list_of(table.names()))), near)
}

/// Says which name is meant, and why where it is what other tools call otherwise.
fn named(mut error: Diagnostic, habit: Option<&habit::Ours>, near: Option<&str>) -> Diagnostic {
    if let Some(near) = near {
        error = error.label(format!("did you mean `{near}`?"));
    }
    match habit {
        Some(ours) if !ours.help.is_empty() => error.help(ours.help),
        _ => error,
    }
}

fn list(node: &Node, item: &Shape, empty: bool, name: &str, out: &mut Vec<Diagnostic>) {
    let Kind::List(items) = &node.kind else {
        let mut error = wrong_kind(node, name, "a list");
        match &node.kind {
            Kind::Map { flow: true, .. } => error = error.help("write it as a list: `[{…}]`"),
            Kind::Map { .. } => {
                error = error.help("write it as a list: `- ` before its first key, and the others indented")
            }
            _ => {}
        }
        if let Some(text) = node.text() {
            error = error.help(format!("write it as a list: `[{}]`", shortened(text.as_str())));
        }
        out.push(error);
        return;
    };
    if items.is_empty() && !empty {
        out.push(bad_value(node.span, format!("`{name}` must not be empty"), "expected at least one entry"));
    }
    for node in items {
        validate(node, item, name, out);
    }
}

fn map(node: &Node, key: &Shape, value: &Shape, empty: bool, name: &str, out: &mut Vec<Diagnostic>) {
    let Kind::Map { entries, .. } = &node.kind else {
        let mut error = wrong_kind(node, name, "a mapping from names to values");
        if let Some((key, value)) = node.items().first().and_then(|item| item.entries().first()) {
            let value = value.text().map_or("…", Text::as_str);
            error =
                error.help(format!("leave out the `- ` before each name: `{}: {}`", key.as_str(), shortened(value)));
        }
        out.push(error);
        return;
    };
    if entries.is_empty() && !empty {
        out.push(bad_value(node.span, format!("`{name}` must not be empty"), "expected at least one entry"));
    }
    for (entry, node) in entries {
        out.extend(problem(entry, key, name));
        validate(node, value, entry.as_str(), out);
    }
}

fn cell(node: &Node, name: &str, out: &mut Vec<Diagnostic>) {
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => {
            for item in items.iter().filter(|item| !matches!(item.kind, Kind::Scalar { .. })) {
                out.push(wrong_kind(item, name, "a single value"));
            }
        }
        Kind::Map { .. } => out.push(wrong_kind(node, name, "a single value or a list")),
    }
}

fn single<'a>(node: &'a Node, shape: &Shape, name: &str, out: &mut Vec<Diagnostic>) -> Option<&'a Text> {
    let text = node.text();
    if text.is_none() {
        let mut error = wrong_kind(node, name, expected(shape));
        if let Kind::Map { flow: true, .. } = node.kind {
            error = error.help("a value that starts with `{` is a mapping; quote it if a text is meant");
        }
        if let [only] = node.items()
            && let Some(text) = only.text()
        {
            error = error.help(format!("write it without brackets or `- `: `{name}: {}`", shortened(text.as_str())));
        }
        out.push(error);
    }
    text
}

fn wrong_kind(node: &Node, name: &str, expected: &str) -> Diagnostic {
    let span = if node.is_null() { Span { end: node.span.start, ..node.span } } else { node.head() };
    let message = format!("`{name}` must be {expected}, found {}", node.kind_name());
    Diagnostic::error("definition.wrong-kind", span, message).label(format!("expected {expected}"))
}

fn bad_value(span: Span, message: String, label: &str) -> Diagnostic {
    Diagnostic::error("definition.bad-value", span, message).label(label)
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text => "a text",
        Shape::Name | Shape::RuleName | Shape::Relation => "a name",
        Shape::Sql => "SQL",
        Shape::Integer { .. } => "a whole number",
        Shape::Number { .. } => "a number",
        Shape::Flag => "true or false",
        Shape::Length { .. } => "a length of time",
        Shape::Instant => "a date or time",
        Shape::Technique => "the id of a technique",
        Shape::Word(_) => "one word",
        Shape::Type => "the name of a type",
        _ => "a single value",
    }
}

/// What is wrong with a single value, if anything.
fn problem(text: &Text, shape: &Shape, name: &str) -> Option<Diagnostic> {
    let value = text.as_str();
    let span = text.span();
    let bad = |message: String, label: &str| Some(bad_value(span, message, label));
    match shape {
        Shape::Name if !scalar::is_name(value) => Some(bad_name(text, "letters, digits and `_`, no digit first")),
        Shape::Relation if !scalar::is_relation(value) => {
            let error = bad_name(text, "letters, digits and `_`, no digit first");
            Some(if value.contains('(') {
                error.help("hits of rules are read as hits(rule, other.rule), those that open an incident as alerts(…)")
            } else {
                error
            })
        }
        Shape::RuleName if value.starts_with(OWN_RULES) => {
            let error = bad_name(text, "letters, digits and `_`, with `.` or `-` between parts, a letter first");
            Some(error.help("names that begin with `tripline.` are the program's own: leave that out"))
        }
        Shape::RuleName if !scalar::is_rule_name(value) => {
            Some(bad_name(text, "letters, digits and `_`, with `.` or `-` between parts, a letter first"))
        }
        Shape::Integer { min, max } => match scalar::integer(value) {
            None => bad(format!("`{name}` must be a whole number"), "not a whole number"),
            Some(n) if n < *min || n > *max => bad(format!("`{name}` must be between {min} and {max}"), "out of range"),
            Some(_) => None,
        },
        Shape::Number { min, max } => match scalar::number(value) {
            None => bad(format!("`{name}` must be a number"), "not a number"),
            Some(n) if n < *min || n > *max => bad(format!("`{name}` must be between {min} and {max}"), "out of range"),
            Some(_) => None,
        },
        Shape::Flag if scalar::flag(value).is_none() => {
            bad(format!("`{name}` must be true or false"), "expected true or false")
        }
        Shape::Length { zero } => bad_length(text, *zero, name),
        Shape::Instant if EventTime::parse(value).is_none() => {
            let error = Diagnostic::error("definition.bad-time", span, format!("`{name}` must be a date or a time"));
            let error = error.label("not a date or time");
            Some(error.help("write `2026-01-05` or `2026-01-05T09:00:00Z`; without a zone it is UTC"))
        }
        Shape::Technique if !scalar::is_technique(value) => {
            let message = format!("`{}` is not the id of an ATT&CK technique", shortened(value));
            let error = bad_value(span, message, "not an id");
            Some(error.help("an id is `T1046` or, of a sub-technique, `T1110.001`"))
        }
        Shape::Word(words) if !words.contains(&value) => Some(bad_word(text, words, name)),
        Shape::Type if Type::from_name(value).is_none() => Some(bad_word(text, &Type::ALL.map(Type::name), name)),
        _ => None,
    }
}

fn bad_name(text: &Text, rule: &str) -> Diagnostic {
    let message = format!("`{}` cannot be a name", shortened(text.as_str()));
    let error = Diagnostic::error("definition.bad-name", text.span(), message).label("not a name");
    error.help(format!("a name has {rule}, at most {} characters", scalar::NAME_CHARS_MAX))
}

fn bad_length(text: &Text, zero: bool, name: &str) -> Option<Diagnostic> {
    let (message, label) = match scalar::length(text.as_str()) {
        None => (format!("`{name}` must be a length of time"), "not a length of time"),
        Some(length) if length.0 == 0 && !zero => (format!("`{name}` must be longer than zero"), "no time at all"),
        Some(_) => return None,
    };
    let error = Diagnostic::error("definition.bad-duration", text.span(), message).label(label);
    Some(error.help("a number and a unit, without spaces: `500ms`, `30s`, `5m`, `1h`, `7d`, or sums such as `4m50s`"))
}

fn bad_word(text: &Text, words: &[&'static str], name: &str) -> Diagnostic {
    let message = format!("`{}` is not a value of `{name}`", shortened(text.as_str()));
    let mut error = Diagnostic::error("definition.bad-value", text.span(), message);
    let habit = habit::word(text.as_str(), words.iter().copied());
    let near = habit.map(|ours| ours.name).or_else(|| suggest(text.as_str(), words.iter().copied()));
    error = named(error, habit, near);
    error.help(format!("the values are {}", list_of(words.iter().copied())))
}

fn list_of(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A text that fits a message.
pub(super) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= CHARS_MAX && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    line.chars().take(CHARS_MAX).chain(['…']).collect()
}
