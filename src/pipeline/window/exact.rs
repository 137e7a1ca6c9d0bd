//! Exact sums of FLOAT64 values: the result does not depend on the order of additions.
//!
//! A sum is a Shewchuk expansion: non-overlapping parts whose exact sum is the exact sum of all values added,
//! rounded once at the end. Values that are not finite are counted apart, as GoogleSQL's SUM treats them.

use serde::{Deserialize, Serialize};

/// An exact sum.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ExactSum {
    parts: Vec<f64>,
    nans: u32,
    positive_infinities: u32,
    negative_infinities: u32,
}

impl ExactSum {
    pub fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.grow(value);
        } else if value.is_nan() {
            self.nans = self.nans.saturating_add(1);
        } else if value > 0.0 {
            self.positive_infinities = self.positive_infinities.saturating_add(1);
        } else {
            self.negative_infinities = self.negative_infinities.saturating_add(1);
        }
    }

    /// Adds `a * b` exactly (but for underflow).
    pub fn add_product(&mut self, a: f64, b: f64) {
        let high = a * b;
        self.add(high);
        if high.is_finite() {
            self.add(a.mul_add(b, -high));
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for part in &other.parts {
            self.grow(*part);
        }
        self.nans = self.nans.saturating_add(other.nans);
        self.positive_infinities = self.positive_infinities.saturating_add(other.positive_infinities);
        self.negative_infinities = self.negative_infinities.saturating_add(other.negative_infinities);
    }

    fn grow(&mut self, value: f64) {
        let mut carry = value;
        let mut kept = 0;
        for i in 0..self.parts.len() {
            let (high, low) = two_sum(carry, self.parts[i]);
            if high.is_infinite() {
                // Beyond FLOAT64: the sum is infinite, never NaN.
                self.parts.clear();
                return self.add(high);
            }
            if low != 0.0 {
                self.parts[kept] = low;
                kept += 1;
            }
            carry = high;
        }
        self.parts.truncate(kept);
        if carry != 0.0 {
            self.parts.push(carry);
        }
    }

    /// The sum, rounded once, half to even.
    pub fn value(&self) -> f64 {
        if self.nans > 0 || (self.positive_infinities > 0 && self.negative_infinities > 0) {
            return f64::NAN;
        }
        if self.positive_infinities > 0 {
            return f64::INFINITY;
        }
        if self.negative_infinities > 0 {
            return f64::NEG_INFINITY;
        }
        let Some((last, rest)) = self.parts.split_last() else { return 0.0 };
        let mut high = *last;
        let mut low = 0.0;
        let mut left = rest.len();
        while left > 0 {
            left -= 1;
            let (sum, error) = two_sum(high, rest[left]);
            high = sum;
            low = error;
            if low != 0.0 {
                break;
            }
        }
        // Half-way cases: the next part decides in which direction the rounding goes.
        if left > 0 && low != 0.0 && (low < 0.0) == (rest[left - 1] < 0.0) {
            let doubled = low * 2.0;
            let candidate = high + doubled;
            if candidate - high == doubled {
                return candidate;
            }
        }
        high
    }

    /// `n·Σx² − (Σx)²`, rounded once, from `self = Σx` and `squares = Σx²`.
    pub fn spread(&self, squares: &Self, n: f64) -> f64 {
        self.spread_with(self, squares, n)
    }

    /// `n·Σxy − Σx·Σy`, rounded once, from `self = Σx`, `other = Σy` and `products = Σxy`.
    pub fn spread_with(&self, other: &Self, products: &Self, n: f64) -> f64 {
        let mut exact = Self::default();
        for part in &products.parts {
            exact.add_product(*part, n);
        }
        for a in &self.parts {
            for b in &other.parts {
                exact.add_product(-*a, *b);
            }
        }
        let finite = [self, other, products].into_iter().all(|sum| sum.value().is_finite());
        if finite { exact.value() } else { f64::NAN }
    }
}

/// The rounded sum and its exact error.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

#[cfg(test)]
mod tests {
    use super::ExactSum;

    #[test]
    fn a_sum_beyond_the_range_is_infinite() {
        assert_eq!(sum(&[1e308, 1e308]), f64::INFINITY);
        assert_eq!(sum(&[-1e308, 1.0, -1e308, 5.0]), f64::NEG_INFINITY);
    }

    fn sum(values: &[f64]) -> f64 {
        let mut exact = ExactSum::default();
        values.iter().for_each(|v| exact.add(*v));
        exact.value()
    }

    #[test]
    fn order_does_not_matter() {
        let values = [0.1, 0.2, 0.3, 1e100, -1e100, 1e-30, 7.0, -0.6];
        let expected = sum(&values);
        let mut turned = values;
        for _ in 0..values.len() {
            turned.rotate_left(1);
            assert_eq!(sum(&turned).to_bits(), expected.to_bits());
            let mut reversed = turned;
            reversed.reverse();
            assert_eq!(sum(&reversed).to_bits(), expected.to_bits());
        }
        assert_eq!(sum(&[1e16, 1.0, 1e-16]), 10_000_000_000_000_002.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[]), 0.0);
    }

    #[test]
    fn merged_parts_are_the_whole() {
        let (mut a, mut b) = (ExactSum::default(), ExactSum::default());
        for i in 0..100 {
            let value = f64::from(i) * 0.1;
            if i % 3 == 0 { a.add(value) } else { b.add(value) }
        }
        a.merge(&b);
        let whole: Vec<f64> = (0..100).map(|i| f64::from(i) * 0.1).collect();
        assert_eq!(a.value().to_bits(), sum(&whole).to_bits());
    }

    #[test]
    fn equal_values_have_no_spread() {
        let (mut values, mut squares) = (ExactSum::default(), ExactSum::default());
        for _ in 0..28 {
            values.add(0.1);
            squares.add_product(0.1, 0.1);
        }
        assert_eq!(values.spread(&squares, 28.0), 0.0);
    }

    #[test]
    fn infinities_and_nan_are_kept() {
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(sum(&[f64::NAN, 1.0]).is_nan());
    }
}
