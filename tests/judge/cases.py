"""The expressions that record.py asks about, and the rows they run over."""
import itertools

INTS = ["0", "1", "-1", "2", "3", "-7", "7", "80", "443", "65535", "-9223372036854775808", "9223372036854775807",
        "4611686018427387904", "255", "63", None]
SMALL = ["0", "1", "2", "-2", "5", "64", "63", "-1", None]
FLOATS = ["0.0", "-0.0", "1.0", "-1.5", "2.5", "0.5", "-0.5", "3.14159", "1e308", "-1e308", "1e-320", "1234.5678",
          "0.1", "inf", "-inf", "nan", "1e15", "123456789012345680.0", None]
TAME = ["0.0", "1.0", "-1.5", "2.5", "0.5", "-0.5", "3.14159", "1234.5678", "0.1", "100.0", "8.0", "1e10", None]
STRINGS = ["", "a", "A", "abc", "ABC", "aBc123", "10.0.0.1", "évil.example", "日本語", "a%b_c", "  padded  ", "a.b.c",
           "x\\y", "🙂ok", "ß", "1", "-12", "abcabc", "\ttab\n", None]
TEXTS = ["a", "abc", "a.b.c", "evil.example.com", "GET /index.html", "10.0.0.1", "日本語", "aaa", "", "a1b22c333", None]
PARTS = ["", "a", "b", ".", "c", "abc", "日", "zzz", None]
BYTES = ["", "00", "ff", "0a000001", "20010db8000000000000000000000001", "616263", "deadbeef", None]
MOMENTS = ["0", "1", "-1", "1767225599999999", "1767225600000000", "1772323200000000", "951782400000000",
           "-62135596800000000", "253402300799999999", "-86400000001", "1704067200123456", "1735603199000000",
           "4102444800000000", None]
DAYS = ["0", "-1", "20454", "11016", "-719162", "2932896", "19723", "20088", None]
BOOLS = ["true", "false", None]
ADDRESSES = ["10.0.0.1", "255.255.255.255", "0.0.0.0", "192.168.1.10", "010.0.0.1", "10.0.0", "10.0.0.256", "1.2.3.4.5",
             "::", "::1", "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "::ffff:10.0.0.1", "fe80::1%eth0", "::1.2.3.4", "",
             " 10.0.0.1", "10.0.0.1 ", "1:2:3:4:5:6:7:8", "1::8", "2001:0db8:0000:0000:0001:0000:0000:0001", "abc",
             "64:ff9b::1.2.3.4", "1:0:0:2:0:0:0:3", None]
NUMERALS = ["0", "12", "-12", "+12", " 12 ", "1e3", "1.5", "", "abc", "0x1F", "-0x1F", "0x1.8p3", "-0x0", "0x", "0x1p",
            "0x20000000000003", "0xFFFFFFFFFFFFFFFFF", "0x1.fffffffffffff8p1023", "0x1.00001p-1075", "0x.8", "+0X1.", "9223372036854775807",
            "9223372036854775808", "inf", "-inf", "nan", "NaN", "infinity", ".5", "5.", "1_000", "1e400", "--1", "1e-400",
            "12abc", "true", "TRUE", "False", "t", "1 2", "\t7\n", None]
TIMES = ["1970-01-01", "1970-01-01 00:00:00", "1970-01-01T00:00:00Z", "1970-1-1 1:2:3", "2026-01-31 12:34:56.789",
         "2026-01-31 12:34:56.123456+02", "2026-01-31 12:34:56-05:30", "2026-01-31 12:34", "2026-01-31 12",
         "2026-02-30", "0001-01-01", "9999-12-31 23:59:59.999999", "10000-01-01", "2026-01-31 24:00:00",
         "2026-01-31 12:34:60", "2026-01-31 12:34:56 UTC", "2026-01-31 12:34:56+00:00", "2026-01-31 12:34:56.",
         "2026-01-31 12:34:56.1234567", " 2026-01-31", "2026-01-31 ", "26-01-31", "2026/01/31", "", "now",
         "2026-01-31t12:34:56z", "2026-01-31 12:34:56 +01", "2026-01-31+01", "2026-01-31 12:34:56+15",
         "2026-01-31 12:34:56Z", "2026-01-31 UTC", "2026-01-31Z",
         "2026-01-31 Z", "2026-01-31 12:34:56UTC", "2026-01-31 12:34:56 Z", "2026-01-31T12:34:56+01:00",
         "2026-01-31 12:34:56-0", "2026-01-31 12:34:56+1:0", "2026-01-31 12:34:56+0130", "2026-01-31 12:34:60.5",
         "2026-01-31 12:34:56.5+14", "0001-01-01 00:00:00+01", "2026-01-31 1:2:3.4", "2026-001-31", "2026-01-31  12:34:56", None]

DIGITS = ["0", "1", "2", "3", "5", "10", "17", "30", "60", "400", "-1", "-2", "-3", "-5", "-10", "-308", "-309",
          "-9223372036854775808", None]
LENGTHS = [15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 191, 192, 193, 256, 1000]

CASES = []


def add(expressions, columns, *pools, rows=None, tolerance=None, judged=None):
    """Adds expressions over rows made of the pools, one pool for each column."""
    if rows is None:
        rows = [list(row) for row in (zip(*pools) if len(pools) == 1 else itertools.product(*pools))]
    columns = [list(column) for column in columns]
    for expression in expressions:
        case = {"expression": expression, "columns": columns, "rows": rows}
        if judged:
            # What the judge is asked instead: it has no functions of our own.
            case["judged"] = judged
        if tolerance:
            case["tolerance"] = tolerance
        CASES.append(case)


def thin(*pools, step):
    """Every step-th of all combinations, the first always in."""
    return [list(row) for index, row in enumerate(itertools.product(*pools)) if index % step == 0]


INT2 = [("a", "INT64"), ("b", "INT64")]
FLOAT2 = [("a", "FLOAT64"), ("b", "FLOAT64")]
STRING2 = [("a", "STRING"), ("b", "STRING")]
COMPARISONS = ["a = b", "a != b", "a < b", "a <= b", "a > b", "a >= b", "a <> b"]
LIBRARY = "1e-12"


