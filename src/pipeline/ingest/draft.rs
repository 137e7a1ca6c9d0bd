//! The texts of a drafted source: `source.yaml` and `flows.sql`. Knows the names under which
//! exporters write the canonical columns of `flows`.

use crate::language::is_reserved;
use crate::record::flow::{ADMIT_WATERMARK, EVENT_DAY};
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
            "bytessent",
            "sentbytes",
            "sentbyte",
            "srcbytes",
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
        &[
            "rxbytes",
            "bytesin",
            "bytesreceived",
            "receivedbytes",
            "rcvdbyte",
            "dstbytes",
            "respipbytes",
            "respbytes",
            "bytestoclient",
            "dbytes",
            "outbytes",
            "obyt",
        ],
    ),
    ("geo_country", Type::String, &["geocountry", "country", "srccountry", "countrycode"]),
    ("geo_city", Type::String, &["geocity", "city", "srccity"]),
    ("latitude", Type::Float64, &["latitude", "lat"]),
    ("longitude", Type::Float64, &["longitude", "lon", "lng", "long"]),
];

/// The canonical column for the one time of a record that has no start and no end.
const TIME: &str = "time";

/// Columns that one comment names.
const NAMES_OF_LINE: usize = 8;

/// What a firewall did, and its words for it.
const ACTIONS: [&str; 6] = ["action", "act", "disposition", "verdict", "decision", "policyaction"];
const REFUSED: &str = "'DENY', 'DENIED', 'BLOCK', 'BLOCKED', 'REJECT', 'REJECTED', 'RESET'";
const DROPPED: &str = "'DROP', 'DROPPED'";
const ALLOWED: &str = "'ALLOW', 'ALLOWED', 'ACCEPT', 'ACCEPTED', 'PERMIT', 'PERMITTED', 'PASS'";

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

/// What the values of a column say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decided {
    pub(super) ty: Type,
    pub(super) decode: Decode,
    /// What a text is beside `-`, which stands for no value.
    pub(super) holds: Option<Type>,
}

/// A column of the sample.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) field: RawField,
    holds: Option<Type>,
}

impl Column {
    fn ty(&self) -> Type {
        self.holds.unwrap_or(self.field.ty)
    }

    /// Its value in SQL.
    fn value(&self) -> String {
        let name = &self.field.name;
        match self.holds {
            None => name.clone(),
            Some(Type::String) => format!("NULLIF({name}, '-')"),
            Some(ty) => format!("SAFE_CAST({name} AS {ty})"),
        }
    }

    /// The name in the record as [`NAMES`] has it.
    fn plain(&self) -> String {
        let name = self.field.fields.first().map_or("", String::as_str);
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    }
}

/// The columns under names of their own; addresses and the time are not required yet.
pub(super) fn columns<'n>(seen: impl Iterator<Item = (&'n str, Decided)>) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for (field, Decided { ty, decode, holds }) in seen {
        let mut base = identifier(field);
        // Such a name would need backticks everywhere, or be the engine's own in a warehouse.
        if is_reserved(&base) || [ADMIT_WATERMARK, EVENT_DAY].contains(&base.to_ascii_lowercase().as_str()) {
            base.push('_');
        }
        let taken = |name: &str| columns.iter().any(|column| column.field.name.eq_ignore_ascii_case(name));
        let name = match taken(&base) {
            false => base,
            true => (2..).map(|n| format!("{base}_{n}")).find(|name| !taken(name)).unwrap_or(base),
        };
        let field = RawField {
            name,
            fields: vec![field.to_owned()],
            ty,
            decode,
            pseudonym: None,
            carried: None,
            required: false,
            wanted: true,
        };
        columns.push(Column { field, holds });
    }
    columns
}

/// The column that feeds a canonical one: of its type, by the likeliest name.
fn feeding<'c>(columns: &'c [Column], canonical: &str) -> Option<&'c Column> {
    let (_, ty, names) = NAMES.iter().find(|(name, _, _)| *name == canonical)?;
    names.iter().find_map(|name| columns.iter().find(|column| column.ty() == *ty && column.plain() == *name))
}

