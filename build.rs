//! Files that are embedded in the program: a new one makes the program new.

fn main() {
    for path in ["tripline.yaml", "sql", "features", "rules", "src/diagnostic/codes"] {
        println!("cargo:rerun-if-changed={path}");
    }
}
