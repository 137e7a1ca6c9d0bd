//! `tripline explain`: what a code means, what a relation, a source, a lookup, a rule or a function gives.

mod describe;
mod key;
mod why;

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::diagnostic::{codes, page, suggest};
use crate::language::function::AGGREGATES;
use crate::language::functions;
use crate::record::flow::{FLOWS, LATE};
use crate::runtime::outlet::{HITS, REJECTS, tap_schema};

use super::exit::Exit;
use super::project::{Opened, open_valid};

#[derive(Debug, Args)]
pub struct Explain {
    /// A diagnostic code (`sql.unknown-column`), a rule, a feature, `flows`, a source, a lookup, a function of the SQL
    /// or a key of the definition files; `codes` lists all codes
    name: String,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    asked: why::Asked,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.asked.given() {
            return self.asked.answer(open_valid(self.project.as_deref())?, &self.name);
        }
        let text = match general(&self.name) {
            Some(text) => text,
            None => self.of_project(&open_valid(self.project.as_deref())?)?,
        };
        write!(std::io::stdout().lock(), "{text}")?;
        Ok(Exit::Fine)
    }

    fn of_project(&self, opened: &Opened) -> anyhow::Result<String> {
        let (plan, project, name) = (&opened.plan, &opened.project, self.name.as_str());
        if let Some(rule) = plan.rules.iter().find(|rule| rule.name == name) {
            return Ok(describe::rule(opened, rule));
        }
        if let Some(index) = plan.feature(name) {
            return Ok(describe::feature(plan, &plan.features[index]));
        }
        if let Some(source) = project.sources.iter().find(|source| source.name.text == name) {
            return Ok(describe::source(source));
        }
        if let Some(lookup) = project.lookups.iter().find(|lookup| lookup.name.text == name) {
            return Ok(describe::lookup(lookup));
        }
        if [HITS, REJECTS, LATE].contains(&name)
            && let Some((schema, _)) = tap_schema(plan, name)
        {
            return Ok(describe::tap(name, &schema));
        }
        // Of a valid project the plan lacks drafts alone.
        if project.rules.iter().any(|rule| rule.name.text == name) {
            bail!(
                "rule `{name}` is a draft, which does not run\nhelp: `status: shadow` runs it without alerting anybody"
            );
        }
        if let Some(text) = key::key(name) {
            return Ok(text);
        }
        let all = codes();
        let names = all.iter().map(|code| code.code);
        let names = names.chain(plan.rules.iter().map(|r| r.name.as_str()));
        let names = names.chain(plan.features.iter().map(|f| f.name.as_str()));
        let names = names.chain(project.sources.iter().map(|s| s.name.as_str()));
        let names = names.chain(project.lookups.iter().map(|l| l.name.as_str()));
        let names = names.chain([FLOWS, HITS, REJECTS, LATE]);
        let names = names.chain(functions().iter().map(|f| f.name)).chain(AGGREGATES.iter().map(|a| a.name));
        let help = match suggest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`tripline explain codes` lists the codes, `tripline explain flows` the columns".to_owned(),
        };
        bail!("`{name}` is no code, rule, feature, source, lookup, function or key\nhelp: {help}")
    }
}

/// What is the same in every project.
fn general(name: &str) -> Option<String> {
    if name == "codes" {
        let lines = codes().into_iter().map(|code| format!("{:<32} {}\n", code.code, code.summary));
        return Some(lines.collect());
    }
    if name == FLOWS {
        return Some(describe::flows());
    }
    page(name).map(str::to_owned).or_else(|| describe::function(name))
}
