//! Aggregate states of many keys side by side: update from rows, merge panes, finish to a column.
//!
//! States are exact, so that panes merged in any order give what one pass over all rows gives
//! (integers in 128 and 256 bits, floats in [`ExactSum`]).

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType, i256,
};
use datafusion::common::ScalarValue;
use serde::{Deserialize, Serialize};
use zetasketch::HyperLogLogPlusPlus;

use crate::language::tree::{Aggregate, AggregateFunction, Listing};
use crate::pipeline::saved::{Loader, SavedError, mismatch};
use crate::record::{Type, Value};
use crate::target::datafusion::scalar;

use super::distinct::{Distinct, NULL_ID, Values};
use super::exact::ExactSum;
use super::forms;
use super::keep::{keep, keep_bits, keep_bytes, keep_first, keep_float};
use super::list::{self, Bound, List};
use super::pair::{self, Pairs};
use super::quantile::{self, Counted};
use super::rounded::{count, ratio, spread, wide_to_float};

/// What an aggregate computes, and over which type.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateKind {
    pub function: AggregateFunction,
    /// The argument's type; `None` for `COUNT(*)`.
    pub arg: Option<Type>,
    /// Of `STRING_AGG`.
    pub list: Option<Arc<Listing>>,
}

impl AggregateKind {
    pub fn of(aggregate: &Aggregate) -> Self {
        let arg = aggregate.arg.as_ref().map(|arg| arg.ty);
        Self { function: aggregate.function, arg, list: aggregate.list.clone() }
    }
}

/// The states of one aggregate, one a slot.
#[derive(Debug, Serialize, Deserialize)]
pub enum States {
    Count(Vec<i64>),
    SumInt(Vec<Option<i128>>),
    SumFloat(Vec<Option<ExactSum>>),
    /// (values, sum)
    AvgInt(Vec<(i64, i128)>),
    AvgFloat(Vec<(i64, ExactSum)>),
    SpreadFloat(Vec<(i64, ExactSum, ExactSum)>),
    Int(Extreme, Vec<Option<i64>>),
    Float(Extreme, Vec<Option<f64>>),
    Bytes(Extreme, Vec<Option<Box<[u8]>>>),
    Bool(Extreme, Vec<Option<bool>>),
    Bits(Vec<Option<i64>>),
    List(Bound, Vec<List>),
    Pairs(Vec<Pairs>),
    Counted(Vec<Counted>),
    /// (values, sum, sum of squares)
    SpreadInt(#[serde(with = "forms::wide")] Vec<(i64, i128, i256)>),
    Distinct(Vec<Distinct>),
    /// The order of the first row, as bytes, and its value.
    First(Vec<Option<Ordered>>),
    Sketch(#[serde(with = "forms::sketches")] Vec<Option<Box<HyperLogLogPlusPlus>>>),
}

/// The order of a row, as bytes that compare, and its value.
pub(super) type Ordered = (Box<[u8]>, Value);

/// Which value is kept. For BOOL the smallest is AND, the largest OR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extreme {
    Smallest,
    Largest,
}

/// What a pane adds to a window, at most.
#[derive(Debug, Clone, Copy)]
pub enum Grown {
    Sum(i128),
    Largest(Option<i64>),
}

/// Error of a state that cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("sketch of APPROX_COUNT_DISTINCT: {0}")]
pub struct SketchError(String);

impl States {
    pub fn new(kind: &AggregateKind) -> Self {
        use AggregateFunction as F;
        let float = kind.arg == Some(Type::Float64);
        match kind.function {
            F::CountStar | F::Count | F::CountIf => Self::Count(Vec::new()),
            F::CountDistinct => Self::Distinct(Vec::new()),
            F::ApproxCountDistinct => Self::Sketch(Vec::new()),
            F::Sum if float => Self::SumFloat(Vec::new()),
            F::Sum => Self::SumInt(Vec::new()),
            F::Avg if float => Self::AvgFloat(Vec::new()),
            F::Avg => Self::AvgInt(Vec::new()),
            F::StddevSamp | F::StddevPop | F::VarSamp | F::VarPop if float => Self::SpreadFloat(Vec::new()),
            F::StddevSamp | F::StddevPop | F::VarSamp | F::VarPop => Self::SpreadInt(Vec::new()),
            F::Min | F::AnyValue | F::LogicalAnd => Self::extreme(Extreme::Smallest, kind.arg),
            F::Max | F::LogicalOr => Self::extreme(Extreme::Largest, kind.arg),
            F::BitAnd | F::BitOr | F::BitXor => Self::Bits(Vec::new()),
            F::First => Self::First(Vec::new()),
            F::StringAgg => Self::List(kind.list.as_deref().map(Bound::of).unwrap_or_default(), Vec::new()),
            F::Corr | F::CovarPop | F::CovarSamp => Self::Pairs(Vec::new()),
            F::Quantile { .. } => Self::Counted(Vec::new()),
        }
    }

