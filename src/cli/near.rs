//! The row that came nearest to meeting conditions, as people read it.

use crate::diagnostic::{SourceFiles, Span};
use crate::pipeline::detect::nearest::Nearest;
use crate::record::Value;

/// The row that came nearest: each condition, and by how much it failed.
pub fn describe_near(files: &SourceFiles, what: &str, near: &Nearest) -> String {
    let mut text = format!("       {what}:\n");
    text.push_str(&format!("         {}\n", fields(&near.row)));
    for condition in &near.conditions {
        let written = written(files, condition.span);
        let mark = if condition.held { "holds" } else { "fails" };
        let sides = match &condition.sides {
            Some((left, right)) => {
                let off = if condition.held { String::new() } else { off(left, right) };
                format!("  ({} against {}{off})", left.display(), right.display())
            }
            None => String::new(),
        };
        text.push_str(&format!("         {mark}  {written}{sides}\n"));
    }
    text
}

pub fn fields(row: &[(String, Value)]) -> String {
    row.iter().map(|(name, value)| format!("{name} {}", value.display())).collect::<Vec<_>>().join(", ")
}

/// What stands at a place, on one line.
pub fn written(files: &SourceFiles, span: Span) -> String {
    let text = files.text(span.file).get(span.start as usize..span.end as usize).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The distance between two numbers.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn off(left: &Value, right: &Value) -> String {
    let number = |value: &Value| match value {
        Value::Int64(v) => Some(*v as f64),
        Value::Float64(v) => Some(*v),
        _ => None,
    };
    match (number(left), number(right)) {
        (Some(left), Some(right)) if left != right => format!(", off by {}", (left - right).abs()),
        _ => String::new(),
    }
}