def comparison():
    add(COMPARISONS, INT2, rows=thin(INTS, INTS, step=7))
    add(COMPARISONS, FLOAT2, rows=thin(FLOATS, FLOATS, step=5))
    add(COMPARISONS, STRING2, rows=thin(STRINGS, STRINGS, step=11))
    add(COMPARISONS, [("a", "TIMESTAMP"), ("b", "TIMESTAMP")], rows=thin(MOMENTS, MOMENTS, step=7))
    add(COMPARISONS, [("a", "BYTES"), ("b", "BYTES")], rows=thin(BYTES, BYTES, step=3))
    add(["a = b", "a < b"], [("a", "BOOL"), ("b", "BOOL")], BOOLS, BOOLS)
    add(["a = b", "a >= b"], [("a", "DATE"), ("b", "DATE")], rows=thin(DAYS, DAYS, step=5))
    add(["a = 1.5", "a < 2.5", "a > 0", "a = 0", "a + 0.5 > 1"], [("a", "INT64")], INTS)
    add(["a BETWEEN 0 AND 100", "a NOT BETWEEN 0 AND 100", "a BETWEEN b AND 443"], INT2,
        rows=thin(INTS, INTS, step=7))
    add(["a IN (1, 2, 80, 443)", "a NOT IN (1, 2, 80, 443)", "a IN (80)"], [("a", "INT64")], INTS)
    add(["a IN ('a', 'abc', '日本語')", "a NOT IN ('a', '')"], [("a", "STRING")], STRINGS)
    add(["a IN (0, 2.5)", "a NOT IN (0.0, 1.0)", "a IN (a)"], [("a", "FLOAT64")], FLOATS)
    add(["a IN (b, 1)"], INT2, rows=thin(INTS, INTS, step=7))
    add(["a = '2026-01-01 00:00:00+00'", "a > '1970-01-01'", "a < TIMESTAMP '2026-01-01 00:00:00.000001+00'"],
        [("a", "TIMESTAMP")], MOMENTS)
    add(["a = '2026-01-01'", "a > DATE '1970-01-01'"], [("a", "DATE")], DAYS)


def logic():
    bools = [("a", "BOOL"), ("b", "BOOL"), ("c", "BOOL")]
    add(["a AND b", "a OR b", "NOT a", "a AND b AND c", "a OR b AND c", "NOT a OR b", "NOT (a AND c)",
         "(a OR b) AND (b OR c) AND (a OR c)", "a = b", "IF(a, b, c)", "CASE WHEN a THEN b ELSE c END",
         "COALESCE(a, b, c)", "IFNULL(a, b)", "NULLIF(a, b)"], bools, BOOLS, BOOLS, BOOLS)
    add(["a IS TRUE", "a IS NOT TRUE", "a IS FALSE", "a IS NOT FALSE", "a IS NULL", "a IS NOT NULL"], bools[:1], BOOLS)
    add(["a IS NULL", "a IS NOT NULL", "a IS NULL OR a > 1"], [("a", "INT64")], INTS)
    add(["IF(a > 0, 'up', 'down')", "IF(a > 0, a, NULL)", "IF(a = 0, 0, DIV(100, NULLIF(a, 0)))",
         "CASE a WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END", "CASE WHEN a > 1 THEN a END",
         "CASE WHEN a > 100 THEN 1 WHEN a > 0 THEN 2.5 ELSE 0 END", "NULLIF(a, 0)", "COALESCE(a, 5)", "IFNULL(a, -1)",
         "COALESCE(NULL, a)", "COALESCE(NULLIF(a, 1), NULLIF(a, 2), 3)", "IF(a < 100, a * 2, 0)",
         "CASE WHEN a IS NULL THEN -1 WHEN a > 4611686018427387903 THEN 0 WHEN a < -100 THEN 0 ELSE a * 2 END"],
        [("a", "INT64")], INTS)
    add(["NULLIF(a, 0)", "COALESCE(a, 1)", "GREATEST(a, 0)", "LEAST(a, 0.5)"], [("a", "FLOAT64")], FLOATS)
    add(["GREATEST(a, b)", "LEAST(a, b)", "GREATEST(a, b, 5)", "GREATEST(a, 1.5)"], INT2, rows=thin(INTS, INTS, step=5))
    add(["GREATEST(a, b)", "LEAST(a, b)"], FLOAT2, rows=thin(FLOATS, FLOATS, step=3))
    add(["GREATEST(a, b)", "LEAST(a, b)", "LEAST(a, b, 'b')"], STRING2, rows=thin(STRINGS, STRINGS, step=7))
    add(["GREATEST(a, b)", "LEAST(a, b)"], [("a", "TIMESTAMP"), ("b", "TIMESTAMP")], rows=thin(MOMENTS, MOMENTS, step=5))


def arithmetic():
    ints, floats = thin(INTS, INTS, step=3), thin(FLOATS, FLOATS, step=4)
    binary = ["a + b", "a - b", "a * b", "SAFE_ADD(a, b)", "SAFE_SUBTRACT(a, b)", "SAFE_MULTIPLY(a, b)",
              "SAFE_DIVIDE(a, b)", "a / NULLIF(b, 0)"]
    add(binary + ["DIV(a, NULLIF(b, 0))", "MOD(a, NULLIF(b, 0))", "a & b", "a | b", "a ^ b", "a + b * 2", "a - b - 1",
                  "a | b & 3", "a ^ b | 1", "a & 1 = 1", "a + 1 << 2"], INT2, rows=ints)
    add(binary, FLOAT2, rows=floats)
    add(["-a", "SAFE_NEGATE(a)", "ABS(a)", "SIGN(a)", "~a", "BIT_COUNT(a)", "a / 2", "a / 2.5", "DIV(a, 2)", "DIV(a, -3)",
         "MOD(a, 10)", "MOD(a, -3)", "a * 1.5", "a + 1", "a - 1", "2 * a", "+a", "- -a", "DIV(a, -1)", "MOD(a, -1)"],
        [("a", "INT64")], INTS)
    add(["-a", "SAFE_NEGATE(a)", "ABS(a)", "SIGN(a)", "a / 2", "a / 0.1", "IS_NAN(a)", "IS_INF(a)", "a + a", "a * a"],
        [("a", "FLOAT64")], FLOATS)
    add(["a << b", "a >> b"], INT2, rows=thin(INTS, SMALL, step=2))
    add(["BIT_COUNT(a)"], [("a", "BYTES")], BYTES)


def mathematics():
    add(["ROUND(a)", "TRUNC(a)", "FLOOR(a)", "CEIL(a)", "CEILING(a)"], [("a", "FLOAT64")], FLOATS)
    add(["FLOOR(a)", "ROUND(a)", "SQRT(a)", "POW(a, 2)"], [("a", "INT64")], INTS, tolerance=LIBRARY)
    add(["SQRT(a)", "EXP(a)", "LN(a)", "LOG10(a)", "LOG(a)", "LOG(a, 2)", "LOG(a, 10)", "POW(a, 2)", "POWER(a, 0.5)",
         "POW(2, a)"], [("a", "FLOAT64")], FLOATS, tolerance=LIBRARY)
    add(["POW(a, b)", "LOG(a, b)"], FLOAT2, rows=thin(FLOATS, FLOATS, step=5), tolerance=LIBRARY)
    add(["POW(a, b)", "LOG(a, b)", "SQRT(ABS(a)) + b", "EXP(a / 100) * b"], FLOAT2, rows=thin(TAME, TAME, step=3),
        tolerance=LIBRARY)


