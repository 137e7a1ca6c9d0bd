//! Files that are embedded in the program: a new one makes the program new. And which sources it is made of: the state of a run
//! is read by the same program only.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    for path in ["tripline.yaml", "sql", "features", "rules", "src"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files);
    files.push(PathBuf::from("Cargo.lock"));
    files.sort();
    let mut hash = FNV_OFFSET;
    for file in files {
        add(&mut hash, file.to_string_lossy().as_bytes());
        add(&mut hash, &fs::read(&file).unwrap_or_default());
    }
    println!("cargo:rustc-env=TRIPLINE_SOURCES={hash:016x}");
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn add(hash: &mut u64, bytes: &[u8]) {
    for byte in bytes {
        *hash = (*hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
