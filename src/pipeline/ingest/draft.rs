//! The texts of a drafted source: `source.yaml` and `flows.sql`. Knows the names under which
//! exporters write the canonical columns of `flows`.

use crate::record::{Decode, Format, RawField, Type};

/// A canonical column, its type, and names it goes by: letters and digits alone, in small
/// letters, the likeliest first.
const NAMES: [(&str, Type, &[&str]); 17] = [
    ("start_time", Type::Timestamp, &["starttime", "start", "flowstarttime", "firstseen", "first", "ts", "begintime"]),
    ("end_time", Type::Timestamp, &["endtime", "end", "flowendtime", "lastseen", "last", "stoptime"]),
    ("time", Type::Timestamp, &["timestamp", "time", "eventtime", "datetime", "date", "timegenerated"]),
    (
        "subscriber_id",
        Type::String,
        &["subscriberid", "subscriber", "accountid", "tenantid", "imsi", "userid", "customerid"],
    ),
    (
        "src_ip",
        Type::String,
        &[
            "srcip",
            "srcaddr",
            "sourceip",
            "sourceaddress",
            "idorigh",
            "origh",
            "sa",
            "src",
            "srcipaddr",
            "ipv4srcaddr",
            "clientip",
            "saddr",
            "sip",
        ],
    ),
    (
        "dst_ip",
        Type::String,
        &[
            "dstip",
            "dstaddr",
            "destip",
            "destinationip",
            "destinationaddress",
            "idresph",
            "resph",
            "da",
            "dst",
            "dest",
            "dstipaddr",
            "ipv4dstaddr",
            "serverip",
            "daddr",
            "dip",
        ],
    ),
    ("src_port", Type::Int64, &["srcport", "sourceport", "idorigp", "origp", "sp", "sport", "l4srcport", "srcpt"]),
    (
        "dst_port",
        Type::Int64,
        &["dstport", "destport", "destinationport", "idrespp", "respp", "dp", "dport", "l4dstport", "dstpt"],
    ),
    ("protocol", Type::String, &["protocolname", "protocol", "proto", "transport", "pr", "l4protocol"]),
    ("protocol_number", Type::Int64, &["protocolnumber", "protocol", "proto", "ipprotocol", "protocolidentifier"]),
    ("tcp_flags", Type::Int64, &["tcpflags", "tcpflag", "flags", "flg", "tcpcontrolbits"]),
    (
        "tx_bytes",
        Type::Int64,
        &[
            "txbytes",
            "bytesout",
            "origipbytes",
            "origbytes",
            "bytestoserver",
            "sbytes",
            "bytes",
            "inbytes",
            "octets",
            "ibyt",
        ],
    ),
    (
        "rx_bytes",
        Type::Int64,
        &["rxbytes", "bytesin", "respipbytes", "respbytes", "bytestoclient", "dbytes", "outbytes", "obyt"],
    ),
    ("geo_country", Type::String, &["geocountry", "country", "srccountry", "countrycode"]),
    ("geo_city", Type::String, &["geocity", "city", "srccity"]),
    ("latitude", Type::Float64, &["latitude", "lat"]),
    ("longitude", Type::Float64, &["longitude", "lon", "lng", "long"]),
];

/// The canonical column for the one time of a record that has no start and no end.
const TIME: &str = "time";

/// GoogleSQL's reserved words: a column of that name would need backticks everywhere.
const RESERVED: [&str; 96] = [
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "ASSERT_ROWS_MODIFIED",
    "AT",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COLLATE",
    "CONTAINS",
    "CREATE",
    "CROSS",
    "CUBE",
    "CURRENT",
    "DEFAULT",
    "DEFINE",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "ENUM",
    "ESCAPE",
    "EXCEPT",
    "EXCLUDE",
    "EXISTS",
    "EXTRACT",
    "FALSE",
    "FETCH",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "GROUPS",
    "HASH",
    "HAVING",
    "IF",
    "IGNORE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOOKUP",
    "MERGE",
    "NATURAL",
    "NEW",
    "NO",
    "NOT",
    "NULL",
    "NULLS",
    "OF",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "PROTO",
    "QUALIFY",
    "RANGE",
    "RECURSIVE",
    "RESPECT",
    "RIGHT",
    "ROLLUP",
    "ROWS",
    "SELECT",
    "SET",
    "SOME",
    "STRUCT",
    "TABLESAMPLE",
    "THEN",
    "TO",
    "TREAT",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNNEST",
    "USING",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
];

