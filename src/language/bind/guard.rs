//! What must hold of the arguments of a call before it is accepted: constant patterns and formats.

use crate::diagnostic::{Diagnostic, Span};
use crate::language::function::{Function, Guard, Id};
use crate::language::tree::{Expr, ExprKind};
use crate::language::{codes, format, json_path, pattern};
use crate::record::{Network, Value};

use super::binder::Binder;
use super::null_operand::is_null;

impl Binder<'_> {
    pub(super) fn check_guard(&mut self, function: &Function, args: &[Expr], span: Span) -> Option<()> {
        if function.is_own() {
            self.check_own(function, args)?;
        }
        match function.guard {
            Guard::NonZeroDivisor => self.check_divisor(function, args, span),
            Guard::ConstantPattern => self.check_pattern(function, args),
            Guard::ConstantFormat => self.check_format(function, args),
            Guard::ConstantNetwork => self.check_network(args),
            Guard::ConstantPath => self.check_path(args),
            // Found where its name was told.
            Guard::ConstantKey => Some(()),
            Guard::Domain if function.id == Id::Like => match args.get(1).map(|a| (&a.kind, a.span)) {
                Some((ExprKind::Literal(Value::String(p)), at)) if !pattern::like_is_closed(p) => {
                    self.error(codes::BAD_PATTERN, at, "the pattern ends with a backslash")
                }
                _ => Some(()),
            },
            Guard::Domain | Guard::None => Some(()),
        }
    }

    /// The text of an argument that must be constant; none for NULL, of which nothing is computed.
    fn constant<'e>(&mut self, arg: &'e Expr, what: &str) -> Option<Option<&'e str>> {
        match &arg.kind {
            ExprKind::Literal(Value::String(text)) => Some(Some(text)),
            _ if is_null(arg) => Some(None),
            _ => {
                let report = Diagnostic::error(codes::BAD_PATTERN, arg.span, format!("the {what} is not constant"))
                    .help(format!("write the {what} as a literal, or as a @param"));
                self.report(report);
                None
            }
        }
    }

    fn check_pattern(&mut self, function: &Function, args: &[Expr]) -> Option<()> {
        let at = args.get(1)?;
        let Some(source) = self.constant(at, "pattern")? else { return Some(()) };
        let extracts = matches!(function.id, Id::RegexpExtract | Id::RegexpInstr);
        let counts = function.id == Id::RegexpInstr || (extracts && args.len() > 2);
        match pattern::groups(source) {
            Err(message) => self.error(codes::BAD_PATTERN, at.span, message),
            Ok(groups) if extracts && groups > 1 => {
                let message = format!("{} takes one group at most", function.name);
                let report = Diagnostic::error(codes::BAD_PATTERN, at.span, message)
                    .help("write (?:…) for the groups that are not to be extracted");
                self.report(report);
                None
            }
            Ok(_) if counts && pattern::matches_nothing(source) => {
                let report =
                    Diagnostic::error(codes::BAD_PATTERN, at.span, "the pattern may match without a character")
                        .help("engines count such matches differently: write + instead of *, or one character more");
                self.report(report);
                None
            }
            Ok(_) => Some(()),
        }
    }

    /// A definition has its arguments several times: none within another, so that the SQL does not multiply.
    fn check_own(&mut self, function: &Function, args: &[Expr]) -> Option<()> {
        let name = function.name;
        let mut inner = None;
        for arg in args {
            arg.walk(&mut |part| {
                if let ExprKind::Call { function, .. } = part.kind
                    && function.is_own()
                {
                    inner.get_or_insert((function.name, part.span));
                }
            });
        }
        let Some((within, span)) = inner else { return Some(()) };
        let help = format!("compute {within}(…) in a column of its own first: `row` of a feature, or a subquery");
        self.refuse(span, format!("{within} stands within {name}, which repeats it in BigQuery"), help)
    }

    fn check_network(&mut self, args: &[Expr]) -> Option<()> {
        let at = args.get(1)?;
        let Some(source) = self.constant(at, "network")? else { return Some(()) };
        if Network::parse(source).is_some() {
            return Some(());
        }
        let around = source
            .split_once('/')
            .and_then(|(address, length)| Network::of(address.parse().ok()?, length.parse().ok()?));
        let help = match around {
            Some(network) => format!("bits behind the prefix are set: write '{network}'"),
            None => "write an address and a prefix length, such as '10.0.0.0/8' or '2001:db8::/32'".to_owned(),
        };
        self.report(Diagnostic::error(codes::BAD_PATTERN, at.span, format!("'{source}' is no network")).help(help));
        None
    }

    fn check_path(&mut self, args: &[Expr]) -> Option<()> {
        let Some(at) = args.get(1) else { return Some(()) };
        let Some(source) = self.constant(at, "path")? else { return Some(()) };
        match json_path::keys(source) {
            Ok(_) => Some(()),
            Err((message, help)) => {
                self.report(Diagnostic::error(codes::BAD_PATTERN, at.span, message).help(help));
                None
            }
        }
    }

    fn check_format(&mut self, function: &Function, args: &[Expr]) -> Option<()> {
        let at = args.first()?;
        let Some(source) = self.constant(at, "format")? else { return Some(()) };
        let purpose = format::purpose(function.id);
        match format::pieces(source, purpose) {
            Ok(_) => Some(()),
            Err((message, help)) => {
                self.report(Diagnostic::error(codes::BAD_PATTERN, at.span, message).help(help));
                None
            }
        }
    }
}