    fn extreme(extreme: Extreme, arg: Option<Type>) -> Self {
        match arg {
            Some(Type::Float64) => Self::Float(extreme, Vec::new()),
            Some(Type::Bool) => Self::Bool(extreme, Vec::new()),
            Some(Type::String | Type::Bytes) => Self::Bytes(extreme, Vec::new()),
            Some(Type::Int64 | Type::Timestamp | Type::Date) | None => Self::Int(extreme, Vec::new()),
        }
    }

    /// Makes room for slots below `slots`.
    pub fn grow(&mut self, slots: usize) {
        match self {
            Self::Count(s) => s.resize(slots, 0),
            Self::SumInt(s) => s.resize(slots, None),
            Self::SumFloat(s) => s.resize(slots, None),
            Self::AvgInt(s) => s.resize(slots, (0, 0)),
            Self::AvgFloat(s) => s.resize_with(slots, Default::default),
            Self::SpreadInt(s) => s.resize(slots, (0, 0, i256::ZERO)),
            Self::SpreadFloat(s) => s.resize_with(slots, Default::default),
            Self::Int(_, s) => s.resize(slots, None),
            Self::Float(_, s) => s.resize(slots, None),
            Self::Bytes(_, s) => s.resize(slots, None),
            Self::Bool(_, s) => s.resize(slots, None),
            Self::Bits(s) => s.resize(slots, None),
            Self::First(s) => s.resize(slots, None),
            Self::List(_, s) => s.resize_with(slots, List::default),
            Self::Pairs(s) => s.resize_with(slots, Pairs::default),
            Self::Counted(s) => s.resize_with(slots, Counted::default),
            Self::Distinct(s) => s.resize_with(slots, Distinct::default),
            Self::Sketch(s) => s.resize_with(slots, || None),
        }
    }

    /// Has no room for more slots from now on.
    pub fn shrink(&mut self) {
        match self {
            Self::Count(s) => s.shrink_to_fit(),
            Self::SumInt(s) => s.shrink_to_fit(),
            Self::SumFloat(s) => s.shrink_to_fit(),
            Self::AvgInt(s) => s.shrink_to_fit(),
            Self::AvgFloat(s) => s.shrink_to_fit(),
            Self::SpreadInt(s) => s.shrink_to_fit(),
            Self::SpreadFloat(s) => s.shrink_to_fit(),
            Self::Bits(s) => s.shrink_to_fit(),
            Self::First(s) => s.shrink_to_fit(),
            Self::Pairs(s) => s.shrink_to_fit(),
            Self::Counted(s) => s.shrink_to_fit(),
            Self::Distinct(s) => s.shrink_to_fit(),
            Self::Sketch(s) => s.shrink_to_fit(),
            Self::Int(_, s) => s.shrink_to_fit(),
            Self::Float(_, s) => s.shrink_to_fit(),
            Self::Bytes(_, s) => s.shrink_to_fit(),
            Self::Bool(_, s) => s.shrink_to_fit(),
            Self::List(_, s) => s.shrink_to_fit(),
        }
    }