pub(super) fn source_yaml(name: &str, format: Format, columns: &[Column]) -> String {
    let format = format.name();
    let mut text = format!("source: {name}\ndescription: Drafted from a sample\nformat: {format}\ncolumns:");
    if columns.is_empty() {
        text.push_str(" {}");
    }
    text.push('\n');
    for RawField { name, fields, ty, decode, .. } in columns.iter().map(|column| &column.field) {
        let mut parts = vec![format!("type: {ty}")];
        if let Some(field) = fields.first().filter(|field| *field != name) {
            parts.push(format!("field: '{}'", field.replace('\'', "''")));
        }
        if *decode == Decode::TcpFlags {
            parts.push("decode: tcp_flags".to_owned());
        }
        match parts.as_slice() {
            [_] => text.push_str(&format!("  {name}: {ty}\n")),
            parts => text.push_str(&format!("  {name}: {{{}}}\n", parts.join(", "))),
        }
    }
    if event_time(columns).is_none() {
        text.push_str("# No column looks like a time: put the one that is, or an expression.\n");
    }
    let event_time = event_time(columns).unwrap_or_else(|| "event_time".to_owned());
    text.push_str(&format!("event_time: {event_time}\nlateness: 30s\n"));
    text
}

/// When the record exists, if a column says so.
fn event_time(columns: &[Column]) -> Option<String> {
    let canonical = ["end_time", TIME, "start_time"];
    let times: Vec<String> = canonical.iter().filter_map(|name| feeding(columns, name)).map(Column::value).collect();
    match (times.as_slice(), feeding(columns, "start_time"), duration(columns)) {
        ([], _, _) => None,
        // The start alone is not when the record exists.
        ([_], Some(start), Some(duration)) => Some(end_of(start, duration)),
        ([one], _, _) => Some(one.clone()),
        (several, _, _) => Some(format!("COALESCE({})", several.join(", "))),
    }
}

pub(super) fn flows_sql(name: &str, columns: &[Column]) -> String {
    let canonical = NAMES.iter().map(|(canonical, _, _)| *canonical).filter(|canonical| *canonical != TIME);
    let mut items: Vec<(&str, String)> =
        canonical.filter_map(|canonical| Some((canonical, expression(columns, canonical)?))).collect();
    items.extend(duration_ms(columns).map(|expression| ("duration_ms", expression)));
    items.extend(outcome(columns).map(|expression| ("outcome", expression)));
    let mut text =
        "-- Drafted from a sample: check what each column means, and what tells the outcome of a flow.\n".to_owned();
    text.push_str(&not_used(columns, &items));
    if items.is_empty() {
        text.push_str("-- No column was recognized.\n");
        items.push(("outcome", "'unknown'".to_owned()));
    }
    let items = items.iter().map(|(canonical, expression)| {
        if expression == canonical { format!("  {expression}") } else { format!("  {expression} AS {canonical}") }
    });
    text.push_str(&format!("SELECT\n{}\nFROM {name}\n", items.collect::<Vec<_>>().join(",\n")));
    text
}

/// The columns that no expression reads, as comments: what a draft leaves out is said.
fn not_used(columns: &[Column], items: &[(&str, String)]) -> String {
    let time = event_time(columns);
    let texts = || items.iter().map(|(_, expression)| expression).chain(&time);
    let words = || texts().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let names = columns.iter().map(|column| column.field.name.as_str());
    let unused: Vec<&str> = names.filter(|name| !words().any(|word| word == *name)).collect();
    let lines = unused.chunks(NAMES_OF_LINE).map(|names| format!("-- Not used: {}\n", names.join(", ")));
    lines.collect()
}

/// What feeds a column of `flows`.
fn expression(columns: &[Column], canonical: &str) -> Option<String> {
    // Without an account, the initiating host is the one whose traffic it is.
    let column = feeding(columns, canonical)
        .or_else(|| if canonical == "subscriber_id" { feeding(columns, "src_ip") } else { None });
    let Some(column) = column else {
        return match canonical {
            "end_time" => match (feeding(columns, "start_time"), duration(columns)) {
                (Some(start), Some(duration)) => Some(end_of(start, duration)),
                _ => feeding(columns, TIME).map(Column::value),
            },
            "protocol_number" => {
                let protocol = feeding(columns, "protocol")?.value();
                let numbers = "WHEN 'TCP' THEN 6 WHEN 'UDP' THEN 17 WHEN 'ICMP' THEN 1 ELSE NULL END";
                Some(format!("CASE UPPER({protocol}) {numbers}"))
            }
            _ => None,
        };
    };
    let value = column.value();
    Some(match canonical {
        "src_ip" | "dst_ip" | "subscriber_id" if is_address(columns, column) => {
            format!("COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING({value})), {value})")
        }
        "src_port" | "dst_port" => format!("IF({value} BETWEEN 0 AND 65535, {value}, NULL)"),
        "tx_bytes" | "rx_bytes" => format!("IF({value} BETWEEN 0 AND 9007199254740992, {value}, NULL)"),
        "protocol" => format!("UPPER({value})"),
        _ => value,
    })
}

