//! The form of a query: which of its clauses there are, which are refused, and which relations it reads.

use sqlparser::ast::{self, GroupByExpr, SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor};

use crate::diagnostic::{Diagnostic, Span, Text};
use crate::language::syntax::{self, Names, Places};
use crate::language::{codes, is_reserved};

use super::query::SELECTS_MAX;

/// The relations that a query reads, each once in the order of the text.
pub(super) fn relations(
    query: &ast::Query,
    text: &Text,
    places: &Places,
    (names, clauses): (&Names, &'static [Clause]),
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<(String, Span)>> {
    let mut forms = Forms { text, places, names, clauses, relations: Vec::new(), selects: 0, over_lookups: false };
    match forms.query(query, &mut Vec::new(), true) {
        Ok(()) => Some(forms.relations),
        Err(report) => {
            diagnostics.push(*report);
            None
        }
    }
}

/// The form of a subquery in an expression.
pub(super) fn check(query: &ast::Query, text: &Text, places: &Places, diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
    let names = syntax::names(text);
    let mut forms = Forms {
        text,
        places,
        names: &names,
        clauses: &DEFINITION,
        relations: Vec::new(),
        selects: 0,
        over_lookups: true,
    };
    forms.query(query, &mut Vec::new(), false).map_err(|report| diagnostics.push(*report)).ok()
}

type Refusal = Box<Diagnostic>;

/// A clause that is refused wherever it stands: words, message, help.
pub(super) type Clause = (&'static [&'static str], &'static str, &'static str);

const INTERSECT: Clause = (&["INTERSECT"], "INTERSECT is not supported", "join its conditions by AND");
const EXCEPT: Clause =
    (&["EXCEPT", "DISTINCT"], "EXCEPT is not supported between queries", "write NOT IN (SELECT …), or a condition");
const WINDOW: Clause = (&["WINDOW"], "named windows are not supported", "write OVER (PARTITION BY … ORDER BY …)");

/// Of a rule's query or a normalization.
pub(super) static DEFINITION: [Clause; 9] = [
    (&["SELECT", "DISTINCT"], "DISTINCT is not supported", "a feature has one row for each key and window"),
    (&["GROUP", "BY"], "GROUP BY is not supported in a query", "write a feature: its key and window group rows"),
    (&["HAVING"], "HAVING is not supported in a query", "write a feature, and its condition as WHERE over the feature"),
    (&["ORDER", "BY"], "ORDER BY has no meaning here: rows of a relation have no order", "leave it out"),
    (
        &["LIMIT"],
        "LIMIT has no meaning here: rows of a relation have no order",
        "number the rows of a window: QUALIFY ROW_NUMBER() OVER (…) <= 10",
    ),
    INTERSECT,
    EXCEPT,
    (
        &["UNION", "DISTINCT"],
        "UNION DISTINCT is not supported",
        "UNION ALL keeps rows that repeat: where one part may have rows of another, leave them out by its WHERE",
    ),
    WINDOW,
];

/// Of a query that is asked once: groups and order are of the outermost SELECT.
pub(super) static QUESTION: [Clause; 9] = [
    (
        &["SELECT", "DISTINCT"],
        "DISTINCT stands in the outermost SELECT alone",
        "write SELECT DISTINCT outside, or a feature, which has one row for each key and window",
    ),
    (
        &["GROUP", "BY"],
        "GROUP BY stands in the outermost SELECT alone",
        "group outside: SELECT … FROM (SELECT …) GROUP BY …; or write a feature and ask it",
    ),
    (&["HAVING"], "HAVING stands in the outermost SELECT alone", "group outside, or write a feature and ask it"),
    (
        &["ORDER", "BY"],
        "ORDER BY stands at the end of the query alone",
        "order the whole query, outside of parentheses",
    ),
    (
        &["LIMIT"],
        "LIMIT stands at the end of the query alone",
        "number the rows of a subquery: QUALIFY ROW_NUMBER() OVER (ORDER BY …) <= 10",
    ),
    INTERSECT,
    EXCEPT,
    (
        &["UNION", "DISTINCT"],
        "UNION DISTINCT is not supported",
        "UNION ALL keeps rows that repeat; without them: SELECT DISTINCT a, b FROM (SELECT … UNION ALL SELECT …)",
    ),
    WINDOW,
];

struct Forms<'a> {
    text: &'a Text,
    places: &'a Places,
    names: &'a Names,
    clauses: &'static [Clause],
    relations: Vec<(String, Span)>,
    selects: usize,
    /// It reads lookups.
    over_lookups: bool,
}

