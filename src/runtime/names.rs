//! Names that are clear in a project and not in BigQuery: `compile` would refuse the project.

use crate::definition::model::Project;
use crate::diagnostic::{Diagnostic, Text};
use crate::plan::{Plan, SourcePlan};
use crate::target::bigquery::Warehouse;

/// Of a project without errors.
pub fn check(project: &Project, plan: &Plan) -> Option<Diagnostic> {
    let sources: Vec<&SourcePlan> = plan.sources.iter().collect();
    let collision = Warehouse { plan, sources: &sources }.collision()?;
    let names = project.features.iter().map(|feature| &feature.name).chain(project.rules.iter().map(|rule| &rule.name));
    let names = names.chain(project.lookups.iter().map(|lookup| &lookup.name));
    let names = names.chain(project.sources.iter().map(|source| &source.name));
    let place = names.chain(&project.config.warehouse.keys_table).find(|name| name.text == collision.who);
    let finding = Diagnostic::warning("project.bigquery-name", place.map(Text::span)?, collision.to_string());
    Some(finding.label("clear here, and not there").help("give it another name before it is compiled for BigQuery"))
}
