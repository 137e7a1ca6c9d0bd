//! FLOAT64 as text: one form for casts, ids and people.

/// The shortest of 15 or 17 digits that reads back as the number, as C's `%g` prints it.
pub fn float_text(f: f64) -> String {
    if f.is_nan() {
        return "nan".into();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if f == 0.0 {
        return "0".into();
    }
    let short = general(f, 15);
    if short.parse() == Ok(f) { short } else { general(f, 17) }
}

fn general(f: f64, precision: usize) -> String {
    let scientific = format!("{f:.*e}", precision - 1);
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    let trim = |s: &str| {
        if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_owned() } else { s.to_owned() }
    };
    if exponent < -4 || exponent >= limit {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(digits), exponent.abs());
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    trim(&format!("{f:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::float_text;

    #[test]
    fn floats_are_written_as_googlesql_casts_them() {
        let cases = [
            (0.5, "0.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (3.0, "3"),
            (0.00005, "5e-05"),
            (0.0001, "0.0001"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (-0.0, "0"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in cases {
            assert_eq!(float_text(value), text);
        }
    }
}
