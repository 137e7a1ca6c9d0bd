"""DuckDB's side of benches/backfill: the relations of the pack, a day after the other, written as `tripline backfill` writes
them. usage: peer.py HISTORY OUT FROM DAYS VARIANT

VARIANT is `each` (a query a relation, as the definitions say it) or `shared` (panes by contact are made once, and five
features are made of them: what somebody might write who knows all features at once).

Times are whole minutes, as integers, until a row is written. Panes are combined where a pane holds several rows, and
distinct counts are two groupings, which is quicker than COUNT(DISTINCT). No row may be late: there is no SQL for those here.
"""

import datetime
import glob
import os
import sys

import duckdb

DEAD = "outcome IN ('unanswered', 'refused')"
SHORT = (
    "outcome = 'established' AND coalesce(duration_ms, 0) < 5000"
    " AND coalesce(tx_bytes, 0) + coalesce(rx_bytes, 0) < 20000"
)
TCP = "coalesce(protocol_number, 0) = 6"
CONTACT = "subscriber_id, src_ip, dst_ip, dst_port"


def hops(size, every, what="m"):
    """Starts of the windows that hold a pane, and of them those that end within the day."""
    start = f"{what} // {every} * {every} - hop * {every}"
    inside = f"{start} + {size} > $from AND {start} + {size} <= $to"
    return start, f"range({size // every}) AS r(hop) WHERE {inside}"


def each():
    """Features: name, minutes, key, columns, query. The window's start is w."""
    five, over_five = hops(5, 1)
    thirty, over_thirty = hops(30, 5)
    ten = "m // 10 * 10"
    yield "contact_1m", 1, CONTACT, "flows, tx_bytes", f"""
        SELECT {CONTACT}, m AS w, count(*) AS flows, coalesce(sum(tx_bytes), 0)::BIGINT AS tx_bytes
        FROM flows GROUP BY ALL"""
    yield "contact_5m", 5, CONTACT, "active_minutes, calls, min_calls, tx_bytes", f"""
        SELECT {CONTACT}, {five} AS w, count(*) AS active_minutes, sum(flows)::BIGINT AS calls,
            min(flows) AS min_calls, sum(tx_bytes)::BIGINT AS tx_bytes
        FROM (SELECT *, w AS m FROM contact_1m), {over_five} GROUP BY ALL"""
    yield "contact_30m", 30, CONTACT, "active_minutes, calls, tx_bytes, mean_calls, spread_calls", f"""
        SELECT {CONTACT}, w, n AS active_minutes, calls, tx_bytes, calls / n AS mean_calls,
            if(n > 1, sqrt((n * squares - calls * calls) / (n * (n - 1))), 0.0) AS spread_calls
        FROM (
            SELECT {CONTACT}, {thirty} AS w, sum(n)::BIGINT AS n, sum(calls)::BIGINT AS calls,
                sum(squares)::BIGINT AS squares, sum(tx_bytes)::BIGINT AS tx_bytes
            FROM (
                SELECT {CONTACT}, w // 5 * 5 AS m, count(*) AS n, sum(flows)::BIGINT AS calls,
                    sum(flows * flows)::BIGINT AS squares, sum(tx_bytes)::BIGINT AS tx_bytes
                FROM contact_1m GROUP BY ALL
            ), {over_thirty} GROUP BY ALL
        )"""
    yield "destination_30m", 30, "dst_ip", "subscribers", f"""
        SELECT dst_ip, w, count(subscriber_id) AS subscribers FROM (
            SELECT DISTINCT dst_ip, subscriber_id, {thirty} AS w
            FROM (SELECT DISTINCT dst_ip, subscriber_id, m // 5 * 5 AS m FROM flows), {over_thirty}
        ) GROUP BY ALL"""
    yield "destination_5m", 5, "dst_ip", "subscribers", f"""
        SELECT dst_ip, w, count(subscriber_id) AS subscribers FROM (
            SELECT DISTINCT dst_ip, subscriber_id, {five} AS w FROM flows, {over_five}
        ) GROUP BY ALL"""
    yield "pair_5m", 5, "subscriber_id, src_ip, dst_ip", "flows, dst_ports, dead_ports", f"""
        SELECT subscriber_id, src_ip, dst_ip, w, sum(n)::BIGINT AS flows, count(dst_port) AS dst_ports,
            count(dst_port) FILTER (dead) AS dead_ports
        FROM (
            SELECT {CONTACT}, {five} AS w, count(*) AS n, bool_or({DEAD}) AS dead FROM flows, {over_five} GROUP BY ALL
        ) GROUP BY ALL"""
    yield "service_1m", 1, "dst_ip, dst_port", "flows, unanswered, sources", f"""
        SELECT dst_ip, dst_port, w, sum(n)::BIGINT AS flows, sum(unanswered)::BIGINT AS unanswered,
            count(src_ip) AS sources
        FROM (
            SELECT dst_ip, dst_port, src_ip, m AS w, count(*) AS n, count_if(outcome = 'unanswered') AS unanswered
            FROM flows WHERE {TCP} GROUP BY ALL
        ) GROUP BY ALL"""
    yield "session_5m", 5, CONTACT, "sessions, short_sessions", f"""
        SELECT {CONTACT}, {five} AS w, count(*) AS sessions, coalesce(count_if({SHORT}), 0)::BIGINT AS short_sessions
        FROM flows, {over_five} AND {TCP} GROUP BY ALL"""
    yield "source_port_5m", 5, "subscriber_id, src_ip, dst_port", "flows, dst_ips, dead_ips", f"""
        SELECT subscriber_id, src_ip, dst_port, w, sum(n)::BIGINT AS flows, count(dst_ip) AS dst_ips,
            count(dst_ip) FILTER (dead) AS dead_ips
        FROM (
            SELECT {CONTACT}, {five} AS w, count(*) AS n, bool_or({DEAD}) AS dead FROM flows, {over_five} GROUP BY ALL
        ) GROUP BY ALL"""
    yield "upload_10m", 10, "subscriber_id, src_ip, dst_ip", "flows, tx_bytes, log_tx", f"""
        SELECT *, ln(greatest(tx_bytes, 100000)::DOUBLE) AS log_tx FROM (
            SELECT subscriber_id, src_ip, dst_ip, {ten} AS w, count(*) AS flows,
                coalesce(sum(tx_bytes), 0)::BIGINT AS tx_bytes
            FROM flows GROUP BY ALL
        )"""
    yield "population_10m", 10, "", "pairs, mean_log_tx, spread_log_tx", """
        SELECT w, count(*) AS pairs, avg(log_tx) AS mean_log_tx, coalesce(stddev_samp(log_tx), 0.0) AS spread_log_tx
        FROM upload_10m GROUP BY ALL"""


