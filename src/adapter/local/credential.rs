//! Files with secrets, as systemd hands them to a service.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder of a service's credentials.
const FOLDER: &str = "CREDENTIALS_DIRECTORY";
/// A secret is no longer.
const BYTES_MAX: u64 = 64 << 10;

/// The text of a file; a relative path is in the folder of credentials, where there is one, or else in this one. What is wrong
/// stands behind the file's name: `cannot be read: …`.
pub fn credential(path: &str, folder: Option<&Path>) -> Result<String, String> {
    let path = place(path, std::env::var_os(FOLDER).map(PathBuf::from), folder);
    // To open a pipe would be to wait for whoever writes into it.
    let found = fs::metadata(&path).map_err(|error| format!("cannot be opened: {error}"))?;
    if !found.is_file() {
        return Err(if found.is_dir() { "is a folder" } else { "is no regular file" }.to_owned());
    }
    let file = fs::File::open(&path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut text = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("has more than {BYTES_MAX} bytes"));
    }
    String::from_utf8(text).map_err(|_| "is no text".to_owned())
}

fn place(path: &str, credentials: Option<PathBuf>, folder: Option<&Path>) -> PathBuf {
    match (credentials.filter(|credentials| !credentials.as_os_str().is_empty()), folder) {
        (Some(credentials), _) => credentials.join(path),
        (None, Some(folder)) => folder.join(path),
        (None, None) => Path::new(path).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{credential, place};

    #[test]
    fn a_relative_path_is_a_credential() {
        let credentials = || Some(PathBuf::from("/run/credentials/tripline.service"));
        let project = Path::new("/srv/detections");
        let secret = Path::new("/run/credentials/tripline.service/subscriber");
        assert_eq!(place("subscriber", credentials(), Some(project)), secret);
        assert_eq!(place("/etc/key", credentials(), Some(project)), Path::new("/etc/key"));
        assert_eq!(place("key", None, Some(project)), Path::new("/srv/detections/key"));
        assert_eq!(place("/etc/key", None, Some(project)), Path::new("/etc/key"));
        assert_eq!(place("key", Some(PathBuf::new()), None), Path::new("key"));
        assert!(credential("/no/such/file", None).is_err_and(|why| why.starts_with("cannot be opened: ")));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        assert_eq!(credential("/", None), Err("is a folder".to_owned()));
        #[cfg(unix)]
        assert_eq!(credential("/dev/zero", None), Err("is no regular file".to_owned()));
    }
}
