//! Values of which one is kept: which of two it is.

use crate::language::tree::AggregateFunction;
use crate::record::Value;

use super::accumulate::{Extreme, Ordered};

pub(super) fn keep<T: PartialOrd>(extreme: Extreme, state: &mut Option<T>, value: T) {
    let better = match (&*state, extreme) {
        (None, _) => true,
        (Some(old), Extreme::Smallest) => value < *old,
        (Some(old), Extreme::Largest) => value > *old,
    };
    if better {
        *state = Some(value);
    }
}

/// NaN wins, as in GoogleSQL's MIN and MAX; the zeros are ordered by sign so that arrival order cannot show.
pub(super) fn keep_float(extreme: Extreme, state: &mut Option<f64>, value: f64) {
    let better = match *state {
        None => true,
        Some(old) if old.is_nan() => false,
        Some(_) if value.is_nan() => true,
        Some(old) if extreme == Extreme::Smallest => value.total_cmp(&old).is_lt(),
        Some(old) => value.total_cmp(&old).is_gt(),
    };
    if better {
        *state = Some(value);
    }
}

pub(super) fn keep_bytes(extreme: Extreme, state: &mut Option<Box<[u8]>>, value: &[u8]) {
    let better = match (state.as_deref(), extreme) {
        (None, _) => true,
        (Some(old), Extreme::Smallest) => value < old,
        (Some(old), Extreme::Largest) => value > old,
    };
    if better {
        *state = Some(value.into());
    }
}

pub(super) fn keep_bits(function: AggregateFunction, state: &mut Option<i64>, value: i64) {
    *state = Some(match (*state, function) {
        (None, _) => value,
        (Some(old), AggregateFunction::BitAnd) => old & value,
        (Some(old), AggregateFunction::BitOr) => old | value,
        (Some(old), _) => old ^ value,
    });
}

pub(super) fn keep_first(state: &mut Option<Ordered>, order: &[u8], value: impl Fn() -> Value) {
    if state.as_ref().is_none_or(|(first, _)| order < &**first) {
        *state = Some((order.into(), value()));
    }
}
