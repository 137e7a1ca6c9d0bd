//! Findings as text for people and as JSON for programs. Both in one stable order.

use std::collections::BTreeMap;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::{Diagnostic, FileId, Severity, SourceFiles, Span};

/// Lines of one file between two places of a finding that are still shown in one snippet.
const SNIPPET_LINES_MAX: usize = 400;

/// By path, position and code.
pub fn sort(diagnostics: &mut [Diagnostic], files: &SourceFiles) {
    diagnostics.sort_by(|a, b| order(a, files).cmp(&order(b, files)));
}

fn order<'a>(d: &'a Diagnostic, files: &'a SourceFiles) -> (&'a str, u32, u32, &'a str, &'a str) {
    (files.path(d.span.file), d.span.start, d.span.end, d.code, &d.message)
}

fn sorted(diagnostics: &[Diagnostic], files: &SourceFiles) -> Vec<Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by(|a, b| order(a, files).cmp(&order(b, files)));
    sorted.into_iter().map(|diagnostic| shown(diagnostic, files)).collect()
}

/// As it may be shown: without the secrets that files have.
fn shown(diagnostic: &Diagnostic, files: &SourceFiles) -> Diagnostic {
    let text = |text: &String| files.shown(text).into_owned();
    Diagnostic {
        message: text(&diagnostic.message),
        label: text(&diagnostic.label),
        related: diagnostic.related.iter().map(|(span, related)| (*span, text(related))).collect(),
        help: diagnostic.help.iter().map(text).collect(),
        ..*diagnostic
    }
}

/// Every finding with its snippet, then a line that counts them; empty when there are none.
pub fn render_text(diagnostics: &[Diagnostic], files: &SourceFiles, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for diagnostic in sorted(diagnostics, files) {
        text.push_str(renderer.render(&[group(&diagnostic, files)]).trim_end());
        text.push_str("\n\n");
    }
    text.push_str(&counts(diagnostics));
    text
}

fn counts(diagnostics: &[Diagnostic]) -> String {
    let of = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => String::new(),
        (errors, 0) => plural(errors, "error") + "\n",
        (0, warnings) => plural(warnings, "warning") + "\n",
        (errors, warnings) => format!("{}, {}\n", plural(errors, "error"), plural(warnings, "warning")),
    }
}

fn group<'a>(diagnostic: &'a Diagnostic, files: &'a SourceFiles) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(diagnostic.code));
    let mut others: BTreeMap<FileId, Vec<(Span, &str)>> = BTreeMap::new();
    let mut near = Vec::new();
    for (span, text) in &diagnostic.related {
        if span.file == diagnostic.span.file && is_near(diagnostic.span, *span, files) {
            near.push((*span, text.as_str()));
        } else {
            others.entry(span.file).or_default().push((*span, text.as_str()));
        }
    }
    if files.text(diagnostic.span.file).is_empty() {
        let path = files.path(diagnostic.span.file);
        if !path.is_empty() {
            group = group.element(Origin::path(path).line(1).char_column(1));
        }
    } else {
        group = group.element(snippet(diagnostic.span, Some(&diagnostic.label), &near, files));
    }
    for (_, places) in others {
        for (span, text) in places {
            group = group.element(snippet(span, Some(text), &[], files));
        }
    }
    group.elements(diagnostic.help.iter().map(|help| Level::HELP.message(help.as_str())))
}

fn is_near(a: Span, b: Span, files: &SourceFiles) -> bool {
    let text = files.text(a.file);
    let (from, to) = (a.start.min(b.start) as usize, a.start.max(b.start) as usize);
    text.get(from..to).is_some_and(|between| between.matches('\n').count() <= SNIPPET_LINES_MAX)
}

