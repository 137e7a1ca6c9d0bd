//! Texts of the lengths that others allow.

/// The first characters of a text on one line; control characters become blanks, and what is cut off is told by `…`.
pub(super) fn line(text: &str, chars_max: usize) -> String {
    cut(text.chars().map(|c| if c.is_control() { ' ' } else { c }), chars_max, |c| c.to_string())
}

/// As [`line`], with `&`, `<` and `>` written so that they mean nothing; the limit is of what is written.
pub(super) fn escaped(text: &str, chars_max: usize) -> String {
    cut(text.chars().map(|c| if c.is_control() { ' ' } else { c }), chars_max, escape)
}

/// As [`escaped`], of several lines.
pub(super) fn escaped_lines(text: &str, chars_max: usize) -> String {
    cut(text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }), chars_max, escape)
}

fn escape(c: char) -> String {
    match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        c => c.to_string(),
    }
}

fn cut(text: impl Iterator<Item = char>, chars_max: usize, write: impl Fn(char) -> String) -> String {
    let mut written = String::new();
    // What is left of the text when one more character would be too many.
    let (mut used, mut whole_until) = (0, 0);
    for c in text {
        let piece = write(c);
        let length = piece.chars().count();
        if used + length > chars_max {
            written.truncate(whole_until);
            written.push('…');
            return written;
        }
        used += length;
        written.push_str(&piece);
        if used < chars_max {
            whole_until = written.len();
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::{escaped, escaped_lines, line};

    #[test]
    fn a_text_is_no_longer_than_is_allowed() {
        assert_eq!(line("abc", 3), "abc");
        assert_eq!(line("abcd", 3), "ab…");
        assert_eq!(line("a\nb\u{1b}c", 9), "a b c");
        assert_eq!(line("öööö", 3), "öö…");
    }

    #[test]
    fn an_escape_is_never_cut_in_two() {
        assert_eq!(escaped("<a>", 9), "&lt;a&gt;");
        for limit in 1..9 {
            let cut = escaped("<a>", limit);
            assert!(cut.chars().count() <= limit && cut.ends_with('…'), "{limit}: {cut}");
            assert!(["…", "&lt;…", "&lt;a…"].contains(&cut.as_str()), "{limit}: {cut}");
        }
        assert_eq!(escaped_lines("a\r\nb", 9), "a \nb");
    }
}
