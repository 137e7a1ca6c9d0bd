//! Drafts of sources.

use std::sync::Arc;

use super::read_text;
use crate::pipeline::ingest::{Inferred, infer};
use crate::record::{Format, RawSchema};

fn types(inferred: &Inferred) -> Vec<String> {
    inferred.columns.iter().map(|column| format!("{} {}", column.name, column.ty)).collect()
}

/// The sample's own records decode with its draft.
fn decodes(sample: &str, inferred: &Inferred) {
    let schema = RawSchema { format: inferred.format, fields: inferred.columns.clone() };
    let outcome = read_text(sample, &Arc::new(schema));
    assert_eq!((outcome.rejects, outcome.ignored, outcome.error), (vec![], vec![], None));
    assert!(!outcome.rows.is_empty());
}

#[test]
fn json_lines() {
    let sample = concat!(
        r#"{"subscriberId":"007","srcIP":"10.0.0.1","dstPort":443,"txBytes":1.0,"tcpFlag":"SYN-ACK","endTime":"2026-01-01T00:00:00Z","geoCity":null,"ratio":0.5,"up":true,"app":{"name":"x"}}"#,
        "\n",
        r#"{"subscriberId":"42","srcIP":"::1","dstPort":53,"txBytes":2,"tcpFlag":18,"endTime":1588205199.8,"ratio":1,"up":false,"app":{"name":"y"}}"#,
        "\n{\"cut"
    );
    let inferred = infer(sample.as_bytes(), "/data/my-flows.jsonl.gz");
    assert_eq!(
        (inferred.name.as_str(), inferred.format, inferred.records, inferred.refused),
        ("my_flows", Format::Json, 2, 0)
    );
    let mut found = types(&inferred);
    found.sort();
    assert_eq!(
        found,
        [
            "app_name STRING",
            "dstPort INT64",
            "endTime TIMESTAMP",
            "geoCity STRING",
            "ratio FLOAT64",
            "srcIP STRING",
            "subscriberId STRING",
            "tcpFlag INT64",
            "txBytes INT64",
            "up BOOL"
        ]
    );
    assert!(
        inferred.source_yaml.contains("  app_name: {type: STRING, field: 'app.name'}\n"),
        "{}",
        inferred.source_yaml
    );
    assert!(inferred.source_yaml.contains("  tcpFlag: {type: INT64, decode: tcp_flags}\n"));
    assert!(inferred.flows_sql.contains("IF(dstPort BETWEEN 0 AND 65535, dstPort, NULL) AS dst_port"));
    assert!(inferred.flows_sql.ends_with("\nFROM my_flows\n"));
    decodes(&sample[..sample.len() - 5], &inferred);
}

#[test]
fn csv_and_zeek() {
    let sample = "Flow Start Time,src addr,dst addr,dport,proto,first\n2019-02-12 13:00:07.000,10.0.3.5,,443.0,T,0\n";
    let inferred = infer(sample.as_bytes(), "-");
    assert_eq!((inferred.name.as_str(), inferred.format), ("source", Format::Csv));
    assert_eq!(
        types(&inferred),
        [
            "Flow_Start_Time TIMESTAMP",
            "src_addr STRING",
            "dst_addr STRING",
            "dport INT64",
            "proto_ STRING",
            "first INT64"
        ]
    );
    assert!(inferred.source_yaml.contains("event_time: Flow_Start_Time\n"), "{}", inferred.source_yaml);
    decodes(sample, &inferred);

    let sample = "#separator \\x09\n#fields\tts\tid.orig_h\tid.resp_p\tduration\n1588205199.8\t10.0.0.1\t53\t-\n1588205199.9\t10.0.0.1\t53\t0.5\n";
    let inferred = infer(sample.as_bytes(), "conn.log");
    assert_eq!(inferred.format, Format::Zeek);
    assert_eq!(types(&inferred), ["ts TIMESTAMP", "id_orig_h STRING", "id_resp_p INT64", "duration FLOAT64"]);
    assert!(inferred.source_yaml.contains("event_time: TIMESTAMP_ADD(ts, INTERVAL CAST("), "{}", inferred.source_yaml);
    let subscriber = "COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(id_orig_h)), id_orig_h) AS subscriber_id";
    assert!(inferred.flows_sql.contains(subscriber), "{}", inferred.flows_sql);
    assert!(inferred.flows_sql.contains("CAST(duration * 1000.0 AS INT64), NULL) AS duration_ms"));
    decodes(sample, &inferred);

    let inferred = infer(b"{\"uid\":\"C1\",\"id.orig_h\":\"a\"}\n", "conn");
    assert_eq!(inferred.format, Format::Zeek);
}

/// A firewall's log: `-` for no value, an action, and columns that `flows` has no place for.
#[test]
fn a_dash_is_no_value_and_what_is_not_used_is_said() {
    let sample = "DateTime,Source IP,Destination IP,Src Port,Dst Port,Proto,Action,Bytes Sent,Bytes Received,Zone,Hits\n\
        2026-01-05 09:00:00,10.0.0.1,10.0.0.2,4000,443,tcp,ALLOW,100,2000,lan,1\n\
        2026-01-05 09:00:01,10.0.0.1,10.0.0.2,4001,23,-,DENY,-,0,-,2\n";
    let inferred = infer(sample.as_bytes(), "fw.csv");
    assert_eq!(
        types(&inferred)[5..],
        ["Proto_ STRING", "Action STRING", "Bytes_Sent STRING", "Bytes_Received INT64", "Zone STRING", "Hits INT64"]
    );
    for part in [
        "\n-- Not used: Zone, Hits\n",
        "  UPPER(NULLIF(Proto_, '-')) AS protocol,",
        "  IF(SAFE_CAST(Bytes_Sent AS INT64) BETWEEN 0 AND 9007199254740992, SAFE_CAST(Bytes_Sent AS INT64), NULL) AS tx_bytes",
        "  IF(Bytes_Received BETWEEN 0 AND 9007199254740992, Bytes_Received, NULL) AS rx_bytes",
        "WHEN UPPER(Action) IN ('DENY', ",
        "  END AS outcome\n",
    ] {
        assert!(inferred.flows_sql.contains(part), "{part}\n{}", inferred.flows_sql);
    }
    decodes(sample, &inferred);
}

#[test]
fn another_separator_is_told() {
    for (separator, sample) in [(';', "a;b\n1;2\n"), ('\t', "a\tb\n1\t2\n"), ('|', "a|b|c\n1|2|3\n")] {
        assert_eq!(infer(sample.as_bytes(), "x.csv").separator, Some(separator));
    }
    assert_eq!(infer(b"a,b;c\n1,2\n", "x.csv").separator, None);
    assert_eq!(infer(b"a\n1;2\n", "x.csv").separator, None);
}

#[test]
fn samples_without_records() {
    for sample in [&b""[..], b"\n", b"{", b"a,b\n", b"\xff\xfe", b"#fields\n"] {
        let inferred = infer(sample, "");
        assert_eq!(inferred.columns.len(), 0, "{sample:?}");
        assert!(inferred.source_yaml.contains("columns: {}\n"));
        assert!(inferred.flows_sql.ends_with("FROM source\n"));
    }
}