    /// As [`Self::grow`], for windows without rows: a sum over nothing is 0.
    pub fn grow_zero(&mut self, slots: usize) {
        match self {
            Self::SumInt(s) => s.resize(slots, Some(0)),
            Self::SumFloat(s) => s.resize(slots, Some(ExactSum::default())),
            other => other.grow(slots),
        }
    }

    /// Adds row `i` of `arg` to slot `slots[i]`. `values` and `ids` serve distinct counts.
    pub fn update(
        &mut self,
        function: AggregateFunction,
        slots: &[u32],
        arg: Option<&ArrayRef>,
        values: &mut Values,
        ids: &mut Vec<u32>,
    ) -> Result<(), SketchError> {
        let Some(arg) = arg else {
            if let Self::Count(states) = self {
                slots.iter().for_each(|slot| states[*slot as usize] += 1);
            }
            return Ok(());
        };
        match self {
            Self::Count(states) if function == AggregateFunction::CountIf => {
                for (slot, value) in slots.iter().zip(arg.as_boolean()) {
                    states[*slot as usize] += i64::from(value == Some(true));
                }
            }
            Self::Count(states) => {
                for (row, slot) in slots.iter().enumerate() {
                    states[*slot as usize] += i64::from(arg.is_valid(row));
                }
            }
            Self::SumInt(states) => each::<Int64Type>(slots, arg, |slot, v| {
                *states[slot].get_or_insert(0) += i128::from(v);
            }),
            Self::AvgInt(states) => each::<Int64Type>(slots, arg, |slot, v| {
                states[slot].0 += 1;
                states[slot].1 += i128::from(v);
            }),
            Self::SpreadInt(states) => each::<Int64Type>(slots, arg, |slot, v| {
                let (n, sum, squares) = &mut states[slot];
                let wide = i128::from(v);
                *n += 1;
                *sum += wide;
                *squares = squares.wrapping_add(i256::from_i128(wide * wide));
            }),
            Self::SumFloat(states) => {
                each::<Float64Type>(slots, arg, |slot, v| states[slot].get_or_insert_default().add(v));
            }
            Self::AvgFloat(states) => each::<Float64Type>(slots, arg, |slot, v| {
                states[slot].0 += 1;
                states[slot].1.add(v);
            }),
            Self::SpreadFloat(states) => each::<Float64Type>(slots, arg, |slot, v| {
                let (n, sum, squares) = &mut states[slot];
                *n += 1;
                sum.add(v);
                squares.add_product(v, v);
            }),
            Self::Int(extreme, states) => update_int(*extreme, states, slots, arg),
            Self::Float(extreme, states) => {
                each::<Float64Type>(slots, arg, |slot, v| keep_float(*extreme, &mut states[slot], v));
            }
            Self::Bytes(extreme, states) => update_bytes(*extreme, states, slots, arg),
            Self::Bool(extreme, states) => {
                for (slot, value) in slots.iter().zip(arg.as_boolean()) {
                    if let Some(value) = value {
                        keep(*extreme, &mut states[*slot as usize], value);
                    }
                }
            }
            Self::Distinct(states) => {
                values.ids(arg, ids);
                for (slot, id) in slots.iter().zip(ids.iter()) {
                    if *id != NULL_ID {
                        states[*slot as usize].insert(*id);
                    }
                }
            }
            Self::Bits(states) => each::<Int64Type>(slots, arg, |slot, v| keep_bits(function, &mut states[slot], v)),
            Self::First(states) => update_first(states, slots, arg),
            Self::List(bound, states) => list::update(states, slots, arg, *bound),
            Self::Pairs(states) => pair::update(function, states, slots, arg),
            Self::Counted(states) => quantile::update(states, slots, arg),
            Self::Sketch(states) => update_sketch(states, slots, arg)?,
        }
        Ok(())
    }