def strings():
    add(["LENGTH(a)", "CHAR_LENGTH(a)", "CHARACTER_LENGTH(a)", "BYTE_LENGTH(a)", "LOWER(a)", "UPPER(a)", "TRIM(a)",
         "LTRIM(a)", "RTRIM(a)", "REVERSE(a)", "TRIM(a, 'ac ')", "LTRIM(a, 'a')", "RTRIM(a, 'c1')", "CONCAT(a, 'x')",
         "a || '-' || a", "CONCAT(a)", "SUBSTR(a, 2)", "SUBSTR(a, -2)", "SUBSTR(a, 0)", "SUBSTR(a, 1, 1)",
         "SUBSTR(a, -3, 2)", "SUBSTR(a, 0, 2)", "SUBSTR(a, 100)", "SUBSTR(a, -100)", "SUBSTR(a, -100, 2)",
         "SUBSTRING(a, 2, 0)", "SUBSTR(a, 2, 9223372036854775807)", "LEFT(a, 2)", "RIGHT(a, 2)", "LEFT(a, 0)",
         "LEFT(a, 100)", "RIGHT(a, 100)", "REPLACE(a, 'b', 'XY')", "REPLACE(a, '', 'x')", "REPLACE(a, 'bc', '')",
         "STARTS_WITH(a, 'a')", "ENDS_WITH(a, 'c')", "STRPOS(a, 'b')", "STRPOS(a, '語')",
         "a LIKE 'a%'", "a LIKE '%c'", "a LIKE '%b%'", "a LIKE 'a_c'", "a LIKE '_'", "a LIKE '%'", "a LIKE ''",
         "a LIKE 'a\\\\%b%'", "a NOT LIKE 'a%'", "a LIKE '%日_語%'", "a LIKE '%a%b%c%'", "a LIKE 'x\\\\\\\\y'",
         "a LIKE '___'", "a LIKE '%_1%'",
         "SPLIT(a, '.')[SAFE_OFFSET(0)]", "SPLIT(a, '.')[SAFE_OFFSET(1)]", "SPLIT(a, 'b')[SAFE_OFFSET(-1)]",
         "SPLIT(a, '')[SAFE_OFFSET(0)]", "SPLIT(a, '')[SAFE_OFFSET(1)]"],
        [("a", "STRING")], STRINGS)
    add(["SUBSTR(a, b)", "SUBSTR(a, 1, b)", "SUBSTR(a, b, 2)", "LEFT(a, b)", "RIGHT(a, b)",
         "SPLIT(a, '.')[SAFE_OFFSET(b)]"], [("a", "STRING"), ("b", "INT64")], rows=thin(STRINGS, SMALL, step=4))
    add(["CONCAT(a, b)", "a || b", "STARTS_WITH(a, b)", "ENDS_WITH(a, b)", "STRPOS(a, b)", "REPLACE(a, b, 'X')",
         "TRIM(a, b)", "SPLIT(a, b)[SAFE_OFFSET(1)]", "a LIKE b"], STRING2, rows=thin(TEXTS, PARTS, step=2))
    add(["LENGTH(a)", "BYTE_LENGTH(a)", "TO_HEX(a)", "REVERSE(a)", "SUBSTR(a, 2)", "SUBSTR(a, -2, 1)", "a || b'x'",
         "CONCAT(a, a)", "STARTS_WITH(a, b'\\xff')", "ENDS_WITH(a, b'\\x01')", "STRPOS(a, b'\\x00')", "LEFT(a, 1)",
         "RIGHT(a, 1)", "MD5(a)", "SHA256(a)", "SHA512(a)", "FARM_FINGERPRINT(a)", "SAFE_CAST(a AS STRING)",
         "CAST(a AS STRING)"], [("a", "BYTES")], BYTES)
    add(["MD5(a)", "SHA256(a)", "SHA512(a)", "FARM_FINGERPRINT(a)", "TO_HEX(MD5(a))", "TO_HEX(SHA256(CONCAT(a, '|', a)))"],
        [("a", "STRING")], STRINGS)
    add(["FROM_HEX(a)"], [("a", "STRING")], ["", "00", "0", "abc", "ABCDEF", "0g", "日", "deadBEEF", None])


def patterns():
    found = ["a", r"^a", r"\d+", r"[a-z]+\.[a-z]+", r"(?i)EVIL", r"\bGET\b", r"^$", r".", r"[^a-z]", r"\w+", r"\s",
             r"(a|b)+c", r"a{2,3}", r"x?", r"[[:digit:]]+", r"\.com$", r"日.", r"[\d.]+", r"[^\D]", r"\S+$",
             r"(?s)a.b", r"(?:a)(1)?"]
    for pattern in found:
        add([f"REGEXP_CONTAINS(a, r'{pattern}')"], [("a", "STRING")], TEXTS)
    for pattern in [r"\d+", r"([a-z]+)\.", r"^(\w+)", r"(?i)(get|post)", r"b*", r"(x)?a", r"[^.]+$", r".*", r"日(.)"]:
        add([f"REGEXP_EXTRACT(a, r'{pattern}')"], [("a", "STRING")], TEXTS)
    for pattern, other in [(r"\d", "#"), (r"a", ""), (r"b*", "-"), (r"(\w)(\w)", r"\2\1"), (r"\.", r"\\"), (r"^", ">"),
                           (r"(x)|a", r"[\1]"), (r"", "-"), (r"$", "!"), (r"a+", r"<\0>"), (r"日", "ni")]:
        add([f"REGEXP_REPLACE(a, r'{pattern}', r'{other}')"], [("a", "STRING")], TEXTS)


def casts():
    for to in ["INT64", "FLOAT64", "BOOL", "STRING", "BYTES"]:
        add([f"CAST(a AS {to})", f"SAFE_CAST(a AS {to})"], [("a", "STRING")], NUMERALS)
    for to in ["TIMESTAMP", "DATE"]:
        add([f"CAST(a AS {to})", f"SAFE_CAST(a AS {to})"], [("a", "STRING")], TIMES)
    add(["CAST(a AS INT64)", "SAFE_CAST(a AS INT64)", "CAST(a AS STRING)"], [("a", "FLOAT64")],
        FLOATS + ["1.5", "-2.5", "3.5", "9.223372036854775e18", "9.223372036854775807e18", "-9.3e18", "1e20", "1e21",
                  "123456.789", "1e-5", "0.0001", "1e100", "0.30000000000000004", "1e16", "12345678901234567.0",
                  "0.49999999999999994"])
    add(["CAST(a AS FLOAT64)", "CAST(a AS STRING)", "CAST(a AS BOOL)", "SAFE_CAST(a AS STRING)"], [("a", "INT64")], INTS)
    add(["CAST(a AS INT64)", "CAST(a AS STRING)"], [("a", "BOOL")], BOOLS)
    add(["CAST(a AS STRING)", "CAST(a AS DATE)", "DATE(a)"], [("a", "TIMESTAMP")], MOMENTS)
    add(["CAST(a AS STRING)", "CAST(a AS TIMESTAMP)"], [("a", "DATE")], DAYS)


