//! YAML text to a tree of nodes with places: the only file that names the YAML crate.
//!
//! It knows nothing of definitions. Anchors, tags and further documents are refused, so a small file
//! cannot expand into a large tree; size, depth and number of nodes have limits. A mistake that leaves a
//! tree is reported and the tree returned; only a syntax error loses the file.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span as Mark, StructureStyle};

use super::lint;
use super::place;
use crate::diagnostic::{Diagnostic, FileId, Span, Text};

/// Bytes of one definition file.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Nodes (values and keys) of one definition file.
pub const NODES_MAX: usize = 100_000;
/// Nesting of one definition file.
pub const DEPTH_MAX: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Block,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Scalar {
        text: Text,
        style: Style,
    },
    List(Vec<Node>),
    /// In the order of the file; a key that is there twice is reported and its first value kept.
    Map {
        entries: Vec<(Text, Node)>,
        flow: bool,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub kind: Kind,
    pub span: Span,
}

impl Node {
    pub fn entries(&self) -> &[(Text, Self)] {
        match &self.kind {
            Kind::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(k, _)| k.as_str() == key).map(|(_, node)| node)
    }

    /// A scalar that is not null.
    pub fn text(&self) -> Option<&Text> {
        match &self.kind {
            Kind::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    pub fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Scalar { style: Style::Plain, .. })
    }

    /// YAML's null: nothing, `~` or `null`, unquoted.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, style: Style::Plain } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// A short place that stands for the node: the first key of a mapping, else all of it.
    pub fn head(&self) -> Span {
        self.entries().first().map_or(self.span, |(key, _)| key.span())
    }

    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map { .. } => "a mapping",
        }
    }
}

/// The first document of a file; `None` after a syntax error. An empty file is an empty mapping.
pub(super) fn parse(file: FileId, source: &str, out: &mut Vec<Diagnostic>) -> Option<Node> {
    let whole = Span { file, start: 0, end: 0 };
    if source.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, more than the {FILE_BYTES_MAX} allowed", source.len());
        out.push(Diagnostic::error("project.too-large", whole, message).help("split it into several files"));
        return None;
    }
    let mut builder = Builder { file, source, out, stack: Vec::new(), root: None, nodes: 0, documents: 0 };
    for next in Parser::new_from_str_with_options(source, options()) {
        let step = match next {
            Ok((event, mark)) => builder.event(event, &mark),
            Err(error) => {
                builder.syntax(&error);
                Err(Stop)
            }
        };
        if step.is_err() {
            return None;
        }
    }
    let empty = Node { kind: Kind::Map { entries: Vec::new(), flow: false }, span: whole };
    Some(builder.root.filter(|node| !node.is_null()).unwrap_or(empty))
}

fn options() -> Options {
    let mut options = Options::default();
    options.emit_unresolved_aliases = true;
    options.disallow_directives = true;
    options.flow_nesting_limit = DEPTH_MAX * 2;
    options.block_nesting_limit = DEPTH_MAX * 2;
    options
}

/// The file cannot be read further; why has been said.
struct Stop;

/// A list or mapping whose end has not come yet.
struct Open {
    start: u32,
    flow: bool,
    body: Body,
}

enum Body {
    List(Vec<Node>),
    Map { entries: Vec<(Text, Node)>, seen: HashMap<String, Span>, key: Option<Key> },
}

enum Key {
    Text(Text),
    /// Reported; its value is read and dropped.
    Refused,
}

