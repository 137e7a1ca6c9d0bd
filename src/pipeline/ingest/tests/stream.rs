//! Chunks, threads, broken and live inputs: none changes the rows.

use std::sync::Arc;

use super::{Bytes, Outcome, drain, outcome, read, read_text, schema};
use crate::pipeline::ingest::{LINE_BYTES_MAX, Reader, ReaderOptions, Section};
use crate::record::{Format, RawSchema};

fn options(threads: usize, chunk_bytes: usize) -> ReaderOptions {
    ReaderOptions { threads, chunk_bytes, keep_raw: true, ..ReaderOptions::default() }
}

fn flows() -> (String, Arc<RawSchema>) {
    let mut text = String::from("\u{feff}");
    for row in 0..300 {
        match row % 50 {
            7 => text.push_str("\r\n"),
            8 => text.push_str(" \t\n"),
            9 => text.push_str("{\"a\":1\n"),
            10 => text.push_str(&format!("{{\"b\":\"\\u00e9 {row}\"}}\r\n")),
            _ => text.push_str(&format!("{{\"a\":{row},\"b\":\"é{row}\",\"c\":null}}\n")),
        }
    }
    text.push_str("{\"a\":-1}");
    (text, schema(Format::Json, &["a INT64", "b STRING"]))
}

