//! Which columns of its scope a feature reads: the others need not be carried along with its rows.

use crate::language::tree::{Aggregate, Expr};

use super::wanted::columns_of;
use super::{FeaturePlan, JoinAt, JoinTarget};

/// By column of the scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// When what is asked of a row alone has been tried.
    pub joining: Vec<bool>,
    /// When `where` has chosen.
    pub counting: Vec<bool>,
}

impl FeaturePlan {
    /// `time` is the event time's place. Of rows that come with their key's numbers the key is not read.
    pub fn reads(&self, time: usize, numbered: bool) -> Reads {
        let mut counting = vec![false; self.scope.len()];
        counting[time] = true;
        // What is computed for rows is read by something.
        let own = self.scope.len() - self.row.len() - self.previous.as_ref().map_or(0, |previous| previous.of.len());
        counting[own..].fill(true);
        let previous = self.previous.iter().flat_map(|previous| previous.of.iter().chain(&previous.ties));
        let key = self.key.iter().filter(|_| !numbered);
        key.chain(previous).for_each(|index| counting[*index] = true);
        let ready = self.previous.as_ref().map_or(self.row.len(), |previous| previous.ready);
        let waiting = self.row[ready..].iter().map(|item| &item.expr);
        read(&mut counting, self.aggregates.iter().flat_map(Aggregate::inputs).chain(waiting));
        let mut joining = counting.clone();
        read(&mut joining, self.row[..ready].iter().map(|item| &item.expr).chain(&self.filter));
        for join in &self.joins {
            let (JoinTarget::Feature { on, .. } | JoinTarget::Lookup { on, .. }) = &join.target;
            on.iter().for_each(|(here, _)| joining[*here] = true);
            if let JoinTarget::Feature { at: JoinAt::AsOf { .. }, .. } = join.target {
                // The window of the row.
                joining[time - 2..time].fill(true);
            }
        }
        Reads { joining, counting }
    }
}

fn read<'e>(columns: &mut [bool], expressions: impl Iterator<Item = &'e Expr>) {
    expressions.for_each(|expr| columns_of(expr, &mut |index| columns[index] = true));
}
