//! Exact quantiles: each different value with how often it is there, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use serde::{Deserialize, Serialize};

use crate::language::function::COUNT_DISTINCT_MAX;
use crate::record::Type;

/// How often each value is there, by a number in the order of the values.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counted {
    times: Times,
    total: u64,
    /// There were more different values than are kept.
    full: bool,
}

/// In order. Most keys have few different values, for which a tree has room for many.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Times {
    Few(Vec<(i64, u64)>),
    Many(BTreeMap<i64, u64>),
}

/// Values that are looked through.
const FEW: usize = 16;

impl Default for Times {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Times {
    fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    fn get_mut(&mut self, value: i64) -> Option<&mut u64> {
        match self {
            Self::Few(few) => few.iter_mut().find(|(known, _)| *known == value).map(|(_, times)| times),
            Self::Many(many) => many.get_mut(&value),
        }
    }

    /// A value that is not there.
    fn insert(&mut self, value: i64, times: u64) {
        match self {
            Self::Few(few) if few.len() < FEW => {
                if few.len() == few.capacity() {
                    few.reserve_exact((few.len() / 2).max(1));
                }
                let place = few.partition_point(|(known, _)| *known < value);
                few.insert(place, (value, times));
            }
            Self::Few(few) => {
                *self = Self::Many(few.drain(..).chain([(value, times)]).collect());
            }
            Self::Many(many) => {
                many.insert(value, times);
            }
        }
    }

    fn remove(&mut self, value: i64) {
        match self {
            Self::Few(few) => few.retain(|(known, _)| *known != value),
            Self::Many(many) => {
                many.remove(&value);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = (i64, u64)> {
        let (few, many) = match self {
            Self::Few(few) => (&few[..], None),
            Self::Many(many) => (&[][..], Some(many)),
        };
        let many = many.into_iter().flatten().map(|(value, times)| (*value, *times));
        few.iter().copied().chain(many)
    }
}

impl Counted {
    fn add(&mut self, value: i64, times: u64) {
        let known = self.times.len();
        match self.times.get_mut(value) {
            Some(known) => *known += times,
            None if known < COUNT_DISTINCT_MAX => self.times.insert(value, times),
            None => {
                self.full = true;
                return;
            }
        }
        self.total += times;
    }

    /// Takes away what was added before.
    pub fn remove(&mut self, other: &Self) {
        for (value, times) in other.times.iter() {
            let Some(known) = self.times.get_mut(value) else { continue };
            *known = known.saturating_sub(times);
            self.total = self.total.saturating_sub(times);
            if *known == 0 {
                self.times.remove(value);
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        other.times.iter().for_each(|(value, times)| self.add(value, times));
        self.full |= other.full;
    }

    /// The smallest value that has at least `number / of` of all at or below it; `None` of none.
    fn value(&self, number: u32, of: u32) -> Option<i64> {
        let rank = (u128::from(self.total) * u128::from(number)).div_ceil(u128::from(of.max(1)));
        let mut below = 0;
        self.times.iter().find_map(|(value, times)| {
            below += u128::from(times);
            (below >= rank).then_some(value)
        })
    }
}

/// A number in the order of FLOAT64: NaN first; the two zeros are one.
fn ordered(value: f64) -> i64 {
    if value.is_nan() {
        return i64::MIN;
    }
    let bits = if value == 0.0 { 0 } else { value.to_bits().cast_signed() };
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

fn unordered(number: i64) -> f64 {
    if number == i64::MIN {
        return f64::NAN;
    }
    f64::from_bits((if number < 0 { number ^ i64::MAX } else { number }).cast_unsigned())
}

pub fn update(states: &mut [Counted], slots: &[u32], arg: &ArrayRef) {
    let mut add = |row: usize, value: i64| states[slots[row] as usize].add(value, 1);
    let rows = (0..slots.len()).filter(|row| arg.is_valid(*row));
    if let Some(values) = arg.as_primitive_opt::<Int64Type>() {
        rows.for_each(|row| add(row, values.value(row)));
    } else if let Some(values) = arg.as_primitive_opt::<Float64Type>() {
        rows.for_each(|row| add(row, ordered(values.value(row))));
    } else if let Some(values) = arg.as_primitive_opt::<TimestampMicrosecondType>() {
        rows.for_each(|row| add(row, values.value(row)));
    } else if let Some(values) = arg.as_primitive_opt::<Date32Type>() {
        rows.for_each(|row| add(row, values.value(row).into()));
    }
}

/// `cut` counts those that had more different values than are kept.
pub fn finish<'a>(
    states: impl Iterator<Item = &'a Counted> + Clone,
    number: u32,
    of: u32,
    ty: Option<Type>,
    cut: &mut u64,
) -> ArrayRef {
    *cut += states.clone().filter(|state| state.full).count() as u64;
    let values = states.map(|state| state.value(number, of));
    match ty {
        Some(Type::Float64) => Arc::new(values.map(|value| value.map(unordered)).collect::<Float64Array>()),
        Some(Type::Timestamp) => Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Some(Type::Date) => {
            Arc::new(values.map(|value| value.and_then(|value| i32::try_from(value).ok())).collect::<Date32Array>())
        }
        _ => Arc::new(values.collect::<Int64Array>()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, ordered, unordered};

    /// By the definition, from all values.
    fn expected(values: &[i64], number: usize, of: usize) -> Option<i64> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let enough = |value: &i64| sorted.iter().filter(|other| *other <= value).count() * of >= number * sorted.len();
        sorted.iter().copied().find(enough)
    }

    #[test]
    fn any_cut_gives_the_value_of_that_rank() {
        let values = [5, 1, 5, 9, -3, 1, 1, 70, 5, 2];
        for length in 0..=values.len() {
            let values = &values[..length];
            for cut in 0..=length {
                let mut whole = Counted::default();
                for part in [&values[..cut], &values[cut..]] {
                    let mut counted = Counted::default();
                    part.iter().for_each(|value| counted.add(*value, 1));
                    whole.merge(&counted);
                }
                for (number, of) in [(0, 1), (1, 1), (1, 2), (1, 4), (3, 4), (1, 3), (95, 100), (7, 10)] {
                    let found = whole.value(number, of);
                    assert_eq!(found, expected(values, number as usize, of as usize), "{number}/{of} of {values:?}");
                }
            }
        }
    }

    #[test]
    fn floats_are_in_order() {
        let floats = [f64::NEG_INFINITY, -1e300, -1.5, -f64::MIN_POSITIVE, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY];
        for pair in floats.windows(2) {
            assert!(ordered(pair[0]) < ordered(pair[1]), "{pair:?}");
        }
        for float in floats {
            assert_eq!(unordered(ordered(float)).to_bits(), float.to_bits());
        }
        assert_eq!(ordered(-0.0), ordered(0.0));
        assert!(unordered(ordered(f64::NAN)).is_nan() && ordered(f64::NAN) < ordered(f64::NEG_INFINITY));
    }
}