#[test]
fn chunks_and_threads_do_not_change_the_rows() {
    let (text, schema) = flows();
    let whole = read(Bytes { bytes: text.clone().into(), ..Bytes::default() }, &schema, &options(1, 1 << 20));
    assert_eq!((whole.rows.len(), whole.rejects.len()), (283, 6));
    assert_eq!(whole.rows[0], "1@3: 0 | é0 <{\"a\":0,\"b\":\"é0\",\"c\":null}>");
    assert_eq!(whole.rows.last().unwrap(), &format!("301@{}: -1 | NULL <{{\"a\":-1}}>", text.len() - 8));
    for threads in [1, 2, 4] {
        for chunk_bytes in [1, 2, 3, 7, 30, 31, 100, 1_000, 4_000] {
            for read_bytes_max in [None, Some(1), Some(13)] {
                for live in [false, true] {
                    let input = Bytes { bytes: text.clone().into(), read_bytes_max, live, ..Bytes::default() };
                    let outcome = read(input, &schema, &options(threads, chunk_bytes));
                    assert_eq!(
                        outcome, whole,
                        "{threads} threads, {chunk_bytes} bytes, {read_bytes_max:?}, live {live}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_and_reading_goes_on() {
    let schema = schema(Format::Json, &["s STRING"]);
    let line = |bytes: usize| format!("{{\"s\":\"{}\"}}", "x".repeat(bytes - 8));
    let lines = [line(LINE_BYTES_MAX), line(LINE_BYTES_MAX + 1), line(9), line(3 * LINE_BYTES_MAX), line(10)];
    for ending in ["\n", "\r\n"] {
        let text = lines.join(ending);
        let mut outcomes: Vec<Outcome> = Vec::new();
        for chunk_bytes in [100_000, LINE_BYTES_MAX, 8 * LINE_BYTES_MAX] {
            let input = Bytes { bytes: text.clone().into(), ..Bytes::default() };
            outcomes.push(read(input, &schema, &options(2, chunk_bytes)));
        }
        let places =
            |texts: &[String]| texts.iter().map(|text| text[..text.len().min(40)].to_owned()).collect::<Vec<_>>();
        let second = LINE_BYTES_MAX + ending.len();
        let third = second + LINE_BYTES_MAX + 1 + ending.len();
        let fourth = third + 9 + ending.len();
        let fifth = fourth + 3 * LINE_BYTES_MAX + ending.len();
        assert_eq!(outcomes[0].rows.len(), 3);
        assert!(outcomes[0].rows[0].starts_with("1@0: xxx"));
        assert_eq!(outcomes[0].rows[1], format!("3@{third}: x <{}>", lines[2]));
        assert_eq!(outcomes[0].rows[2], format!("5@{fifth}: xx <{}>", lines[4]));
        let refused = |line: usize, offset: usize| {
            format!("{line}@{offset} ingest.too-long: the record is longer")[..40].to_owned()
        };
        assert_eq!(places(&outcomes[0].rejects), [refused(2, second), refused(4, fourth)]);
        assert!(outcomes[0].rejects.iter().all(|reject| reject.len() < 4_200));
        assert_eq!(outcomes[0], outcomes[1]);
        assert_eq!(outcomes[0], outcomes[2]);
    }
}

#[test]
fn a_broken_input_gives_its_whole_records_first() {
    let (text, schema) = flows();
    let cut = text.len() - 20;
    let whole = read_text(text.clone(), &schema);
    for threads in [1, 3] {
        for chunk_bytes in [1, 50, 1 << 20] {
            let input = Bytes { bytes: text.as_bytes()[..cut].to_vec(), fails: true, ..Bytes::default() };
            let options = ReaderOptions { keep_raw: false, ..options(threads, chunk_bytes) };
            let outcome = read(input, &schema, &options);
            assert_eq!(outcome.rows, whole.rows[..whole.rows.len() - 2]);
            let error = format!("cannot read memory beyond byte {cut} (decompressed): the input broke off");
            assert_eq!(outcome.error, Some(error));
        }
    }
}

#[test]
fn inputs_without_records() {
    let schema = schema(Format::Json, &["a INT64"]);
    for text in ["", "\n", "\u{feff}", "\u{feff}\n\n \n"] {
        assert_eq!(read_text(text, &schema), Outcome::default(), "{text:?}");
    }
}

#[test]
fn no_wanted_column_still_counts_rows() {
    let schema = schema(Format::Json, &["a INT64 unwanted"]);
    assert_eq!(read_text("{\"a\":1}\n{}\n", &schema).rows, ["1@0: ", "2@8: "]);
}

#[test]
fn dropping_the_reader_ends_its_threads() {
    let (text, schema) = flows();
    let input = Arc::new(Bytes { bytes: text.into(), ..Bytes::default() });
    let mut reader = Reader::open(Arc::clone(&input) as _, schema, &options(4, 100)).unwrap();
    assert!(reader.next_batch().unwrap().is_some());
    drop(reader);
    // The threads hold the input; they let go of it when they end.
    for _ in 0..1_000 {
        if Arc::strong_count(&input) == 1 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the threads still run");
}

#[test]
fn a_live_input_is_delivered_as_it_comes() {
    let schema = schema(Format::Json, &["a INT64"]);
    let input = Bytes {
        bytes: b"{\"a\":1}\n{\"a\":2}\n{\"a\"".to_vec(),
        live: true,
        read_bytes_max: Some(11),
        ..Bytes::default()
    };
    let mut reader = Reader::open(Arc::new(input), schema, &options(1, 1 << 20)).unwrap();
    assert_eq!(reader.next_batch().unwrap().unwrap().lines, [1]);
    assert_eq!(reader.next_batch().unwrap().unwrap().lines, [2]);
    let rest = drain(&mut reader, true);
    assert_eq!(rest.rejects.len(), 1);
}

/// The first batch of the head and the tail are the whole, places too.
#[test]
fn a_head_and_its_tail_are_the_whole() {
    let (json, json_schema) = flows();
    let table = |separator: &str, header: &str| {
        let rows: Vec<String> = (0..900).map(|row| format!("{row}{separator}\"é{row}\"")).collect();
        format!("{header}\n{}\n", rows.join("\n"))
    };
    let csv = schema(Format::Csv, &["a INT64", "b STRING"]);
    let zeek = schema(Format::Zeek, &["a INT64", "b STRING"]);
    let header = "#separator \\x09\n#fields\ta\tb\n#types\tint\tstring";
    let inputs = [
        (json.repeat(2), json_schema),
        (table(",", "a,b"), csv),
        (table("\t", header), zeek),
        ("\n".repeat(9_000), schema(Format::Json, &["a INT64"])),
    ];
    for (text, schema) in inputs {
        let input = Bytes { bytes: text.into(), ..Bytes::default() };
        let whole = read(input.clone(), &schema, &ReaderOptions::default());
        for threads in [1, 2] {
            let open = |section| {
                let options = ReaderOptions { threads, section, ..ReaderOptions::default() };
                Reader::open(Arc::new(input.clone()), Arc::clone(&schema), &options).unwrap()
            };
            let mut all = outcome(&open(Section::Head).next_batch().unwrap().unwrap(), false);
            assert!(all.rows.len() < whole.rows.len() || whole.rows.is_empty());
            let tail = drain(&mut open(Section::Tail), false);
            all.rows.extend(tail.rows);
            all.rejects.extend(tail.rejects);
            assert_eq!((all.rows, all.rejects), (whole.rows.clone(), whole.rejects.clone()));
        }
    }
}