impl<'a> Forms<'a> {
    /// `ctes`: what WITH has defined around and before; `read`: do its rows come into the result?
    fn query(&mut self, query: &'a ast::Query, ctes: &mut Vec<&'a ast::Cte>, read: bool) -> Result<(), Refusal> {
        if !is_bare(query) {
            return Err(self.refuse(query));
        }
        let before = ctes.len();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.cte(cte, query)?;
            // Its form; its relations count where it is read.
            self.query(&cte.query, ctes, false)?;
            ctes.push(cte);
        }
        self.body(&query.body, query, ctes, read)?;
        ctes.truncate(before);
        Ok(())
    }

    fn cte(&self, cte: &ast::Cte, query: &ast::Query) -> Result<(), Refusal> {
        let name = &cte.alias.name;
        let at = self.places.span(self.text, self.places.ident(name));
        self.check_reserved(name)?;
        let refuse =
            |message: String, help: &str| Err(Box::new(Diagnostic::error(codes::REFUSED, at, message).help(help)));
        let same = |other: &ast::Ident| other.value.eq_ignore_ascii_case(&name.value);
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return refuse("WITH RECURSIVE is not supported".to_owned(), "leave RECURSIVE out");
        }
        if !cte.alias.columns.is_empty() || cte.from.is_some() || cte.materialized.is_some() {
            return refuse(
                format!("this form of WITH {} is not supported", name.value),
                "write WITH name AS (SELECT …)",
            );
        }
        let all = query.with.iter().flat_map(|with| &with.cte_tables);
        if all.filter(|cte| same(&cte.alias.name)).count() > 1 {
            return refuse(format!("WITH defines {} twice", name.value), "give one another name");
        }
        if !self.names.tables.iter().any(|(table, _)| table.eq_ignore_ascii_case(&name.value)) {
            return refuse(format!("nothing reads {}", name.value), "leave it out, or write FROM with its name");
        }
        Ok(())
    }

    fn body(
        &mut self,
        body: &'a SetExpr,
        query: &ast::Query,
        ctes: &mut Vec<&'a ast::Cte>,
        read: bool,
    ) -> Result<(), Refusal> {
        match body {
            SetExpr::Select(select) if is_plain(select) => {
                self.selects += 1;
                if self.selects > 2 * SELECTS_MAX {
                    let message = format!("this query reads more than {SELECTS_MAX} SELECTs");
                    let report = Diagnostic::error(codes::TOO_LARGE, self.text.span(), message);
                    return Err(Box::new(report.help("a WITH that is read twice counts twice")));
                }
                self.from(&select.from, query, ctes, read)
            }
            SetExpr::Query(inner) => self.query(inner, ctes, read),
            SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right } => {
                self.body(left, query, ctes, read)?;
                self.body(right, query, ctes, read)
            }
            _ => Err(self.refuse(query)),
        }
    }

    fn from(
        &mut self,
        from: &'a [ast::TableWithJoins],
        query: &ast::Query,
        ctes: &mut Vec<&'a ast::Cte>,
        read: bool,
    ) -> Result<(), Refusal> {
        if let [ast::TableWithJoins { relation: TableFactor::Derived { lateral, subquery, alias, sample }, joins }] =
            from
            && joins.is_empty()
            && !lateral
            && sample.is_none()
            && alias.as_ref().is_none_or(|alias| alias.columns.is_empty() && alias.at.is_none())
        {
            alias.as_ref().map_or(Ok(()), |alias| self.check_reserved(&alias.name))?;
            return self.query(subquery, ctes, read);
        }
        let Some((table, alias)) = plain_table(from) else { return Err(self.refuse_from(from, query)) };
        self.check_reserved(table)?;
        alias.map_or(Ok(()), |alias| self.check_reserved(alias))?;
        if !read {
            return Ok(());
        }
        let found = ctes.iter().rposition(|cte| cte.alias.name.value.eq_ignore_ascii_case(&table.value));
        if let Some(at) = found {
            let cte = ctes[at];
            // It may read what stands before it.
            let mut earlier = ctes[..at].to_vec();
            return self.query(&cte.query, &mut earlier, true);
        }
        if !self.relations.iter().any(|(name, _)| *name == table.value) {
            let span = self.places.span(self.text, self.places.ident(table));
            self.relations.push((table.value.clone(), span));
        }
        Ok(())
    }

    /// A reserved word is a name only in backticks.
    fn check_reserved(&self, name: &ast::Ident) -> Result<(), Refusal> {
        if name.quote_style.is_some() || !is_reserved(&name.value) {
            return Ok(());
        }
        let at = self.places.span(self.text, self.places.ident(name));
        let message = format!("{} is a reserved word of GoogleSQL", name.value);
        let help = format!("as a name write `{}`, in backticks", name.value);
        Err(Box::new(Diagnostic::error(codes::REFUSED, at, message).help(help)))
    }

    fn refuse_from(&self, from: &[ast::TableWithJoins], query: &ast::Query) -> Refusal {
        let within = self.places.bytes(query.span());
        let joined = self.places.words(self.text, &["JOIN"], within);
        let place = joined.or_else(|| self.places.words(self.text, &["FROM"], within));
        let at = self.places.span(self.text, place.or(within));
        let asked = std::ptr::eq(self.clauses, QUESTION.as_slice());
        let help = match (joined, dotted(from).filter(|_| asked)) {
            (Some(_), _) => {
                "joins are declared beside the SQL: join: [{feature: name, as: n, window: same}], or {lookup: …}"
                    .to_owned()
            }
            (None, Some(name)) => {
                let table = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                format!("a name has no dots: for the rule {name} write `rule_{table}`")
            }
            (None, None) => "write SELECT … FROM relation [WHERE …]; joins are declared: join: {lookup: …}".to_owned(),
        };
        Box::new(Diagnostic::error(codes::REFUSED, at, "FROM names one relation").help(help))
    }

    /// Says which clause of a query is refused.
    fn refuse(&self, query: &ast::Query) -> Refusal {
        let within = self.places.bytes(query.span());
        let refuse = |at, what: &str, help: &str| Box::new(Diagnostic::error(codes::REFUSED, at, what).help(help));
        for (words, what, help) in self.clauses {
            let here = self.places.words(self.text, words, within);
            if let Some(range) = here.or_else(|| self.places.words(self.text, words, None)) {
                let at = self.places.span(self.text, Some(range));
                if self.over_lookups {
                    let what = format!("{} is not supported in a subquery", words.join(" "));
                    return refuse(at, &what, "write IN (SELECT column FROM lookup WHERE …)");
                }
                return refuse(at, what, help);
            }
        }
        let whole = self.places.span(self.text, within);
        match &*query.body {
            SetExpr::Select(_) => {
                refuse(whole, "this form of SELECT is not supported", "write SELECT … FROM relation [WHERE …]")
            }
            SetExpr::SetOperation { op: SetOperator::Union, .. } => {
                refuse(whole, "UNION without ALL is not GoogleSQL", "UNION ALL keeps rows that repeat")
            }
            _ => refuse(whole, "only SELECT … FROM … WHERE … is supported", "write one SELECT"),
        }
    }
}

