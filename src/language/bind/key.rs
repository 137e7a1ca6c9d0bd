//! Pseudonym keys by their names.

use crate::diagnostic::{Diagnostic, Span, suggest};
use crate::language::codes;
use crate::language::tree::{Expr, ExprKind};
use crate::record::Value;

use super::binder::Binder;

impl Binder<'_> {
    /// The second argument names a key, whose id takes its place: what a pseudonym is depends on the id, and not on what a
    /// project calls the key.
    pub(super) fn name_key(&mut self, args: &mut [Expr], span: Span) -> Option<()> {
        let Some(keys) = &self.scope.keys else {
            let help = "write it in `flows.sql` of the source: what reads `flows` has the pseudonyms, and \
                        `tripline pseudonymize` prints them";
            return self.refuse(span, "pseudonyms are made in a source's normalization alone", help);
        };
        let at = args.last_mut()?;
        let ExprKind::Literal(Value::String(name)) = &at.kind else {
            let help = "write the name of a key of `pseudonym_keys` in tripline.yaml: pseudonymize(x, 'subscriber')";
            let message = "the name of the key is not constant";
            self.report(Diagnostic::error(codes::BAD_PATTERN, at.span, message).help(help));
            return None;
        };
        if let Some((_, id)) = keys.iter().find(|(known, _)| known == name) {
            at.kind = ExprKind::Literal(Value::String(id.clone()));
            return Some(());
        }
        let report = unknown_key(name, at.span, keys);
        self.report(report);
        None
    }
}

/// A name that no pseudonym key has.
pub fn unknown_key(name: &str, span: Span, keys: &[(String, String)]) -> Diagnostic {
    let report = Diagnostic::error(codes::UNKNOWN_KEY, span, format!("no pseudonym key is named `{name}`"));
    let names = || keys.iter().map(|(name, _)| name.as_str());
    match (suggest(name, names()), keys.is_empty()) {
        (Some(near), _) => report.help(format!("did you mean `{near}`?")),
        (None, false) => report.help(format!("the keys are {}", names().collect::<Vec<_>>().join(", "))),
        (None, true) => {
            report.help(format!("name it in tripline.yaml: `pseudonym_keys: {{{name}: {{id: k1, env: VARIABLE}}}}`"))
        }
    }
}
