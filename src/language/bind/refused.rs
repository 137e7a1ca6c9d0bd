//! Scalar functions that are refused by name: those of other dialects, and those of BigQuery that cannot be the same here.

use crate::language::NETWORKS;

/// Names (one that ends with `*` stands for all that begin so), why, and what to write.
struct Refused {
    names: &'static [&'static str],
    /// Behind the name.
    why: &'static str,
    help: &'static str,
}

const fn refused(names: &'static [&'static str], why: &'static str, help: &'static str) -> Refused {
    Refused { names, why, help }
}

/// One of another dialect, or one that has the same meaning as another.
const fn instead(names: &'static [&'static str], help: &'static str) -> Refused {
    refused(names, "is not supported", help)
}

const CLOCK: &str = "depends on the clock, so a replay would differ";
const RUN: &str = "differs at each run";
const ARRAYS: &str = "takes or makes an array, and arrays are not supported";
const DATETIMES: &str = "is of DATETIME, which has no zone and is not supported";
const SUFFIXES: &str = "depends on a list of public suffixes, which changes";
const SKETCHES: &str = "makes sketches, which are not supported";
const GEOGRAPHY: &str = "is of GEOGRAPHY, which is not supported";
const CIVIL: &str = "is of TIME, which is not supported";
const JSON: &str = "takes or makes a value of type JSON, or text that engines write differently";
const UNICODE: &str = "depends on Unicode's version";

