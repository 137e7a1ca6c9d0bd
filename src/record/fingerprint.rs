//! `FARM_FINGERPRINT`: FarmHash's Fingerprint64, as GoogleSQL has it.
//!
//! The crate `farmhash` 1.1.5 gives other values for texts whose length is a multiple of 64 above 64.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const BLOCK: usize = 64;

/// The fingerprint of some bytes.
pub fn fingerprint64(bytes: &[u8]) -> u64 {
    match bytes.len() {
        0..=16 => up_to_16(bytes),
        17..=32 => up_to_32(bytes),
        33..=64 => up_to_64(bytes),
        _ => longer(bytes),
    }
}

/// Little-endian; 0 beyond the end, which no caller reaches.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn half(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |chunk| u32::from_le_bytes(*chunk).into())
}

fn mix(value: u64) -> u64 {
    value ^ (value >> 47)
}

fn fold(u: u64, v: u64, multiplier: u64) -> u64 {
    let a = mix((u ^ v).wrapping_mul(multiplier));
    mix((v ^ a).wrapping_mul(multiplier)).wrapping_mul(multiplier)
}

fn multiplier(length: usize) -> u64 {
    K2.wrapping_add((length as u64).wrapping_mul(2))
}

fn up_to_16(s: &[u8]) -> u64 {
    let length = s.len();
    match length {
        0 => K2,
        1..=3 => {
            let (a, b, c) = (u64::from(s[0]), u64::from(s[length / 2]), u64::from(s[length - 1]));
            let y = a + (b << 8);
            let z = length as u64 + (c << 2);
            mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K0)).wrapping_mul(K2)
        }
        4..=7 => fold((length as u64).wrapping_add(half(s, 0) << 3), half(s, length - 4), multiplier(length)),
        _ => {
            let by = multiplier(length);
            let a = word(s, 0).wrapping_add(K2);
            let b = word(s, length - 8);
            let c = b.rotate_right(37).wrapping_mul(by).wrapping_add(a);
            let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(by);
            fold(c, d, by)
        }
    }
}

/// Both halves of the step that two sizes share: to be folded.
fn ends(s: &[u8], first: u64, by: u64) -> (u64, u64, u64) {
    let length = s.len();
    let a = word(s, 0).wrapping_mul(first);
    let b = word(s, 8);
    let c = word(s, length - 8).wrapping_mul(by);
    let d = word(s, length - 16).wrapping_mul(K2);
    let y = a.wrapping_add(b).rotate_right(43).wrapping_add(c.rotate_right(30)).wrapping_add(d);
    (a, y, a.wrapping_add(b.wrapping_add(K2).rotate_right(18)).wrapping_add(c))
}

fn up_to_32(s: &[u8]) -> u64 {
    let by = multiplier(s.len());
    let (_, y, z) = ends(s, K1, by);
    fold(y, z, by)
}

fn up_to_64(s: &[u8]) -> u64 {
    let length = s.len();
    let by = multiplier(length);
    let (a, y, z) = ends(s, K2, by);
    let z = fold(y, z, by);
    let e = word(s, 16).wrapping_mul(by);
    let f = word(s, 24);
    let g = y.wrapping_add(word(s, length - 32)).wrapping_mul(by);
    let h = z.wrapping_add(word(s, length - 24)).wrapping_mul(by);
    let left = e.wrapping_add(f).rotate_right(43).wrapping_add(g.rotate_right(30)).wrapping_add(h);
    let right = e.wrapping_add(f.wrapping_add(a).rotate_right(18)).wrapping_add(g);
    fold(left, right, by)
}

/// 32 bytes and two seeds to two words.
fn weak(s: &[u8], a: u64, b: u64) -> (u64, u64) {
    let (w, x, y, z) = (word(s, 0), word(s, 8), word(s, 16), word(s, 24));
    let a = a.wrapping_add(w);
    let b = b.wrapping_add(a).wrapping_add(z).rotate_right(21);
    let sum = a.wrapping_add(x).wrapping_add(y);
    (sum.wrapping_add(z), b.wrapping_add(sum.rotate_right(44)).wrapping_add(a))
}

struct State {
    x: u64,
    y: u64,
    z: u64,
    v: (u64, u64),
    w: (u64, u64),
}

