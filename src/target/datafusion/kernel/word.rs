//! Letters: INITCAP, TRANSLATE, SOUNDEX and codes of characters.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};
use rustc_hash::FxHashMap;

use crate::language::function::Id;
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::number::float;
use super::{Computed, kernel};

pub(super) fn of(id: Id) -> Option<Kernel> {
    match id {
        Id::InitCap => kernel(initcap),
        Id::Translate => kernel(translate),
        Id::Soundex => kernel(soundex),
        Id::Entropy => kernel(entropy),
        _ => code(id),
    }
}

/// ASCII, UNICODE and CHR.
fn code(id: Id) -> Option<Kernel> {
    if id == Id::Chr {
        return kernel(|inputs| {
            inputs.unary::<Int64Array, String, StringArray>(|code| {
                let c = u32::try_from(code).ok().and_then(char::from_u32);
                c.map(|c| Some(c.to_string())).ok_or_else(|| format!("{code} is no code point"))
            })
        });
    }
    kernel(move |inputs| {
        inputs.unary::<StringArray, i64, Int64Array>(|text| {
            let Some(first) = text.chars().next() else { return Ok(Some(0)) };
            if id == Id::Ascii && !first.is_ascii() {
                return Err("the first character is not ASCII".into());
            }
            Ok(Some(i64::from(u32::from(first))))
        })
    })
}

/// The signs between words, white space apart.
const BETWEEN_WORDS: &str = "[](){}/|\\<>!?@\"^#$&~_,.:;*%+-";

fn initcap(inputs: &Inputs) -> Computed {
    let (values, signs) = (inputs.cells::<StringArray>(0)?, inputs.optional::<StringArray>(1)?);
    let rows = (0..inputs.rows).map(|row| {
        let value = values.get(row)?;
        let signs = match &signs {
            Some(signs) => Some(signs.get(row)?),
            None => None,
        };
        let between = |c: char| match signs {
            Some(signs) => signs.contains(c),
            None => c.is_whitespace() || BETWEEN_WORDS.contains(c),
        };
        let mut first = true;
        let capital = value.chars().map(|c| {
            let start = std::mem::replace(&mut first, between(c));
            match (first, start) {
                // A sign stays as it is, though it may be a letter.
                (true, _) => c,
                (false, true) => upper(c),
                (false, false) => lower(c),
            }
        });
        Some(capital.collect::<String>())
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}

/// The one character that is its capital: Unicode's simple mapping.
fn upper(c: char) -> char {
    // Greek letters with a iota, whose capital keeps it.
    let shift = match u32::from(c) {
        0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => 8,
        0x1fb3 | 0x1fc3 | 0x1ff3 => 9,
        _ => {
            let mut all = c.to_uppercase();
            return all.next().filter(|_| all.next().is_none()).unwrap_or(c);
        }
    };
    char::from_u32(u32::from(c) + shift).unwrap_or(c)
}

fn lower(c: char) -> char {
    // The first of the two characters is the simple mapping.
    c.to_lowercase().next().unwrap_or(c)
}

fn translate(inputs: &Inputs) -> Computed {
    let values = inputs.cells::<StringArray>(0)?;
    let (from, to) = (inputs.cells::<StringArray>(1)?, inputs.cells::<StringArray>(2)?);
    let rows = (0..inputs.rows).map(|row| {
        let (Some(value), Some(from), Some(to)) = (values.get(row), from.get(row), to.get(row)) else {
            return Ok(None);
        };
        let mut map: FxHashMap<char, Option<char>> = FxHashMap::default();
        let mut to = to.chars();
        for c in from.chars() {
            if map.insert(c, to.next()).is_some() {
                return Err(format!("{c} stands twice among the characters to replace"));
            }
        }
        Ok(Some(value.chars().filter_map(|c| map.get(&c).copied().unwrap_or(Some(c))).collect::<String>()))
    });
    Ok(Arc::new(rows.collect::<Result<StringArray, String>>()?))
}

fn entropy(inputs: &Inputs) -> Computed {
    inputs.unary::<StringArray, f64, Float64Array>(|text| Ok(Some(bits_per_character(text))))
}

fn bits_per_character(text: &str) -> f64 {
    // In an order of their own, so that the same text gives the same bits.
    let mut counts: BTreeMap<char, i64> = BTreeMap::new();
    text.chars().for_each(|c| *counts.entry(c).or_default() += 1);
    let length = float(counts.values().sum());
    counts.into_values().fold(0.0, |bits, count| bits + float(count) / length * (length / float(count)).log2())
}

fn soundex(inputs: &Inputs) -> Computed {
    inputs.unary::<StringArray, String, StringArray>(|text| Ok(Some(soundex_of(text))))
}

fn soundex_of(text: &str) -> String {
    const LENGTH: usize = 4;
    let mut letters = text.chars().filter(char::is_ascii_alphabetic);
    let Some(first) = letters.next() else { return String::new() };
    let mut out = String::from(first);
    let mut last = sound(first);
    for digit in letters.filter_map(sound) {
        if last != Some(digit) {
            out.push(digit);
        }
        last = Some(digit);
        if out.len() == LENGTH {
            break;
        }
    }
    format!("{out:0<LENGTH$}")
}

fn sound(letter: char) -> Option<char> {
    Some(match letter.to_ascii_lowercase() {
        'b' | 'f' | 'p' | 'v' => '1',
        'c' | 'g' | 'j' | 'k' | 'q' | 's' | 'x' | 'z' => '2',
        'd' | 't' => '3',
        'l' => '4',
        'm' | 'n' => '5',
        'r' => '6',
        _ => return None,
    })
}
