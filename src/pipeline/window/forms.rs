//! States that serde does not know, as ones that it knows.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Sums with the sum of squares in 256 bits.
pub mod wide {
    use datafusion::arrow::datatypes::i256;

    use super::{Deserialize, Deserializer, Serialize, Serializer};

    type Spread = (i64, i128, i256);

    pub fn serialize<S: Serializer>(states: &[Spread], to: S) -> Result<S::Ok, S::Error> {
        let forms: Vec<(i64, i128, [u8; 32])> = states.iter().map(|(n, sum, s)| (*n, *sum, s.to_le_bytes())).collect();
        forms.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Spread>, D::Error> {
        let forms: Vec<(i64, i128, [u8; 32])> = Vec::deserialize(from)?;
        Ok(forms.into_iter().map(|(n, sum, squares)| (n, sum, i256::from_le_bytes(squares))).collect())
    }
}

/// Sketches as BigQuery writes them.
pub mod sketches {
    use zetasketch::HyperLogLogPlusPlus;

    use super::{Deserialize, Deserializer, Serialize, Serializer};

    type Sketch = Option<Box<HyperLogLogPlusPlus>>;

    pub fn serialize<S: Serializer>(states: &[Sketch], to: S) -> Result<S::Ok, S::Error> {
        // Writing one out brings it into its short form.
        let form = |sketch: &Sketch| sketch.as_ref().map(|sketch| sketch.clone().serialize());
        states.iter().map(form).collect::<Vec<Option<Vec<u8>>>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Sketch>, D::Error> {
        let forms: Vec<Option<Vec<u8>>> = Vec::deserialize(from)?;
        let sketch = |bytes: Vec<u8>| HyperLogLogPlusPlus::from_bytes(&bytes).map(Box::new);
        let sketches = forms.into_iter().map(|form| form.map(sketch).transpose().map_err(super::wrong::<D>));
        sketches.collect()
    }
}

fn wrong<'de, D: Deserializer<'de>>(error: impl std::fmt::Display) -> D::Error {
    D::Error::custom(error)
}
