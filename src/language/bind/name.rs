//! Columns and parameters.

use sqlparser::ast;

use crate::diagnostic::{Diagnostic, Span, suggest};
use crate::language::tree::{Expr, ExprKind};
use crate::language::{codes, is_reserved};

use super::binder::{Binder, GroupKey};

/// Column names that a message lists at most.
const LISTED_COLUMNS_MAX: usize = 24;

impl Binder<'_> {
    /// A column, or a parameter.
    pub(super) fn bind_name(&mut self, parts: &[ast::Ident]) -> Option<Expr> {
        let first = parts.first()?;
        let last = parts.last()?;
        let span = self.ident_span(first).to(self.ident_span(last));
        if first.quote_style.is_none() && first.value.starts_with('@') {
            return self.bind_parameter(parts, span);
        }
        self.check_reserved(first)?;
        match parts {
            [name] => self.bind_column(None, &name.value, span),
            [qualifier, name] => self.bind_column(Some(&qualifier.value), &name.value, span),
            _ => self.refuse(span, "a column has at most one qualifier", "write alias.column"),
        }
    }

    /// A reserved word is a name only in backticks.
    pub(super) fn check_reserved(&mut self, ident: &ast::Ident) -> Option<()> {
        if ident.quote_style.is_some() || !is_reserved(&ident.value) {
            return Some(());
        }
        let span = self.ident_span(ident);
        let message = format!("{} is a reserved word of GoogleSQL", ident.value);
        self.refuse(span, message, format!("as a name write `{}`, in backticks", ident.value))
    }

    fn bind_parameter(&mut self, parts: &[ast::Ident], span: Span) -> Option<Expr> {
        let name = parts.first()?.value.trim_start_matches('@');
        if parts.len() > 1 {
            return self.refuse(span, "a parameter has no fields", "write @name");
        }
        let Some(value) = self.scope.params.get(name) else {
            let mut report =
                Diagnostic::error(codes::UNKNOWN_PARAMETER, span, format!("no parameter is named @{name}"));
            report = match suggest(name, self.scope.params.keys().map(String::as_str)) {
                Some(near) => report.help(format!("did you mean @{near}?")),
                None => report.help(format!("declare it: params: {{{name}: value}}")),
            };
            self.report(report);
            return None;
        };
        let (ty, nullable) = (value.ty(), value.is_null());
        Some(Expr { kind: ExprKind::Literal(value.clone()), ty, nullable, span })
    }

    /// Indexes of the columns that a name may mean.
    pub(super) fn matching(&self, qualifier: Option<&str>, name: &str) -> Vec<usize> {
        let owns = |q: &str| self.relation.iter().any(|r| r.eq_ignore_ascii_case(q));
        let all = self.scope.columns.iter().enumerate().filter(|(_, c)| c.column.name.eq_ignore_ascii_case(name));
        let qualified: Vec<(usize, bool)> = match qualifier {
            Some(q) => all
                .filter(|(_, c)| match &c.qualifier {
                    Some(own) => own.eq_ignore_ascii_case(q),
                    None => owns(q),
                })
                .map(|(i, _)| (i, false))
                .collect(),
            None => all.map(|(i, c)| (i, c.qualifier.is_none())).collect(),
        };
        // The relation's own column is meant before a joined one of the same name.
        let own: Vec<usize> = qualified.iter().filter(|(_, own)| *own).map(|(i, _)| *i).collect();
        if own.is_empty() { qualified.into_iter().map(|(i, _)| i).collect() } else { own }
    }

    fn bind_column(&mut self, qualifier: Option<&str>, name: &str, span: Span) -> Option<Expr> {
        let found = self.matching(qualifier, name);
        if let Some(item) = self.alias(qualifier, name, &found, span) {
            return item;
        }
        let [index] = found.as_slice() else {
            return if found.is_empty() {
                self.unknown_column(qualifier, name, span)
            } else {
                self.ambiguous_column(&found, name, span)
            };
        };
        let column = &self.scope.columns.get(*index)?.column;
        if self.aggregates.is_some() && !self.inside_aggregate {
            let is_column = |key: &&GroupKey| matches!(key.expr.kind, ExprKind::Column(at) if at == *index);
            if let Some(key) = self.group.iter().find(is_column).map(|key| key.expr.clone()) {
                return self.any_of_group(key);
            }
            let report =
                Diagnostic::error(codes::AGGREGATE, span, format!("{} stands outside an aggregate", column.name))
                    .help(format!("write an aggregate of it, such as MAX({})", column.name));
            let mut within = false;
            for key in &self.group {
                key.expr.walk(&mut |expr| within |= matches!(expr.kind, ExprKind::Column(at) if at == *index));
            }
            self.report(match self.group.is_empty() {
                false if within => report.help(
                    "GROUP BY has an expression of it: that is a whole item, and elsewhere it is named by the item's alias",
                ),
                false => report.help("or add it to GROUP BY"),
                true => report,
            });
            return None;
        }
        let (ty, nullable) = (column.ty, column.nullable);
        Some(Expr { kind: ExprKind::Column(*index), ty, nullable, span })
    }

    /// The item that a name in QUALIFY may mean; `None` when it means none. A column of the same name has to be it.
    fn alias(&mut self, qualifier: Option<&str>, name: &str, found: &[usize], span: Span) -> Option<Option<Expr>> {
        if qualifier.is_some() {
            return None;
        }
        let item = self.aliases.iter().find(|item| item.name.eq_ignore_ascii_case(name))?;
        let same = match (&item.expr.kind, found) {
            (_, []) => true,
            (ExprKind::Column(index), [column]) => index == column,
            _ => false,
        };
        if same {
            return Some(Some(Expr { span, ..item.expr.clone() }));
        }
        let report = Diagnostic::error(codes::AMBIGUOUS_COLUMN, span, format!("{name} is an item and a column"))
            .help("give the item a name of its own");
        self.report(report);
        Some(None)
    }

    fn ambiguous_column(&mut self, found: &[usize], name: &str, span: Span) -> Option<Expr> {
        let owners: Vec<String> = found
            .iter()
            .filter_map(|i| self.scope.columns.get(*i))
            .map(|c| match &c.qualifier {
                Some(q) => format!("{q}.{}", c.column.name),
                None => c.column.name.clone(),
            })
            .collect();
        let report = Diagnostic::error(codes::AMBIGUOUS_COLUMN, span, format!("{name} is ambiguous"))
            .help(format!("write one of {}", owners.join(", ")));
        self.report(report);
        None
    }

    fn unknown_column(&mut self, qualifier: Option<&str>, name: &str, span: Span) -> Option<Expr> {
        if self.scope.broken.iter().any(|broken| broken.eq_ignore_ascii_case(qualifier.unwrap_or(name))) {
            return None;
        }
        let here: Vec<String> = self
            .scope
            .columns
            .iter()
            .map(|c| match &c.qualifier {
                Some(q) => format!("{q}.{}", c.column.name),
                None => c.column.name.clone(),
            })
            .collect();
        let wanted = match qualifier {
            Some(q) if !self.relation.iter().any(|r| r.eq_ignore_ascii_case(q)) => format!("{q}.{name}"),
            _ => name.to_owned(),
        };
        let owner = if self.scope.owner.is_empty() { "here".to_owned() } else { format!("in {}", self.scope.owner) };
        let mut report = Diagnostic::error(codes::UNKNOWN_COLUMN, span, format!("no column is named {wanted} {owner}"));
        if let Some((_, help)) = self.scope.elsewhere.iter().find(|(name, _)| name.eq_ignore_ascii_case(&wanted)) {
            let report = report.help(help);
            self.report(report);
            return None;
        }
        let near = suggest(&wanted, here.iter().map(String::as_str)).or_else(|| {
            // The right name under another qualifier.
            let suffix = format!(".{name}");
            here.iter().map(String::as_str).find(|c| c.ends_with(&suffix) || c.eq_ignore_ascii_case(name))
        });
        if let Some(near) = near {
            report = report.help(format!("did you mean {near}?"));
        }
        let mut listed = here.iter().take(LISTED_COLUMNS_MAX).cloned().collect::<Vec<_>>().join(", ");
        if here.len() > LISTED_COLUMNS_MAX {
            listed.push_str(&format!(" and {} more", here.len() - LISTED_COLUMNS_MAX));
        }
        if !listed.is_empty() {
            report = report.help(format!("its columns are {listed}"));
        }
        self.report(report);
        None
    }
}