def shared():
    """The same from panes by contact that are made once."""
    five, over_five = hops(5, 1)
    made = {
        "contact_1m": f"SELECT {CONTACT}, m AS w, flows, coalesce(tx_bytes, 0) AS tx_bytes FROM panes",
        "contact_5m": f"SELECT {CONTACT}, w, active_minutes, flows AS calls, min_calls, tx_bytes FROM contacts",
        "destination_5m": """
            SELECT dst_ip, w, count(subscriber_id) AS subscribers FROM (
                SELECT DISTINCT dst_ip, subscriber_id, w FROM contacts
            ) GROUP BY ALL""",
        "pair_5m": """
            SELECT subscriber_id, src_ip, dst_ip, w, sum(flows)::BIGINT AS flows, count(dst_port) AS dst_ports,
                count(dst_port) FILTER (dead) AS dead_ports
            FROM contacts GROUP BY ALL""",
        "session_5m": f"SELECT {CONTACT}, w, sessions, short_sessions FROM contacts WHERE sessions > 0",
        "source_port_5m": """
            SELECT subscriber_id, src_ip, dst_port, w, sum(flows)::BIGINT AS flows, count(dst_ip) AS dst_ips,
                count(dst_ip) FILTER (dead) AS dead_ips
            FROM contacts GROUP BY ALL""",
    }
    yield "panes", 0, "", "", f"""
        SELECT {CONTACT}, m, count(*) AS flows, coalesce(sum(tx_bytes), 0)::BIGINT AS tx_bytes, bool_or({DEAD}) AS dead,
            count_if({TCP}) AS sessions, count_if({TCP} AND {SHORT}) AS short_sessions
        FROM flows GROUP BY ALL"""
    yield "contacts", 0, "", "", f"""
        SELECT {CONTACT}, {five} AS w, count(*) AS active_minutes, sum(flows)::BIGINT AS flows, min(flows) AS min_calls,
            sum(tx_bytes)::BIGINT AS tx_bytes, bool_or(dead) AS dead, sum(sessions)::BIGINT AS sessions,
            sum(short_sessions)::BIGINT AS short_sessions
        FROM panes, {over_five} GROUP BY ALL"""
    for name, size, key, columns, query in each():
        yield name, size, key, columns, made.get(name, query)


