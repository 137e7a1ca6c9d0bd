//! Is a share far above what is usual? The usual one is the median of the quarters of an hour of the day before, and how far they
//! lie from it is the median of their distances: a quarter or two of trouble yesterday move neither.

/// Of how many, how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    pub part: u64,
    pub whole: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// NULLs of a column: how many are usual only the day before says.
    Nulls,
    /// Records that do not count as they should: none is usual where nothing is known.
    Lost,
}

/// Of fewer nothing is said.
const RECENT_MIN: u64 = 200;
/// A quarter of an hour with fewer says nothing.
const QUARTER_MIN: u64 = 50;
/// Fewer quarters do not say what is usual.
const QUARTERS_MIN: usize = 8;
/// How many times further than the others usually lie.
const SPREADS: f64 = 5.0;
/// And at least so far.
const NULLS_FAR: f64 = 0.2;
const LOST_FAR: f64 = 0.05;
/// Of a column that is often NULL: when so much of its values is gone.
const GONE: f64 = 0.75;
/// Values that would have to be there, at least.
const VALUES_MIN: f64 = 20.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    pub share: f64,
    pub usual: f64,
    /// Beyond it is far.
    pub limit: f64,
}

impl Judged {
    pub fn is_far(&self) -> bool {
        self.share > self.limit
    }

    /// Not only a little below the limit, around which it may go to and fro.
    pub fn is_usual(&self) -> bool {
        self.share <= f64::midpoint(self.usual, self.limit)
    }
}

/// `None` where too little is known.
pub fn judge(recent: Part, before: &[Part], kind: Kind) -> Option<Judged> {
    if recent.whole < RECENT_MIN {
        return None;
    }
    let shares = before.iter().filter(|quarter| quarter.whole >= QUARTER_MIN).map(|quarter| share(*quarter));
    let shares: Vec<f64> = shares.collect();
    let known = shares.len() >= QUARTERS_MIN;
    let (usual, spread) = match kind {
        _ if known => spread(&shares),
        Kind::Nulls => return None,
        Kind::Lost => (0.0, 0.0),
    };
    let far = match kind {
        Kind::Nulls => NULLS_FAR.min((1.0 - usual) * GONE),
        Kind::Lost => LOST_FAR,
    };
    if kind == Kind::Nulls && (1.0 - usual) * number(recent.whole) < VALUES_MIN {
        return None;
    }
    Some(Judged { share: share(recent), usual, limit: usual + far.max(SPREADS * spread) })
}

/// The median, and the median of the distances from it.
fn spread(shares: &[f64]) -> (f64, f64) {
    let usual = median(shares.to_vec());
    (usual, median(shares.iter().map(|share| (share - usual).abs()).collect()))
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    let middle = of.len() / 2;
    match (of.get(middle), of.len().is_multiple_of(2)) {
        (Some(upper), true) => f64::midpoint(of[middle - 1], *upper),
        (Some(middle), false) => *middle,
        (None, _) => 0.0,
    }
}

fn share(of: Part) -> f64 {
    number(of.part) / number(of.whole.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "rows of a quarter of an hour are fewer than 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{Kind, Part, judge};

    /// What it is, the share and those before, and whether it is far.
    type Case<'a> = (&'a str, Part, &'a [Part], Kind, Option<bool>);

    fn of(part: u64, whole: u64) -> Part {
        Part { part, whole }
    }

    /// Each line and the next differ in one condition.
    #[test]
    fn what_is_far_above_the_usual() {
        let even = vec![of(10, 1_000); 20];
        let short = vec![of(10, 1_000); 7];
        let thin = vec![of(0, 49); 96];
        // Some quarters of yesterday had nothing but NULLs.
        let trouble: Vec<Part> = (0..96).map(|at| of(if at < 12 { 1_000 } else { 10 }, 1_000)).collect();
        // From 0 to 38 %.
        let wide: Vec<Part> = (0..96).map(|at| of(at * 4, 1_000)).collect();
        let often = vec![of(900, 1_000); 20];
        let always = vec![of(1_000, 1_000); 20];
        let cases: &[Case<'_>] = &[
            ("a jump", of(300, 1_000), &even, Kind::Nulls, Some(true)),
            ("a little", of(200, 1_000), &even, Kind::Nulls, Some(false)),
            ("too few rows", of(60, 199), &even, Kind::Nulls, None),
            ("just enough rows", of(60, 200), &even, Kind::Nulls, Some(true)),
            ("no day before", of(300, 1_000), &short, Kind::Nulls, None),
            ("a day of almost nothing", of(300, 1_000), &thin, Kind::Nulls, None),
            ("a day with trouble in it", of(300, 1_000), &trouble, Kind::Nulls, Some(true)),
            ("a column of changing shares", of(500, 1_000), &wide, Kind::Nulls, Some(false)),
            ("beyond all that was", of(700, 1_000), &wide, Kind::Nulls, Some(true)),
            ("the last values are gone", of(1_000, 1_000), &often, Kind::Nulls, Some(true)),
            ("some of them are", of(960, 1_000), &often, Kind::Nulls, Some(false)),
            ("too few would be there", of(199, 199), &often, Kind::Nulls, None),
            ("never had any", of(1_000, 1_000), &always, Kind::Nulls, None),
            ("lost from the beginning", of(60, 1_000), &[], Kind::Lost, Some(true)),
            ("a few are", of(50, 1_000), &[], Kind::Lost, Some(false)),
            ("as many as ever", of(50, 1_000), &even, Kind::Lost, Some(false)),
            ("more than ever", of(61, 1_000), &even, Kind::Lost, Some(true)),
        ];
        for (what, recent, before, kind, expected) in cases {
            let judged = judge(*recent, before, *kind);
            assert_eq!(judged.map(|judged| judged.is_far()), *expected, "{what}: {judged:?}");
        }
    }

    #[test]
    fn it_is_over_well_below_the_limit() {
        let over = |part| judge(of(part, 1_000), &[], Kind::Lost).is_some_and(|judged| judged.is_usual());
        assert_eq!([26, 25, 0].map(over), [false, true, true]);
    }
}