struct Builder<'a> {
    file: FileId,
    source: &'a str,
    out: &'a mut Vec<Diagnostic>,
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, mark: &Mark) -> Result<(), Stop> {
        let span = self.span(mark);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    let error = Diagnostic::error("yaml.documents", span, "a second document in one file")
                        .label("starts here and is not read");
                    self.out.push(error.help("one file holds one definition: move it to a file of its own"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                let node = self.scalar(&text, style, span);
                self.value(node)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                self.open(span, style == StructureStyle::Flow, Body::List(Vec::new()))
            }
            Event::MappingStart(style, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                let body = Body::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                self.open(span, style == StructureStyle::Flow, body)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let error = Diagnostic::error("yaml.unquoted", span, "a value that starts with `*` must be quoted")
                    .label("YAML reads this as an alias");
                self.out.push(error.help("quote it: '*…'; anchors and aliases are not allowed here"));
                let node = self.scalar("", ScalarStyle::Plain, Span { end: span.start, ..span });
                self.value(node)
            }
            _ => Ok(()),
        }
    }

    fn span(&self, mark: &Mark) -> Span {
        let range = mark.byte_range().unwrap_or(0..0);
        let place = |offset: usize| u32::try_from(offset.min(self.source.len())).unwrap_or(u32::MAX);
        Span { file: self.file, start: place(range.start), end: place(range.end.max(range.start)) }
    }

    fn refuse_properties(&mut self, span: Span, anchor: usize, tag: bool) {
        if anchor > 0 {
            let before = self.source.get(..span.start as usize).and_then(|text| text.rfind('&'));
            let start = before.and_then(|at| u32::try_from(at).ok()).unwrap_or(span.start);
            let place = Span { file: self.file, start, end: span.start.max(start + 1) };
            let error = Diagnostic::error("yaml.anchor", place::trim(self.source, place), "anchors are not allowed")
                .label("an anchor");
            self.out.push(error.help("write the value out where it is needed, or quote a text that starts with `&`"));
        }
        if tag {
            let error =
                Diagnostic::error("yaml.tag", span, "tags are not allowed").label("this value has a tag (`!…`)");
            self.out.push(error.help("leave the tag out: every key knows its type; quote a text that starts with `!`"));
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let span = place::trim(self.source, span);
        let text = place::map(self.source, span, text, style);
        if style == Style::Plain && !text.text.is_empty() {
            let flow = self.stack.last().is_some_and(|open| open.flow);
            lint::plain_scalar(self.source, &text, flow, self.out);
        }
        Node { kind: Kind::Scalar { text, style }, span }
    }

    fn count(&mut self, span: Span) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes <= NODES_MAX && self.stack.len() <= DEPTH_MAX {
            return Ok(());
        }
        let message = if self.nodes > NODES_MAX {
            format!("more than {NODES_MAX} values in one file")
        } else {
            format!("nested more than {DEPTH_MAX} deep")
        };
        self.out.push(Diagnostic::error("project.too-large", span, message).label("the limit is reached here"));
        Err(Stop)
    }

    fn open(&mut self, span: Span, flow: bool, body: Body) -> Result<(), Stop> {
        self.stack.push(Open { start: span.start, flow, body });
        self.count(span)
    }

    fn close(&mut self, end: Span) -> Result<(), Stop> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let (kind, last) = match open.body {
            Body::List(items) => {
                let last = items.last().map_or(open.start, |n| n.span.end);
                (Kind::List(items), last)
            }
            Body::Map { entries, .. } => {
                let last = entries.last().map_or(open.start, |(k, n)| n.span.end.max(k.span().end));
                (Kind::Map { entries, flow: open.flow }, last)
            }
        };
        // The end of a block is only known at the next token, so it is taken from its last value.
        let end = if open.flow { end.end.max(last) } else { last };
        self.value(Node { kind, span: Span { file: self.file, start: open.start, end } })
    }

    fn value(&mut self, node: Node) -> Result<(), Stop> {
        let span = node.span;
        match self.stack.last_mut().map(|open| &mut open.body) {
            None if self.documents <= 1 => self.root = Some(node),
            None => {}
            Some(Body::List(items)) => items.push(node),
            Some(Body::Map { entries, seen, key }) => match key.take() {
                None => *key = Some(read_key(node, seen, self.out)),
                Some(Key::Text(text)) => entries.push((text, node)),
                Some(Key::Refused) => {}
            },
        }
        self.count(span)
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.source.len());
        let mut found = lint::syntax(self.file, self.source, at, &error.kind().to_string());
        // A comma that cut a text in two leaves halves that are not YAML: the cause has been said.
        if self.out.last().is_some_and(|last| last.code == "yaml.cut-comma" && last.span.file == self.file) {
            return;
        }
        let open = self.stack.iter().rev().find(|open| open.flow && open.start < found.span.start);
        if let (Some(open), "yaml.syntax") = (open, found.code) {
            let bracket = Span { file: self.file, start: open.start, end: open.start + 1 };
            found = found.related(bracket, "opened here, not closed yet");
        }
        self.out.push(found);
    }
}

