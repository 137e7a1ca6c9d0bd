use super::load;
use crate::adapter::local::MemoryTree;

#[test]
fn empty_is_said() {
    let loaded = load(&MemoryTree::default());
    assert_eq!(loaded.diagnostics[0].code, "project.empty");
}