    /// Adds slot `i` of `other` to slot `slots[i]` of `self`.
    pub fn merge(&mut self, function: AggregateFunction, other: &Self, slots: &[u32]) -> Result<(), SketchError> {
        let at = |slot: &u32| *slot as usize;
        match (self, other) {
            (Self::Count(mine), Self::Count(other)) => {
                slots.iter().zip(other).for_each(|(slot, o)| mine[at(slot)] += o);
            }
            (Self::SumInt(mine), Self::SumInt(other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    if let Some(o) = o {
                        *mine[at(slot)].get_or_insert(0) += o;
                    }
                }
            }
            (Self::SumFloat(mine), Self::SumFloat(other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    if let Some(o) = o {
                        mine[at(slot)].get_or_insert_default().merge(o);
                    }
                }
            }
            (Self::AvgInt(mine), Self::AvgInt(other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    mine[at(slot)].0 += o.0;
                    mine[at(slot)].1 += o.1;
                }
            }
            (Self::AvgFloat(mine), Self::AvgFloat(other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    mine[at(slot)].0 += o.0;
                    mine[at(slot)].1.merge(&o.1);
                }
            }
            (Self::SpreadInt(mine), Self::SpreadInt(other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    let mine = &mut mine[at(slot)];
                    *mine = (mine.0 + o.0, mine.1 + o.1, mine.2.wrapping_add(o.2));
                }
            }
            (Self::SpreadFloat(mine), Self::SpreadFloat(other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    let mine = &mut mine[at(slot)];
                    mine.0 += o.0;
                    mine.1.merge(&o.1);
                    mine.2.merge(&o.2);
                }
            }
            (Self::Int(extreme, mine), Self::Int(_, other)) => merge_copies(*extreme, mine, other, slots),
            (Self::Bool(extreme, mine), Self::Bool(_, other)) => merge_copies(*extreme, mine, other, slots),
            (Self::Float(extreme, mine), Self::Float(_, other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    if let Some(o) = o {
                        keep_float(*extreme, &mut mine[at(slot)], *o);
                    }
                }
            }
            (Self::Bytes(extreme, mine), Self::Bytes(_, other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    if let Some(o) = o {
                        keep_bytes(*extreme, &mut mine[at(slot)], o);
                    }
                }
            }
            (Self::Bits(mine), Self::Bits(other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    if let Some(o) = o {
                        keep_bits(function, &mut mine[at(slot)], *o);
                    }
                }
            }
            (Self::First(mine), Self::First(other)) => {
                for (slot, o) in slots.iter().zip(other) {
                    if let Some((order, value)) = o {
                        keep_first(&mut mine[at(slot)], order, || value.clone());
                    }
                }
            }
            (Self::List(bound, mine), Self::List(_, other)) => {
                slots.iter().zip(other).for_each(|(slot, o)| mine[at(slot)].merge(*bound, o));
            }
            (Self::Pairs(mine), Self::Pairs(other)) => {
                slots.iter().zip(other).for_each(|(slot, o)| mine[at(slot)].merge(o));
            }
            (Self::Counted(mine), Self::Counted(other)) => {
                slots.iter().zip(other).for_each(|(slot, o)| mine[at(slot)].merge(o));
            }
            (Self::Distinct(mine), Self::Distinct(other)) => {
                slots.iter().zip(other).for_each(|(slot, o)| mine[at(slot)].merge(o));
            }
            (Self::Sketch(mine), Self::Sketch(other)) => merge_sketches(mine, other, slots)?,
            // Panes of one feature have the same kinds in the same order.
            _ => {}
        }
        Ok(())
    }

