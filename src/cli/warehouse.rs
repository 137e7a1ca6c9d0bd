//! Which BigQuery dataset a command asks: the command line's, else that of `tripline.yaml`.

use anyhow::{Context, bail};
use clap::Args;

use crate::definition::model::WarehouseConfig;
use crate::plan::{Plan, SourcePlan};
use crate::port::warehouse::Warehouse;
use crate::target::bigquery::{Warehouse as Compiled, parts};

use super::wire;

pub const EMULATOR: &str = "BIGQUERY_EMULATOR_HOST";

#[derive(Debug, Clone, Default, Args)]
pub struct WarehousePlace {
    /// The Google Cloud project of the dataset (default: `warehouse:` in tripline.yaml)
    #[arg(long, value_name = "PROJECT", help_heading = "BigQuery")]
    warehouse_project: Option<String>,
    /// The dataset (default: `warehouse:` in tripline.yaml)
    #[arg(long, value_name = "DATASET", help_heading = "BigQuery")]
    dataset: Option<String>,
    /// The dataset's location, such as EU (default: `warehouse:` in tripline.yaml)
    #[arg(long, value_name = "LOCATION", help_heading = "BigQuery")]
    location: Option<String>,
}

/// Names that cannot be told apart there are refused before anything is made.
pub fn check_names(compiled: Compiled<'_>) -> anyhow::Result<()> {
    match compiled.collision() {
        Some(collision) => bail!("{collision}\nhelp: give it another name"),
        None => Ok(()),
    }
}

/// As [`check_names`], with all sources.
pub fn check_all_names(plan: &Plan) -> anyhow::Result<()> {
    let sources: Vec<&SourcePlan> = plan.sources.iter().collect();
    check_names(Compiled { plan, sources: &sources })
}

/// A dataset and how it is reached.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub project: String,
    pub dataset: String,
    pub location: Option<String>,
    pub endpoint: Option<String>,
    pub labels: Vec<(String, String)>,
}

impl WarehousePlace {
    pub fn given(&self) -> bool {
        self.warehouse_project.is_some() || self.dataset.is_some() || self.location.is_some()
    }

    /// The place of a table, and its name in its dataset. What the name says itself no flag may say otherwise.
    pub fn of_table(&self, table: &str) -> anyhow::Result<(Self, String)> {
        let [project, dataset, table] = parts(table);
        let said = |flag: &str, given: &Option<String>, said: Option<String>| match (given, said) {
            (Some(given), Some(said)) if *given != said => {
                bail!("`{flag} {given}` contradicts `keys_table`, which says `{said}`\nhelp: leave the flag out")
            }
            (given, said) => Ok(said.or_else(|| given.clone())),
        };
        let place = Self {
            warehouse_project: said("--warehouse-project", &self.warehouse_project, project)?,
            dataset: said("--dataset", &self.dataset, dataset)?,
            location: self.location.clone(),
        };
        Ok((place, table.unwrap_or_default()))
    }

    pub fn open(&self, config: &WarehouseConfig) -> anyhow::Result<(Dataset, Box<dyn Warehouse>)> {
        let first = |given: &Option<String>, config: &Option<String>| given.clone().or_else(|| config.clone());
        let needed = |value: Option<String>, what: &str, flag: &str| {
            value.with_context(|| format!("no {what} is named\nhelp: {flag}, or `warehouse:` in tripline.yaml"))
        };
        let project = first(&self.warehouse_project, &config.project);
        let emulator = std::env::var(EMULATOR).ok().filter(|host| !host.is_empty());
        let dataset = Dataset {
            project: needed(project, "Google Cloud project", "--warehouse-project")?,
            dataset: needed(first(&self.dataset, &config.dataset), "dataset", "--dataset")?,
            location: first(&self.location, &config.location),
            endpoint: emulator.or_else(|| config.endpoint.clone()),
            labels: config.labels.clone(),
        };
        let warehouse = wire::warehouse(&dataset)?;
        Ok((dataset, warehouse))
    }
}
