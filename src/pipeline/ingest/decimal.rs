//! Decimal text to integers, exactly. Never goes through a float: `1588205199.82437` seconds
//! are 1588205199824370 µs, not one less.

/// Significant digits that are kept; what lies beyond is cut and remembered as inexact.
const DIGITS_MAX: u32 = 30;
/// Exponents beyond this are no number of any column.
const EXPONENT_MAX: i64 = 4_000;

/// `coefficient × 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    coefficient: i128,
    exponent: i64,
    exact: bool,
}

impl Decimal {
    /// Parses `[+-]digits[.digits][e[+-]digits]`; digits are needed on one side of the point.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (negative, mut rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let mut parts = Parts::default();
        rest = parts.digits(rest, false);
        if let [b'.', fraction @ ..] = rest {
            rest = parts.digits(fraction, true);
        }
        if parts.seen == 0 {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', power @ ..] => signed(power)?,
            _ => return None,
        };
        let coefficient = if negative { -parts.coefficient } else { parts.coefficient };
        Some(Self { coefficient, exponent: exponent.checked_add(parts.exponent)?, exact: parts.exact })
    }

    /// The value times ten to the `scale`, digits beyond cut off (towards zero).
    /// `None` when it is beyond 128 bits.
    pub(super) fn scaled(self, scale: i64) -> Option<i128> {
        self.shifted(scale).map(|(value, _)| value)
    }

    /// The value, when it is a whole number in range.
    pub(super) fn whole(self) -> Option<i64> {
        let (value, exact) = self.shifted(0)?;
        if exact { i64::try_from(value).ok() } else { None }
    }

    fn shifted(self, scale: i64) -> Option<(i128, bool)> {
        let shift = self.exponent.checked_add(scale)?;
        if self.coefficient == 0 {
            return Some((0, self.exact));
        }
        if shift >= 0 {
            let power = 10_i128.checked_pow(u32::try_from(shift).ok()?)?;
            return Some((self.coefficient.checked_mul(power)?, self.exact));
        }
        match u32::try_from(-shift).ok().and_then(|s| 10_i128.checked_pow(s)) {
            Some(power) => Some((self.coefficient / power, self.exact && self.coefficient % power == 0)),
            None => Some((0, false)),
        }
    }
}

#[derive(Debug)]
struct Parts {
    coefficient: i128,
    exponent: i64,
    kept: u32,
    seen: u64,
    exact: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self { coefficient: 0, exponent: 0, kept: 0, seen: 0, exact: true }
    }
}

impl Parts {
    /// Takes the leading digits of `text` and returns what follows them.
    fn digits<'a>(&mut self, text: &'a [u8], fraction: bool) -> &'a [u8] {
        let mut at = 0;
        while let Some(byte @ b'0'..=b'9') = text.get(at) {
            at += 1;
            self.seen += 1;
            let digit = i128::from(byte - b'0');
            if self.kept < DIGITS_MAX {
                self.coefficient = self.coefficient * 10 + digit;
                self.kept += u32::from(self.coefficient != 0);
                self.exponent -= i64::from(fraction);
            } else {
                self.exact &= digit == 0;
                self.exponent += i64::from(!fraction);
            }
        }
        text.get(at..).unwrap_or_default()
    }
}

fn signed(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = (value * 10 + i64::from(byte - b'0')).min(EXPONENT_MAX);
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn decimals_are_exact() {
        for (text, scale, value) in [
            ("1588205199.82437", 6, Some(1_588_205_199_824_370)),
            ("1588205199.8243709", 6, Some(1_588_205_199_824_370)),
            ("-1.0000005", 6, Some(-1_000_000)),
            ("1.588e9", 6, Some(1_588_000_000_000_000)),
            ("1e-9", 6, Some(0)),
            ("1e-4000", 6, Some(0)),
            ("0e4000", 6, Some(0)),
            ("1e4000", 6, None),
            (".5", 6, Some(500_000)),
            ("5.", 0, Some(5)),
            ("+7", 0, Some(7)),
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()).and_then(|d| d.scaled(scale)), value, "{text}");
        }
    }

    #[test]
    fn whole_numbers() {
        for (text, value) in [
            ("443.0", Some(443)),
            ("443.5", None),
            ("4.43e2", Some(443)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("443.00000000000000000000000000000000000000000", Some(443)),
            ("443.00000000000000000000000000000000000000001", None),
            ("1000000000000000000000000000000000000000000e-33", Some(1_000_000_000)),
            ("0.000", Some(0)),
            ("-0", Some(0)),
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()).and_then(Decimal::whole), value, "{text}");
        }
    }

    #[test]
    fn other_text_is_no_decimal() {
        for text in ["", "-", ".", "1e", "e5", "1x", "0x10", "1_000", "1 ", "--1", "1e+", "1.2.3", "NaN"] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
    }
}