/// A name that SQL and YAML take without quotes.
pub(super) fn identifier(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            name.push(c);
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    match name.chars().next() {
        None => "source".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name.to_owned(),
    }
}

/// The columns under names of their own; addresses and the time are not required yet.
pub(super) fn columns<'n>(seen: impl Iterator<Item = (&'n str, (Type, Decode))>) -> Vec<RawField> {
    let mut columns: Vec<RawField> = Vec::new();
    for (field, (ty, decode)) in seen {
        let mut base = identifier(field);
        if RESERVED.contains(&base.to_ascii_uppercase().as_str()) {
            base.push('_');
        }
        let taken = |name: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let name = match taken(&base) {
            false => base,
            true => (2..).map(|n| format!("{base}_{n}")).find(|name| !taken(name)).unwrap_or(base),
        };
        columns.push(RawField { name, fields: vec![field.to_owned()], ty, decode, required: false, wanted: true });
    }
    columns
}

/// The column that feeds a canonical one: of its type, by the likeliest name.
fn feeding<'c>(columns: &'c [RawField], canonical: &str) -> Option<&'c RawField> {
    let (_, ty, names) = NAMES.iter().find(|(name, _, _)| *name == canonical)?;
    names.iter().find_map(|name| columns.iter().find(|column| column.ty == *ty && plain(&column.fields[0]) == *name))
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

pub(super) fn source_yaml(name: &str, format: Format, columns: &[RawField]) -> String {
    let format = format.name();
    let mut text = format!("source: {name}\ndescription: Drafted from a sample\nformat: {format}\ncolumns:");
    if columns.is_empty() {
        text.push_str(" {}");
    }
    text.push('\n');
    for column in columns {
        let field = &column.fields[0];
        let mut parts = vec![format!("type: {}", column.ty)];
        if *field != column.name {
            parts.push(format!("field: '{}'", field.replace('\'', "''")));
        }
        if column.decode == Decode::TcpFlags {
            parts.push("decode: tcp_flags".to_owned());
        }
        match parts.as_slice() {
            [_] => text.push_str(&format!("  {}: {}\n", column.name, column.ty)),
            parts => text.push_str(&format!("  {}: {{{}}}\n", column.name, parts.join(", "))),
        }
    }
    let times: Vec<&str> = ["end_time", TIME, "start_time"]
        .iter()
        .filter_map(|canonical| feeding(columns, canonical))
        .map(|column| column.name.as_str())
        .collect();
    match (times.as_slice(), feeding(columns, "start_time"), duration(columns)) {
        ([], _, _) => {
            text.push_str(
                "# No column looks like a time: put the one that is, or an expression.\nevent_time: event_time\n",
            );
        }
        // The start alone is not when the record exists.
        ([_], Some(start), Some(duration)) => text.push_str(&format!("event_time: {}\n", end_of(start, duration))),
        ([one], _, _) => text.push_str(&format!("event_time: {one}\n")),
        (several, _, _) => text.push_str(&format!("event_time: COALESCE({})\n", several.join(", "))),
    }
    text.push_str("lateness: 30s\n");
    text
}

pub(super) fn flows_sql(name: &str, columns: &[RawField]) -> String {
    let mut items: Vec<String> = Vec::new();
    for (canonical, _, _) in NAMES.iter().filter(|(canonical, _, _)| *canonical != TIME) {
        // Without an account, the initiating host is the one whose traffic it is.
        let column = feeding(columns, canonical)
            .or_else(|| if *canonical == "subscriber_id" { feeding(columns, "src_ip") } else { None });
        let start = feeding(columns, "start_time");
        let expression = match (column, *canonical) {
            (Some(column), "src_ip" | "dst_ip" | "subscriber_id") if is_address(columns, column) => {
                let column = &column.name;
                format!("COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING({column})), {column})")
            }
            (Some(column), "src_port" | "dst_port") => {
                format!("IF({0} BETWEEN 0 AND 65535, {0}, NULL)", column.name)
            }
            (Some(column), "tx_bytes" | "rx_bytes") => {
                format!("IF({0} BETWEEN 0 AND 9007199254740992, {0}, NULL)", column.name)
            }
            (Some(column), "protocol") => format!("UPPER({})", column.name),
            (Some(column), _) => column.name.clone(),
            (None, "end_time") => match (start, duration(columns), feeding(columns, TIME)) {
                (Some(start), Some(duration), _) => end_of(start, duration),
                (_, _, Some(time)) => time.name.clone(),
                _ => continue,
            },
            (None, "protocol_number") => match feeding(columns, "protocol") {
                Some(protocol) => format!(
                    "CASE UPPER({}) WHEN 'TCP' THEN 6 WHEN 'UDP' THEN 17 WHEN 'ICMP' THEN 1 ELSE NULL END",
                    protocol.name
                ),
                None => continue,
            },
            (None, _) => continue,
        };
        let same = expression == *canonical;
        items.push(if same { format!("  {expression}") } else { format!("  {expression} AS {canonical}") });
    }
    items.extend(duration_ms(columns));
    items.extend(outcome(columns));
    let head = "-- Drafted from a sample: check what each column means, and what tells the outcome of a flow.";
    if items.is_empty() {
        return format!("{head}\n-- No column was recognized.\nSELECT\n  'unknown' AS outcome\nFROM {name}\n");
    }
    format!("{head}\nSELECT\n{}\nFROM {name}\n", items.join(",\n"))
}

