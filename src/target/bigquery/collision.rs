//! Names that are clear in a project and not in BigQuery: tables that would be one, columns and steps that would mean two
//! things in one statement, names of the engine's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::plan::RulePlan;
use crate::record::flow;
use crate::record::pseudonym::KEYS_TABLE;

use super::{Relation, Warehouse, file, fill, ingest, pseudonym, rule, scope, text};

/// Of training rows, and of what was ingested.
const OWN_TABLES: [&str; 3] = ["training", "training_labels", ingest::INGESTS];

/// Of the scripts; a column would be read in their place.
const VARIABLES: [&str; 3] = ["tripline_from", "tripline_to", fill::LAST];

/// A name that BigQuery would not take, or not take alike.
#[derive(Debug)]
pub struct Collision {
    /// The definition whose name, or in which a name, has to change.
    pub who: String,
    message: String,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn found(who: &str, message: String) -> Option<Collision> {
    Some(Collision { who: who.to_owned(), message })
}

impl Warehouse<'_> {
    /// Names that cannot be told apart there, in any case of letters: rules lose their signs, and the engine has tables
    /// and columns of its own.
    pub fn collision(&self) -> Option<Collision> {
        self.tables_alike()
            .or_else(|| self.named_like_their_relation())
            .or_else(|| self.steps_alike())
            .or_else(|| self.columns_alike())
            .or_else(|| self.engine_columns())
    }

    fn tables_alike(&self) -> Option<Collision> {
        let table = |relation| self.table(relation).to_ascii_lowercase();
        let relations = self.relations().into_iter().map(|relation| (self.title(relation), table(relation)));
        let sources = self.sources.iter().map(|source| (source.name.clone(), source.name.to_ascii_lowercase()));
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let keys = self.keys_table();
        for (one, table) in keys.into_iter().chain(relations).chain(sources) {
            let of_keys = table == KEYS_TABLE && one != self.plan.keys_table();
            if OWN_TABLES.contains(&table.as_str()) || of_keys {
                let message = format!("{one} would have the table `{table}` in BigQuery, which is the engine's own");
                return found(&one, message);
            }
            if let Some(other) = seen.insert(table, one.clone()) {
                return found(&other, format!("{other} and {one} would share a table in BigQuery"));
            }
        }
        None
    }

    /// Where a project names it; whatever its dataset is, for a flag may name that one for the rest.
    fn keys_table(&self) -> Option<(String, String)> {
        let keys = self.plan.keys_table();
        let [.., table] = pseudonym::parts(keys);
        Some((keys.to_owned(), table?.to_ascii_lowercase())).filter(|_| self.plan.keys_table.is_some())
    }

    /// The bare name of a relation means a whole row there.
    fn named_like_their_relation(&self) -> Option<Collision> {
        let columns = |relation: Relation<'_>| self.columns(relation).into_iter().map(|column| column.name).collect();
        let relations = self.relations().into_iter();
        let relations = relations.map(|relation| (self.title(relation), self.table(relation), columns(relation)));
        let fields = self.sources.iter().map(|source| {
            let names: Vec<String> = source.raw.fields.iter().map(|field| field.name.clone()).collect();
            (source.name.clone(), source.name.clone(), names)
        });
        relations.chain(fields).find_map(|(who, table, columns)| {
            let column = columns.iter().find(|column| column.eq_ignore_ascii_case(&table))?;
            let message = format!("the column {column} of {who} has its name, which means a whole row in BigQuery");
            found(&who, message)
        })
    }

    /// Steps of one statement.
    fn steps_alike(&self) -> Option<Collision> {
        let mut steps: BTreeMap<String, String> = BTreeMap::new();
        for relation in self.relations() {
            let title = self.title(relation);
            // Of a lookup there are no steps, and rows without end.
            let own = match relation {
                Relation::Lookup(_) => Vec::new(),
                _ => self.query(relation, false).steps,
            };
            let own = own.into_iter().map(|step| step.name);
            for step in own.chain([text::name(&self.table(relation))]) {
                let Some(other) = steps.insert(step.to_ascii_lowercase(), title.clone()) else { continue };
                // A step of the hits is of a rule.
                let of_rule = |rule: &&Arc<RulePlan>| step.trim_matches('`') == format!("hits__{}", rule::table(rule));
                let rule = self.plan.rules.iter().find(of_rule).map(|rule| rule.name.as_str());
                let who = if other == title { format!("two parts of {title}") } else { format!("{other} and {title}") };
                return found(
                    rule.unwrap_or(&other),
                    format!("{who} would share the name {step} in the SQL for BigQuery"),
                );
            }
        }
        None
    }

    /// Columns of what is read, and of what is joined to it.
    fn columns_alike(&self) -> Option<Collision> {
        let features = self.plan.features.iter().map(|feature| (&feature.name, feature.upstream, &feature.joins));
        let branches = self.plan.rules.iter().flat_map(|rule| rule.branches.iter().map(move |b| (rule, b)));
        let branches = branches.map(|(rule, branch)| (&rule.name, branch.upstream, &branch.select.joins));
        features.chain(branches).find_map(|(name, upstream, joins)| {
            let own = self.plan.columns(upstream).into_iter().map(|column| column.name);
            let joined = joins.iter().flat_map(|join| join.columns.iter().map(|c| scope::joined_name(join, c)));
            let mut seen = BTreeSet::new();
            let twice = own.chain(joined).find(|column| !seen.insert(column.to_ascii_lowercase()))?;
            found(name, format!("{name} would have two columns {twice} in the SQL for BigQuery"))
        })
    }

    fn engine_columns(&self) -> Option<Collision> {
        for relation in self.relations() {
            let mut columns = self.columns(relation).into_iter();
            if let Some(column) = columns.find(|c| VARIABLES.iter().any(|own| c.name.eq_ignore_ascii_case(own))) {
                let title = self.title(relation);
                return found(&title, format!("the column {} of {title} is the engine's own in BigQuery", column.name));
            }
        }
        let own = |rule: &RulePlan| rule.columns.iter().any(|c| c.name.eq_ignore_ascii_case(flow::ADMIT_WATERMARK));
        if let Some(rule) = self.plan.rules.iter().find(|rule| rule.reads_flows() && own(rule)) {
            let (column, who) = (flow::ADMIT_WATERMARK, &rule.name);
            return found(who, format!("the column {column} of {who} is the engine's own in BigQuery"));
        }
        let fields = self.sources.iter().flat_map(|source| source.raw.fields.iter().map(move |field| (source, field)));
        let mut own = fields.filter(|(_, f)| file::ENGINE_COLUMNS.iter().any(|own| f.name.eq_ignore_ascii_case(own)));
        let (source, field) = own.next()?;
        found(&source.name, format!("the column {} of {} is the engine's own in BigQuery", field.name, source.name))
    }
}
