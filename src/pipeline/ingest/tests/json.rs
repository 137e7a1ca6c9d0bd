//! JSON lines.

use super::{Bytes, check, read, read_text, schema};
use crate::pipeline::ingest::ReaderOptions;
use crate::record::Format;

#[test]
fn values_become_of_their_type() {
    let types = ["s STRING", "i INT64", "f FLOAT64", "b BOOL", "t TIMESTAMP auto", "d DATE", "x BYTES"];
    check(
        &schema(Format::Json, &types),
        &[
            (
                r#"{"s":"a","i":443,"f":1.5,"b":true,"t":"2026-01-01T00:00:00.123Z","d":"2026-01-02","x":"aGk="}"#,
                &["a | 443 | 1.5 | true | 2026-01-01T00:00:00.123Z | 2026-01-02 | 6869"],
                &[],
            ),
            (
                r#"{"s":12.50,"i":443.0,"f":"2","b":"False","t":1588205199.82437,"x":""}"#,
                &["12.50 | 443 | 2.0 | false | 2020-04-30T00:06:39.824370Z | NULL | NULL"],
                &[],
            ),
            (
                r#"{"s":null,"i":null,"f":null,"b":null,"t":null,"d":null}"#,
                &["NULL | NULL | NULL | NULL | NULL | NULL | NULL"],
                &[],
            ),
            ("{}", &["NULL | NULL | NULL | NULL | NULL | NULL | NULL"], &[]),
            (r#"{"s":"","i":"","f":" ","b":"","t":"","d":""}"#, &[" | NULL | NULL | NULL | NULL | NULL | NULL"], &[]),
            (
                r#"{"s":"\u00e9\n","i":"4\u00343","f":"NaN","t":"1588205199"}"#,
                &["é\n | 443 | NULL | NULL | 2020-04-30T00:06:39Z | NULL | NULL"],
                &[],
            ),
            (
                r#"{"i":9223372036854775807,"f":-1.5e-7}"#,
                &["NULL | 9223372036854775807 | -1.5e-7 | NULL | NULL | NULL | NULL"],
                &[],
            ),
            (
                r#"{"i":-9223372036854775808,"f":"-Infinity"}"#,
                &["NULL | -9223372036854775808 | NULL | NULL | NULL | NULL | NULL"],
                &[],
            ),
        ],
    );
}

#[test]
fn values_of_another_type_are_refused() {
    let types =
        ["s STRING", "i INT64", "f FLOAT64", "b BOOL", "t TIMESTAMP auto", "d DATE", "x BYTES", "p INT64 flags"];
    check(
        &schema(Format::Json, &types),
        &[
            (r#"{"s":true}"#, &[], &["ingest.bad-value: s: true is not a STRING"]),
            (r#"{"s":{"a":1}}"#, &[], &[r#"ingest.bad-value: s: {"a":1} is not a STRING"#]),
            (r#"{"i":"abc"}"#, &[], &[r#"ingest.bad-value: i: "abc" is not an INT64"#]),
            (r#"{"i":1.5}"#, &[], &["ingest.bad-value: i: 1.5 is not an INT64"]),
            (r#"{"i":9223372036854775808}"#, &[], &["ingest.bad-value: i: 9223372036854775808 is not an INT64"]),
            (r#"{"i":[1]}"#, &[], &["ingest.bad-value: i: [1] is not an INT64"]),
            (r#"{"i":false}"#, &[], &["ingest.bad-value: i: false is not an INT64"]),
            (r#"{"f":"x"}"#, &[], &[r#"ingest.bad-value: f: "x" is not a FLOAT64"#]),
            (r#"{"f":"1e999"}"#, &[], &[r#"ingest.bad-value: f: "1e999" is not a FLOAT64"#]),
            (r#"{"b":1}"#, &[], &["ingest.bad-value: b: 1 is not a BOOL"]),
            (r#"{"t":"yesterday"}"#, &[], &[r#"ingest.bad-value: t: "yesterday" is not a TIMESTAMP"#]),
            (r#"{"t":true}"#, &[], &["ingest.bad-value: t: true is not a TIMESTAMP"]),
            (r#"{"d":20260101}"#, &[], &["ingest.bad-value: d: 20260101 is not a DATE"]),
            (r#"{"x":"a"}"#, &[], &[r#"ingest.bad-value: x: "a" is not BYTES in base64"#]),
            (r#"{"p":["SYN","NO"]}"#, &[], &[r#"ingest.bad-value: p: ["SYN","NO"] is not a set of TCP flags"#]),
        ],
    );
}

#[test]
fn lines_that_are_no_json_object_are_refused() {
    check(
        &schema(Format::Json, &["i INT64"]),
        &[
            ("[1]", &[], &["ingest.bad-record: not an object, but [1]"]),
            ("17", &[], &["ingest.bad-record: not an object, but 17"]),
            (r#"{"i":1"#, &[], &["ingest.bad-record: not valid JSON: EOF while parsing an object at column 6"]),
            (r#"{"i":1} x"#, &[], &["ingest.bad-record: not valid JSON: trailing characters at column 9"]),
            (r#"{"i":1,}"#, &[], &["ingest.bad-record: not valid JSON: trailing comma at column 8"]),
            (r#"{"i":01}"#, &[], &["ingest.bad-record: not valid JSON: invalid number at column 7"]),
            (r#"{"z":tru}"#, &[], &["ingest.bad-record: not valid JSON: expected ident at column 9"]),
            (r#"{"z":1e999}"#, &[], &["ingest.bad-record: not valid JSON: number out of range at column 10"]),
            (
                r#"{"z":"\ud800"}"#,
                &[],
                &["ingest.bad-record: not valid JSON: unexpected end of hex escape at column 13"],
            ),
            (
                "{\"z\":\"a\tb\"}",
                &[],
                &[
                    "ingest.bad-record: not valid JSON: control character (\\u0000-\\u001F) found while parsing a string at column 8",
                ],
            ),
        ],
    );
}

#[test]
fn names_are_found() {
    check(
        &schema(Format::Json, &["src|source|id.orig_h STRING", "n INT64 unwanted"]),
        &[
            (r#"{"source":"b","src":"a"}"#, &["a"], &[]),
            (r#"{"source":"b"}"#, &["b"], &[]),
            (r#"{"src":null,"source":"b"}"#, &["NULL"], &[]),
            (r#"{"id.orig_h":"c"}"#, &["c"], &[]),
            (r#"{"id":{"orig_h":"c","orig_p":1}}"#, &["c"], &[]),
            (r#"{"src":"first","src":"last"}"#, &["last"], &[]),
            (r#"{"src":"first","s\u0072c":"last"}"#, &["last"], &[]),
            (r#"{"Src":"other"}"#, &["NULL"], &[]),
            (r#" { "src" : "a" , "n" : "not decoded" } "#, &["a"], &[]),
        ],
    );
}

#[test]
fn required_fields_must_be_there() {
    check(
        &schema(Format::Json, &["a|b INT64 required", "c INT64", "d STRING required unwanted"]),
        &[
            (r#"{"a":1,"c":2,"d":"x"}"#, &["1 | 2"], &[]),
            (r#"{"c":2,"d":"x"}"#, &[], &["ingest.missing-field: a is missing"]),
            (r#"{"b":null,"d":"x"}"#, &[], &["ingest.missing-field: b is null"]),
            (r#"{"a":1,"c":2}"#, &[], &["ingest.missing-field: d is missing"]),
            (r#"{"a":"","d":"x"}"#, &[], &["ingest.missing-field: a is empty"]),
            (r#"{"a":" ","d":"x"}"#, &[], &["ingest.missing-field: a: \" \" is no value"]),
            (r#"{"a":1,"d":""}"#, &[], &["ingest.missing-field: d is empty"]),
        ],
    );
}

#[test]
fn a_refused_row_leaves_nothing_behind() {
    let text =
        "{\"s\":\"a\",\"i\":1}\n{\"s\":\"gone\",\"i\":\"x\"}\n\n{\"s\":null,\"i\":2}\r\n{\"s\":\"c\",\"i\":null}";
    let schema = schema(Format::Json, &["s STRING", "i INT64"]);
    let outcome = read_text(text, &schema);
    assert_eq!(outcome.rows, ["1@0: a | 1", "4@38: NULL | 2", "5@56: c | NULL"]);
    assert_eq!(outcome.rejects, [r#"2@16 ingest.bad-value: i: "x" is not an INT64 <>"#]);
    // Only who asks for them has refused records as they came.
    let input = Bytes { bytes: text.into(), ..Bytes::default() };
    let kept = read(input, &schema, &ReaderOptions { keep_raw: true, ..ReaderOptions::default() });
    assert_eq!(kept.rejects, [r#"2@16 ingest.bad-value: i: "x" is not an INT64 <{"s":"gone","i":"x"}>"#]);
}

#[test]
fn undeclared_fields_are_counted() {
    let text = "{\"a\":1,\"z\":1,\"z\":2}\n{\"z\":[],\"y\":1,\"z\":1}\n{\"a\":\"x\",\"y\":1}\n{\"y\":1";
    let outcome = read_text(text, &schema(Format::Json, &["a INT64", "b INT64 unwanted"]));
    assert_eq!(outcome.ignored, [("y".to_owned(), 2), ("z".to_owned(), 2)]);
    assert_eq!((outcome.rows.len(), outcome.rejects.len()), (2, 2));
}

#[test]
fn bytes_that_are_no_text_are_refused_alone() {
    let text = b"{\"s\":\"a\"}\n{\"s\":\"\xff\"}\n{\"s\":\"\xc3\xa9\"}\n".to_vec();
    let input = Bytes { bytes: text, ..Bytes::default() };
    let options = ReaderOptions { keep_raw: true, ..ReaderOptions::default() };
    let outcome = read(input, &schema(Format::Json, &["s STRING"]), &options);
    assert_eq!(outcome.rows.len(), 2);
    assert_eq!(outcome.rejects, ["2@10 ingest.bad-encoding: the record is not UTF-8 <{\"s\":\"\u{fffd}\"}>"]);
}
