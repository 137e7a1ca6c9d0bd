#!/usr/bin/env python3
"""Are the rows of a run those that the compiled SQL gives on Google's reference implementation?

usage: relations.py TRIPLINE [--events N] [--seed S] [--input NETLOG… | --project tests/judge/project]

Generates NetLog with attacks, delays some rows beyond the lateness, deals them out to two files, runs it with a tap on
every relation, and asks the judge for each relation's own query over the rows of what it reads: normalization over decoded
records, features over flows and late flows, rules over features, hits, alerts. Rows are compared as bags: all types
exactly, FLOAT64 to 1e-9. Prints a line a relation; then mistakes are planted in the SQL, and each has to be noticed. Exit
1 on any difference and on any mistake that shows none. With --input NetLog files are taken as they are, and nothing is
planted. With --project the rows are random values of every type, for the project beside this file, with mistakes of its own.
"""
import argparse, base64, collections, datetime, hashlib, hmac, json, math, os, pathlib, random, re, subprocess, sys
import tempfile, time

from client import Judge, Refused

TOLERANCE = 1e-9
LATE_SHARE = 0.05
TWICE_SHARE = 0.1
SHARD_BYTES = 512 << 10
PARTS_MAX = 256
# JSON text has many spellings; the watermark is an input.
NOT_COMPARED = {"values", "admit_watermark"}
DAY = 86_400_000_000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]
ATTACKS = "port_scan,host_scan,syn_flood,beacon,brute_force,exfiltration"


# Of pseudonyms, by their ids; the project names their variables.
KEYS = {"k1": b"sixteen bytes...", "k2": bytes(range(131))}
VARIABLES = {"k1": "TRIPLINE_JUDGE_FIRST", "k2": "TRIPLINE_JUDGE_SECOND"}


def pseudonym(id, text):
    return None if text is None else f"{id}_{hmac.digest(KEYS[id], text.encode(), 'sha256').hex()[:32]}"


def key_table():
    """The padded keys, as `tripline keys push` loads them."""
    rows = []
    for id, key in KEYS.items():
        padded = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
        rows.append([id, *(bytes(byte ^ pad for byte in padded).hex() for pad in (0x36, 0x5C))])
    return [("key_id", "STRING"), ("ipad", "BYTES"), ("opad", "BYTES")], rows


def micros(text):
    head, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.datetime.fromisoformat(head + "+00:00") - EPOCH
    return (whole.days * 86_400 + whole.seconds) * 1_000_000 + int((fraction + "000000")[:6])


def flags(given):
    """TCP flags by name, as NetLog may have them."""
    names = re.findall(r"[A-Za-z]+", given) if isinstance(given, str) else given
    if isinstance(given, str) and not names:
        return int(given, 0)
    return sum(1 << FLAGS.index(name.upper()) for name in set(names))


def value(kind, given, decode=False):
    """A value of a JSON line as the client's text. `decode`: BYTES are in base64, as records have them."""
    if given is None:
        return None
    if kind == "INT64" and not isinstance(given, int):
        return str(flags(given))
    if kind == "DATE":
        return str((datetime.date.fromisoformat(given) - EPOCH.date()).days)
    if kind == "BYTES":
        # A record's empty text is no BYTES.
        return (base64.b64decode(given).hex() or None) if decode else given
    if kind == "TIMESTAMP":
        return str(micros(given))
    if kind == "FLOAT64":
        return repr(float(given))
    if kind == "BOOL":
        return "true" if given else "false"
    return str(given)


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def table(columns, rows, decode=False):
    return columns, [[value(kind, row.get(name), decode) for name, kind in columns] for row in rows]


class Differences(Exception):
    pass


def same(kind, a, b):
    if a == b or a is None or b is None or kind != "FLOAT64":
        return a == b
    a, b = float(a), float(b)
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= TOLERANCE * max(abs(a), abs(b))


