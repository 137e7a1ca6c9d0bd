//! States of aggregates over pairs: correlation and covariance, from exact sums.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use serde::{Deserialize, Serialize};

use crate::language::tree::AggregateFunction;

use super::exact::ExactSum;
use super::rounded::count;

/// Sums over the pairs of which neither half is NULL.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pairs {
    pairs: i64,
    x: ExactSum,
    y: ExactSum,
    xy: ExactSum,
    /// Only a correlation needs the squares.
    xx: ExactSum,
    yy: ExactSum,
}

impl Pairs {
    fn add(&mut self, x: f64, y: f64, squares: bool) {
        self.pairs += 1;
        self.x.add(x);
        self.y.add(y);
        self.xy.add_product(x, y);
        if squares {
            self.xx.add_product(x, x);
            self.yy.add_product(y, y);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.x.merge(&other.x);
        self.y.merge(&other.y);
        self.xy.merge(&other.xy);
        self.xx.merge(&other.xx);
        self.yy.merge(&other.yy);
    }

    pub fn finish(&self, function: AggregateFunction) -> Option<f64> {
        let n = count(self.pairs);
        let common = || self.x.spread_with(&self.y, &self.xy, n);
        match function {
            // One pair has no spread, however large its product.
            AggregateFunction::CovarPop if self.pairs == 1 => {
                let finite = self.x.value().is_finite() && self.y.value().is_finite();
                Some(if finite { 0.0 } else { f64::NAN })
            }
            AggregateFunction::CovarPop if self.pairs > 1 => Some(common() / (n * n)),
            AggregateFunction::CovarSamp if self.pairs > 1 => Some(common() / (n * (n - 1.0))),
            AggregateFunction::Corr if self.pairs > 1 => {
                let (x, y) = (self.x.spread(&self.xx, n), self.y.spread(&self.yy, n));
                // Without a variance it is 0 / 0: NaN.
                Some((common() / x.sqrt() / y.sqrt()).clamp(-1.0, 1.0))
            }
            _ => None,
        }
    }
}

/// `arg` holds pairs: see [`super::ordered`].
pub fn update(function: AggregateFunction, states: &mut [Pairs], slots: &[u32], arg: &ArrayRef) {
    let Some([x, y]) = arg.as_struct_opt().map(|pair| pair.columns()) else { return };
    let (Some(x), Some(y)) = (x.as_primitive_opt::<Float64Type>(), y.as_primitive_opt::<Float64Type>()) else { return };
    let squares = function == AggregateFunction::Corr;
    for ((slot, x), y) in slots.iter().zip(x).zip(y) {
        if let (Some(x), Some(y)) = (x, y) {
            states[*slot as usize].add(x, y, squares);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pairs;
    use crate::language::tree::AggregateFunction as F;

    fn of(pairs: &[(f64, f64)]) -> Pairs {
        let mut all = Pairs::default();
        pairs.iter().for_each(|(x, y)| all.add(*x, *y, true));
        all
    }

    fn finish(pairs: &[(f64, f64)]) -> [Option<f64>; 3] {
        let all = of(pairs);
        [F::Corr, F::CovarPop, F::CovarSamp].map(|function| all.finish(function))
    }

    #[test]
    fn few_pairs() {
        assert_eq!(finish(&[]), [None, None, None]);
        assert_eq!(finish(&[(1.0, 2.0)]), [None, Some(0.0), None]);
        assert_eq!(finish(&[(1e300, -1e300)]), [None, Some(0.0), None]);
        assert_eq!(finish(&[(1.0, 2.0), (3.0, 5.0)]), [Some(1.0), Some(1.5), Some(3.0)]);
        let [corr, pop, samp] = finish(&[(f64::INFINITY, 1.0)]);
        assert!(corr.is_none() && pop.is_some_and(f64::is_nan) && samp.is_none());
    }

    #[test]
    fn pairs_without_a_number_have_none() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for pairs in [[(wrong, 1.0), (2.0, 3.0)], [(1.0, 2.0), (3.0, wrong)], [(wrong, 1.0), (wrong, 2.0)]] {
                for result in finish(&pairs) {
                    assert!(result.is_some_and(f64::is_nan), "{pairs:?}: {result:?}");
                }
            }
        }
    }

    #[test]
    fn equal_values_have_no_correlation() {
        let pairs: Vec<(f64, f64)> = (0..7).map(|i| (0.1, f64::from(i) / 3.0)).collect();
        let [corr, pop, samp] = finish(&pairs);
        assert!(corr.is_some_and(f64::is_nan));
        assert_eq!((pop, samp), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn parts_in_any_order_are_the_whole() {
        let pairs: Vec<(f64, f64)> = (0..40).map(|i| (f64::from(i * i) * 0.1, 1e15 - f64::from(i % 7) / 3.0)).collect();
        let whole = finish(&pairs);
        for cut in [0, 1, 17, 40] {
            let (mut a, b) = (of(&pairs[cut..]), of(&pairs[..cut]));
            a.merge(&b);
            let merged = [F::Corr, F::CovarPop, F::CovarSamp].map(|function| a.finish(function));
            assert_eq!(merged.map(|v| v.map(f64::to_bits)), whole.map(|v| v.map(f64::to_bits)), "{cut}");
        }
    }
}
