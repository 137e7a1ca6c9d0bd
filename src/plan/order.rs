//! The order of features: each after what it reads; cycles are findings.

use std::collections::BTreeMap;

use crate::definition::model::{Feature, JoinTarget};
use crate::diagnostic::{Diagnostic, Text};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Indexes of features in topological order, without those on a cycle.
pub(super) fn topological(features: &[Feature], diagnostics: &mut Vec<Diagnostic>) -> Vec<usize> {
    let by_name: BTreeMap<&str, usize> = features.iter().enumerate().map(|(i, f)| (f.name.as_str(), i)).collect();
    let mut marks = vec![Mark::New; features.len()];
    let mut order = Vec::with_capacity(features.len());
    for start in 0..features.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks[start] == Mark::New {
            marks[start] = Mark::Open;
            path.push((start, 0));
        }
        while let Some((feature, next)) = path.last_mut() {
            let reads = reads(&features[*feature]);
            let Some(name) = reads.get(*next) else {
                marks[*feature] = Mark::Done;
                order.push(*feature);
                path.pop();
                continue;
            };
            *next += 1;
            let Some(target) = by_name.get(name.as_str()).copied() else { continue };
            match marks[target] {
                Mark::Done => {}
                Mark::New => {
                    marks[target] = Mark::Open;
                    path.push((target, 0));
                }
                Mark::Open => {
                    let from = path.iter().position(|(f, _)| *f == target).unwrap_or(0);
                    let mut names: Vec<&str> = path[from..].iter().map(|(f, _)| features[*f].name.as_str()).collect();
                    names.push(name.as_str());
                    let finding = Diagnostic::error(
                        "feature.cycle",
                        name.span(),
                        format!("features read each other in a circle: {}", names.join(" → ")),
                    )
                    .label("closes the circle")
                    .help("a feature can read `flows` and features that do not depend on it");
                    diagnostics.push(finding);
                }
            }
        }
    }
    order
}

fn reads(feature: &Feature) -> Vec<&Text> {
    let joined = feature.join.iter().filter_map(|join| match &join.target {
        JoinTarget::Feature { name, .. } => Some(name),
        JoinTarget::Lookup { .. } => None,
    });
    std::iter::once(&feature.from).chain(joined).collect()
}