/// Nothing but a body, and WITH.
fn is_bare(query: &ast::Query) -> bool {
    query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty()
}

/// Nothing but items, FROM, WHERE and QUALIFY.
fn is_plain(select: &ast::Select) -> bool {
    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
    select.distinct.is_none()
        && select.select_modifiers.is_none()
        && select.top.is_none()
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && !groups
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.having.is_none()
        && select.named_window.is_empty()
        && select.value_table_mode.is_none()
        && matches!(select.flavor, ast::SelectFlavor::Standard)
}

/// The name and alias of the one table in FROM.
/// The name in FROM when it has parts, with a dot between them.
fn dotted(from: &[ast::TableWithJoins]) -> Option<String> {
    let [ast::TableWithJoins { relation: TableFactor::Table { name, .. }, joins }] = from else { return None };
    let parts = name.0.iter().map(|part| part.as_ident().map(|part| part.value.as_str()));
    let parts = parts.collect::<Option<Vec<_>>>()?;
    (joins.is_empty() && parts.len() > 1).then(|| parts.join("."))
}

fn plain_table(from: &[ast::TableWithJoins]) -> Option<(&ast::Ident, Option<&ast::Ident>)> {
    let [ast::TableWithJoins { relation, joins }] = from else { return None };
    let TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } = relation
    else {
        return None;
    };
    let [part] = name.0.as_slice() else { return None };
    let plain = joins.is_empty() && with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty();
    let alias = match alias {
        Some(alias) if !alias.columns.is_empty() || alias.at.is_some() => return None,
        Some(alias) => Some(&alias.name),
        None => None,
    };
    if plain { Some((part.as_ident()?, alias)) } else { None }
}
