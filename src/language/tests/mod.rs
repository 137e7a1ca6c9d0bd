//! What is accepted, what is refused, where and with which help.

mod accepted;
mod hostile;
mod null;
mod refused;
mod select;

use crate::diagnostic::{Diagnostic, FileId, Text};
use crate::record::{Column, Type, Value};

use super::{Expr, LookupField, Scope, ScopeColumn, ScopeLookup, bind_expression};

/// A scope like that of a rule over flows, with a joined relation and two lookups.
pub(super) fn scope() -> Scope {
    let columns = [
        Column::new("event_time", Type::Timestamp, false),
        Column::new("src_ip", Type::String, false),
        Column::new("dst_ip", Type::String, true),
        Column::new("dst_port", Type::Int64, false),
        Column::new("tx_bytes", Type::Int64, false),
        Column::new("rx_bytes", Type::Int64, true),
        Column::new("score", Type::Float64, true),
        Column::new("blocked", Type::Bool, true),
    ];
    let mut scope = Scope::over("flows", &columns);
    for name in ["hosts", "score"] {
        scope
            .columns
            .push(ScopeColumn { qualifier: Some("pair".into()), column: Column::new(name, Type::Int64, false) });
    }
    scope.elsewhere.push(("bytes_seen".into(), "`bytes_seen` is computed after".into()));
    let field = |name: &str, ty, nullable, cidr| LookupField { name: name.into(), ty, nullable, cidr };
    scope.lookups = vec![
        ScopeLookup {
            name: "bad_ports".into(),
            columns: vec![field("port", Type::Int64, false, false), field("owner", Type::String, true, false)],
            joined_only: false,
        },
        ScopeLookup {
            name: "networks".into(),
            columns: vec![field("cidr", Type::String, false, true)],
            joined_only: false,
        },
    ];
    scope.params.insert("limit".into(), Value::Int64(100));
    scope.params.insert("since".into(), Value::String("2026-01-01 00:00:00+00".into()));
    scope
}

pub(super) fn text(sql: &str) -> Text {
    Text::verbatim(sql, FileId(0), 0)
}

pub(super) fn bind(sql: &str) -> (Option<Expr>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let expr = bind_expression(&text(sql), &scope(), &mut diagnostics);
    (expr, diagnostics)
}

/// The part of the text that a diagnostic underlines.
pub(super) fn underlined<'a>(sql: &'a str, diagnostic: &Diagnostic) -> &'a str {
    let place = |at: u32| usize::try_from(at).unwrap();
    &sql[place(diagnostic.span.start)..place(diagnostic.span.end)]
}
