//! What ends at one instant: features in order, each after what it reads, then the rules over them.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;

use crate::plan::{Asked, Node, Upstream};

use super::{Graph, GraphError, watch};
use crate::pipeline::cost::Spending;
use crate::pipeline::detect::{Behind, Hit};
use crate::pipeline::hits::HitRows;
use crate::pipeline::outlet::Outlet;
use crate::pipeline::past::Closed;
use crate::pipeline::window::evidence::{EvidenceRows, FlowsBehind};
use crate::pipeline::window::operator::Wanted;

impl Graph {
    /// All windows that end at `end`, and the rules over them.
    pub(super) fn close(
        &mut self,
        end: i64,
        partial_after: Option<i64>,
        out: &mut dyn Outlet,
    ) -> Result<(), GraphError> {
        self.past.forget(end);
        let nothing = Arc::new(FlowsBehind::none());
        let mut now = Now {
            end,
            partial_after,
            closed: vec![None; self.features.len()],
            evidence: vec![nothing; self.features.len()],
            numbers: vec![Vec::new(); self.features.len()],
            waiting: vec![false; self.features.len()],
        };
        let flows_hit = self.instants.remove(&end);
        for place in 0..self.order.len() {
            match self.order[place] {
                Node::Feature(index) => self.close_feature(index, &mut now, out)?,
                Node::Rule(index) if self.rules[index].plan.reads_flows() => {
                    if flows_hit {
                        self.tell_of_flows(index, end, out)?;
                    }
                }
                Node::Rule(index) => self.detect(index, &mut now, out)?,
            }
        }
        let waiting = self.features.iter_mut().zip(&now.waiting).filter(|(_, waiting)| **waiting);
        waiting.filter_map(|(stage, _)| stage.as_mut()).try_for_each(|stage| stage.skip(end))?;
        Ok(())
    }

    fn close_feature(&mut self, index: usize, now: &mut Now, out: &mut dyn Outlet) -> Result<(), GraphError> {
        let Some(stage) = &mut self.features[index] else { return Ok(()) };
        if let Upstream::Feature(upstream) = stage.upstream()
            && let Some(rows) = &now.closed[upstream]
            && now.end > self.since.0[index]
        {
            let work = Spending::begin();
            let closed = Closed { now: &now.closed, past: Some(&self.past) };
            let numbers = self.spaces.along(upstream, index, &now.numbers[upstream]);
            stage.push(now.end, rows, closed, &now.evidence[upstream], numbers)?;
            work.on(&mut self.costs.features[index], rows.num_rows(), 0);
        }
        stage.release(now.end)?;
        if stage.next_end() != Some(now.end) {
            return Ok(());
        }
        self.ledger.windows += 1;
        let all = out.wants(stage.name()) || self.amend.is_some() || self.nearest.is_some();
        match &self.asked[index] {
            Asked::Joined if !all => {
                now.waiting[index] = true;
                Ok(())
            }
            Asked::Within(wanted) if !all => {
                let wanted = wanted.clone();
                self.take_out(index, Some(&wanted), now, out)
            }
            _ => self.take_out(index, None, now, out),
        }
    }

    /// The rows of a window that ends now.
    fn take_out(
        &mut self,
        index: usize,
        wanted: Wanted<'_>,
        now: &mut Now,
        out: &mut dyn Outlet,
    ) -> Result<(), GraphError> {
        let Some(stage) = &mut self.features[index] else { return Ok(()) };
        let work = Spending::begin();
        let mut window = stage.close(now.end, wanted)?;
        if let Some(amend) = &self.amend {
            window.rows = amend.amend(stage.name(), window.rows)?;
            window.numbers = self.spaces.again(index, &window.rows)?;
        }
        self.ledger.feature_rows += window.rows.num_rows() as u64;
        if window.rows.num_rows() > 0 {
            if out.wants(stage.name()) {
                let partial = now.is_partial() || self.caps.feature_misses(index, now.end);
                out.rows(stage.name(), &window.rows, partial)?;
            }
            self.past.keep(index, now.end, &window.rows)?;
            work.on(&mut self.costs.features[index], 0, window.rows.num_rows());
            (now.closed[index], now.evidence[index]) = (Some(window.rows), window.evidence);
            now.numbers[index] = window.numbers;
        }
        Ok(())
    }