def compare(name, stream, judged):
    """Both are (columns, rows); columns of the stream decide the order."""
    columns, rows = stream
    places = {column.lower(): place for place, (column, _) in enumerate(judged[0])}
    shared = [(place, places[column.lower()], kind) for place, (column, kind) in enumerate(columns)
              if column.lower() in places and column not in NOT_COMPARED]
    missing = [column for column, _ in columns if column.lower() not in places]
    if missing:
        raise Differences(f"{name}: the judge gives no {', '.join(missing)}")
    exact = [pair for pair in shared if pair[2] != "FLOAT64"]
    close = [pair for pair in shared if pair[2] == "FLOAT64"]

    def bag(all_rows, side):
        found = collections.defaultdict(list)
        for row in all_rows:
            floats = tuple(row[pair[side]] for pair in close)
            found[tuple(row[pair[side]] for pair in exact)].append(floats)
        return found

    left, right = bag(rows, 0), bag(judged[1], 1)
    found = []
    for key in sorted(left.keys() | right.keys(), key=repr):
        mine, theirs = sorted(left.get(key, []), key=repr), sorted(right.get(key, []), key=repr)
        if len(mine) != len(theirs):
            found.append(f"{len(mine)} in the stream, {len(theirs)} from the judge: {key}")
        else:
            for a, b in zip(mine, theirs):
                if not all(same("FLOAT64", x, y) for x, y in zip(a, b)):
                    found.append(f"{a} in the stream, {b} from the judge: {key}")
    if found:
        names = [columns[pair[0]][0] for pair in exact + close]
        shown = "\n  ".join(found[:5])
        raise Differences(f"{name}: {len(found)} differences of {len(rows)} rows in {names}\n  {shown}")
    nulls = sum(row[pair[0]] is None for row in rows for pair in shared)
    cells = max(1, len(rows) * len(shared))
    return len(shared), 1 - nulls / cells


class Run:
    """A run of the program with a tap on everything, and its compiled SQL."""

    def __init__(self, program, project, folder, source, inputs):
        self.program, self.project, self.folder = program, project, folder
        self.source = source
        self.compiled = folder / "compiled"
        self.tripline("compile", "--source", source, "--out", str(self.compiled))
        self.manifest = json.loads((self.compiled / "manifest.json").read_text())
        self.relations = {entry["table"]: entry for entry in self.manifest["relations"]}
        taps = ["--tap", f"late={folder}/late.jsonl"]
        for entry in self.manifest["relations"]:
            if entry["kind"] not in ("lookup", "ranges", "alerts"):
                taps += ["--tap", f"{entry['relation']}={folder}/{entry['table']}.jsonl"]
        given = [option for path in inputs for option in ("--input", str(path))]
        self.tripline("run", "--source", source, *given, "--output", str(folder / "alerts.jsonl"), *taps)

    def tripline(self, *args):
        project = ["--project", self.project] if self.project else []
        keys = {VARIABLES[id]: base64.b64encode(key).decode() for id, key in KEYS.items()}
        done = subprocess.run([self.program, *args, *project], capture_output=True, text=True, env=os.environ | keys)
        if done.returncode:
            sys.exit(f"{args}: {done.stderr}")
        return done.stdout

    def columns(self, name):
        return [(column["name"], column["type"]) for column in self.relations[name]["columns"]]

    def query(self, name):
        return self.tripline("compile", "--source", self.source, "--relation", name, "--as", "query")

    def ranges(self, name):
        """The rows that are loaded into a table of ranges."""
        path = self.folder / f"{name}.jsonl"
        if not path.exists():
            self.tripline("compile", "--relation", name, "--rows", str(path))
        return table(self.columns(name), lines(path))

    def rows(self, name):
        """The stream's rows of a relation."""
        columns = self.columns(name)
        if name != "alerts":
            rows = self.kept(name)
            return table([column for column in columns if not rows or column[0] in rows[0]], rows)
        names = dict(first_time="event_time")
        flat = []
        for alert in lines(self.folder / "alerts.jsonl"):
            row = {names.get(key, key): given for key, given in alert.items() if not isinstance(given, (dict, list))}
            flat.append(row | {"hit_id": alert["hit"]["hit_id"]})
        return table([column for column in columns if column[0] in flat[0]] if flat else columns, flat)

    def kept(self, name):
        """Rows of a relation that readers get; late flows count in no window, and the judge has to see that."""
        rows = lines(self.folder / f"{name}.jsonl")
        return rows + lines(self.folder / "late.jsonl") if name == "flows" else rows

    def inputs(self, judge, name, sql):
        """The tables that a query reads, with the columns that it names."""
        words = set(re.findall(r"\w+", sql.lower()))
        tables = {}
        for read in self.relations[name]["inputs"]:
            entry = self.relations.get(read)
            if read == "tripline_keys":
                tables[read] = key_table()
            elif entry is None:
                columns = [(c["name"], c["type"]) for s in self.manifest["sources"] if s["relation"] == read
                           for c in s["columns"]]
                tables[read] = table(columns + [("admit_watermark", "TIMESTAMP")], self.records, decode=True)
            elif entry["kind"] == "ranges":
                tables[read] = self.ranges(read)
            elif entry["kind"] == "lookup":
                tables[read] = judge.evaluate(self.query(read), {})
            elif read == "hits":
                tables[read] = judge.evaluate(self.query(read), self.inputs(judge, "hits", self.query(read)))
            elif entry["kind"] == "rule" and "admit_watermark" in dict(self.columns(read)):
                # A run does not write which of its rows were late.
                tables[read] = judged(self, judge, read, self.query(read))
            else:
                columns = [column for column in self.columns(read)
                           if column[0].lower() in words or "*" in words or entry["kind"] == "rule"]
                tables[read] = table(columns, self.kept(read))
        return tables


