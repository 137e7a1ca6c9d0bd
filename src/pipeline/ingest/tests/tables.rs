//! CSV and Zeek's TSV.

use super::{Bytes, check, read, read_text, schema};
use crate::pipeline::ingest::{LINE_BYTES_MAX, ReaderOptions};
use crate::record::Format;

#[test]
fn csv_records() {
    check(
        &schema(Format::Csv, &["a INT64", "b STRING", "c TIMESTAMP auto"]),
        &[
            ("a,b\n1,x\n,\n", &["1 | x | NULL", "NULL |  | NULL"], &[]),
            ("b,a\r\n\"x, \"\"y\"\"\nz\",2\r\n", &["2 | x, \"y\"\nz | NULL"], &[]),
            ("\u{feff}\n a , b ,zz\n\n 1 , x ,9\n", &["1 |  x  | NULL"], &[]),
            (
                "a,b,c\n1,x,1588205199\n2,y\n3,z,2026-01-01\n",
                &["1 | x | 2020-04-30T00:06:39Z", "3 | z | 2026-01-01T00:00:00Z"],
                &["ingest.bad-record: 2 fields, where the header has 3"],
            ),
            ("a\nx\n", &[], &[r#"ingest.bad-value: a: "x" is not an INT64"#]),
            ("a,b\n1,\"open\n2,x\n", &["1 | open\n2,x\n | NULL"], &[]),
            ("a,b\n", &[], &[]),
            ("A;b;zz\n1;x;9\n", &[], &["ingest.bad-record: the header has none of the source's columns: A;b;zz"]),
            ("1,x\n2,y\n", &[], &["ingest.bad-record: the header has none of the source's columns: 1,x"]),
            ("\n\n", &[], &[]),
        ],
    );
}

#[test]
fn csv_places_and_chunks() {
    let text = "a,b\r\n1,\"two\nlines\"\r\n\r\n2,x\r\nbad\r\n3,\"y\"";
    let schema = schema(Format::Csv, &["a INT64"]);
    let whole = read_text(text, &schema);
    assert_eq!(whole.rows, ["2@5: 1", "5@22: 2", "7@32: 3"]);
    assert_eq!(whole.rejects, ["6@27 ingest.bad-record: 1 fields, where the header has 2 <>"]);
    assert_eq!(whole.ignored, [("b".to_owned(), 3)]);
    for threads in [1, 3] {
        for chunk_bytes in 1..text.len() + 2 {
            let options = ReaderOptions { threads, chunk_bytes, ..ReaderOptions::default() };
            let input = Bytes { bytes: text.into(), ..Bytes::default() };
            assert_eq!(read(input, &schema, &options), whole, "{chunk_bytes}");
        }
    }
}

#[test]
fn a_quote_that_is_never_closed_costs_one_record() {
    let mut text = "a,b\n1,\"".to_owned();
    text.push_str(&"x\n".repeat(LINE_BYTES_MAX));
    text.push_str("2,y\n");
    let schema = schema(Format::Csv, &["a INT64"]);
    let options = ReaderOptions { threads: 1, chunk_bytes: 100_000, ..ReaderOptions::default() };
    let outcome = read(Bytes { bytes: text.into(), ..Bytes::default() }, &schema, &options);
    assert!(outcome.rejects[0].starts_with("2@4 ingest.too-long: "));
    assert_eq!(outcome.rows.len(), 1);
    assert!(outcome.rows[0].ends_with(": 2"));
}

const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n";

#[test]
fn zeek_records() {
    let fields = "#fields\tts\tid.orig_h\tlocal\tn\n#types\ttime\taddr\tbool\tcount\n";
    let head = format!("{HEADER}{fields}");
    let case = |records: &str| format!("{head}{records}#close\t2020\n");
    let cases = [
        case("1588205199.82437\t10.0.0.1\tT\t5\n-\t-\t-\t-\n"),
        case("1\ta\\x09b\\x2d\tF\t1\n1\t\\x2d\t-\t1\n1\t(empty)\t-\t(empty)\n1\tc:\\d\t-\t1\n"),
        case("1\ta\n1\ta\tT\tx\n"),
        format!("1\ta\tT\t1\n{HEADER}#fields\tn\tts\n7\t1\n{head}2\tb\tF\t8\n"),
        format!("{}#separator ,\n#fields,n,ts\n7,1\n", "\n"),
    ];
    let rows: [&[&str]; 5] = [
        &["2020-04-30T00:06:39.824370Z | 10.0.0.1 | true | 5", "NULL | NULL | NULL | NULL"],
        &[
            "1970-01-01T00:00:01Z | a\tb- | false | 1",
            "1970-01-01T00:00:01Z | - | NULL | 1",
            "1970-01-01T00:00:01Z |  | NULL | NULL",
            "1970-01-01T00:00:01Z | c:\\d | NULL | 1",
        ],
        &[],
        &["1970-01-01T00:00:01Z | NULL | NULL | 7", "1970-01-01T00:00:02Z | b | false | 8"],
        &["1970-01-01T00:00:01Z | NULL | NULL | 7"],
    ];
    let rejects: [&[&str]; 5] = [
        &[],
        &[],
        &["ingest.bad-record: 2 values, where #fields has 4", r#"ingest.bad-value: n: "x" is not an INT64"#],
        &["ingest.bad-record: no #fields line before it"],
        &[],
    ];
    let schema = schema(Format::Zeek, &["ts TIMESTAMP auto", "src|id.orig_h STRING", "local BOOL", "n INT64"]);
    for ((input, rows), rejects) in cases.iter().zip(rows).zip(rejects) {
        check(&schema, &[(input, rows, rejects)]);
    }
}

#[test]
fn zeek_logs_that_were_joined() {
    let text = format!("{HEADER}#fields\ta\tz\n1\t2\n3\t4\n#close\n\n{HEADER}#fields\tz\ta\ty\r\n5\t6\t7\r\n#close\n");
    let schema = schema(Format::Zeek, &["a INT64"]);
    let whole = read_text(text.clone(), &schema);
    let values: Vec<_> = whole.rows.iter().map(|row| row.split_once(": ").unwrap().1).collect();
    assert_eq!(values, ["1", "3", "6"]);
    assert!(whole.rows[2].starts_with("17@"));
    assert_eq!(whole.ignored, [("y".to_owned(), 1), ("z".to_owned(), 3)]);
    for threads in [1, 3] {
        for chunk_bytes in 1..text.len() + 2 {
            let options = ReaderOptions { threads, chunk_bytes, ..ReaderOptions::default() };
            let input = Bytes { bytes: text.clone().into(), ..Bytes::default() };
            assert_eq!(read(input, &schema, &options), whole, "{chunk_bytes}");
        }
    }
}

#[test]
fn zeek_json_is_told_by_its_first_byte() {
    let schema = schema(Format::Zeek, &["ts TIMESTAMP auto", "src|id.orig_h|id_orig_h STRING"]);
    check(
        &schema,
        &[(
            "\n{\"ts\":1588205199.82437,\"id_orig_h\":\"a\"}\n{\"ts\":1,\"id\":{\"orig_h\":\"b\"}}\n",
            &["2020-04-30T00:06:39.824370Z | a", "1970-01-01T00:00:01Z | b"],
            &[],
        )],
    );
}
