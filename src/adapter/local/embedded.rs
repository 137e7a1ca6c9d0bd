//! The pack that is built into the program: `init` and the demo work without any file.

use std::io;

use include_dir::{Dir, include_dir};

use crate::port::FileTree;

static SQL: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql");
static FEATURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/features");
static RULES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules");
const CONFIG: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tripline.yaml"));
const CONFIG_PATH: &str = "tripline.yaml";

#[derive(Debug, Clone, Copy, Default)]
pub struct Embedded;

impl FileTree for Embedded {
    fn paths(&self) -> io::Result<Vec<String>> {
        let mut paths = vec![CONFIG_PATH.to_owned()];
        for (name, dir) in [("sql", &SQL), ("features", &FEATURES), ("rules", &RULES)] {
            visit(name, dir, &mut paths);
        }
        paths.sort();
        Ok(paths)
    }

    fn read(&self, path: &str) -> io::Result<String> {
        String::from_utf8(self.read_bytes(path)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
    }

    fn read_bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        if path == CONFIG_PATH {
            return Ok(CONFIG.into());
        }
        let not_found = || io::Error::new(io::ErrorKind::NotFound, "not in the pack");
        let (name, rest) = path.split_once('/').ok_or_else(not_found)?;
        let dir = match name {
            "sql" => &SQL,
            "features" => &FEATURES,
            "rules" => &RULES,
            _ => return Err(not_found()),
        };
        Ok(dir.get_file(rest).ok_or_else(not_found)?.contents().to_vec())
    }
}

fn visit(name: &str, dir: &Dir<'_>, paths: &mut Vec<String>) {
    for file in dir.files() {
        let path = file.path().to_string_lossy().replace('\\', "/");
        if !path.split('/').any(|part| part.starts_with('.')) {
            paths.push(format!("{name}/{path}"));
        }
    }
    for inner in dir.dirs() {
        visit(name, inner, paths);
    }
}

#[cfg(test)]
mod tests {
    use super::Embedded;
    use crate::port::FileTree;

    #[test]
    fn every_path_can_be_read() {
        let paths = Embedded.paths().expect("paths");
        assert!(paths.contains(&"tripline.yaml".to_owned()) && paths.is_sorted());
        assert!(paths.iter().all(|path| Embedded.read(path).is_ok()));
        assert!(Embedded.read("sql/nothing").is_err() && Embedded.read("nothing").is_err());
    }
}