def times():
    units = ["MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY"]
    dates = ["WEEK", "WEEK(MONDAY)", "WEEK(TUESDAY)", "WEEK(WEDNESDAY)", "WEEK(THURSDAY)", "WEEK(FRIDAY)",
             "WEEK(SATURDAY)", "ISOWEEK", "MONTH", "QUARTER", "YEAR", "ISOYEAR"]
    parts = ["DAYOFWEEK", "DAY", "DAYOFYEAR", "WEEK", "ISOWEEK", "MONTH", "QUARTER", "YEAR", "ISOYEAR"]
    time = [("a", "TIMESTAMP")]
    add([f"TIMESTAMP_TRUNC(a, {p})" for p in units + dates], time, MOMENTS)
    add([f"EXTRACT({p} FROM a)" for p in ["MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DATE"] + parts],
        time, MOMENTS)
    add([f"EXTRACT({p} FROM a)" for p in parts], [("a", "DATE")],
        DAYS + [str(d) for d in range(18625, 18640)] + ["20819", "20820", "21185", "-366", "-1000"])
    for unit in units:
        add([f"TIMESTAMP_ADD(a, INTERVAL b {unit})", f"TIMESTAMP_SUB(a, INTERVAL b {unit})"],
            time + [("b", "INT64")], rows=thin(MOMENTS, SMALL, step=5))
        add([f"TIMESTAMP_DIFF(a, b, {unit})"], time + [("b", "TIMESTAMP")], rows=thin(MOMENTS, MOMENTS, step=5))
    add(["a + INTERVAL 90 SECOND", "a - INTERVAL 1 DAY", "a - INTERVAL 5 MINUTE > TIMESTAMP '1970-01-01'",
         "UNIX_MICROS(a)", "UNIX_MILLIS(a)", "UNIX_SECONDS(a)",
         "TIMESTAMP_DIFF(a, TIMESTAMP '2026-01-01 00:00:00+00', SECOND)"], time, MOMENTS)
    add(["TIMESTAMP_MICROS(a)", "TIMESTAMP_MILLIS(a)", "TIMESTAMP_SECONDS(a)"], [("a", "INT64")],
        INTS + ["-62135596800", "253402300799", "-62135596801", "253402300800", "1767225600", "1767225600123"])
    add(["DATE(a, b, 15)", "DATE(2024, b, a)"], INT2, rows=thin(["2024", "1", "0", "9999", "10000", "29", "31", None],
                                                                ["1", "2", "12", "13", "0", None], step=1))


def networks():
    add(["NET.SAFE_IP_FROM_STRING(a)", "NET.IP_FROM_STRING(a)", "NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(a))",
         "NET.IP_TO_STRING(NET.IP_FROM_STRING(a))", "LENGTH(NET.SAFE_IP_FROM_STRING(a)) = 4",
         "NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(a), 24)",
         "NET.IP_TO_STRING(NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(a), 12))",
         "NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(a), 64)",
         "NET.SAFE_IP_FROM_STRING(a) & NET.IP_NET_MASK(4, 8) IS NULL"][:8], [("a", "STRING")], ADDRESSES)
    add(["NET.IP_TO_STRING(a)", "NET.IPV4_TO_INT64(a)", "NET.IP_TRUNC(a, 7)", "NET.IP_TRUNC(a, 0)"],
        [("a", "BYTES")], BYTES + ["7f000001", "00000000000000000000ffff0a000001", "00000000000000000000000001020304"])
    add(["NET.IPV4_FROM_INT64(a)", "NET.IP_TO_STRING(NET.IPV4_FROM_INT64(a))"], [("a", "INT64")],
        INTS + ["4294967295", "4294967296", "-2147483648", "-2147483649", "16909060"])
    add(["NET.IP_NET_MASK(a, b)"], INT2, rows=thin(["4", "16", "5", None], ["0", "8", "12", "32", "33", "64", "128", "129",
                                                                          "-1", None], step=1))


add(["ROUND(a, b)", "TRUNC(a, b)"], [("a", "FLOAT64"), ("b", "INT64")], FLOATS + ["2.675", "1.005", "-358.375", "2.345",
    "0.125", "99.995", "61728394506172840.0", "1e-10", "1000000000000000.2", "55555.5"], DIGITS)