    /// The column of results; `saturated` counts sums outside INT64, which stop at its bounds, and
    /// quantiles of more different values than are kept.
    pub fn finish(&self, kind: &AggregateKind, saturated: &mut u64) -> ArrayRef {
        match self {
            Self::Count(s) => Arc::new(Int64Array::from(s.clone())),
            Self::SumInt(s) => {
                Arc::new(s.iter().map(|sum| sum.map(|sum| clamp(sum, saturated))).collect::<Int64Array>())
            }
            Self::SumFloat(s) => Arc::new(floats(s.iter().map(|sum| sum.as_ref().map(ExactSum::value)))),
            Self::AvgInt(s) => Arc::new(floats(s.iter().map(|(n, sum)| (*n > 0).then(|| ratio(*sum, *n))))),
            Self::AvgFloat(s) => Arc::new(floats(s.iter().map(|(n, sum)| (*n > 0).then(|| sum.value() / count(*n))))),
            Self::SpreadInt(s) => Arc::new(floats(s.iter().map(|(n, sum, squares)| {
                let wide = i256::from_i128(*sum);
                let exact = squares.wrapping_mul(i256::from_i128(i128::from(*n))).wrapping_sub(wide.wrapping_mul(wide));
                spread(kind.function, *n, wide_to_float(exact))
            }))),
            Self::SpreadFloat(s) => Arc::new(floats(
                s.iter().map(|(n, sum, squares)| spread(kind.function, *n, sum.spread(squares, count(*n)))),
            )),
            Self::Int(_, s) => match kind.arg {
                Some(Type::Timestamp) => Arc::new(TimestampMicrosecondArray::from(s.clone()).with_timezone("UTC")),
                Some(Type::Date) => {
                    let days = s.iter().map(|v| v.and_then(|v| i32::try_from(v).ok()));
                    Arc::new(days.collect::<Date32Array>())
                }
                _ => Arc::new(Int64Array::from(s.clone())),
            },
            Self::Float(_, s) => Arc::new(Float64Array::from(s.clone())),
            Self::Bool(_, s) => Arc::new(BooleanArray::from(s.clone())),
            Self::Bytes(_, s) if kind.arg == Some(Type::Bytes) => {
                Arc::new(s.iter().map(|v| v.as_deref()).collect::<BinaryArray>())
            }
            Self::Bytes(_, s) => Arc::new(
                s.iter().map(|v| v.as_deref().and_then(|v| std::str::from_utf8(v).ok())).collect::<StringArray>(),
            ),
            Self::Bits(s) => Arc::new(Int64Array::from(s.clone())),
            Self::First(s) => values_of(s, kind.arg.unwrap_or(Type::Int64)),
            Self::List(_, s) => list::finish(s, kind.list.as_deref(), kind.arg.unwrap_or(Type::String)),
            Self::Pairs(s) => Arc::new(floats(s.iter().map(|pairs| pairs.finish(kind.function)))),
            Self::Counted(s) => {
                let (number, of) = match kind.function {
                    AggregateFunction::Quantile { number, of } => (number, of),
                    _ => (1, 2),
                };
                quantile::finish(s.iter(), number, of, kind.arg, saturated)
            }
            Self::Distinct(s) => Arc::new(s.iter().map(|set| i64::try_from(set.count()).ok()).collect::<Int64Array>()),
            Self::Sketch(s) => Arc::new(
                s.iter().map(|sketch| Some(sketch.as_ref().map_or(0, |s| s.cardinality()))).collect::<Int64Array>(),
            ),
        }
    }

    /// Is what a slot has within these bounds? Of aggregates whose result is not an INT64 nothing is known.
    pub fn within(&self, slot: usize, least: i64, most: i64) -> bool {
        let known = |value: Option<i128>| value.is_some_and(|v| (i128::from(least)..=i128::from(most)).contains(&v));
        match self {
            Self::Count(s) => (least..=most).contains(&s[slot]),
            Self::SumInt(s) => known(s[slot].map(|sum| sum.clamp(i64::MIN.into(), i64::MAX.into()))),
            Self::Int(_, s) => known(s[slot].map(i128::from)),
            Self::Distinct(s) => i64::try_from(s[slot].count()).is_ok_and(|count| (least..=most).contains(&count)),
            _ => true,
        }
    }

    /// How far a slot is, of aggregates that only grow and whose result is an INT64.
    pub fn grown(&self, slot: usize) -> Option<Grown> {
        match self {
            Self::Count(s) => Some(Grown::Sum(s[slot].into())),
            Self::SumInt(s) => Some(Grown::Sum(s[slot].unwrap_or(0))),
            // At most so many, if no two panes share a value.
            Self::Distinct(s) => Some(Grown::Sum(i128::try_from(s[slot].count()).unwrap_or(i128::MAX))),
            Self::Int(Extreme::Largest, s) => Some(Grown::Largest(s[slot])),
            _ => None,
        }
    }