fn read_key(node: Node, seen: &mut HashMap<String, Span>, out: &mut Vec<Diagnostic>) -> Key {
    let Kind::Scalar { text, .. } = node.kind else {
        let error = Diagnostic::error("yaml.unquoted", node.span, "a key must be a single word")
            .label("YAML reads this as a key that is itself a list or mapping");
        out.push(error.help("quote a text that starts with `{` or `[`"));
        return Key::Refused;
    };
    if let Some(first) = seen.get(&text.text) {
        let message = format!("the key `{}` is there twice", text.text);
        let error = Diagnostic::error("yaml.duplicate-key", node.span, message).label("this one is not read");
        out.push(error.related(*first, "the first one"));
        return Key::Refused;
    }
    seen.insert(text.text.clone(), node.span);
    Key::Text(text)
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, Node, parse};
    use crate::diagnostic::{Diagnostic, FileId};

    fn read(source: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let mut out = Vec::new();
        let node = parse(FileId(0), source, &mut out);
        (node, out)
    }

    fn codes(source: &str) -> Vec<&'static str> {
        read(source).1.iter().map(|d| d.code).collect()
    }

    /// Every byte of a value that is not white space stands at its mapped place.
    fn assert_places(source: &str) {
        let (node, out) = read(source);
        assert!(out.is_empty(), "{out:?}");
        let node = node.expect("parsed");
        let text = node.get("sql").and_then(Node::text).expect("a text");
        for (at, c) in text.text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            let span = text.span_of(at, at + c.len_utf8());
            let found = &source[span.start as usize..];
            assert!(found.starts_with(c), "{c:?} at {at} of {:?} maps to {found:?}", text.text);
        }
    }

    #[test]
    fn every_character_of_a_text_knows_its_place() {
        for source in [
            "a: 1\nsql: SELECT *  FROM x   \nb: 2\n",
            "sql: SELECT *\n  FROM x\n\n  WHERE y\n",
            "sql: 'it''s ö ''x'' ok'\n",
            "sql: 'one\n\n  two'\n",
            "sql: |\n  SELECT *\n    FROM x -- ö\n\n  WHERE y = 'a  b'\nb: 2\n",
            "sql: |2-\n    SELECT *\n  FROM x\n",
            "sql: |\n\n\n  SELECT *\r\n  FROM x\r\n\r\n  WHERE y\r\n",
            "sql: >\n  SELECT *\n  FROM x\n\n\n  WHERE y\n    AND z\n  OR w\n",
            "{a: b, sql: \"SELECT x\"}\n",
            "- x\n- y\n",
        ] {
            if source.starts_with('-') {
                continue;
            }
            assert_places(source);
        }
    }

    #[test]
    fn escapes_keep_the_places_after_them() {
        let source = "sql: \"a \\\"b\\\" \\t\\u00e4 \\\n   c\\x41 \\uD83D\\uDE00 d\"\n";
        let (node, out) = read(source);
        assert!(out.is_empty(), "{out:?}");
        let node = node.expect("parsed");
        let text = node.get("sql").and_then(Node::text).expect("a text");
        assert_eq!(text.text, "a \"b\" \tä cA \u{1F600} d");
        for (needle, raw) in [("\"b", "\\\"b"), ("ä", "\\u00e4"), ("c", "c\\x41"), ("A", "\\x41"), ("d", "d\"")] {
            let at = text.text.find(needle).expect("there");
            let span = text.span_of(at, at + 1);
            assert!(source[span.start as usize..].starts_with(raw), "{needle}: {}", &source[span.start as usize..]);
        }
    }

    #[test]
    fn tricks_are_refused_where_they_stand() {
        assert_eq!(codes("a: &x 1\nb: 2\n"), ["yaml.anchor"]);
        assert_eq!(codes("a: *x\nb: *y\n"), ["yaml.unquoted", "yaml.unquoted"]);
        assert_eq!(codes("a: !!str 1\n"), ["yaml.tag"]);
        assert_eq!(codes("a: 1\na: 2\n"), ["yaml.duplicate-key"]);
        assert_eq!(codes("a: 1\n---\nb: 2\n"), ["yaml.documents"]);
        assert_eq!(codes("? [a, b]\n: 1\n"), ["yaml.unquoted"]);
        assert_eq!(
            codes(&format!("a: {}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1))),
            ["project.too-large"]
        );
        assert_eq!(codes("a: @x\n"), ["yaml.unquoted"]);
        assert_eq!(codes("a: {x} of {y}\n"), ["yaml.unquoted"]);
        assert_eq!(codes("a: [1, 2\n"), ["yaml.syntax"]);
        assert_eq!(codes("a: b #c\n"), ["yaml.cut-comment"]);
        assert_eq!(codes("a: b # a comment\nc: d  # another\n"), Vec::<&str>::new());
        assert_eq!(codes("a: {b: IF(x, y, z)}\n"), ["yaml.cut-comma"]);
    }

    #[test]
    fn an_empty_file_is_an_empty_mapping() {
        for source in ["", "\n", "# only a comment\n", "---\n"] {
            let (node, out) = read(source);
            assert!(out.is_empty());
            assert!(node.expect("a node").entries().is_empty());
        }
    }

    #[test]
    fn null_is_only_null_unquoted() {
        let (node, _) = read("a: NULL\nb: 'null'\nc: NO\nd:\n");
        let node = node.expect("parsed");
        let null = |key: &str| node.get(key).expect("there").is_null();
        assert!(null("a") && !null("b") && !null("c") && null("d"));
    }
}
