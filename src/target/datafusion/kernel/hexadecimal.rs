//! FLOAT64 of hexadecimal digits, `0x1.8p3`, rounded once to the nearest number, ties to even.

/// Significant bits of a FLOAT64, and the smallest exponent of its last one.
const PRECISION: i64 = 53;
const EXPONENT_MIN: i64 = -1074;
/// Digits that are kept; of the others only counts whether one is not zero.
const DIGITS_MAX: u32 = 24;
/// Far beyond every FLOAT64, and far from overflowing.
const EXPONENT_MAX: i64 = 1 << 40;

/// What stands behind `0x`; `None` when it is no number.
pub fn parse(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = match digits.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (mut bits, mut kept, mut sticky, mut scale) = (0_u128, 0, false, exponent);
    for (digit, behind) in whole.chars().map(|c| (c, false)).chain(fraction.chars().map(|c| (c, true))) {
        let digit = digit.to_digit(16)?;
        if kept == 0 && digit == 0 || kept < DIGITS_MAX {
            bits = bits << 4 | u128::from(digit);
            kept += u32::from(kept > 0 || digit > 0);
            scale -= if behind { 4 } else { 0 };
        } else {
            sticky |= digit > 0;
            scale += if behind { 0 } else { 4 };
        }
    }
    Some(round(bits, sticky, scale))
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().map_or(EXPONENT_MAX, |size| size.min(EXPONENT_MAX));
    Some(if text.starts_with('-') { -size } else { size })
}

/// `bits` · 2^`scale`, and a little more when `sticky`.
fn round(bits: u128, sticky: bool, scale: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let length = 128 - i64::from(bits.leading_zeros());
    // The last bit that the result has room for.
    let last = (scale + length - PRECISION).max(EXPONENT_MIN);
    let drop = last - scale;
    if drop <= 0 {
        return scaled(bits, scale);
    }
    if drop > length + 1 {
        return 0.0;
    }
    // At most as many as `bits` has and one more.
    let (kept, rest) = (bits >> drop, bits & ((1 << drop) - 1));
    let half = 1_u128 << (drop - 1);
    let up = rest > half || rest == half && (sticky || kept & 1 == 1);
    scaled(kept + u128::from(up), last)
}

/// Exact: `bits` has at most 53 of them, or the result is infinite.
#[expect(clippy::cast_precision_loss, reason = "at most 53 bits, or more that end in zeros")]
fn scaled(bits: u128, scale: i64) -> f64 {
    let mut value = bits as f64;
    let mut left = scale.clamp(-4_096, 4_096);
    while left != 0 && value != 0.0 && value.is_finite() {
        let step = left.clamp(-1_000, 1_000);
        value *= power(step);
        left -= step;
    }
    value
}

/// 2^`exponent`, of a normal number.
fn power(exponent: i64) -> f64 {
    f64::from_bits(u64::try_from(exponent + 1_023).unwrap_or(0) << 52)
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// The answers are the reference's, but for those of numbers at the ends.
    #[test]
    fn digits_are_rounded_once() {
        let most = format!("{}8", "f".repeat(300));
        for (digits, wanted) in [
            ("1F", Some(31.0)),
            ("1.8p3", Some(12.0)),
            ("1Fbbbbbbbbbbbbbbbbbbbbbbbbb", Some(4.022677904724248e31)),
            ("10000000000000001", Some(1.8446744073709552e19)),
            ("20000000000001", Some(9007199254740992.0)),
            ("20000000000003", Some(9007199254740996.0)),
            (
                "200000000000010000000000000000000000001",
                Some(f64::from_bits(9007199254740994.0_f64.to_bits() + (100 << 52))),
            ),
            (".8", Some(0.5)),
            ("1.", Some(1.0)),
            ("0.000000000000000000000000000000000000000000001p180", Some(1.0)),
            ("FFFFFFFFFFFFFFFFF", Some(2.9514790517935283e20)),
            ("1p2000", Some(f64::INFINITY)),
            ("1p99999999999999999999", Some(f64::INFINITY)),
            ("0p99999999999999999999", Some(0.0)),
            (most.as_str(), Some(f64::INFINITY)),
            ("1.fffffffffffffp1023", Some(f64::MAX)),
            ("1.fffffffffffff7p1023", Some(f64::MAX)),
            ("1.fffffffffffff8p1023", Some(f64::INFINITY)),
            ("1p-1074", Some(f64::from_bits(1))),
            ("1p-1075", Some(0.0)),
            ("1.00000000000000000000000000001p-1075", Some(f64::from_bits(1))),
            ("1.8p-1074", Some(f64::from_bits(2))),
            ("1p-1022", Some(f64::MIN_POSITIVE)),
            ("1p-9999999", Some(0.0)),
            ("", None),
            (".", None),
            ("1p", None),
            ("1p+", None),
            ("1p1.5", None),
            ("1g", None),
            ("p3", None),
            ("1.2.3", None),
        ] {
            assert_eq!(parse(digits), wanted, "{digits}");
        }
    }
}