    /// Copies of some slots, in their order.
    pub fn gather(&self, slots: &[u32]) -> Self {
        fn pick<T: Clone>(all: &[T], slots: &[u32]) -> Vec<T> {
            slots.iter().map(|slot| all[*slot as usize].clone()).collect()
        }
        match self {
            Self::Count(s) => Self::Count(pick(s, slots)),
            Self::SumInt(s) => Self::SumInt(pick(s, slots)),
            Self::SumFloat(s) => Self::SumFloat(pick(s, slots)),
            Self::AvgInt(s) => Self::AvgInt(pick(s, slots)),
            Self::AvgFloat(s) => Self::AvgFloat(pick(s, slots)),
            Self::SpreadInt(s) => Self::SpreadInt(pick(s, slots)),
            Self::SpreadFloat(s) => Self::SpreadFloat(pick(s, slots)),
            Self::Int(extreme, s) => Self::Int(*extreme, pick(s, slots)),
            Self::Float(extreme, s) => Self::Float(*extreme, pick(s, slots)),
            Self::Bytes(extreme, s) => Self::Bytes(*extreme, pick(s, slots)),
            Self::Bool(extreme, s) => Self::Bool(*extreme, pick(s, slots)),
            Self::Bits(s) => Self::Bits(pick(s, slots)),
            Self::First(s) => Self::First(pick(s, slots)),
            Self::List(bound, s) => Self::List(*bound, pick(s, slots)),
            Self::Pairs(s) => Self::Pairs(pick(s, slots)),
            Self::Counted(s) => Self::Counted(pick(s, slots)),
            Self::Distinct(s) => Self::Distinct(pick(s, slots)),
            Self::Sketch(s) => Self::Sketch(pick(s, slots)),
        }
    }

    /// The slot is as it was before its first row.
    pub fn clear(&mut self, slot: u32) {
        fn reset<T: Default>(all: &mut [T], slot: u32) {
            all[slot as usize] = T::default();
        }
        match self {
            Self::Count(s) => reset(s, slot),
            Self::SumInt(s) => reset(s, slot),
            Self::SumFloat(s) => reset(s, slot),
            Self::AvgInt(s) => reset(s, slot),
            Self::AvgFloat(s) => reset(s, slot),
            Self::SpreadInt(s) => s[slot as usize] = (0, 0, i256::ZERO),
            Self::SpreadFloat(s) => reset(s, slot),
            Self::Int(_, s) => reset(s, slot),
            Self::Float(_, s) => reset(s, slot),
            Self::Bytes(_, s) => reset(s, slot),
            Self::Bool(_, s) => reset(s, slot),
            Self::Bits(s) => reset(s, slot),
            Self::First(s) => reset(s, slot),
            Self::List(_, s) => reset(s, slot),
            Self::Pairs(s) => reset(s, slot),
            Self::Counted(s) => reset(s, slot),
            Self::Distinct(s) => reset(s, slot),
            Self::Sketch(s) => reset(s, slot),
        }
    }

    /// The sets of a distinct count, for renaming.
    pub fn distinct_sets(&mut self) -> impl Iterator<Item = &mut Distinct> {
        match self {
            Self::Distinct(sets) => sets.iter_mut(),
            _ => [].iter_mut(),
        }
    }
}

impl States {
    /// Takes states of the same kind.
    pub fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let states: Self = from.take()?;
        if std::mem::discriminant(&states) != std::mem::discriminant(self) {
            return Err(mismatch("aggregates"));
        }
        *self = states;
        Ok(())
    }
}

fn each<T: ArrowPrimitiveType>(slots: &[u32], arg: &ArrayRef, mut with: impl FnMut(usize, T::Native)) {
    let array = arg.as_primitive::<T>();
    if array.null_count() == 0 {
        slots.iter().zip(array.values()).for_each(|(slot, v)| with(*slot as usize, *v));
        return;
    }
    for (slot, v) in slots.iter().zip(array) {
        if let Some(v) = v {
            with(*slot as usize, v);
        }
    }
}

