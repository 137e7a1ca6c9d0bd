//! Traps of YAML: a value that is cut off or read as something else because it is not quoted.
//!
//! These look at the text around a value; they know nothing of what the value means.

use crate::diagnostic::{Diagnostic, FileId, Span, Text};

pub(super) const QUOTE: &str = "quote the whole value: '…' (inside, write '' for ')";

/// Looks at what follows an unquoted value, and at what it lacks.
pub(super) fn plain_scalar(source: &str, text: &Text, flow: bool, out: &mut Vec<Diagnostic>) {
    let span = text.span();
    let after = source.get(span.end as usize..).and_then(|rest| rest.split('\n').next()).unwrap_or("");
    if let Some(cut) = comment(after)
        && (starts_like_text(cut) || open_quote(&text.text))
    {
        let end = span.end + u32::try_from(after.trim_end().len()).unwrap_or(0);
        let warning =
            Diagnostic::warning("yaml.cut-comment", Span { start: span.end, end, ..span }, "` #` cuts the value off")
                .label("a comment, not part of the value");
        out.push(warning.help(QUOTE).help("if a comment is meant, put a space after `#`"));
    }
    if flow && open_parentheses(&text.text) > 0 && after.trim_start().starts_with(',') {
        let error = Diagnostic::error("yaml.cut-comma", span, "a comma ends this value inside `{ }` or `[ ]`")
            .label("the parenthesis is not closed here");
        out.push(error.help(QUOTE).help("or write the mapping on lines of its own, without `{ }`"));
    }
}

fn comment(after: &str) -> Option<&str> {
    let trimmed = after.trim_start_matches([' ', '\t']);
    if trimmed.len() == after.len() { None } else { trimmed.strip_prefix('#') }
}

/// `#4` and `#{x}` look like text, `# why` like a comment.
fn starts_like_text(cut: &str) -> bool {
    cut.chars().next().is_some_and(|c| !c.is_whitespace() && c != '#' && c != '!')
}

fn open_quote(text: &str) -> bool {
    // An apostrophe inside a word (`don't`) opens nothing.
    let mut open = None;
    let mut before = ' ';
    for c in text.chars() {
        match open {
            Some(quote) if c == quote => open = None,
            None if matches!(c, '\'' | '"') && !before.is_alphanumeric() => open = Some(c),
            _ => {}
        }
        before = c;
    }
    open.is_some()
}

pub(super) fn open_parentheses(text: &str) -> i32 {
    text.chars().fold(0, |open, c| match c {
        '(' => open + 1,
        ')' => open - 1,
        _ => open,
    })
}

/// A syntax error, or what is behind it when an unquoted value starts with a sign of YAML's own.
pub(super) fn syntax(file: FileId, source: &str, at: usize, reason: &str) -> Diagnostic {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    if let Some((start, end, sign)) = unquoted_start(source, at) {
        let message = format!("a value that starts with `{sign}` must be quoted");
        let error = Diagnostic::error("yaml.unquoted", span(file, start, end), message);
        return error.label(format!("YAML reads `{sign}` as a sign of its own")).help(QUOTE);
    }
    let tab = if reason.contains("tab") { indented_by_tab(source, at) } else { None };
    let at = tab.unwrap_or(at);
    let line_end = source[at..].find('\n').map_or(source.len(), |i| at + i);
    let end = source[at..line_end].chars().next().map_or(at, |c| at + c.len_utf8());
    let reason = reason.strip_prefix("while ").map_or(reason, |r| r);
    let error = Diagnostic::error("yaml.syntax", span(file, at, end), format!("this is not YAML: {reason}"));
    if source[at..end].starts_with('\t') {
        return error.help("indent with spaces, not tabs");
    }
    let line_start = source[..at].rfind('\n').map_or(0, |i| i + 1);
    if let Some((key, sign)) = shallow_block(&source[..line_end]) {
        return error.help(format!("the text under `{key}: {sign}` must be indented deeper than `{key}`"));
    }
    let line = source[line_start..line_end].trim();
    match line.split_once(": ") {
        Some((key, value)) if reason.contains("trailing content after") && !value.contains('"') => {
            error.help(format!("quote the whole value: {key}: \"{value}\""))
        }
        Some((key, value)) if reason.contains("trailing content after") => {
            error.help(format!("write the value as a block: {key}: |, and on the next line, indented, {value}"))
        }
        Some((key, value)) if reason.contains("mapping values are not allowed") && value.contains(": ") => {
            error.help(format!("a value with `: ` in it is quoted: {key}: \"{value}\""))
        }
        _ => error.help("check the indentation, and the quotes and brackets on this line and the one before"),
    }
}

/// The key and sign of the last `key: |` of a text, when what follows is no deeper than the key and is no key itself.
fn shallow_block(before: &str) -> Option<(&str, &str)> {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let lines: Vec<&str> = before.lines().filter(|line| !line.trim().is_empty()).collect();
    let header = |line: &&str| line.split_once(": ").is_some_and(|(_, sign)| sign.trim_end().starts_with(['|', '>']));
    let at = lines.iter().rposition(header)?;
    let (key, sign) = lines.get(at)?.split_once(": ")?;
    let next = lines.get(at + 1)?;
    let word = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_key = next.split_once(':').is_some_and(|(name, _)| word(name.trim()));
    let shallow = indent(next) <= indent(key) && !is_key && sign.trim().len() <= 2;
    shallow.then(|| (key.trim_start_matches([' ', '-']), sign.trim()))
}

/// The first tab, from the line of `at` on, that stands in a line's indentation.
fn indented_by_tab(source: &str, at: usize) -> Option<usize> {
    let mut start = source[..at].rfind('\n').map_or(0, |i| i + 1);
    for line in source[start..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// The value on the line of `at` (or the line before) that starts with a reserved sign.
fn unquoted_start(source: &str, at: usize) -> Option<(usize, usize, char)> {
    let line_start = source[..at].rfind('\n').map_or(0, |i| i + 1);
    let previous_start = source[..line_start.saturating_sub(1)].rfind('\n').map_or(0, |i| i + 1);
    [line_start, previous_start].into_iter().find_map(|start| {
        let line = source[start..].split('\n').next().unwrap_or("");
        let mut value = line.trim_start();
        while let Some(rest) = value.strip_prefix("- ") {
            value = rest.trim_start();
        }
        if let Some((key, rest)) = value.split_once(": ")
            && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
        {
            value = rest.trim_start();
        }
        let sign = value.chars().next()?;
        let cut = match sign {
            '@' | '`' | '%' | '*' | '&' => true,
            // `{x} of {y}`: something follows the closing brace.
            '{' => after_braces(value).is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['#', ','])),
            _ => false,
        };
        let from = start + (line.len() - value.len());
        cut.then(|| (from, start + line.trim_end().len(), sign))
    })
}

fn after_braces(value: &str) -> Option<&str> {
    let mut depth = 0;
    for (i, c) in value.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(value[i + 1..].trim());
        }
    }
    None
}

fn span(file: FileId, start: usize, end: usize) -> Span {
    let place = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { file, start: place(start), end: place(end) }
}
