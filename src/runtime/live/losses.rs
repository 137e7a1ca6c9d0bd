//! What definitions lose against the ones before: rules that are gone, lookups with far fewer rows. Both are right, and often not meant:
//! a folder that was emptied, a feed that gave nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{LookupPlan, Plan};

/// Names that are told; of more the number is.
const NAMED_MAX: usize = 20;

pub struct Losses {
    /// Names of rules that are gone.
    rules: Vec<String>,
    /// Is no rule left?
    all: bool,
    /// Lookups that have at most half of the rows that they had: the name, the rows before and now.
    lookups: Vec<(String, usize, usize)>,
}

impl Losses {
    pub fn between(before: &Plan, after: &Plan) -> Self {
        let left: BTreeSet<&str> = after.rules.iter().map(|rule| rule.name.as_str()).collect();
        let rules = before.rules.iter().map(|rule| &rule.name).filter(|name| !left.contains(name.as_str()));
        // Of a file of networks nobody counts the rows.
        let counted = |lookup: &LookupPlan| lookup.table.is_none().then(|| (lookup.name.clone(), lookup.rows.len()));
        let now: BTreeMap<String, usize> = after.lookups.iter().filter_map(|lookup| counted(lookup)).collect();
        let lookups = before.lookups.iter().filter_map(|lookup| {
            let (name, rows) = counted(lookup)?;
            let now = *now.get(&name)?;
            (now < rows && now <= rows / 2).then_some((name, rows, now))
        });
        Self { rules: rules.cloned().collect(), all: left.is_empty(), lookups: lookups.collect() }
    }

    /// In words; nothing where nothing is lost.
    pub fn said(&self) -> Vec<String> {
        let mut said = Vec::new();
        if !self.rules.is_empty() {
            let named: Vec<&str> = self.rules.iter().take(NAMED_MAX).map(String::as_str).collect();
            let more = self.rules.len().saturating_sub(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let all = if self.all { ", and no rule is left" } else { "" };
            said.push(format!("rules that are gone: {}{more}{all}", named.join(", ")));
        }
        let lookups = self.lookups.iter();
        said.extend(lookups.map(|(name, before, now)| format!("the lookup {name} has {now} rows, and had {before}")));
        said
    }

    /// Why these are taken only when somebody asks for it.
    pub fn too_much(&self) -> Option<String> {
        let emptied = self.lookups.iter().find(|(_, _, now)| *now == 0);
        let what = match emptied {
            _ if self.all && !self.rules.is_empty() => "no rule is left".to_owned(),
            Some((name, before, _)) => format!("the lookup {name} has no rows any more, and had {before}"),
            None => return None,
        };
        Some(format!("{what}\nhelp: where that is meant, ask for it: `systemctl reload`, or `kill -HUP` of the run"))
    }
}