/// `arg` holds each row's value, and behind it its order: see [`super::ordered`].
fn update_first(states: &mut [Option<Ordered>], slots: &[u32], arg: &ArrayRef) {
    let Some([values, orders]) = arg.as_struct_opt().map(|pair| pair.columns()) else { return };
    let (Some(ty), Some(orders)) = (Type::from_arrow(values.data_type()), orders.as_binary_opt::<i32>()) else {
        return;
    };
    for (row, slot) in slots.iter().enumerate() {
        if values.is_valid(row) {
            keep_first(&mut states[*slot as usize], orders.value(row), || Value::at(values, row, ty));
        }
    }
}

fn values_of(states: &[Option<Ordered>], ty: Type) -> ArrayRef {
    let null = Value::Null(ty);
    let values = states.iter().map(|state| state.as_ref().map_or(&null, |(_, value)| value));
    ScalarValue::iter_to_array(values.map(scalar)).unwrap_or_else(|_| new_null_array(&ty.arrow(), states.len()))
}

fn merge_copies<T: PartialOrd + Copy>(extreme: Extreme, mine: &mut [Option<T>], other: &[Option<T>], slots: &[u32]) {
    for (slot, value) in slots.iter().zip(other) {
        if let Some(value) = value {
            keep(extreme, &mut mine[*slot as usize], *value);
        }
    }
}

fn update_int(extreme: Extreme, states: &mut [Option<i64>], slots: &[u32], arg: &ArrayRef) {
    if arg.as_primitive_opt::<Int64Type>().is_some() {
        each::<Int64Type>(slots, arg, |slot, v| keep(extreme, &mut states[slot], v));
    } else if arg.as_primitive_opt::<TimestampMicrosecondType>().is_some() {
        each::<TimestampMicrosecondType>(slots, arg, |slot, v| keep(extreme, &mut states[slot], v));
    } else if arg.as_primitive_opt::<Date32Type>().is_some() {
        each::<Date32Type>(slots, arg, |slot, v| keep(extreme, &mut states[slot], i64::from(v)));
    }
}

fn update_bytes(extreme: Extreme, states: &mut [Option<Box<[u8]>>], slots: &[u32], arg: &ArrayRef) {
    for (row, slot) in slots.iter().enumerate() {
        if arg.is_null(row) {
            continue;
        }
        let value = match (arg.as_string_opt::<i32>(), arg.as_binary_opt::<i32>()) {
            (Some(strings), _) => strings.value(row).as_bytes(),
            (None, Some(binary)) => binary.value(row),
            (None, None) => continue,
        };
        keep_bytes(extreme, &mut states[*slot as usize], value);
    }
}

fn update_sketch(
    states: &mut [Option<Box<HyperLogLogPlusPlus>>],
    slots: &[u32],
    arg: &ArrayRef,
) -> Result<(), SketchError> {
    for (row, slot) in slots.iter().enumerate() {
        if arg.is_valid(row) {
            super::sketch::add(&mut states[*slot as usize], arg, row).map_err(SketchError)?;
        }
    }
    Ok(())
}

fn merge_sketches(
    mine: &mut [Option<Box<HyperLogLogPlusPlus>>],
    other: &[Option<Box<HyperLogLogPlusPlus>>],
    slots: &[u32],
) -> Result<(), SketchError> {
    for (slot, other) in slots.iter().zip(other) {
        if let Some(other) = other {
            super::sketch::merge(&mut mine[*slot as usize], other).map_err(SketchError)?;
        }
    }
    Ok(())
}

fn clamp(sum: i128, saturated: &mut u64) -> i64 {
    i64::try_from(sum).unwrap_or_else(|_| {
        *saturated += 1;
        if sum > 0 { i64::MAX } else { i64::MIN }
    })
}

fn floats(values: impl Iterator<Item = Option<f64>>) -> Float64Array {
    values.collect()
}