def rules():
    """Rules: name, the feature, what is joined, further columns, condition. Parameters are the pack's."""
    quiet = "coalesce(dst_port, 0) NOT IN (53, 123, 137, 138, 161, 514, 1900, 5223, 5228, 5353)"
    logins = "(21, 22, 23, 3389, 5900)"
    no_scanner = "coalesce(src_ip, '') != '10.255.0.10'"
    users = "LEFT JOIN {} d ON d.w = t.w AND d.dst_ip IS NOT DISTINCT FROM t.dst_ip"
    subscribers = ", coalesce(d.subscribers, 0) AS destination_subscribers"
    yield "net_beacon", "contact_30m", users.format("destination_30m"), subscribers, f"""
        active_minutes >= 24 AND spread_calls <= 0.6 * mean_calls AND coalesce(d.subscribers, 0) <= 3 AND {quiet}"""
    yield "net_bruteforce", "session_5m", "", "", f"""
        short_sessions >= 60 AND short_sessions::DOUBLE >= 0.8::DOUBLE * sessions
        AND coalesce(dst_port, 0) IN {logins} AND {no_scanner}"""
    yield "net_flood_syn", "service_1m", "", "", """
        unanswered >= 1000 AND unanswered::DOUBLE >= 0.9::DOUBLE * flows"""
    yield "net_polling", "contact_5m", users.format("destination_5m"), subscribers, f"""
        active_minutes >= 5 AND min_calls >= 20 AND coalesce(d.subscribers, 0) <= 2 AND {quiet}
        AND coalesce(dst_port, 0) NOT IN {logins}"""
    yield "net_scan_horizontal", "source_port_5m", "", "", f"dead_ips >= 100 AND {no_scanner}"
    yield "net_scan_vertical", "pair_5m", "", "", f"dead_ports >= 100 AND {no_scanner}"
    population = (
        ", coalesce(p.pairs, 0) AS population_pairs, coalesce(p.mean_log_tx, 0.0) AS population_mean"
        ", coalesce(p.spread_log_tx, 0.0) AS population_spread"
    )
    yield "net_volume_outlier", "upload_10m", "LEFT JOIN population_10m p ON p.w = t.w", population, """
        tx_bytes >= 100000000 AND coalesce(p.pairs, 0) >= 20
        AND log_tx - coalesce(p.mean_log_tx, 0.0) >= 4.0::DOUBLE * greatest(coalesce(p.spread_log_tx, 0.0), 0.5::DOUBLE)
        AND coalesce(dst_ip, '') != '10.255.0.20'"""


def listed(key, columns, size):
    """The columns of a file."""
    names = [f"t.{name}" for name in key.split(", ") if name]
    end = f"(t.w + {size})::BIGINT * 60000000"
    names.append("make_timestamptz(t.w::BIGINT * 60000000) AS window_start")
    names.append(f"make_timestamptz({end}) AS window_end, make_timestamptz({end} - 1) AS event_time")
    return ", ".join(names + [f"t.{name}" for name in columns.split(", ")])


def write(con, out, relation, day, query):
    folder = f"{out}/{relation}/event_day={day}"
    os.makedirs(folder, exist_ok=True)
    options = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
    con.execute(f"COPY ({query}) TO '{folder}/part.parquet' ({options})")


def one_day(con, history, out, day, features):
    first = int(datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc).timestamp()) // 60
    bounds = {"from": first, "to": first + 1440}

    def filled(query):
        return query.replace("$from", str(bounds["from"])).replace("$to", str(bounds["to"]))

    files = [
        path
        for d in (day - datetime.timedelta(days=1), day)
        for path in glob.glob(f"{history}/flows/event_day={d}/*.parquet")
    ]
    # The look-back of contact_30m.
    since, until = ((first + minutes) * 60_000_000 for minutes in (-30, 1440))
    span = f"event_time >= make_timestamptz({since}) AND event_time < make_timestamptz({until})"
    con.execute(f"""CREATE OR REPLACE TEMP TABLE flows AS
        SELECT {CONTACT}, protocol_number, outcome, tx_bytes, rx_bytes, duration_ms, admit_watermark IS NOT NULL AS late,
            (epoch_us(event_time) // 60000000)::INTEGER AS m
        FROM read_parquet({files}) WHERE {span}""")
    if con.execute("SELECT count_if(late) FROM flows").fetchone()[0]:
        sys.exit("there are late rows")
    sizes = {}
    for name, size, key, columns, query in features:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {filled(query)}")
        if size:
            sizes[name] = (size, key, columns)
            inside = filled(f"t.w + {size} > $from AND t.w + {size} <= $to")
            write(con, out, name, day, f"SELECT {listed(key, columns, size)} FROM {name} t WHERE {inside}")
    for name, feature, join, more, condition in rules():
        size, key, columns = sizes[feature]
        inside = filled(f"t.w + {size} > $from AND t.w + {size} <= $to")
        query = f"SELECT {listed(key, columns, size)}{more} FROM {feature} t {join} WHERE {inside} AND {condition}"
        query = query.replace("coalesce(dst_ip", "coalesce(t.dst_ip").replace("coalesce(dst_port", "coalesce(t.dst_port")
        write(con, out, f"rule_{name}", day, query)


def main():
    history, out, first, days, variant = sys.argv[1:]
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    features = list({"each": each, "shared": shared}[variant]())
    for index in range(int(days)):
        one_day(con, history, out, datetime.date.fromisoformat(first) + datetime.timedelta(days=index), features)


if __name__ == "__main__":
    main()
