//! `tripline schema`: what alerts and definition files look like, as JSON Schema.

use std::io::Write;

use clap::{Args, ValueEnum};

use crate::definition;

use super::exit::Exit;

/// Every alert line is valid under it; a test keeps that.
const ALERT: &str = include_str!("../../docs/alert.schema.json");

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Alert,
    Rule,
    Feature,
    Source,
    Lookup,
    Tripline,
}

#[derive(Debug, Args)]
pub struct Schema {
    /// What it describes: a line of alerts, or a kind of definition file
    #[arg(value_enum, value_name = "WHAT")]
    name: Name,
}

impl Schema {
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut out = std::io::stdout().lock();
        if self.name == Name::Alert {
            write!(out, "{ALERT}")?;
            return Ok(Exit::Fine);
        }
        let wanted = self.name.to_possible_value();
        let found = definition::schemas()
            .into_iter()
            .find(|(name, _)| wanted.as_ref().is_some_and(|wanted| wanted.get_name() == *name));
        if let Some((_, schema)) = found {
            writeln!(out, "{schema:#}")?;
        }
        Ok(Exit::Fine)
    }
}
