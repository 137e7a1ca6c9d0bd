//! Conversions between numbers, and the checks of a FLOAT64 result.

/// The nearest FLOAT64. Rounding is the meaning of GoogleSQL's conversion.
pub(super) fn float(i: i64) -> f64 {
    i as f64
}

/// The nearest INT64, halves away from zero; `None` outside its range.
pub(super) fn round_to_int(f: f64) -> Option<i64> {
    /// 2^63, the first FLOAT64 beyond INT64.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    let rounded = f.round();
    // The range was checked and the value is whole, so nothing is lost.
    (-BEYOND..BEYOND).contains(&rounded).then_some(rounded as i64)
}

/// A result that is infinite while its arguments are not has overflowed.
pub(super) fn finite(result: f64, arguments: &[f64]) -> Option<f64> {
    let overflow = !result.is_finite() && arguments.iter().all(|a| a.is_finite());
    (!overflow).then_some(result)
}