    /// A rule over features whose windows end now.
    fn detect(&mut self, index: usize, now: &mut Now, out: &mut dyn Outlet) -> Result<(), GraphError> {
        if now.end <= self.since.1[index] {
            return Ok(());
        }
        for joined in self.rules[index].joined(|upstream| now.closed[upstream].is_some()) {
            if std::mem::take(&mut now.waiting[joined]) {
                self.take_out(joined, None, now, out)?;
            }
        }
        let begins = self.begins_for(self.caps.of_rule(index));
        let misses = self.caps.rule_misses(index, now.end);
        if misses {
            self.alerts.miss(index, now.end);
        }
        let rule = &mut self.rules[index];
        let mut all = Vec::new();
        for (branch, upstream) in rule.branches() {
            let Upstream::Feature(upstream) = upstream else { continue };
            let Some(rows) = &now.closed[upstream] else { continue };
            let closed = Closed { now: &now.closed, past: Some(&self.past) };
            watch(&mut self.nearest, &self.focus, index, (rule, branch), rows, closed)?;
            let work = Spending::begin();
            let (selected, places) = rule.select(branch, rows, closed)?;
            work.on(&mut self.costs.rules[index], rows.num_rows(), selected.num_rows());
            if selected.num_rows() == 0 {
                continue;
            }
            if out.wants(&rule.plan.name) {
                out.rows(&rule.plan.name, &selected, now.is_partial() || misses)?;
            }
            let evidence: Option<&dyn EvidenceRows> = Some(&*now.evidence[upstream]);
            let warming = self.history[index].is_some_and(|back| now.end.saturating_sub(back) < begins);
            let behind = Behind { partial_after: now.partial_after, misses, warming, evidence, ..Behind::default() };
            all.extend(rule.hits(&selected, &places, &behind)?);
        }
        self.tell_readers(index, now.end, &all)?;
        self.alerts.push(all, &mut self.ledger);
        Ok(())
    }

    /// Gives hits of a rule over flows to features that take them in any order, as flows are taken.
    pub(super) fn tell_early(&mut self, rule: usize, hits: &[Hit]) -> Result<(), GraphError> {
        let mut made: Option<(i64, HitRows)> = None;
        for place in 0..self.readers.early(rule).len() {
            let reader = self.readers.early(rule)[place];
            let since = self.since.0[reader];
            let read = match made.take().filter(|(of, _)| *of == since) {
                Some((_, read)) => read,
                None => {
                    let own: Vec<&Hit> = hits.iter().filter(|hit| hit.event_time.0 >= since).collect();
                    self.readers.rows(&self.rules[rule].plan, &own)?
                }
            };
            if let (true, Some(stage)) = (read.rows.num_rows() > 0, &mut self.features[reader]) {
                let work = Spending::begin();
                stage.push(i64::MIN, &read.rows, Closed::default(), &read.evidence, None)?;
                work.on(&mut self.costs.features[reader], read.rows.num_rows(), 0);
            }
            made = Some((since, read));
        }
        Ok(())
    }

    /// Gives features the hits of a rule over flows, of the instant that ends now.
    fn tell_of_flows(&mut self, rule: usize, end: i64, out: &mut dyn Outlet) -> Result<(), GraphError> {
        if !self.readers.waits(rule) {
            return Ok(());
        }
        // Which hits open an incident depends on all that were known before.
        let settled = self.alerts.advance(end.saturating_sub(1), &mut self.ledger);
        self.put_out(settled, out)?;
        let hits = self.alerts.known_at(rule, end.saturating_sub(1));
        self.tell_readers(rule, end, &hits)
    }

    /// Gives features the hits of a rule that end now.
    fn tell_readers(&mut self, rule: usize, end: i64, hits: &[Hit]) -> Result<(), GraphError> {
        let (of_hits, of_alerts) = (self.readers.of_hits(rule), self.readers.of_alerts(rule));
        let mut kinds: Vec<(&[usize], Vec<&Hit>)> = Vec::new();
        if !of_hits.is_empty() {
            kinds.push((of_hits, hits.iter().filter(|hit| hit.excepted.is_none() && hit.is_in_time()).collect()));
        }
        if !of_alerts.is_empty() {
            let mut opening = self.alerts.opening(hits);
            opening.retain(|hit| hit.is_in_time());
            kinds.push((of_alerts, opening));
        }
        for (readers, hits) in kinds.iter().filter(|(_, hits)| !hits.is_empty()) {
            let read = self.readers.rows(&self.rules[rule].plan, hits)?;
            for reader in readers.iter().filter(|reader| end > self.since.0[**reader]) {
                if let Some(stage) = &mut self.features[*reader] {
                    stage.push(end, &read.rows, Closed::default(), &read.evidence, None)?;
                }
            }
        }
        Ok(())
    }
}

/// What ends at one instant.
struct Now {
    end: i64,
    partial_after: Option<i64>,
    /// By feature: rows of the window that ends, and the flows behind each.
    closed: Vec<Option<RecordBatch>>,
    evidence: Vec<Arc<FlowsBehind>>,
    /// By feature: the number of each row's key.
    numbers: Vec<Vec<u32>>,
    /// By feature: does its window wait for a rule that has rows to join it to?
    waiting: Vec<bool>,
}

impl Now {
    /// Does it end behind the last watermark of bounded input?
    fn is_partial(&self) -> bool {
        self.partial_after.is_some_and(|last| self.end > last)
    }
}