static REFUSED: &[Refused] = &[
    refused(
        &[
            "CURRENT_TIMESTAMP",
            "NOW",
            "CURRENT_DATE",
            "CURRENT_TIME",
            "CURRENT_DATETIME",
            "GETDATE",
            "SYSDATE",
            "TODAY",
        ],
        CLOCK,
        "use the row's event_time",
    ),
    refused(&["RAND", "RANDOM", "GENERATE_UUID", "UUID", "NEWID"], RUN, "FARM_FINGERPRINT(x) spreads values"),
    refused(&["SESSION_USER", "CURRENT_USER", "USER"], "depends on who runs it", "write the name as a @param"),
    refused(
        &["CIDRMATCH", "CIDR_MATCH", "IPV4_IS_IN_RANGE", "IPV4_IS_MATCH", "ISIPADDRESSINRANGE", "INET_CONTAINS"],
        "is not supported",
        NETWORKS,
    ),
    // Strings.
    instead(&["ISNULL"], "write x IS NULL, or IFNULL(x, y)"),
    instead(&["NOTNULL", "ISNOTNULL"], "write x IS NOT NULL"),
    instead(&["NVL"], "write IFNULL(x, y)"),
    instead(&["NVL2"], "write IF(x IS NOT NULL, a, b)"),
    instead(&["ZEROIFNULL"], "write IFNULL(x, 0)"),
    instead(&["NULLIFZERO"], "write NULLIF(x, 0)"),
    instead(&["IIF"], "write IF(condition, a, b)"),
    instead(&["DECODE"], "write CASE x WHEN a THEN b ELSE c END"),
    instead(&["XOR"], "write a != b"),
    instead(&["ILIKE"], "write LOWER(x) LIKE 'pattern'"),
    instead(&["POSITION", "CHARINDEX", "LOCATE", "INDEXOF"], "write STRPOS(text, part)"),
    instead(&["CONTAINS_SUBSTR"], "write STRPOS(LOWER(text), 'part') > 0"),
    instead(&["CONTAINS", "HAS"], "write STRPOS(text, part) > 0"),
    instead(&["STARTSWITH"], "write STARTS_WITH(text, part)"),
    instead(&["ENDSWITH"], "write ENDS_WITH(text, part)"),
    instead(
        &["REGEXP_LIKE", "REGEXP_MATCHES", "REGEXP", "RLIKE", "REGEX_MATCH"],
        "write REGEXP_CONTAINS(x, r'pattern')",
    ),
    refused(&["REGEXP_EXTRACT_ALL"], ARRAYS, "write REGEXP_EXTRACT(x, r'pattern', 1, n) for the match with number n"),
    instead(&["LEN", "STRLEN"], "write LENGTH(x)"),
    instead(&["UCASE"], "write UPPER(x)"),
    instead(&["LCASE"], "write LOWER(x)"),
    instead(&["SPLIT_PART"], "write SPLIT(text, delimiter)[SAFE_OFFSET(n)], n from 0"),
    instead(&["SPLIT"], "write SPLIT(text, delimiter)[SAFE_OFFSET(n)]"),
    instead(&["CONCAT_WS"], "write a || ',' || b"),
    refused(&["FORMAT"], "has forms that engines print differently", "write CONCAT, CAST(x AS STRING) and LPAD"),
    instead(&["TO_CHAR", "DATE_FORMAT", "STRFTIME"], "write FORMAT_TIMESTAMP('%F %T', t)"),
    instead(&["PRINTF", "SPRINTF"], "write CONCAT, CAST(x AS STRING) and LPAD"),
    refused(&["COLLATE"], "changes how texts compare: here it is by bytes", "write LOWER(x) to compare without case"),
    refused(&["NORMALIZE", "NORMALIZE_AND_CASEFOLD"], UNICODE, "write LOWER(x)"),
    refused(
        &["EDIT_DISTANCE", "LEVENSHTEIN"],
        "is not in the reference that answers are compared with",
        "write SOUNDEX(a) = SOUNDEX(b), or a lookup of names",
    ),
    refused(&["TO_CODE_POINTS", "CODE_POINTS_TO_STRING", "CODE_POINTS_TO_BYTES"], ARRAYS, "write UNICODE(x) or CHR(n)"),
    instead(&["TO_BASE32", "FROM_BASE32"], "write TO_BASE64(x) or TO_HEX(x)"),
    instead(&["HEX"], "write TO_HEX(x)"),
    instead(&["UNHEX"], "write FROM_HEX(x)"),
    instead(&["BASE64_ENCODE", "B64ENCODE"], "write TO_BASE64(x)"),
    instead(&["BASE64_DECODE", "B64DECODE"], "write FROM_BASE64(x)"),
    instead(&["SHA", "SHA2"], "write SHA256(x)"),
    instead(&["TRY_CAST", "TRY_TO_NUMBER"], "write SAFE_CAST(x AS type)"),
    instead(&["TO_NUMBER", "TO_INT", "TOINT64"], "write CAST(x AS type)"),
    // Numbers.
    instead(&["LOG2"], "write LOG(x, 2)"),
    instead(&["LOG1P"], "write LN(1 + x)"),
    instead(&["TRUNCATE"], "write TRUNC(x, digits)"),
    instead(&["SQUARE"], "write x * x"),
    instead(&["PI"], "write ACOS(-1)"),
    instead(&["RADIANS"], "write x * ACOS(-1) / 180"),
    instead(&["DEGREES"], "write x * 180 / ACOS(-1)"),
    instead(&["COT", "COTH", "CSC", "CSCH", "SEC", "SECH"], "write it with SIN, COS and TAN, and SAFE_DIVIDE"),
    instead(&["ASINH", "ACOSH", "ATANH"], "write it with LN and SQRT"),
    instead(&["IEEE_DIVIDE"], "write SAFE_DIVIDE(a, b)"),
    refused(&["RANGE_BUCKET"], ARRAYS, "write CASE WHEN x < 10 THEN 0 WHEN x < 100 THEN 1 ELSE 2 END"),
    instead(&["WIDTH_BUCKET"], "write FLOOR(x / width)"),
    instead(&["BITAND", "BITOR", "BITXOR", "BITNOT"], "write a & b, a | b, a ^ b or ~a"),
    instead(&["HASH", "XXHASH64", "MURMUR3", "CITYHASH64"], "write FARM_FINGERPRINT(x)"),
    // Times.
    refused(
        &["DATETIME", "DATETIME_*", "PARSE_DATETIME", "FORMAT_DATETIME"],
        DATETIMES,
        "write TIMESTAMP, which is UTC",
    ),
    refused(&["TIME", "TIME_*", "PARSE_TIME", "FORMAT_TIME"], CIVIL, "write EXTRACT(HOUR FROM t)"),
    instead(&["DATEDIFF"], "write DATE_DIFF(a, b, DAY) or TIMESTAMP_DIFF(a, b, SECOND)"),
    instead(&["DATEADD"], "write DATE_ADD(d, INTERVAL n DAY) or TIMESTAMP_ADD(t, INTERVAL n HOUR)"),
    instead(&["DATETRUNC"], "write TIMESTAMP_TRUNC(t, part) or DATE_TRUNC(d, part)"),
    instead(
        &["DATE_PART", "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "WEEK", "QUARTER", "DAYOFWEEK", "DAYOFYEAR"],
        "write EXTRACT(part FROM t)",
    ),
    instead(&["TO_TIMESTAMP", "FROM_UNIXTIME"], "write TIMESTAMP_SECONDS(n) or CAST(x AS TIMESTAMP)"),
    instead(&["UNIX_TIMESTAMP", "TO_UNIXTIME", "EPOCH"], "write UNIX_SECONDS(t)"),
    instead(&["STR_TO_DATE", "TO_DATE", "STRPTIME"], "write PARSE_DATE('%Y-%m-%d', x)"),
    refused(
        &["TIMESTAMP_BUCKET", "DATE_BUCKET", "DATE_BIN", "TIME_BUCKET"],
        "counts from an origin that engines choose differently: BigQuery from 1950",
        "write TIMESTAMP_TRUNC(t, HOUR), or TIMESTAMP_SECONDS(DIV(UNIX_SECONDS(t), 300) * 300)",
    ),
    refused(
        &["MAKE_INTERVAL", "JUSTIFY_*"],
        "makes an INTERVAL, which stands only beside a time",
        "write t + INTERVAL 5 MINUTE",
    ),
    refused(
        &["GENERATE_DATE_ARRAY", "GENERATE_TIMESTAMP_ARRAY", "GENERATE_ARRAY"],
        ARRAYS,
        "write a window: `every: 5m`",
    ),
    // Addresses.
    refused(
        &["NET.HOST", "NET.REG_DOMAIN", "NET.PUBLIC_SUFFIX"],
        SUFFIXES,
        "write REGEXP_EXTRACT(x, r'[^.]+\\.[^.]+$') for the last two labels",
    ),
    instead(&["NET.IPV4_TO_STRING", "INET_NTOA"], "write NET.IP_TO_STRING(x)"),
    instead(&["INET_ATON"], "write NET.IPV4_TO_INT64(NET.IP_FROM_STRING(x))"),
    instead(&["NET.IP_IN_NET", "NET.MAKE_NET"], "write in_cidr(ip, '10.0.0.0/8')"),
    instead(&["HAVERSINE", "GEODISTANCE", "GEO_DISTANCE"], "write geo_km(lat1, lon1, lat2, lon2)"),
    refused(&["ST_*"], GEOGRAPHY, "write geo_km(lat1, lon1, lat2, lon2) for a distance"),
    // What is not a scalar.
    refused(
        &[
            "ARRAY",
            "UNNEST",
            "ARRAY_CONCAT",
            "ARRAY_LENGTH",
            "ARRAY_REVERSE",
            "ARRAY_TO_STRING",
            "ARRAY_FIRST",
            "ARRAY_LAST",
        ],
        ARRAYS,
        "write scalar values",
    ),
    refused(&["ARRAY_CONTAINS", "ARRAY_INCLUDES"], ARRAYS, "write x IN (a, b, …)"),
    refused(&["STRUCT"], "makes a struct, which is not supported", "write scalar values"),
    refused(
        &["APPROX_TOP_COUNT", "APPROX_TOP_SUM"],
        "makes an array, in another order on each engine",
        "make the value part of a feature's key, and rank its rows",
    ),
    refused(&["HLL_COUNT.*", "KLL_QUANTILES.*"], SKETCHES, "write APPROX_COUNT_DISTINCT(x)"),
    instead(&["JSON_EXTRACT_SCALAR", "GET_JSON_OBJECT", "JSON_UNQUOTE"], "write JSON_VALUE(json, '$.a')"),
    refused(
        &[
            "JSON_EXTRACT",
            "JSON_QUERY_ARRAY",
            "JSON_EXTRACT_ARRAY",
            "JSON_VALUE_ARRAY",
            "JSON_EXTRACT_STRING_ARRAY",
            "PARSE_JSON",
            "TO_JSON",
            "TO_JSON_STRING",
            "JSON_TYPE",
            "JSON_OBJECT",
            "JSON_ARRAY",
            "JSON_KEYS",
            "LAX_*",
        ],
        JSON,
        "write JSON_VALUE(json, '$.a.b[0]') for one value, JSON_QUERY for what it stands in",
    ),
    refused(&["ERROR"], "fails the query", "write a rule's condition, or NULL"),
    refused(&["NET.PARSE_*", "PARSE_URL", "PARSE_URI"], "is not supported", "write REGEXP_EXTRACT(x, r'://([^/]+)')"),
    refused(&["AEAD.*", "KEYS.*"], "needs keys", "decrypt before ingestion"),
    refused(&["ML.*", "AI.*"], "needs a model", "write the score as a lookup"),
];

/// Message and help.
pub(super) fn by_name(upper: &str) -> Option<(String, String)> {
    let is = |name: &&str| match name.strip_suffix('*') {
        Some(start) => upper.starts_with(start),
        None => *name == upper,
    };
    let found = REFUSED.iter().find(|refused| refused.names.iter().any(is))?;
    Some((format!("{upper} {}", found.why), found.help.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{REFUSED, by_name};
    use crate::diagnostic::{FileId, Text};
    use crate::language::codes;
    use crate::language::function::named;
    use crate::language::{Scope, bind_expression};

    /// Calls whose syntax is not a plain call's in sqlparser.
    const FORMS: [(&str, &str); 6] = [
        ("POSITION", "POSITION('a', 'b')"),
        ("TRY_CAST", "TRY_CAST('a' AS INT64)"),
        ("ARRAY", "ARRAY(SELECT 1)"),
        ("STRUCT", "STRUCT(1)"),
        ("COLLATE", "COLLATE('a', 'und:ci')"),
        ("UNNEST", "UNNEST(1)"),
    ];

    #[test]
    fn every_refused_name_says_what_to_write() {
        let mut wrong = Vec::new();
        for name in REFUSED.iter().flat_map(|refused| refused.names) {
            let called = name.replace('*', "ANYTHING");
            let sql = FORMS
                .iter()
                .find(|(of, _)| of == name)
                .map_or(format!("{called}('a', 1)"), |(_, sql)| (*sql).to_owned());
            let mut diagnostics = Vec::new();
            let text = Text::verbatim(&sql, FileId(0), 0);
            let bound = bind_expression(&text, &Scope::over("t", &[]), &mut diagnostics);
            let said = diagnostics.first();
            let helps = said.is_some_and(|d| d.code == codes::REFUSED && !d.help.is_empty());
            if bound.is_some() || !helps || named(&called).is_some() || by_name(&called).is_none() {
                wrong.push(format!("{sql}: {diagnostics:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<&str> = REFUSED.iter().flat_map(|refused| refused.names).copied().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    /// What a help says to write is a function that there is.
    #[test]
    fn replacements_exist() {
        for refused in REFUSED {
            for (at, _) in refused.help.match_indices('(') {
                let before = &refused.help[..at];
                let start =
                    before.rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.')).map_or(0, |i| i + 1);
                let name = &before[start..];
                let known = [
                    "",
                    "IN",
                    "CAST",
                    "SAFE_CAST",
                    "SPLIT",
                    "EXTRACT",
                    "SAFE_OFFSET",
                    "APPROX_COUNT_DISTINCT",
                    "AVG",
                    "r",
                ];
                assert!(known.contains(&name) || named(name).is_some(), "{name} in: {}", refused.help);
            }
        }
    }
}
