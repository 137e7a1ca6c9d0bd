//! A detection project as a revision of its git repository has it. Asks git; changes nothing.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::port::FileTree;

use super::folder::is_of_layout;

const CONFIG: &str = "tripline.yaml";
/// What a hook or a shell sets for another repository than the folder's.
const OF_OTHERS: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];
/// How `git ls-tree` begins the line of a file that is no link.
const FILES: [&str; 2] = ["100644 blob ", "100755 blob "];

#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    #[error(
        "`{name}` is no folder, and git does not run that could have it as a revision: {error}\nhelp: install git, or name \
         a folder with other definitions"
    )]
    NoGit { name: String, error: io::Error },
    #[error(
        "`{name}` is no folder, and {folder} is in no git repository that could have it as a revision\nhelp: name a folder \
         with other definitions, such as a copy of the project"
    )]
    NoRepository { name: String, folder: String },
    #[error(
        "`{name}` is no folder, and no revision of the git repository of {folder}\nhelp: `git -C {folder} log --oneline` and \
         `git -C {folder} branch --all` tell what there is"
    )]
    Unknown { name: String, folder: String },
    #[error(
        "revision `{name}` has no {CONFIG} in {folder}\nhelp: the project was not there yet, or in another folder; \
         `git -C {folder} log --oneline -- .` tells the revisions that have it"
    )]
    NoProject { name: String, folder: String },
    #[error("git cannot read `{name}`: {said}")]
    Git { name: String, said: String },
}

#[derive(Debug)]
pub struct Revision {
    /// The project's, in the repository's work tree.
    folder: PathBuf,
    commit: String,
    paths: Vec<String>,
}

impl Revision {
    /// `name` is what git knows a commit by.
    pub fn new(folder: &Path, name: &str) -> Result<Self, RevisionError> {
        let name = || name.to_owned();
        let shown = || folder.display().to_string();
        let asked =
            |arguments: &[&str]| git(folder, arguments).map_err(|error| RevisionError::NoGit { name: name(), error });
        let failed = |output: &Output| RevisionError::Git { name: name(), said: said(output) };
        let inside = asked(&["rev-parse", "--is-inside-work-tree"])?;
        if said(&inside).contains("not a git repository") || inside.stdout.starts_with(b"false") {
            return Err(RevisionError::NoRepository { name: name(), folder: shown() });
        }
        if !inside.status.success() {
            return Err(failed(&inside));
        }
        let found =
            asked(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{}^{{commit}}", name())])?;
        if !found.status.success() {
            return Err(RevisionError::Unknown { name: name(), folder: shown() });
        }
        let commit = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        // Paths are those below the folder, as seen from it.
        let listed = asked(&["ls-tree", "-r", "-z", &commit])?;
        if !listed.status.success() {
            return Err(failed(&listed));
        }
        let paths = files_of(&listed.stdout);
        if paths.iter().all(|path| path != CONFIG) {
            return Err(RevisionError::NoProject { name: name(), folder: shown() });
        }
        Ok(Self { folder: folder.to_owned(), commit, paths })
    }
}

/// The definitions in what `git ls-tree -z` lists, sorted.
fn files_of(listed: &[u8]) -> Vec<String> {
    let entries = listed.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    let files = entries.filter(|entry| FILES.iter().any(|kind| entry.starts_with(kind)));
    let paths = files.filter_map(|entry| entry.split_once('\t')).map(|(_, path)| path);
    let mut paths: Vec<String> = paths.filter(|path| is_of_layout(path)).map(str::to_owned).collect();
    paths.sort();
    paths
}

fn git(folder: &Path, arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new("git");
    for name in OF_OTHERS {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").arg("-C").arg(folder).args(arguments).output()
}

/// The first line of what it said of an error.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_owned()
}

impl FileTree for Revision {
    fn paths(&self) -> io::Result<Vec<String>> {
        Ok(self.paths.clone())
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.folder)
    }

    fn read(&self, path: &str) -> io::Result<String> {
        String::from_utf8(self.read_bytes(path)?).map_err(|_| io::Error::new(ErrorKind::InvalidData, "not UTF-8"))
    }

    fn read_bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        let inside = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !inside {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a path inside the project"));
        }
        let output = git(&self.folder, &["cat-file", "blob", &format!("{}:./{path}", self.commit)])?;
        if !output.status.success() {
            return Err(io::Error::new(ErrorKind::NotFound, format!("not in revision {}", &self.commit)));
        }
        Ok(output.stdout)
    }
}

#[cfg(test)]
mod tests {
    use super::files_of;

    #[test]
    fn only_files_of_the_layout_are_listed() {
        let listed = "100644 blob 12\trules/b.yaml\x00100755 blob 13\tfeatures/ä b.yaml\x00120000 blob 14\trules/link.yaml\0\
                      160000 commit 15\tsql/module\x00100644 blob 16\tREADME.md\x00100644 blob 17\tsql/.x.sql\0\
                      100644 blob 18\ttripline.yaml\0";
        assert_eq!(files_of(listed.as_bytes()), ["features/ä b.yaml", "rules/b.yaml", "tripline.yaml"]);
    }
}