/// The lines that hold the places, cut from the file so that a long file costs nothing.
fn snippet<'a>(
    primary: Span,
    label: Option<&'a str>,
    context: &[(Span, &'a str)],
    files: &'a SourceFiles,
) -> Snippet<'a, Annotation<'a>> {
    let text = files.text(primary.file);
    let spans = || std::iter::once(primary).chain(context.iter().map(|(span, _)| *span));
    let first = boundary(text, spans().map(|s| s.start as usize).min().unwrap_or(0));
    let last = boundary(text, spans().map(|s| s.end as usize).max().unwrap_or(0)).max(first);
    let from = text[..first].rfind('\n').map_or(0, |i| i + 1);
    let to = text[last..].find('\n').map_or(text.len(), |i| last + i);
    let range = |span: Span| {
        let start = boundary(text, span.start as usize).clamp(from, to);
        let end = boundary(text, span.end as usize).clamp(start, to);
        start - from..end - from
    };
    let line = text[..from].matches('\n').count() + 1;
    let label = label.filter(|label| !label.is_empty());
    let shown = Snippet::source(files.shown(&text[from..to])).path(files.path(primary.file)).line_start(line);
    let shown = shown.annotation(AnnotationKind::Primary.span(range(primary)).label(label));
    context
        .iter()
        .fold(shown, |shown, (span, text)| shown.annotation(AnnotationKind::Context.span(range(*span)).label(*text)))
}

fn boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// An array of findings: `{code, severity, message, path, line, column, end_line, end_column, label, help, related}`.
pub fn render_json(diagnostics: &[Diagnostic], files: &SourceFiles) -> Value {
    let one = |d: &Diagnostic| {
        let mut value = place(d.span, files);
        let related: Vec<Value> = d
            .related
            .iter()
            .map(|(span, text)| {
                let mut value = place(*span, files);
                value["message"] = json!(text);
                value
            })
            .collect();
        value["code"] = json!(d.code);
        value["severity"] = json!(match d.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        });
        value["message"] = json!(d.message);
        value["label"] = json!(d.label);
        value["help"] = json!(d.help);
        value["related"] = Value::Array(related);
        value
    };
    Value::Array(sorted(diagnostics, files).iter().map(one).collect())
}

fn place(span: Span, files: &SourceFiles) -> Value {
    let (line, column) = files.line_column(span.file, span.start);
    let (end_line, end_column) = files.line_column(span.file, span.end);
    json!({
        "path": files.path(span.file),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}

#[cfg(test)]
mod tests {
    use super::{render_json, render_text};
    use crate::diagnostic::{Diagnostic, SourceFiles, Span};

    fn example() -> (Vec<Diagnostic>, SourceFiles) {
        let mut files = SourceFiles::default();
        let b = files.add("b.yaml", "one: 1\ntwö: 2\n");
        let a = files.add("a.yaml", "x: y\n");
        let empty = files.add("c.yaml", "");
        let found = vec![
            Diagnostic::error("t.two", Span { file: b, start: 7, end: 11 }, "second").label("here").help("do that"),
            Diagnostic::warning("t.empty", Span { file: empty, start: 0, end: 0 }, "nothing there"),
            Diagnostic::warning("t.one", Span { file: b, start: 0, end: 3 }, "first")
                .related(Span { file: a, start: 3, end: 4 }, "see this"),
        ];
        (found, files)
    }

    #[test]
    fn text_is_in_order_with_places_and_counts() {
        let (found, files) = example();
        let text = render_text(&found, &files, false);
        let expected = "\
warning[t.one]: first
 --> b.yaml:1:1
  |
1 | one: 1
  | ^^^
  |
 ::: a.yaml:1:4
  |
1 | x: y
  |    ^ see this

error[t.two]: second
 --> b.yaml:2:1
  |
2 | twö: 2
  | ^^^ here
  |
  = help: do that

warning[t.empty]: nothing there
--> c.yaml:1:1

1 error, 2 warnings
";
        assert_eq!(text, expected);
        assert!(render_text(&found, &files, true).contains("\u{1b}["));
        assert_eq!(render_text(&[], &files, false), "");
    }

    #[test]
    fn json_names_every_field() {
        let (found, files) = example();
        let json = render_json(&found, &files);
        assert_eq!(json[1]["code"], "t.two");
        assert_eq!((&json[1]["line"], &json[1]["column"]), (&2.into(), &1.into()));
        assert_eq!((&json[1]["end_line"], &json[1]["end_column"]), (&2.into(), &4.into()));
        assert_eq!(json[0]["related"][0]["path"], "a.yaml");
        assert_eq!(json[0]["severity"], "warning");
    }

    #[test]
    fn no_place_is_too_odd_to_render() {
        let mut files = SourceFiles::default();
        let file = files.add("a", "ä\nb");
        for (start, end) in [(0, 99), (1, 1), (4, 4), (3, 0), (99, 99), (2, 3)] {
            let odd = Diagnostic::error("t.odd", Span { file, start, end }, "odd")
                .related(Span { file, start: end, end: start }, "too");
            assert!(render_text(std::slice::from_ref(&odd), &files, false).contains("t.odd"));
            assert!(render_json(&[odd], &files).is_array());
        }
    }
}
