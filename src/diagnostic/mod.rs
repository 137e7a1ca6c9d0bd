//! What is said to a user about a definition: codes, places, renderings.
//!
//! Every finding has a permanent code, a place (`file:line:col`), a message and, where there is one, a
//! `help:` line. This module knows nothing of what definitions mean. Its renderings have snapshots in
//! `tests/error`.

mod codes;
mod render;
mod source;
mod suggest;

pub use codes::{CodePage, codes, page};
pub use render::{render_json, render_text, sort};
pub use source::{FileId, SourceFiles, Span, Text, TextMap};
pub use suggest::suggest;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Error,
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Permanent, dotted by stage: `sql.unknown-column`.
    pub code: &'static str,
    pub severity: Severity,
    /// Lower case, no full stop.
    pub message: String,
    pub span: Span,
    /// What is written beside the underlined text.
    pub label: String,
    /// Other places that matter, each with its text.
    pub related: Vec<(Span, String)>,
    /// Printed as `help:` lines.
    pub help: Vec<String>,
}

impl Diagnostic {
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }
}