add(["LOG(a, b)"], FLOAT2, rows=[["inf", "1.0"], ["2.0", "1.0"], ["inf", "2.0"], ["inf", "0.5"], ["-inf", "1.0"]], tolerance="1e-12")
add(["FARM_FINGERPRINT(a)"], [("a", "STRING")], rows=[["ab1c" * (n // 4) + "ab1c"[:n % 4]] for n in LENGTHS])


def safe():
    add(["SAFE.LN(a)", "SAFE.SQRT(a)", "SAFE.EXP(a)", "SAFE.POW(a, a)", "SAFE.LOG10(a) + 1", "SAFE.ROUND(a, -308)",
         "COALESCE(SAFE.LN(a), -1.0)", "SAFE.LN(a) IS NULL"], [("a", "FLOAT64")], FLOATS, tolerance=LIBRARY)
    add(["SAFE.LN(LN(a))"], [("a", "FLOAT64")], FLOATS, tolerance=LIBRARY)
    add(["SAFE.DIV(a, b)", "SAFE.MOD(a, b)"], INT2, rows=thin(INTS, INTS, step=3))
    add(["SAFE.ABS(a)", "SAFE.TIMESTAMP_SECONDS(a)", "SAFE.NET.IPV4_FROM_INT64(a)", "SAFE.TIMESTAMP_MICROS(a) IS NULL",
         "IF(SAFE.ABS(a) IS NULL, 0, a)"], [("a", "INT64")], INTS)
    add(["SAFE.SUBSTR(a, 1, b)", "SAFE.LEFT(a, b)", "safe.right(a, b)"], [("a", "STRING"), ("b", "INT64")],
        rows=thin(STRINGS, SMALL, step=4))
    add(["SAFE.FROM_HEX(a)", "SAFE.NET.IP_FROM_STRING(a)", "NET.IP_TO_STRING(SAFE.NET.IP_FROM_STRING(a))"],
        [("a", "STRING")], ADDRESSES + ["00", "abc"])
    add(["SAFE.REGEXP_REPLACE(a, r'(b)', b)"], STRING2, rows=thin(TEXTS, [r"\1", r"\2", "x\\", "", None], step=1))
    add(["SAFE.TIMESTAMP_ADD(a, INTERVAL b DAY)", "SAFE.TIMESTAMP_DIFF(a, TIMESTAMP '2000-01-01 00:00:00+00', MICROSECOND)"],
        [("a", "TIMESTAMP"), ("b", "INT64")], rows=thin(MOMENTS, SMALL, step=3))
    add(["SAFE.DATE(a, b, 30)"], INT2, rows=thin(["2024", "1", "0", "10000", None], ["1", "2", "13", None], step=1))


WEEKS = ["WEEK", "WEEK(MONDAY)", "WEEK(TUESDAY)", "WEEK(WEDNESDAY)", "WEEK(THURSDAY)", "WEEK(FRIDAY)", "WEEK(SATURDAY)",
         "WEEK(SUNDAY)", "ISOWEEK"]
CALENDAR = DAYS + [str(d) for d in range(18618, 18634)] + ["20819", "-366", "-719161", "-719156", "2932895", "2932890",
                                                          "20484", "20512", "20543"]


def dates():
    periods = WEEKS + ["MONTH", "QUARTER", "YEAR", "ISOYEAR"]
    date, dates = [("a", "DATE")], [("a", "DATE"), ("b", "DATE")]
    add([f"DATE_TRUNC(a, {p})" for p in ["DAY"] + periods] + [f"LAST_DAY(a, {p})" for p in periods] + ["LAST_DAY(a)"],
        date, CALENDAR)
    add([f"EXTRACT({p} FROM a)" for p in WEEKS], date, CALENDAR)
    add([f"EXTRACT({p} FROM a)" for p in WEEKS[1:4]], [("a", "TIMESTAMP")], MOMENTS)
    add([f"DATE_DIFF(a, b, {p})" for p in ["DAY"] + periods], dates, rows=thin(CALENDAR, CALENDAR, step=29))
    shifts = ["0", "1", "-1", "12", "13", "-25", "119988", "9223372036854775807", "-9223372036854775808", "-4294967297", None]
    for part in ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"]:
        add([f"DATE_ADD(a, INTERVAL b {part})", f"DATE_SUB(a, INTERVAL b {part})"], date + [("b", "INT64")],
            rows=thin(CALENDAR, shifts, step=7))
    add(["UNIX_DATE(a)", "TIMESTAMP(a)", "FORMAT_DATE('%Y-%m-%d %F %a %A %b %B %d %e %j %y %E4Y %u %w %V %G %U %W %D %h%%', a)",
         "FORMAT_DATE('', a)", "a IS DISTINCT FROM DATE '2026-01-01'", "SAFE.DATE_ADD(a, INTERVAL 1 YEAR)",
         "DATE_SUB(a, INTERVAL 1 DAY) < a"], date, CALENDAR[:14] + CALENDAR[20:])
    add(["DATE_FROM_UNIX_DATE(a)"], [("a", "INT64")], INTS + ["-719162", "-719163", "2932896", "2932897", "4294967296"])
    add(["TIMESTAMP(a)", "SAFE.TIMESTAMP(a)"], [("a", "STRING")], TIMES)
    add(["STRING(a)", "FORMAT_TIMESTAMP('%F %T', a)", "FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%E*SZ', a)",
         "FORMAT_TIMESTAMP('%a, %d %b %Y %I:%M %p %z %Z %Ez|%E1S %E2S %E3S %E4S %E5S %E6S %R|%s|%y %j %e %u %w', a)",
         "FORMAT_TIMESTAMP('%G-W%V-%u %U %W %A %B %h %D %E4Y é日 100%%', a)"], [("a", "TIMESTAMP")], MOMENTS)


def parsing():
    times = ["2026-01-05 09:08:07", " 2026-1-5   9:8:7 ", "2026-01-0509:08:07", "2026-01-05 09:08:07x", "2026-02-30 00:00:00",
             "2026-13-01 00:00:00", "0000-01-01 00:00:00", "10000-01-01 00:00:00", "9999-12-31 23:59:60",
             "2026-01-05 24:00:00", "2026-01-05 23:59:61", "2026-01-05 23:60:00", "", "2026-01-05\t09:08:07\n", None]
    add(["PARSE_TIMESTAMP('%F %T', a)", "SAFE.PARSE_TIMESTAMP('%F %T', a)", "PARSE_TIMESTAMP('%F', SUBSTR(a, 1, 10))",
         "PARSE_DATE('%F', LEFT(a, 10))"], [("a", "STRING")], times)
    fractions = ["2026-01-05T09:08:07.123456Z", "2026-01-05T09:08:07Z", "2026-01-05T09:08:07.Z", "2026-01-05T09:08:60.5Z",
                 "2026-01-05T09:08:07.1Z", "2026-01-05T09:08:07.1234567890123456789Z", "2026-01-05t09:08:07Z",
                 "2026-01-05T9:8:7.5Z", "2026-01-05T09:08:07.5z", None]
    add(["PARSE_TIMESTAMP('%Y-%m-%dT%H:%M:%E*SZ', a)"], [("a", "STRING")], fractions)
    logs = ["05/Jan/2026:09:08:07 +0200", "05/jan/2026:09:08:07 -0230", "5/JANUARY/2026:09:08:07+0200",
            "05/Jan/2026:09:08:07 +02", "05/Jan/2026:09:08:07 +2", "05/Jan/2026:09:08:07 +02:00", "05/Jan/2026:09:08:07 Z",
            "05/Foo/2026:09:08:07 +0000", "05/Jan/2026:09:08:07 +1401", "05/Jan/2026:09:08:07 -1400",
            "05/Jan/2026:09:08:07 +0060", "31/Jun/2026:09:08:07 +0000", "01/Jan/0001:00:00:00 +0100",
            "31/Dec/9999:23:59:59 -0100", "29/Feb/2024:00:00:00 +0000", "05/Sept/2026:09:08:07 +0000",
            " 05/Sep/2026:09:08:07    +0000 ", None]
    add(["PARSE_TIMESTAMP('%d/%b/%Y:%T %z', a)", "PARSE_TIMESTAMP('%e/%B/%Y:%H:%M:%S %z', a)"], [("a", "STRING")], logs)
    add(["PARSE_TIMESTAMP('%s', a)"], [("a", "STRING")],
        ["0", "1767604087", "-1", "+1", "1.5", "253402300799", "253402300800", "-62135596800", "-62135596801", " 5", "- 5",
         "99999999999999999999", "000000000005", "0000000000005", "-00000000005", "", None])
    add(["PARSE_DATE('%Y%m%d', a)", "PARSE_DATE('%d %b %Y', a)", "PARSE_TIMESTAMP('%Y', a)", "PARSE_TIMESTAMP('%Y%m', a)",
         "PARSE_TIMESTAMP('%m %d', a)", "PARSE_TIMESTAMP('%m-%e', a)", "PARSE_DATE('%Y-%m', a)", "PARSE_TIMESTAMP('%H', a)",
         "PARSE_TIMESTAMP('x%%y', a)", "PARSE_TIMESTAMP('%b%d', a)", "PARSE_TIMESTAMP('%R', a)"], [("a", "STRING")],
        ["20260105", "2026010", "20260230", "5 Jan 2026", "05 january 2026", "2026", "02026", "20266", "10000", "26", "0",
         "202612", "0202612", "1 2", "123", "12", "1- 5", "1-5", "2026-02", "2026-2", "3", "03", "003", "23", "24", "x%y", "x y",
         "mar5", "mar 5", "MARCH31", "5:6", "05:06", "", None])


def letters():
    add(["LPAD(a, b)", "RPAD(a, b)", "LPAD(a, b, 'xy')", "RPAD(a, b, '日本')", "LPAD(a, b, '')", "REPEAT(a, b)"],
        [("a", "STRING"), ("b", "INT64")], rows=thin(STRINGS, SMALL + ["3", "7", "-9223372036854775808",
                                                                      "9223372036854775807"], step=5))
    add(["LPAD(a, b)", "RPAD(a, b, b'xy')", "LPAD(a, b, a)", "REPEAT(a, b)"], [("a", "BYTES"), ("b", "INT64")],
        rows=thin(BYTES, SMALL, step=2))
    add(["LENGTH(LPAD('', a, 'é'))", "BYTE_LENGTH(RPAD('é', a, 'a'))", "LENGTH(REPEAT('a', a))", "LENGTH(LPAD(b'', a))",
         "REPEAT('', a)", "CHR(a)", "LENGTH(REPEAT('é', a))"], [("a", "INT64")],
        INTS + ["524288", "524289", "1048575", "1048576", "1048577", "55296", "1114111", "1114112", "233", "128512", "2147483648"])
    add(["LPAD(a, 3, b)", "TRANSLATE(a, b, 'xyz')", "TRANSLATE(a, 'abc', b)", "INITCAP(a, b)", "INSTR(a, b)",
         "INSTR(a, b, -1)", "INSTR(a, b, 2, 2)", "a IS DISTINCT FROM b", "a IS NOT DISTINCT FROM b"],
        STRING2, rows=thin(TEXTS + ["abcabc", "hello WORLD"], PARTS + ["bc", "aa", "o", "ab"], step=3))
    add(["INITCAP(a)", "ASCII(a)", "UNICODE(a)", "SOUNDEX(a)", "SAFE.ASCII(a)", "SHA1(a)", "TO_BASE64(CAST(a AS BYTES))",
         "FROM_BASE64(TO_BASE64(MD5(a)))", "TRANSLATE(a, 'abcé', 'xy')"], [("a", "STRING")],
        STRINGS + ["hello WORLD-foo_bar", "it's 3rd [x](y){z}<w>@a#b$c%d^e&f*g+h=i|j\\k~l`m\"n!o?p,q", "Robert", "Tymczak",
                   "Pfister", "Ashcraft", "Jackson", "VanDeusen", "éRobert", "bhb b", "ΑΣ ΑΣ", "ǆa", "ŉb ﬁa", "a　b", "1a",
                   "x\vy"])
    add(["INSTR(a, b, c)", "INSTR(a, b, c, 2)", "INSTR(a, b, 1, c)"],
        [("a", "STRING"), ("b", "STRING"), ("c", "INT64")],
        rows=thin(["banana", "abcabc", "日本日本", "aaa", "", None], ["an", "abc", "日", "aa", "", "zzz", None],
                  ["1", "2", "-1", "-2", "-3", "-4", "-7", "7", "4", "0", "100", "-100", "9223372036854775807",
                   "-9223372036854775808", None], step=2))
    add(["INSTR(a, b'\\x00')", "INSTR(a, b'', -1)", "TO_BASE64(a)", "SAFE_CONVERT_BYTES_TO_STRING(a)", "SHA1(a)",
         "a IS DISTINCT FROM b'abc'"], [("a", "BYTES")],
        BYTES + ["61ff62", "e69762", "f09f99", "eda080", "c080", "e697a5", "f09f9982", "80", "fffefd", "61e6"])
    add(["FROM_BASE64(a)", "SAFE.FROM_BASE64(a)"], [("a", "STRING")],
        ["YWJjZA==", "YWJjZA", "YW Jj\nZA==", "YWJj=", "_-8=", "", " ", "Y", "YQ=", "YQ", "Y=Q=", "YWI=", "YWI==", "=", "====",
         "YWJj====", "YX==", "YWJjZA==YWJj", "日", "YQ==\v", "Y Q = =", "+/8=", "abc.", "ab.=", "ab=.",
         "a.bc", "YWJj.", "....", "ab.", None])
    for columns, pool in [("FLOAT64", FLOATS), ("INT64", INTS), ("TIMESTAMP", MOMENTS), ("BOOL", BOOLS)]:
        add(["a IS DISTINCT FROM b", "a IS NOT DISTINCT FROM b", "a IS DISTINCT FROM NULL"], [("a", columns), ("b", columns)],
            rows=thin(pool, pool, step=1 if columns == "BOOL" else 4))
    add(["a IS DISTINCT FROM b AND c", "a IS NOT DISTINCT FROM b OR c", "a AND b IS DISTINCT FROM c OR a"],
        [("a", "BOOL"), ("b", "BOOL"), ("c", "BOOL")], BOOLS, BOOLS, BOOLS)
    add(["a IS NOT DISTINCT FROM 1.5", "NOT a IS DISTINCT FROM 1"], [("a", "INT64")], INTS)


def occurrences():
    texts = TEXTS + ["banana", "日a日a", "axaxax", "abcabc"]
    numbers = ["1", "2", "3", "7", "0", "-1", "100", "9223372036854775807", None]
    columns = [("a", "STRING"), ("b", "INT64")]
    for pattern in [r"a", r"an", r"^a", r"\ba\w", r"(a)n", r"a(x)", r"[a-z]+", r"\d", r"日", r"a(n)?x?", r"."]:
        add([f"REGEXP_EXTRACT(a, r'{pattern}', b)", f"REGEXP_EXTRACT(a, r'{pattern}', 1, b)",
             f"REGEXP_SUBSTR(a, r'{pattern}', 2, b)", f"REGEXP_INSTR(a, r'{pattern}', b)",
             f"REGEXP_INSTR(a, r'{pattern}', 1, b)", f"REGEXP_INSTR(a, r'{pattern}', 1, 1, b)"],
            columns, rows=thin(texts, numbers, step=5))
        add([f"REGEXP_INSTR(a, r'{pattern}')"], [("a", "STRING")], texts)


def angles():
    one = ["SIN(a)", "COS(a)", "TAN(a)", "ASIN(a)", "ACOS(a)", "ATAN(a)", "SINH(a)", "COSH(a)", "TANH(a)", "CBRT(a)"]
    add(one + ["SAFE.ASIN(a)", "SAFE.COSH(a)"], [("a", "FLOAT64")], FLOATS + ["-1.0", "0.999", "27.0", "-27.0", "710.0", "711.0"],
        tolerance=LIBRARY)
    add(one[:3], [("a", "INT64")], INTS, tolerance=LIBRARY)
    add(["ATAN2(a, b)"], FLOAT2, rows=thin(FLOATS, FLOATS, step=5), tolerance=LIBRARY)


def json():
    texts = ['{"a":{"b":[1,2]}}', '{"a":1.0}', '{"a":1e10}', '{"a":-0.0}', '{"a":true}', '{"a":null}', '{"a":"x\\u0041\\n"}',
             '{"a":"x"', '{"a":"x"} junk', 'junk', '', '"s"', '12345678901234567890123', '{"a":"x","a":"y"}', '{"a":[1,{"b":"x"}]}',
             '{"a b":"x"}', '{"0":"x"}', '["x"]', "{'a':1}", '{"a":1,}', '[1,2,]', '{"a":01}', '{"a":+1}', '{"a":.5}', '{"a":1.50}',
             '{"a":1E+2}', ' {"a" : "x"} ', '{"a":"\\ud83d\\ude00"}', '{"a":"\t"}', '{"a":"\\x"}', '{"a":1, "a":{"b":"y"}}',
             '{"a":"it\\\'s"}', '{"a":TRUE}', '{"a":truex}', '{"a":1x}', '{"a":1.}', '{"a":1e}', '{"a":-}', '{"a":-01}', '{"a":0x1F}',
             '{"a":{"c":1},"a":{"b":2}}', '{"a":null,"a":2}', '{"a":[],"a":2}', '{"b":zzz,"a":1}', '{"b":1 "a":1}', '{,"a":1}',
             '[,1]', '[1 2]', '[1,,2]', '{"b":[[1,],{"c":1,}],"a":1}', '{"b":"\\q\\v\\101\\8\\400\\xe9","a":1}',
             '{"a":"\\q\\v\\101\\8\\400\\xe9\\0"}', '{"\\u0061":"x"}', '{"a":"\\u12"}', '{"b":1e5,"a":1}', '{"b":1.,"a":1}',
             '{"a":{"b":[["deep"]]}}', '[[1],[2,{"b":3}]]', '{"a":"日本"}', '{"日":"本"}', '{"a":[5,[6]]}', '\v{"a":1}', '　{"a":1}',
             '{"a":"x\\/y\\b\\f\\r\\t"}', '{"a"', '{"a":', '[', '{"a":{"b":null}}', None]
    add(["JSON_VALUE(a, '$.a')", "JSON_VALUE(a, '$')", "JSON_VALUE(a)", "JSON_VALUE(a, '$.a.b')", "JSON_VALUE(a, '$.a[1].b')",
         "JSON_VALUE(a, '$[0]')", "JSON_VALUE(a, '$[1]')", "JSON_VALUE(a, '$[2]')", "JSON_VALUE(a, '$.0')",
         "JSON_VALUE(a, '$.\"a b\"')", "JSON_VALUE(a, '$.a.b[0][0]')", "JSON_VALUE(a, '$[1][1].b')", "JSON_VALUE(a, '$.日')",
         "SAFE_CAST(JSON_VALUE(a, '$.a') AS INT64)"], [("a", "STRING")], texts)
    texts += ['{"a":{"b" : "\\u00e9\\u0041\\/\\t", \'c\':1.50 , "d":[ 1,,2 ] }}', '{"a":{"x":"\\"<>&\\u2028\\u0001\\u007f\\ud83d\\ude00"}}',
              '{"a":{"k":1e400,"z":12345678901234567890123}}', '{"a":[1,2,]}', '{"a":[,]}', '{"a":{}}', '{"a":{"b":1,}}',
              '{"a":{"\\u0061":"\'"}}', '{"a":{"b":\'x"y\'}}', '{"a":[true,false,null]}', '{"a":[1]', '{"a":[1}', '{"a":[1],junk',
              '{"a":"<a href=\'\\">"}', '{"a":"\\\\"}', '{"a":"\u2028\u2029\x7f\x80"}', '{"a":"\\ud83dx"}', '{"a":[0.10,-0,1e5,1E+5]}',
              '[[2,{"b":{"c":[]}}],[3,[4]]]', '{"a b":{"日":"é"}}', '{"a" : [ { } , [ ] ] , "b" : nul}', '{"a":{"b":[[[5]]]}}']
    add(["JSON_QUERY(a, '$.a')", "JSON_QUERY(a, '$')", "JSON_QUERY(a, '$.a.b')", "JSON_QUERY(a, '$.a[1]')",
         "JSON_QUERY(a, '$[0]')", "JSON_QUERY(a, '$[1]')", "JSON_QUERY(a, '$.a[1].b')", "JSON_QUERY(a, '$.\"a b\"')",
         "JSON_QUERY(JSON_QUERY(a, '$.a'), '$.b')", "JSON_VALUE(JSON_QUERY(a, '$'), '$.a')", "JSON_QUERY(a, '$.日')"],
        [("a", "STRING")], texts)
    add(["JSON_VALUE(CONCAT('{\"b\":', REPEAT('[', a), REPEAT(']', a), ',\"a\":1}'), '$.a')",
         "SAFE.JSON_VALUE(CONCAT('{\"b\":', REPEAT('[', a), REPEAT(']', a), ',\"a\":1}'), '$.a')"],
        [("a", "INT64")], ["1", "100", "999", "1000", "5000", None])
    nested = "CONCAT('{\"b\":', REPEAT('[', a), REPEAT(']', a), ',\"a\":', REPEAT('[', a), REPEAT(']', a), '}')"
    add([f"LENGTH(JSON_QUERY({nested}, '$.a'))", f"LENGTH(JSON_QUERY({nested}, '$'))", f"SAFE.JSON_QUERY({nested}, '$.b')",
         f"LENGTH(JSON_QUERY({nested}, '$.b'))"], [("a", "INT64")], ["1", "100", "999", "1000", "5000", None])


SERVICES = {20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 53: "dns", 443: "https", 8080: "http-alt", 27017: "mongodb"}


def own():
    places = ["0.0", "-0.0", "52.52", "-33.8688", "90.0", "-90.0", "90.1", "1e308", "nan", "inf", "48.8566", None]
    angles = ["0.0", "13.405", "151.2093", "180.0", "-180.0", "180.5", "-0.1278", "-inf", None]
    radians = "(ACOS(-1) / 180)"
    distance = ("CASE WHEN lat1 BETWEEN -90 AND 90 AND lat2 BETWEEN -90 AND 90 AND lon1 BETWEEN -180 AND 180 AND lon2 BETWEEN -180 "
                "AND 180 THEN 2 * 6371.010 * ASIN(LEAST(1, SQRT(POW(SIN((lat2 - lat1) * R / 2), 2) + COS(lat1 * R) * COS(lat2 * R)"
                " * POW(SIN((lon2 - lon1) * R / 2), 2)))) END").replace("R", radians).replace("SQ" + radians + "T", "SQRT")
    columns = [("lat1", "FLOAT64"), ("lon1", "FLOAT64"), ("lat2", "FLOAT64"), ("lon2", "FLOAT64")]
    add(["geo_km(lat1, lon1, lat2, lon2)"], columns, rows=thin(places, angles, places, angles, step=97), tolerance="1e-9",
        judged=distance.replace("COS(-1)", "COS(-1)"))
    for network, judged in [
            ("10.0.0.0/8", "IF(LENGTH(x) = 4, NET.IP_TO_STRING(NET.IP_TRUNC(x, 8)) = '10.0.0.0', FALSE)"),
            ("0.0.0.0/0", "LENGTH(x) = 4"), ("::/0", "LENGTH(x) = 16"), ("10.0.0.1/32", "NET.IP_TO_STRING(x) = '10.0.0.1'"),
            ("2001:db8::/32", "IF(LENGTH(x) = 16, NET.IP_TO_STRING(NET.IP_TRUNC(x, 32)) = '2001:db8::', FALSE)"),
            ("2001:db8::/64", "IF(LENGTH(x) = 16, NET.IP_TO_STRING(NET.IP_TRUNC(x, 64)) = '2001:db8::', FALSE)"),
            ("::1/128", "NET.IP_TO_STRING(x) = '::1'")]:
        value = "NET.SAFE_IP_FROM_STRING(a)"
        add([f"in_cidr(a, '{network}')"], [("a", "STRING")], ADDRESSES + ["10.255.0.1", "11.0.0.0", "2001:db8::ffff", "2001:db9::"],
            judged=f"IF({value} IS NULL, NULL, {judged.replace('x)', value + ')').replace('x,', value + ',')})")
    named = " ".join(f"WHEN a = {port} THEN '{name}'" for port, name in SERVICES.items())
    add(["port_service(a)"], [("a", "INT64")], [str(port) for port in SERVICES] + ["0", "-1", "24", "65535", "9223372036854775807",
                                                                                  "4711", None], judged=f"CASE {named} END")
    parts = "(SELECT COUNT(*) AS n FROM UNNEST(SPLIT(a, '')) AS c GROUP BY c)"
    entropy = f"(SELECT -SUM(n / LENGTH(a) * LN(n / LENGTH(a))) / LN(2) FROM {parts})"
    add(["entropy(a)"], [("a", "STRING")], STRINGS + TEXTS + ["aabb", "0123456789abcdef", "日日本"], tolerance="1e-9",
        judged=f"IF(a = '', 0, {entropy})")


def aggregates():
    """Aggregates over few rows: (expressions, columns, tables)."""
    floats = [[], [["1.0", "2.0"]], [["1.0", None], [None, "1.0"]], [["1.0", None], ["3.0", "5.0"], [None, "1.0"]],
              [["1.0", "2.0"], ["3.0", "5.0"]], [["1.0", "2.0"], ["1.0", "5.0"], ["1.0", "6.0"]], [["0.1", "0.7"]] * 7,
              [["nan", "1.0"], ["2.0", "3.0"]], [["inf", "1.0"], ["2.0", "3.0"]], [["1.0", "-inf"], ["2.0", "inf"]],
              [["inf", "1.0"], ["inf", "2.0"]], [["inf", "1.0"]], [["1.0", "nan"]], [["1e300", "-1e300"]],
              [["1.0", "0.1"], ["2.0", "0.2"], ["3.0", "0.3"]], [["1e15", "1.0"], ["1000000000000001", "2.0"], ["1000000000000002", "3.5"]],
              [["0.5", "10.0"], ["-2.5", "3.0"], ["8.0", "-1.5"], ["3.14159", None], ["100.0", "0.1"], ["1234.5678", "1e10"]],
              [[str(i * i / 7), str((i * 5) % 11 / 3)] for i in range(12)]]
    pairs = ["CORR(a, b)", "COVAR_POP(a, b)", "COVAR_SAMP(a, b)", "CORR(b, a)", "COVAR_POP(a, 2 * a)", "COVAR_SAMP(b, 1)"]
    yield pairs, FLOAT2, floats
    yield pairs[:4], INT2, [[["1", "2"], ["2", "4"], ["4", "9"]], [["-9223372036854775808", "1"], ["9223372036854775807", "7"]],
                            [["9007199254740993", "3"], ["9007199254740993", "4"]], [["3", None], ["5", "80"], ["443", "65535"], ["0", "0"]]]
    yield ["CORR(a, b)", "COVAR_SAMP(b, a)"], [("a", "INT64"), ("b", "FLOAT64")], [[["1", "2.5"], ["2", "4.5"], ["4", None], ["7", "0.1"]]]
    texts = [[], [[None, "1"]], [["", "1"], [None, "2"]],
             [["x", "2"], ["y", "1"], ["x", "3"], [None, "0"], ["", "5"], ["\u65e5", "4"], ["\u00e9", "6"], ["X", "7"], ["x", "8"]],
             [["10.0.0.2", "9"], ["10.0.0.10", "-1"], ["10.0.0.2", None]]]
    lists = ["{d}a{s} ORDER BY a LIMIT 2", "{d}a{s} ORDER BY a DESC LIMIT 3", "{d}a{s} ORDER BY a NULLS LAST LIMIT 1000",
             "{d}a{s} ORDER BY a LIMIT 1", "{d}a{s} ORDER BY a, a DESC LIMIT 4"]
    more = ["a{s} ORDER BY b, a LIMIT 3", "a{s} ORDER BY b DESC NULLS FIRST, a LIMIT 4", "a{s} ORDER BY LENGTH(a), a DESC LIMIT 6",
            "CONCAT(a, a){s} ORDER BY b NULLS LAST, CONCAT(a, a) LIMIT 3", "UPPER(a){s} ORDER BY UPPER(a) LIMIT 9"]
    forms = [form.format(d=d, s=s) for form in lists for d in ("", "DISTINCT ") for s in ("", ", ''", ", ' \u2013 '", ", '\\'|'")]
    forms += [form.format(s=s) for form in more for s in ("", ", '; '")]
    yield [f"STRING_AGG({form})" for form in forms], [("a", "STRING"), ("b", "INT64")], texts
    raw = ["a ORDER BY a LIMIT 2", "DISTINCT a, b'\\x00' ORDER BY a DESC LIMIT 5", "a, b'' ORDER BY b, a LIMIT 5"]
    yield [f"STRING_AGG({form})" for form in raw], [("a", "BYTES"), ("b", "INT64")], [
        [["00ff", "1"], ["", "3"], [None, "2"], ["00", "0"], ["00ff", "4"], ["616263", "-1"]]]


def all_cases():
    for family in [comparison, logic, arithmetic, mathematics, strings, patterns, casts, times, networks, safe, dates, parsing,
                   letters, occurrences, angles, json, own]:
        family()
    return CASES