def size(tables):
    return sum(len(cell or "") + 6 for _, rows in tables.values() for row in rows for cell in row)


def shards(tables, keys, parts):
    """Tables in parts: rows with equal keys stay together.

    `keys` is None where every row stands alone, and empty where all belong together. A number is the length of windows
    that follow one another: rows of one stay together."""
    if parts == 1 or keys == []:
        return [tables]
    window = keys if isinstance(keys, int) else None
    keys = ["event_time"] if window else keys
    split = [{} for _ in range(parts)]
    for name, (columns, rows) in tables.items():
        names = [column for column, _ in columns]
        by = [names.index(key) for key in keys or [] if key in names]
        for part in range(parts):
            if keys is None and name != "tripline_keys":
                own = rows[part::parts]
            elif keys is None:
                own = rows
            else:
                key = (lambda row: int(row[by[0]]) // window) if window else (lambda row: tuple(row[i] for i in by))
                own = rows if not by else [row for row in rows if hash(key(row)) % parts == part]
            split[part][name] = (columns, own)
    return split


def matched(tables, sql):
    """A column on which all joins of a rule are that have it, so that rows with equal values can be looked at alone."""
    partitions = [set(keys.split(", ")) for keys in re.findall(r" OVER \(PARTITION BY (.*?) ORDER BY ", sql)]
    if len(partitions) < sql.count(" OVER "):
        return []
    having = collections.Counter(column for columns, _ in tables.values() for column, kind in columns if kind == "STRING")
    for column, count in having.most_common():
        joins = len(re.findall(rf"\bt\.{column}\b[^\n]* = [^\n]*\b\w+\.{column}\b", sql))
        if count > 1 and joins >= count - 1 and all(column in keys for keys in partitions):
            return [column]
    return []


def judged(run, judge, name, sql):
    tables = run.inputs(judge, name, sql)
    kind = run.relations[name]["kind"]
    # Rules and joins look at one window; a feature at its key.
    keys = {"rule": ["window_start"], "feature": run.relations[name]["cluster_by"], "flows": None}.get(kind, [])
    of_rules = any(run.relations.get(read, {}).get("kind") == "rule" for read in run.relations[name]["inputs"])
    if "__filled AS" in sql:
        # Of the last flow everybody depends.
        keys = []
    elif kind == "feature" and of_rules:
        # Hits have other columns than the rules.
        keys = []
    elif frames := re.findall(r"AS \(\s*(?:PARTITION BY (.*?) )?ORDER BY UNIX_MICROS\(window_end\)", sql):
        # Look-backs have keys of their own: what all of them have stays together.
        known = [{column for column, _ in columns} for columns, _ in tables.values()]
        common = set.intersection(*({name for name in frame.split(", ") if name} for frame in frames))
        keys = [name for name in sorted(common) if any(name in names for names in known)]
    elif " = TIMESTAMP_BUCKET(" in sql:
        # What is joined as of then has other windows, and of the key what all have that have some of it.
        columns = [{column for column, _ in columns} for columns, _ in tables.values()]
        keyed = [names for names in columns if any(key in names for key in keys)]
        keys = matched(tables, sql) if kind == "rule" else [key for key in keys if all(key in names for names in keyed)]
    if keys and not any(column in keys for columns, _ in tables.values() for column, _ in columns):
        # Keys that are computed.
        keys = []
    if kind == "feature" and keys == [] and not of_rules and not re.search(" PRECEDING|__hops|__as_of|LAG\\(|__filled AS", sql):
        # Of everybody, window by window.
        number, unit = re.search(r"TIMESTAMP_BUCKET\(event_time, INTERVAL (\d+) (\w+)", sql).groups()
        keys = int(number) * {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}[unit] * 1_000_000
    parts = 1 + size(tables) // SHARD_BYTES
    while True:
        try:
            columns, rows = None, []
            for part in shards(tables, keys, parts):
                columns, more = judge.evaluate(sql, part)
                rows += more
            return columns, rows
        except Refused as refused:
            # The judge holds windows and all in 128 MiB.
            if not str(refused).startswith("RESOURCE_EXHAUSTED") or keys == [] or parts > PARTS_MAX:
                raise
            parts *= 4


def netlog(args):
    return subprocess.run([args.program, "generate", "--events", str(args.events), "--rate", "5", "--seed", str(args.seed),
                           "--attacks", ATTACKS], check=True, capture_output=True, text=True).stdout.splitlines()


def random_rows(args):
    """Records of tests/judge/project, around midnight, in order of time."""
    draw = random.Random(args.seed)
    start = datetime.datetime(2026, 1, 5, 23, 40)
    names = ["a", "b", "c", "it's \"c\"", "", "ünïcödé", None]
    addresses = ["10.0.0.1", "10.0.0.200", "10.9.9.9", "192.168.1.1", "2001:db8::7", "2001:DB8:0::8", "fe80::1", "", "x", None,
                 "10.9.1.1", "10.255.255.255", "11.0.0.0", "203.0.113.5", "198.51.100.1", "198.51.100.200", "192.0.2.1",
                 "2001:db8:9::7", "2001:db8:9::8", "2001:db9::", "::ffff:10.9.9.9", "::10.9.9.9", "2002:a09:909::1"]
    pools = {
        "who": lambda: draw.choice(names), "address": lambda: draw.choice(addresses),
        "n": lambda: draw.choice([None, 0, draw.randrange(10**6), draw.randrange(-10**6, 10**6)]),
        "port": lambda: draw.choice([None, 0, 1, 2, 3, 7]),
        "small": lambda: draw.choice([None, draw.randrange(0, 20), draw.randrange(-5, 5)]),
        "ratio": lambda: draw.choice([None, 0.1, 0.0, 2.5, 2.5, draw.random() * 1000, draw.randrange(10**6) / 8]),
        "seen": lambda: draw.choice([None, "1969-12-31T23:59:59.999999Z", "2026-02-28T12:00:00Z", "0001-01-01T00:00:00Z",
                                     f"2026-01-05T{draw.randrange(24):02}:00:00.{draw.randrange(10**6):06}Z"]),
        "day": lambda: draw.choice([None, "1970-01-01", "2024-02-29", "1965-03-01", f"2026-01-{draw.randrange(1, 32):02}"]),
        "up": lambda: draw.choice([None, True, True, False]),
        "raw": lambda: draw.choice([None, "", "AA==", base64.b64encode(bytes([draw.randrange(256)] * 3)).decode()]),
    }
    times = sorted(draw.randrange(40 * 60 * 10**6) for _ in range(args.events))
    # Some rows are of one instant.
    twins = random.Random(args.seed)
    times = [times[number - 1 if number and twins.random() < 0.1 else number] for number in range(len(times))]
    return [json.dumps({"time": (start + datetime.timedelta(microseconds=at)).isoformat() + "Z"}
                       | {name: pick() for name, pick in pools.items()}) for at in times]


def generate(args, folder):
    """Two files of records, in which some come up to half of the time late."""
    made = random_rows(args) if args.project else netlog(args)
    draw = random.Random(args.seed)
    late = lambda number: number + (draw.randrange(len(made) // 2) if draw.random() < LATE_SHARE else 0)
    order = [(late(number), line) for number, line in enumerate(made)]
    if args.project:
        # Some come twice, at once or late.
        order += [(late(number), line) for number, line in enumerate(made) if draw.random() < TWICE_SHARE]
    paths = [folder / "input_1.jsonl", folder / "input_2.jsonl"]
    parts = ["", ""]
    for _, line in sorted(order, key=lambda pair: pair[0]):
        parts[draw.random() < 0.4] += line + "\n"
    for path, text in zip(paths, parts):
        path.write_text(text, encoding="utf-8")
    return paths


# In which relation, what, and what instead.
PLANTED = [
    ("pair_5m", "GENERATE_ARRAY(0, 4)", "GENERATE_ARRAY(0, 3)"),
    ("pair_5m", "COUNT(DISTINCT dst_ports)", "COUNT(dst_ports)"),
    ("pair_5m", "admit_watermark < TIMESTAMP_ADD", "admit_watermark > TIMESTAMP_ADD"),
    ("pair_5m", "late_after < TIMESTAMP_ADD", "late_after > TIMESTAMP_ADD"),
    ("contact_1m", "admit_watermark < TIMESTAMP_ADD", "admit_watermark <= TIMESTAMP_SUB"),
    ("contact_30m", "VAR_POP", "VAR_SAMP"),
    ("contact_30m", "- 1)", "- 0)"),
    ("contact_30m", "INTERVAL 1 MICROSECOND", "INTERVAL 2 MICROSECOND"),
    ("destination_30m", "INTERVAL hop * 5 MINUTE", "INTERVAL hop * 10 MINUTE"),
    ("rule_net_scan_vertical", ">= 100", ">= 400"),
    ("rule_net_beacon", "t.window_end = d.window_end", "t.window_start = d.window_end"),
    ("rule_net_beacon", "NOT IN", "IN"),
    ("hits", "'1:1", "'1:2"),
    ("hits", "INTERVAL 1 HOUR", "INTERVAL 1 SECOND"),
    ("hits", "LEAST(1.0", "GREATEST(1.0"),
    ("alerts", "MAX(event_time)", "MIN(event_time)"),
    ("alerts", "score DESC", "score"),
    ("flows", "'-;'", "''"),
    ("flows", "NET.SAFE_IP_FROM_STRING(srcIP)", "NET.SAFE_IP_FROM_STRING(dstIP)"),
    ("flows", "120", "12000"),
]
# In the project beside this file: late rows of a rule over flows.
PLANTED_IN_PROJECT = [
    ("flows", "(SELECT ipad", "(SELECT opad"),
    ("flows", "1, 16)", "1, 15)"),
    ("flows", "THEN 40", "THEN 48"),
    ("flows", "key_id = 'k1'", "key_id = 'k2'"),
    ("flows", "CONCAT('k2_'", "CONCAT('k1_'"),
    ("before", "1019999999 PRECEDING", "1020000000 PRECEDING"),
    ("before", "300000000 PRECEDING", "240000000 PRECEDING"),
    ("before", "PARTITION BY subscriber_id, busy", "PARTITION BY subscriber_id"),
    ("before", "COUNT(DISTINCT v)", "COUNT(v)"),
    ("before", "own_rows != 3", "own_rows != 4"),
    ("hop_5m", "* 3 + 3, 4)", "* 3 + 4, 4)"),
    ("every_1m", "DIV(COUNT(tx_bytes) * 1 + 1, 2) - 1", "DIV(COUNT(tx_bytes) * 1, 2)"),
    ("before", "* 9 + 9, 10)", "* 9 + 8, 10)"),
    ("recent", "LEAD(window_end)", "LAG(window_end)"),
    ("recent", "LEAST(3, ", "LEAST(0, "),
    ("recent", "60000000) - 1", "60000000) - 0"),
    ("recent", "a.window_end = TIMESTAMP_BUCKET(t.window_start", "a.window_end = TIMESTAMP_BUCKET(t.window_end"),
    ("recent", "o.as_of = TIMESTAMP_BUCKET(t.window_end", "o.as_of = TIMESTAMP_BUCKET(t.window_start"),
    ("recent", "IF(l.window_start IS NULL, -1", "IF(l.window_start IS NULL, 0"),
    ("where_1m", "LEAST(p.bits, 8", "LEAST(p.bits - 1, 8"),
    ("where_1m", "LEFT JOIN where_1m__g", "INNER JOIN where_1m__g"),
    ("where_1m", "IF(g.net IS NULL, 'none'", "IF(g.country IS NULL, 'none'"),
    ("rule_judge_placed", "IF(h.net IS NULL, -90.0", "IF(h.latitude IS NULL, -90.0"),
    ("visit", "< 20000000", "<= 21000000"),
    ("visit", "INTERVAL 20 SECOND", "INTERVAL 21 SECOND"),
    ("visit", "(event_time, INTERVAL 10 MINUTE", "(event_time, INTERVAL 9 MINUTE"),
    ("visit", "admit_watermark <= event_time", "admit_watermark >= event_time"),
    ("visit", "GROUP BY subscriber_id, pane_start, session", "GROUP BY subscriber_id, pane_start"),
    ("pause", "<= 90000000", "<= 30000000"),
    ("pause", "PARTITION BY subscriber_id, port", "PARTITION BY subscriber_id"),
    ("pause", "admit_watermark <= event_time", "admit_watermark >= event_time"),
    ("pause", "ORDER BY UNIX_MICROS(event_time)", "ORDER BY UNIX_MICROS(start_time)"),
    ("kept_1m", "LEAST(3,", "LEAST(2,"),
    ("kept_1m", "60000000) - 1, 3)", "60000000), 3)"),
    ("kept_1m", "0 AS s_int", "NULL AS s_int"),
    ("kept_1m", "NULL AS most", "'' AS most"),
    ("kept_1m", "<= (SELECT MAX(event_time)", "<= (SELECT MIN(event_time)"),
    ("kept_2m", "INTERVAL hop MINUTE), INTERVAL 2 MINUTE) <=", "INTERVAL hop MINUTE), INTERVAL 90 MINUTE) <="),
    ("kept_2m", "PARTITION BY subscriber_id ORDER BY UNIX_MICROS(window_start)", "ORDER BY UNIX_MICROS(window_start)"),
    ("stretch", "< 120000000", "< 60000000"),
    ("stretch", "subscriber_id, dst_port", "subscriber_id, -dst_port"),
    ("chain", "NOT COALESCE(", "COALESCE("),
    ("chain", "0.5 AS weight", "0.25 AS weight"),
    ("chain", "t.subscriber_id AS actor", "NULL AS actor"),
    ("opened", "INTERVAL 3 MINUTE) < t.event_time", "INTERVAL 3 SECOND) < t.event_time"),
    ("opened", "DATE(t.event_time)", "EXTRACT(YEAR FROM t.event_time)"),
    ("opened", "ORDER BY t.event_time, t.subscriber_id, t.dst_port", "ORDER BY t.event_time, t.dst_port DESC"),
    ("opened", "NOT COALESCE(", "COALESCE("),
    ("told", "t.admit_watermark <= t.event_time", "t.admit_watermark >= t.event_time"),
    ("told_first", "t.admit_watermark <= t.event_time", "t.admit_watermark >= t.event_time"),
    ("told_first", "ORDER BY GREATEST(t.event_time", "ORDER BY LEAST(t.event_time"),
    ("hits", "GREATEST(t.event_time", "LEAST(t.event_time"),
    ("hits", "LAG(known_at)", "LAG(event_time)"),
    ("hits", "ORDER BY known_at, event_time", "ORDER BY event_time, known_at"),
    ("hits", "excepted ORDER BY known_at, event_time, key_order)", "excepted ORDER BY key_order, known_at)"),
]


def files(run, judge):
    """The statements of every file, analyzed: how many are refused."""
    tables = {entry["table"]: run.columns(entry["table"]) for entry in run.manifest["relations"]}
    tables["tripline_keys"] = key_table()[0]
    for source in run.manifest["sources"]:
        columns = [(column["name"], column["type"]) for column in source["columns"]]
        tables[source["relation"]] = columns + [("admit_watermark", "TIMESTAMP"), ("event_day", "DATE")]
    statements = refused = 0
    for path in sorted(run.compiled.rglob("*.sql")):
        for statement in path.read_text().split(";\n"):
            # Variables are of a script, not of a statement.
            sql = re.sub(r"\btripline_(from|to|last)\b", "CURRENT_TIMESTAMP()", statement).strip()
            if not re.sub(r"--.*", "", sql).strip() or re.search(r"^DECLARE", sql, re.M):
                continue
            statements += 1
            try:
                judge.analyze(sql, tables)
            except Refused as refusal:
                refused += 1
                print(f"REFUSED {path.relative_to(run.compiled)}: {refusal}", flush=True)
    print(f"{statements} statements of files analyzed, {refused} refused")
    return refused


def days_alone(run, judge):
    """Features over rules, computed day by day from the rules' rows of that day and the one before: how many differ."""
    failed = 0
    for entry in run.manifest["relations"]:
        name = entry["table"]
        of_rules = any(run.relations.get(read, {}).get("kind") == "rule" for read in entry["inputs"])
        if entry["kind"] != "feature" or not of_rules:
            continue
        text = (run.compiled / "features" / f"{name}.sql").read_text()
        body = text.split("USING (\n", 1)[1].split("\n) AS computed", 1)[0]
        columns, rows = run.rows(name)
        tables = run.inputs(judge, name, body)

        def of_days(columns, rows, first, last):
            place = [column for column, _ in columns].index("event_time")
            return columns, [row for row in rows if first <= int(row[place]) // DAY <= last]

        place = [column for column, _ in columns].index("event_time")
        for day in sorted({int(row[place]) // DAY for row in rows}):
            sql = body
            for bound, at in ("tripline_from", day), ("tripline_to", day + 1):
                sql = sql.replace(bound, f"TIMESTAMP '{EPOCH.date() + datetime.timedelta(days=at)} 00:00:00+00'")
            read = {table: of_days(*rows, day - 1, day) for table, rows in tables.items()}
            try:
                own = of_days(columns, rows, day, day)
                compare(name, own, judge.evaluate(sql, read))
                print(f"same   {name:28} {len(own[1]):8} rows of a day alone", flush=True)
            except (Differences, Refused) as difference:
                failed += 1
                print(f"DIFFER {name} of a day alone: {difference}", flush=True)
    return failed


def read_by(run, judge, sql):
    """The tables that a text names behind FROM, whole."""
    tables = {}
    for name in set(re.findall(r"\bFROM\s+(\w+)", sql)):
        entry = run.relations.get(name)
        if entry is None:
            continue
        if entry["kind"] == "ranges":
            tables[name] = run.ranges(name)
        elif entry["kind"] == "lookup":
            tables[name] = judge.evaluate(run.query(name), {})
        else:
            # A query sees late flows too.
            rows = run.kept(name) if name != "flows" else lines(run.folder / "flows.jsonl")
            tables[name] = table(run.columns(name), rows)
    return tables


def has_periods(tables):
    return any(column == "valid_from" for columns, _ in tables.values() for column, _ in columns)


def asked(run, judge, path, inputs):
    """Ad-hoc queries, as they are written: how many differ."""
    failed = 0
    given = [option for path in inputs for option in ("--input", str(path))]
    for sql in (text.strip() for text in path.read_text().split(";\n")):
        if not sql:
            continue
        try:
            columns, rows = judge.evaluate(sql, read_by(run, judge, sql))
            out = run.folder / "asked.jsonl"
            run.tripline("query", sql, "--source", run.source, *given, "--output", str(out))
            mine = table(columns, lines(out))
            compare("query", mine, (columns, rows))
            # Not that of an aggregate.
            if "LIMIT" in sql.rpartition(")")[2] and [list(row) for row in mine[1]] != [list(row) for row in rows]:
                raise Differences("in another order")
            print(f"same   {len(rows):8} rows of {sql[:100]}", flush=True)
        except (Differences, Refused) as difference:
            failed += 1
            print(f"DIFFER {sql}: {difference}", flush=True)
    return failed


def written(run, judge, project):
    """Rules' own texts, as their authors wrote them: how many differ. Declared joins and lookups with periods are ours."""
    failed, asked, skipped = 0, 0, 0
    for path in sorted((pathlib.Path(project) / "rules").glob("*.yaml")):
        text = path.read_text()
        name = "rule_" + re.sub(r"\W", "_", re.search(r"^rule: *(\S+)", text, re.M)[1])
        if name not in run.relations:
            continue
        block = re.search(r"^sql: \|[^\n]*\n((?: +[^\n]*\n|\n)+)", text, re.M)
        sql = block[1] if block else re.search(r"^sql: *(.+)", text, re.M)[1]
        for param, literal in re.findall(r"^-- @(\w+) is (.*)$", run.query(name), re.M):
            sql = re.sub(rf"@{param}\b", literal, sql)
        tables = read_by(run, judge, sql)
        if re.search(r"^join:", text, re.M) or has_periods(tables):
            skipped += 1
            continue
        asked += 1
        columns, rows = run.rows(name)
        if columns[-1][0] == "branch":
            columns, rows = columns[:-1], [row[:-1] for row in rows]
        try:
            # A rule looks at one window; lookups are whole in every part.
            windowed = any(column == "window_start" for columns_there, _ in tables.values() for column, _ in columns_there)
            parts = 1 + size(tables) // SHARD_BYTES if windowed else 1
            found, all_rows = None, []
            for part in shards(tables, ["window_start"], parts):
                found, more = judge.evaluate(sql, part)
                all_rows += more
            compare(name, (columns, rows), (found, all_rows))
        except (Differences, Refused) as difference:
            failed += 1
            print(f"DIFFER as written: {difference}", flush=True)
    print(f"{asked} rules as written, {failed} differ; {skipped} with joins or periods, which the text does not have")
    return failed


TRAINING = ["--features", "hop_5m,all_5m,every_1m", "--max-age", "1m", "--negatives", "2", "--seed", "5"]


def training(run, judge, inputs, seed):
    """Training rows of random labels: how many differ from those of the compiled SQL."""
    draw = random.Random(seed)
    windows = lines(run.folder / "hop_5m.jsonl")
    keys = sorted({(row["subscriber_id"], row["dst_port"]) for row in windows}, key=repr)[::2] + [("nobody", 1)]
    times = sorted({row[name] for row in windows for name in ("window_start", "window_end", "event_time")})
    made = []
    for number in range(300):
        who, port = draw.choice(keys)
        made.append({"subscriber_id": who, "dst_port": port, "label_time": draw.choice(times), "label": number % 5})
    path = run.folder / "labels.jsonl"
    path.write_text("".join(json.dumps(label) + "\n" for label in made))
    given = [option for path in inputs for option in ("--input", str(path))]
    out = run.folder / "training.jsonl"
    run.tripline("training", "--labels", str(path), *TRAINING, "--source", run.source, *given, "--out", str(out))
    sql = run.tripline("compile", "--training", *TRAINING, "--as", "query")
    kinds = [("subscriber_id", "STRING"), ("dst_port", "INT64"), ("label_time", "TIMESTAMP"), ("label", "INT64")]
    tables = {"labels": table(kinds, made)}
    for name in ("hop_5m", "all_5m", "every_1m"):
        tables[name] = table(run.columns(name), run.kept(name))
    columns, rows = judge.evaluate(sql, tables)
    mine = table(columns, lines(out))
    failed = 0
    try:
        count, share = compare("training", mine, (columns, rows))
        print(f"same   training: {len(rows)} rows, {count} columns, {share:.0%} not NULL", flush=True)
    except Differences as difference:
        failed += 1
        print(f"DIFFER {difference}", flush=True)
    for text, instead in [("IGNORE NULLS", "RESPECT NULLS"), ("at_time, is_label", "at_time, is_label DESC"),
                          ("INTERVAL 1 MINUTE", "INTERVAL 3 MINUTE"), ("'5:'", "'6:'"), ("* 2 AS wanted", "* 1 AS wanted")]:
        try:
            if text not in sql:
                raise LookupError(text)
            compare("training", mine, judge.evaluate(sql.replace(text, instead), tables))
            failed += 1
            print(f"MISSED training: {instead} instead of {text} makes no difference", flush=True)
        except (Differences, Refused):
            pass
    return failed


def nested(run, judge, name="where_1m", lookup="geo"):
    """A table may hold networks in networks, though a file's never are: the longest counts, and no row is doubled."""
    sql, (columns, rows) = run.query(name), run.ranges(lookup)
    places = {column: place for place, (column, _) in enumerate(columns)}
    around = []
    for net, first, last in [("0.0.0.0/0", "00" * 4, "ff" * 4), ("::/0", "00" * 16, "ff" * 16)]:
        row = [None] * len(columns)
        given = {"net": net, "country": "around", "first_address": first, "last_address": last, "prefix_length": "0"}
        for column, text in given.items():
            row[places[column]] = text
        around.append(row)
    tables = run.inputs(judge, name, sql)
    found, judged = judge.evaluate(sql, tables | {lookup: (columns, rows + around)})
    country = [column for column, _ in found].index("country")
    stream = run.rows(name)
    own = lambda all_rows: [row for row in all_rows if row[country] not in ("around", "none")]
    try:
        compare(f"{name} in nested networks", (stream[0], own(stream[1])), (found, own(judged)))
    except Differences as difference:
        print(f"DIFFER {difference}", flush=True)
        return 1
    outside = len(judged) - len(own(judged))
    print(f"same   {name} in nested networks: {len(own(judged))} rows, {outside} of the networks around", flush=True)
    return 0 if outside else 1


def noticed(run, judge, name, text, instead):
    """Does a mistake in a relation's SQL make a difference?"""
    sql = run.query(name)
    if text not in sql:
        print(f"MISSED {name}: nothing says {text}")
        return False
    try:
        compare(name, run.rows(name), judged(run, judge, name, sql.replace(text, instead)))
    except (Differences, Refused):
        return True
    print(f"MISSED {name}: {instead} instead of {text} makes no difference", flush=True)
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--project")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--input", type=pathlib.Path, nargs="*")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Judge() as judge:
        folder = pathlib.Path(name)
        inputs = args.input or generate(args, folder)
        run = Run(args.program, args.project, folder, "events" if args.project else "netlog", inputs)
        run.records = [record for path in inputs for record in lines(path)]
        if args.project:
            # What a warehouse is given: the pseudonym, and not what it is of.
            run.records = [record | {"alias": pseudonym("k2", record["who"])} for record in run.records]
        print(f"{len(run.records)} records, {len(lines(folder / 'late.jsonl'))} of them late for every window")
        failed = 0
        for entry in run.manifest["relations"]:
            if entry["kind"] in ("lookup", "ranges"):
                continue
            name, start = entry["table"], time.monotonic()
            try:
                stream = run.rows(name)
                columns, given = compare(name, stream, judged(run, judge, name, run.query(name)))
                print(f"same   {name:28} {len(stream[1]):8} rows, {columns:3} columns, {given:4.0%} not NULL, "
                      f"{time.monotonic() - start:.1f} s", flush=True)
            except (Differences, Refused) as difference:
                failed += 1
                print(f"DIFFER {name}: {difference}", flush=True)
        failed += files(run, judge)
        project = args.project or pathlib.Path(__file__).parents[2]
        failed += written(run, judge, project)
        if args.project:
            failed += asked(run, judge, pathlib.Path(args.project) / "queries.sql", inputs)
            failed += training(run, judge, inputs, args.seed)
            failed += nested(run, judge)
            failed += days_alone(run, judge)
        planted = [] if args.input else PLANTED_IN_PROJECT if args.project else PLANTED
        failed += sum(not noticed(run, judge, *mistake) for mistake in planted)
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
