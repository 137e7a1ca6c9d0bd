//! Random numbers whose bytes are the same on every machine: no clock, no platform mathematics.
//!
//! `exp`, `ln` and `sin` are computed here from `+ - * /` alone, which IEEE 754 fixes to the bit; the
//! platform's own differ in the last place between systems, and one such bit changes a file.

const LN_2: f64 = std::f64::consts::LN_2;

/// Standard deviation of the sum of four uniform 16-bit numbers.
const FOUR_SUM_SPREAD: f64 = 37_836.9;
const FOUR_SUM_MEAN: f64 = 131_070.0;

/// A stable hash of three numbers: properties that belong to a thing and need no storage.
pub(super) fn mix(seed: u64, a: u64, b: u64) -> u64 {
    let keyed = seed ^ scramble(a.wrapping_add(0x632b_e59b_d9b4_e019)).wrapping_add(b);
    scramble(scramble(keyed).wrapping_add(b.rotate_left(32)))
}

fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number in `[0, n)` from a hash; 0 when `n` is 0.
pub(super) fn reduce(hash: u64, n: u64) -> u64 {
    u64::try_from((u128::from(hash) * u128::from(n)) >> 64).unwrap_or(0)
}

/// The 52 high bits of a hash as a number in `[0, 1)`.
pub(super) fn unit(hash: u64) -> f64 {
    f64::from_bits(0x3ff0_0000_0000_0000 | (hash >> 12)) - 1.0
}

/// xoshiro256++.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Self {
            state: [
                mix(seed, stream, 1),
                mix(seed, stream, 2),
                mix(seed, stream, 3),
                // Never all zero.
                mix(seed, stream, 4) | 1,
            ],
        }
    }

    pub(super) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// In `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// In `[0, n)`; 0 when `n` is 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        reduce(self.bits(), n)
    }

    /// In `[low, high)`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// In `[low, high)`, each tenfold of it as likely as the next.
    pub(super) fn log_between(&mut self, low: f64, high: f64) -> f64 {
        low * exp(-ln(low / high) * self.unit())
    }

    /// About normal, and never further than 3.5 from 0: ordinary traffic has no wild outliers.
    fn normal(&mut self) -> f64 {
        let bits = self.bits();
        let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        (real(sum) - FOUR_SUM_MEAN) / FOUR_SUM_SPREAD
    }

    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp(sigma * self.normal())
    }

    /// With mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.unit())
    }
}

/// Exact below 2^53.
pub(super) fn real(n: u64) -> f64 {
    let low = u32::try_from(n & 0xffff_ffff).unwrap_or(0);
    let high = u32::try_from(n >> 32).unwrap_or(0);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// The whole part; 0 for negatives and NaN, 2^62 for anything larger than that.
pub(super) fn whole(x: f64) -> u64 {
    const MANTISSA_BITS: u64 = 52;
    if x.is_nan() || x < 1.0 {
        return 0;
    }
    let bits = x.to_bits();
    let exponent = ((bits >> MANTISSA_BITS) & 0x7ff).saturating_sub(1023);
    let mantissa = (bits & ((1 << MANTISSA_BITS) - 1)) | (1 << MANTISSA_BITS);
    if exponent >= 62 {
        1 << 62
    } else if exponent <= MANTISSA_BITS {
        mantissa >> (MANTISSA_BITS - exponent)
    } else {
        mantissa << (exponent - MANTISSA_BITS)
    }
}

fn exp(x: f64) -> f64 {
    let mut doublings = (x.clamp(-40.0, 40.0) / LN_2).round();
    let r = x.clamp(-40.0, 40.0) - doublings * LN_2;
    let mut value = 1.0;
    for n in (1..=12_u32).rev() {
        value = 1.0 + value * r / f64::from(n);
    }
    while doublings >= 1.0 {
        value *= 2.0;
        doublings -= 1.0;
    }
    while doublings <= -1.0 {
        value *= 0.5;
        doublings += 1.0;
    }
    value
}

/// For `x` in `(0, 1]`.
fn ln(x: f64) -> f64 {
    let mut scaled = x;
    let mut halvings = 0.0;
    while scaled < 0.5 && halvings < 64.0 {
        scaled *= 2.0;
        halvings += 1.0;
    }
    let s = (scaled - 1.0) / (scaled + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for n in (0..=9_u32).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    2.0 * s * sum - halvings * LN_2
}

/// For `x` from -π to π.
pub(super) fn sin(x: f64) -> f64 {
    let square = x * x;
    let mut sum = 1.0;
    for n in (1..=14_u32).rev() {
        sum = 1.0 - sum * square / f64::from(2 * n * (2 * n + 1));
    }
    x * sum
}

/// Ranks `0..n`, the first the most frequent: weight 1 / (rank + shift).
#[derive(Debug, Clone)]
pub(super) struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    pub(super) fn new(n: u32, shift: f64) -> Self {
        let mut total = 0.0;
        let cumulative = (0..n.max(1))
            .map(|rank| {
                total += 1.0 / (f64::from(rank) + shift);
                total
            })
            .collect();
        Self { cumulative }
    }

    pub(super) fn rank(&self, unit: f64) -> u32 {
        let target = unit * self.cumulative.last().copied().unwrap_or(1.0);
        let place = self.cumulative.partition_point(|&c| c <= target);
        u32::try_from(place.min(self.cumulative.len().saturating_sub(1))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, Zipf, exp, ln, real, sin, whole};

    #[test]
    fn mathematics_agrees_with_the_platform() {
        for i in 1..=1000_u32 {
            let x = f64::from(i) / 1000.0;
            assert!((ln(x) - x.ln()).abs() < 1e-9, "ln {x}");
            let y = f64::from(i) / 50.0 - 10.0;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-12, "exp {y}");
            let z = y * std::f64::consts::PI / 10.0;
            assert!((sin(z) - z.sin()).abs() < 1e-12, "sin {z}");
        }
        for n in [0, 1, 2, 3, 1023, 1024, (1 << 40) + 7, (1 << 53) - 1] {
            assert_eq!(whole(real(n)), n);
            assert_eq!(whole(real(n) + 0.25), if n < (1 << 50) { n } else { whole(real(n) + 0.25) });
        }
        assert_eq!(whole(-3.0), 0);
        assert_eq!(whole(f64::NAN), 0);
        assert_eq!(whole(f64::INFINITY), 1 << 62);
    }

    #[test]
    fn ranks_are_in_range_and_the_first_is_most_frequent() {
        let zipf = Zipf::new(50, 2.0);
        let mut random = Random::new(7, 0);
        let mut counts = [0_u32; 50];
        for _ in 0..20_000 {
            counts[usize::try_from(zipf.rank(random.unit())).unwrap()] += 1;
        }
        assert!(counts[0] > counts[10] && counts[10] > counts[49]);
        assert!(counts.iter().all(|&c| c > 0));
    }
}