impl State {
    /// A block of 64 bytes; `last` weighs what came before more.
    fn block(&mut self, s: &[u8], by: u64, last: u64) {
        let Self { x, y, z, v, w } = self;
        *x = x.wrapping_add(*y).wrapping_add(v.0).wrapping_add(word(s, 8)).rotate_right(37).wrapping_mul(by);
        *y = y.wrapping_add(v.1).wrapping_add(word(s, 48)).rotate_right(42).wrapping_mul(by);
        *x ^= w.1.wrapping_mul(last);
        *y = y.wrapping_add(v.0.wrapping_mul(last)).wrapping_add(word(s, 40));
        *z = z.wrapping_add(w.0).rotate_right(33).wrapping_mul(by);
        *v = weak(s, v.1.wrapping_mul(by), x.wrapping_add(w.0));
        *w = weak(&s[32..], z.wrapping_add(w.1), y.wrapping_add(word(s, 16)));
        std::mem::swap(x, z);
    }
}

fn longer(s: &[u8]) -> u64 {
    const SEED: u64 = 81;
    let length = s.len();
    let y = SEED.wrapping_mul(K1).wrapping_add(113);
    let z = mix(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2);
    let x = SEED.wrapping_mul(K2).wrapping_add(word(s, 0));
    let mut state = State { x, y, z, v: (0, 0), w: (0, 0) };
    // The last block, whole or not, is taken from the end.
    let whole = (length - 1) / BLOCK * BLOCK;
    s[..whole].chunks_exact(BLOCK).for_each(|block| state.block(block, K1, 1));
    let by = K1.wrapping_add((state.z & 0xff) << 1);
    state.w.0 = state.w.0.wrapping_add(((length - 1) & (BLOCK - 1)) as u64);
    state.v.0 = state.v.0.wrapping_add(state.w.0);
    state.w.0 = state.w.0.wrapping_add(state.v.0);
    state.block(&s[length - BLOCK..], by, 9);
    let State { x, y, z, v, w } = state;
    let left = fold(v.0, w.0, by).wrapping_add(mix(y).wrapping_mul(K0)).wrapping_add(z);
    let right = fold(v.1, w.1, by).wrapping_add(x);
    fold(left, right, by)
}

#[cfg(test)]
mod tests {
    use super::fingerprint64;

    /// What Google's reference implementation gives for `REPEAT('ab1c', n)`: lengths around the blocks.
    const ANSWERS: [(usize, i64); 22] = [
        (1, 805_159_306_596_595_116),
        (2, -8_354_305_040_948_843_365),
        (3, -1_726_330_131_538_107_659),
        (4, -1_180_619_672_413_972_322),
        (5, 6_928_842_635_194_304_038),
        (8, -8_726_901_577_455_741_224),
        (9, -8_959_872_610_332_384_708),
        (12, -6_931_409_690_955_764_972),
        (15, 4_246_305_834_172_648_906),
        (16, 7_234_905_100_791_599_762),
        (17, 1_653_101_126_644_401_342),
        (24, 1_774_157_590_320_562_026),
        (31, 4_633_127_820_466_226_668),
        (32, 4_086_219_238_613_712_293),
        (33, 6_088_485_319_630_459_443),
        (47, -1_785_638_256_053_231_082),
        (48, 5_086_067_148_468_537_104),
        (49, 3_244_104_554_828_605_954),
        (63, -8_395_699_224_133_454_053),
        (64, 6_111_633_895_771_936_799),
        (65, 8_705_466_826_809_407_321),
        (100, 6_793_300_547_002_570_003),
    ];

    #[test]
    fn answers_of_the_reference() {
        for (repeat, answer) in ANSWERS {
            assert_eq!(fingerprint64("ab1c".repeat(repeat).as_bytes()).cast_signed(), answer, "{}", 4 * repeat);
        }
        assert_eq!(fingerprint64(b"").cast_signed(), -7_286_425_919_675_154_353);
        assert_eq!(fingerprint64(b"a").cast_signed(), -5_528_939_962_900_187_677);
        assert_eq!(fingerprint64(b"ab").cast_signed(), -6_157_143_815_960_550_114);
        assert_eq!(fingerprint64(b"abc").cast_signed(), 2_640_714_258_260_161_385);
    }
}