/// Does the column feed an address?
fn is_address(columns: &[RawField], column: &RawField) -> bool {
    ["src_ip", "dst_ip"].iter().any(|address| feeding(columns, address).is_some_and(|feeds| feeds.name == column.name))
}

fn duration_ms(columns: &[RawField]) -> Option<String> {
    if let Some(RawField { name, .. }) = duration(columns) {
        let millis = format!("IF({name} BETWEEN 0.0 AND 31536000.0, CAST({name} * 1000.0 AS INT64), NULL)");
        return Some(format!("  {millis} AS duration_ms"));
    }
    let (start, end) = (&feeding(columns, "start_time")?.name, &feeding(columns, "end_time")?.name);
    Some(format!("  IF({end} >= {start}, TIMESTAMP_DIFF({end}, {start}, MILLISECOND), NULL) AS duration_ms"))
}

/// What became of a flow, by Zeek's state, else by flags and by bytes of the answer.
fn outcome(columns: &[RawField]) -> Option<String> {
    if let Some(state) = columns.iter().find(|column| plain(&column.fields[0]) == "connstate") {
        return Some(format!(
            "  CASE\n    WHEN {0} = 'S0' THEN 'unanswered'\n    WHEN {0} IN ('REJ', 'RSTOS0', 'RSTRH') THEN 'refused'\n    \
             WHEN {0} IN ('SF', 'S1', 'S2', 'S3', 'RSTO', 'RSTR') THEN 'established'\n    ELSE 'unknown'\n  END AS outcome",
            state.name
        ));
    }
    let rx = &feeding(columns, "rx_bytes")?.name;
    let mut cases = Vec::new();
    if let Some(flags) = feeding(columns, "tcp_flags") {
        let flags = format!("COALESCE({}, 0)", flags.name);
        // RST 4, FIN 1, PSH 8, SYN 2, ACK 16; 120 bytes are at most three packets without data.
        cases
            .push(format!("WHEN ({flags} & 4) != 0 AND ({flags} & 9) = 0 AND COALESCE({rx}, 0) <= 120 THEN 'refused'"));
        cases.push(format!("WHEN ({flags} & 18) = 2 THEN 'unanswered'"));
        cases.push(format!("WHEN ({flags} & 16) != 0 AND ({flags} & 9) != 0 THEN 'established'"));
        cases.push(format!("WHEN {flags} = 0 AND {rx} = 0 THEN 'unanswered'"));
    } else {
        cases.push(format!("WHEN {rx} = 0 THEN 'unanswered'"));
    }
    cases.push(format!("WHEN {rx} > 120 THEN 'established'"));
    Some(format!("  CASE\n    {}\n    ELSE 'unknown'\n  END AS outcome", cases.join("\n    ")))
}

/// A duration in seconds.
fn duration(columns: &[RawField]) -> Option<&RawField> {
    columns.iter().find(|column| column.ty == Type::Float64 && plain(&column.fields[0]) == "duration")
}

fn end_of(start: &RawField, duration: &RawField) -> String {
    let (start, duration) = (&start.name, &duration.name);
    let micros = format!("CAST(LEAST(GREATEST(COALESCE({duration}, 0.0), 0.0), 31536000.0) * 1000000.0 AS INT64)");
    format!("TIMESTAMP_ADD({start}, INTERVAL {micros} MICROSECOND)")
}
