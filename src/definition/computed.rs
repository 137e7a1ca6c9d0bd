//! What of a file says what is computed: all but where alerts go.

use super::model::Config;
use crate::diagnostic::FileId;

/// The text of a file without `sinks`, as if it had never been written: with its lines go the remarks right above it.
pub fn computed(config: &Config, file: FileId, text: &str) -> String {
    let Some(span) = config.sinks_span.filter(|span| span.file == file) else { return text.to_owned() };
    let at = |offset: u32| text.floor_char_boundary(usize::try_from(offset).unwrap_or(text.len()));
    let (start, end) = (at(span.start), at(span.end).max(at(span.start)));
    let (before, after) = text.split_at(start);
    let after = after.get(end - start..).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (above, indent) = before.split_at(line);
    let (rest, below) = after.split_once('\n').unwrap_or((after, ""));
    let whole_lines = indent.trim().is_empty() && (rest.trim().is_empty() || rest.trim_start().starts_with('#'));
    if !whole_lines {
        return format!("{before}{after}");
    }
    let kept = above.split_inclusive('\n').rev().skip_while(|line| is_remark(line));
    let kept: usize = kept.map(str::len).sum();
    let above = above.get(..kept).unwrap_or_default();
    // Remarks that are indented belong to what is above them.
    let own = below.split_inclusive('\n').take_while(|line| line.starts_with([' ', '\t']) && is_remark(line));
    let own: usize = own.map(str::len).sum();
    let below = below.get(own..).unwrap_or_default();
    if above.is_empty() { below.trim_start_matches(['\r', '\n']).to_owned() } else { format!("{above}{below}") }
}

fn is_remark(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::computed;
    use crate::adapter::local::MemoryTree;
    use crate::definition::load;
    use crate::diagnostic::FileId;

    fn cut(text: &str) -> String {
        let loaded = load(&MemoryTree::from_sections(&format!("--- tripline.yaml\n{text}")));
        let file = loaded.files.iter().next().map_or(FileId(0), |(file, ..)| file);
        assert!(loaded.project.config.sinks_span.is_some());
        computed(&loaded.project.config, file, loaded.files.text(file))
    }

    #[test]
    fn a_file_is_what_it_was_before_sinks_were_written() {
        let sinks = "# Who is told.\nsinks: # all\n  # of us\n  hook:\n    type: webhook\n    url: https://example.org/x # ö\n  # none\n";
        assert_eq!(cut(&format!("name: x\n\n{sinks}")), "name: x\n");
        assert_eq!(cut(&format!("name: x\n\n{sinks}\nevidence: 2\n")), "name: x\n\nevidence: 2\n");
        assert_eq!(cut(&format!("{sinks}\nname: x\n")), "name: x\n");
        assert_eq!(cut("name: x\nsinks: {a: {type: webhook, url: 'https://example.org/x'}} # one\n"), "name: x\n");
        assert_eq!(
            cut("name: x\nsinks: {a: {type: webhook,\n  url: 'https://example.org/x'}}\nevidence: 2"),
            "name: x\nevidence: 2"
        );
        assert_eq!(cut("name: x\nsinks: {}"), "name: x\n");
    }
}