/// Does the column feed an address?
fn is_address(columns: &[Column], column: &Column) -> bool {
    let feeds = |address: &&str| feeding(columns, address).is_some_and(|feeds| feeds.field.name == column.field.name);
    ["src_ip", "dst_ip"].iter().any(feeds)
}

fn duration_ms(columns: &[Column]) -> Option<String> {
    if let Some(seconds) = duration(columns).map(Column::value) {
        return Some(format!("IF({seconds} BETWEEN 0.0 AND 31536000.0, CAST({seconds} * 1000.0 AS INT64), NULL)"));
    }
    let (start, end) = (feeding(columns, "start_time")?.value(), feeding(columns, "end_time")?.value());
    Some(format!("IF({end} >= {start}, TIMESTAMP_DIFF({end}, {start}, MILLISECOND), NULL)"))
}

/// What became of a flow, by Zeek's state, else by a firewall's action, by flags and by bytes of the answer.
fn outcome(columns: &[Column]) -> Option<String> {
    if let Some(state) = columns.iter().find(|column| column.plain() == "connstate").map(Column::value) {
        return Some(cases(&[
            format!("WHEN {state} = 'S0' THEN 'unanswered'"),
            format!("WHEN {state} IN ('REJ', 'RSTOS0', 'RSTRH') THEN 'refused'"),
            format!("WHEN {state} IN ('SF', 'S1', 'S2', 'S3', 'RSTO', 'RSTR') THEN 'established'"),
        ]));
    }
    let mut whens = Vec::new();
    let acts = |column: &&Column| column.ty() == Type::String && ACTIONS.contains(&column.plain().as_str());
    let action = columns.iter().find(acts).map(Column::value);
    if let Some(action) = &action {
        whens.push(format!("WHEN UPPER({action}) IN ({REFUSED}) THEN 'refused'"));
        whens.push(format!("WHEN UPPER({action}) IN ({DROPPED}) THEN 'unanswered'"));
    }
    if let Some(rx) = feeding(columns, "rx_bytes").map(Column::value) {
        if let Some(flags) = feeding(columns, "tcp_flags").map(Column::value) {
            let flags = format!("COALESCE({flags}, 0)");
            // RST 4, FIN 1, PSH 8, SYN 2, ACK 16; 120 bytes are at most three packets without data.
            let small = format!("COALESCE({rx}, 0) <= 120");
            whens.push(format!("WHEN ({flags} & 4) != 0 AND ({flags} & 9) = 0 AND {small} THEN 'refused'"));
            whens.push(format!("WHEN ({flags} & 18) = 2 THEN 'unanswered'"));
            whens.push(format!("WHEN ({flags} & 16) != 0 AND ({flags} & 9) != 0 THEN 'established'"));
            whens.push(format!("WHEN {flags} = 0 AND {rx} = 0 THEN 'unanswered'"));
        } else {
            whens.push(format!("WHEN {rx} = 0 THEN 'unanswered'"));
        }
        whens.push(format!("WHEN {rx} > 120 THEN 'established'"));
    }
    whens.extend(action.map(|action| format!("WHEN UPPER({action}) IN ({ALLOWED}) THEN 'established'")));
    (!whens.is_empty()).then(|| cases(&whens))
}

fn cases(whens: &[String]) -> String {
    format!("CASE\n    {}\n    ELSE 'unknown'\n  END", whens.join("\n    "))
}

/// A duration in seconds.
fn duration(columns: &[Column]) -> Option<&Column> {
    columns.iter().find(|column| column.ty() == Type::Float64 && column.plain() == "duration")
}

fn end_of(start: &Column, duration: &Column) -> String {
    let (start, duration) = (start.value(), duration.value());
    let micros = format!("CAST(LEAST(GREATEST(COALESCE({duration}, 0.0), 0.0), 31536000.0) * 1000000.0 AS INT64)");
    format!("TIMESTAMP_ADD({start}, INTERVAL {micros} MICROSECOND)")
}
