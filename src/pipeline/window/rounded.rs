//! Exact states to FLOAT64, rounded once.

use datafusion::arrow::datatypes::i256;

use crate::language::tree::AggregateFunction;

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn count(n: i64) -> f64 {
    n as f64
}

/// `sum / n`, rounded once: the quotient is taken to at least 64 bits, the last of which tells of a remainder.
#[expect(clippy::cast_precision_loss, reason = "the one rounding")]
pub(super) fn ratio(sum: i128, n: i64) -> f64 {
    const EXACT_MAX: u128 = 1 << 53;
    let (magnitude, divisor) = (sum.unsigned_abs(), u128::from(n.unsigned_abs()));
    if magnitude.max(divisor) <= EXACT_MAX {
        return sum as f64 / n as f64;
    }
    let shift = magnitude.leading_zeros();
    let scaled = magnitude << shift;
    let quotient = (scaled / divisor) | u128::from(scaled % divisor != 0);
    let value = quotient as f64 * 0.5f64.powi(shift.cast_signed());
    if sum < 0 { -value } else { value }
}

#[expect(clippy::cast_precision_loss, reason = "rounded; the same for every order of rows")]
pub(super) fn wide_to_float(value: i256) -> f64 {
    match value.to_i128() {
        Some(small) => small as f64,
        None => {
            let (low, high) = value.to_parts();
            (high as f64).mul_add(2f64.powi(128), low as f64)
        }
    }
}

/// Variance or standard deviation from `n·Σx² − (Σx)²`.
pub(super) fn spread(function: AggregateFunction, n: i64, numerator: f64) -> Option<f64> {
    use AggregateFunction as F;
    let divisor = match function {
        F::StddevPop | F::VarPop if n > 0 => count(n) * count(n),
        F::StddevSamp | F::VarSamp if n > 1 => count(n) * count(n - 1),
        _ => return None,
    };
    let variance = numerator / divisor;
    Some(if matches!(function, F::StddevPop | F::StddevSamp) { variance.sqrt() } else { variance })
}

#[cfg(test)]
mod tests {
    use super::ratio;

    #[test]
    fn a_mean_is_rounded_once() {
        let odd: i128 = 3_002_399_751_580_331;
        assert_eq!(ratio(3 * odd, 3), 3_002_399_751_580_331.0);
        assert_eq!(ratio(-3 * odd, 3), -3_002_399_751_580_331.0);
        assert_eq!(ratio(i128::from(i64::MAX) * 7, 7), 9_223_372_036_854_775_807.0);
        // A hair above the middle of two neighbours: the remainder decides.
        assert_eq!(ratio((1 << 54) * 1_000_000 + 2_000_001, 1_000_000), 18_014_398_509_481_988.0);
        assert_eq!(ratio((1 << 54) * 1_000_000 + 2_000_000, 1_000_000), 18_014_398_509_481_984.0);
        assert_eq!(ratio(1, 3), 1.0 / 3.0);
        assert_eq!(ratio(0, 5), 0.0);
    }
}
