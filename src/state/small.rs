//! Small files that are there whole: a line of JSON, and behind it its checksum.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StateError, failed};
use crate::port::disk::Disk;

pub fn save(disk: &dyn Disk, file: &str, value: &impl Serialize) -> Result<(), StateError> {
    disk.replace(file, text(file, value)?.as_bytes()).map_err(|error| failed(file, "be written", error))
}

/// As [`save`], for nobody else to read.
pub fn save_privately(disk: &dyn Disk, file: &str, value: &impl Serialize) -> Result<(), StateError> {
    disk.replace_privately(file, text(file, value)?.as_bytes()).map_err(|error| failed(file, "be written", error))
}

fn text(file: &str, value: &impl Serialize) -> Result<String, StateError> {
    let mut text = serde_json::to_string(value).map_err(|error| failed(file, "be written", error.into()))?;
    text.push_str(&format!("\n{:08x}\n", crc32fast::hash(text.as_bytes())));
    Ok(text)
}

/// `None` where there is no such file.
pub fn load<T: DeserializeOwned>(disk: &dyn Disk, file: &str) -> Result<Option<T>, StateError> {
    let bytes = match disk.read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(file, "be read", error)),
    };
    let damaged = |what: String| StateError::Damaged { file: file.to_owned(), at: 0, what };
    let text = std::str::from_utf8(&bytes).map_err(|error| damaged(error.to_string()))?;
    let (value, sum) = text.split_once('\n').unwrap_or((text, ""));
    if sum != format!("{:08x}\n", crc32fast::hash(value.as_bytes())) {
        return Err(damaged("its checksum is another".to_owned()));
    }
    serde_json::from_str(value).map(Some).map_err(|error| damaged(error.to_string()))
}
