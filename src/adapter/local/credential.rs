//! Files with secrets, as systemd hands them to a service.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder of a service's credentials.
const FOLDER: &str = "CREDENTIALS_DIRECTORY";
/// A secret is no longer.
const BYTES_MAX: u64 = 64 << 10;

/// The text of a file; a relative path is in the folder of credentials, where there is one. What is wrong stands behind
/// the file's name: `cannot be read: …`.
pub fn credential(path: &str) -> Result<String, String> {
    let path = place(path, std::env::var_os(FOLDER).map(PathBuf::from));
    let file = fs::File::open(&path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut text = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("has more than {BYTES_MAX} bytes"));
    }
    String::from_utf8(text).map_err(|_| "is no text".to_owned())
}

fn place(path: &str, folder: Option<PathBuf>) -> PathBuf {
    match folder {
        Some(folder) if !folder.as_os_str().is_empty() => folder.join(path),
        _ => Path::new(path).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{credential, place};

    #[test]
    fn a_relative_path_is_a_credential() {
        let folder = || Some(PathBuf::from("/run/credentials/tripline.service"));
        assert_eq!(place("subscriber", folder()), Path::new("/run/credentials/tripline.service/subscriber"));
        assert_eq!(place("/etc/key", folder()), Path::new("/etc/key"));
        assert_eq!(place("key", None), Path::new("key"));
        assert_eq!(place("key", Some(PathBuf::new())), Path::new("key"));
        assert!(credential("/no/such/file").is_err_and(|why| why.starts_with("cannot be opened: ")));
    }
}
