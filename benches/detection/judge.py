"""Which alert is about which attack, what is about none, and what a rule of top talkers would have given."""

import collections
import json
import math
import statistics

from flows import DAY, seconds

# A window of a day still tells of an attack that ended within it.
AFTER = 1.0 * DAY
TOP = 5

# By kind: (parameter, what it is, the edges of its buckets, a parameter with few values that splits the table).
VIEWS = {
    "scan_vertical": [("rate", "probes a second", (0.01, 0.03, 0.1, 0.3, 1, 10, 100, 1000), "from")],
    "scan_horizontal": [("rate", "probes a second", (0.01, 0.03, 0.1, 0.3, 1, 10, 100, 1000), "from")],
    "syn_flood": [("rate", "SYNs a second", (10, 18, 32, 100, 320, 1000, 10_000), None)],
    "brute_force": [("per_minute", "attempts a minute", (1, 3, 6, 12, 24, 100, 1000, 6000), None)],
    "brute_force_many": [("per_minute", "attempts a minute of all sources", (0.1, 0.3, 0.6, 1.2, 3, 10, 100), None)],
    "exfiltration": [
        ("mb", "MB", (10, 50, 100, 200, 400, 1000, 5000, 50_000), None),
        ("mb_an_hour", "MB in its largest hour, about", (1, 50, 100, 200, 400, 1000, 50_000), None),
    ],
    "beacon": [
        ("period", "seconds between calls", (30, 60, 75, 120, 300, 900, 3600, 7200, 21_600), None),
        ("long_period", "seconds between calls, of those that last 15 hours", (30, 75, 120, 300, 900, 3600, 7200, 10_800, 21_600), None),
        ("jitter", "jitter, periods below 75 s", (0, 0.1, 0.2, 0.3, 0.4, 0.5), None),
        ("hours", "hours that it lasts, periods of 5 min to 2 h", (3, 6, 12, 24, 48, 120), None),
    ],
    "interactive": [("per_minute", "calls a minute", (2, 10, 20, 30, 60, 300), None)],
    "flood_distributed": [("sources", "sources", (50, 250, 500, 600, 1000, 5000), None)],
    "amplification": [
        ("mb_in_5m", "MB answered in five minutes, factor 10 and more", (1, 10, 50, 100, 1000, 10_000), None),
        ("factor", "factor, 100 MB in five minutes and more", (2, 5, 10, 12, 50, 500), None),
    ],
    "dns_tunnel": [
        ("kb_a_minute", "kB a minute, queries of 200 bytes and more", (1, 10, 15, 30, 100, 1000, 10_000), None),
        ("query", "bytes a query, 30 kB a minute and more", (100, 150, 180, 200, 220, 280), None),
    ],
    "lateral": [
        ("hosts", "hosts", (2, 5, 10, 15, 30, 200), None),
        ("in_30m", "hosts in half an hour, on average", (0.05, 2, 5, 10, 15, 200), None),
    ],
    "travel": [
        ("beyond across a border", "km further than 1,000 an hour", (-30_000, 0, 250, 500, 1000, 2000, 5000, 20_000), None),
        ("beyond no city", "km further than 1,000 an hour, to a place without a city", (-30_000, 500, 2000, 3000, 5000, 20_000), None),
        ("beyond within a country", "km further than 1,000 an hour, within one country", (-30_000, 500, 4000), None),
        ("km", "km apart, within ten minutes", (300, 500, 700, 1000, 3000, 20_000), None),
        ("gap", "seconds between, more than 3,000 km apart", (60, 600, 3600, 7200, 14_400, 28_800, 86_400), None),
        ("flows", "flows from elsewhere, more than 500 km too far", (3, 10, 30), "way"),
    ],
    "silence": [
        ("hours", "hours of silence", (1, 2, 4, 5, 6, 8, 12, 48), None),
        ("flows", "flows an hour, silent for six hours and more", (3, 6, 9, 11, 15, 30, 100), None),
        ("watched", "hours of the week with flows, silent for six hours and more", (150, 157, 160, 161, 165, 169), None),
    ],
}
ONLY = {
    ("beacon", "jitter"): lambda p: p["period"] < 75,
    ("beacon", "hours"): lambda p: 300 <= p["period"] < 7200,
    ("amplification", "mb_in_5m"): lambda p: p["factor"] >= 10,
    ("amplification", "factor"): lambda p: p["mb_in_5m"] >= 100,
    ("dns_tunnel", "kb_a_minute"): lambda p: p["query"] >= 200,
    ("travel", "km"): lambda p: p["gap"] < 600 and p["where"] == "across a border",
    ("travel", "gap"): lambda p: p["km"] >= 3000 and p["where"] == "across a border",
    ("travel", "flows"): lambda p: p["beyond"] >= 600 and p["where"] == "across a border",
    ("silence", "flows"): lambda p: p["hours"] >= 6 and p["watched"] >= 160,
    ("silence", "watched"): lambda p: p["hours"] >= 6 and p["flows"] >= 11,
    ("dns_tunnel", "query"): lambda p: p["kb_a_minute"] >= 30,
}


def addresses(alert):
    key = [value for name, value in alert["key"].items() if name.endswith("_ip")]
    return {entity["value"] for entity in alert["entities"]} | set(key)


def join(attacks, lines):
    """By attack: {rule: delay of the first alert}; and the alerts that belong to none."""
    by_address = collections.defaultdict(list)
    for number, attack in enumerate(attacks):
        for one in attack.actors | attack.victims:
            by_address[one].append(number)
    found, rest = [{} for _ in attacks], []
    for line in lines:
        alert = json.loads(line)
        first, last = seconds(alert["first_time"]), seconds(alert["last_time"])
        whom = addresses(alert)
        hits = {
            number
            for one in whom
            for number in by_address.get(one, ())
            if attacks[number].start <= last and first <= attacks[number].end + AFTER
        }
        for number in hits:
            delays, delay = found[number], max(0.0, first - attacks[number].start)
            delays[alert["rule"]] = min(delay, delays.get(alert["rule"], delay))
        if not hits:
            rest.append({"rule": alert["rule"], "day": int(first // DAY), "title": alert["title"], "whom": sorted(map(str, whom))})
    return found, rest


class TopTalkers:
    """The sources with the most flows of each day. An attack is judged as if it were the only one: is its source among them?"""

    def __init__(self):
        self.benign = collections.defaultdict(collections.Counter)

    def add(self, line):
        src = line.split('"srcIP":"', 1)[1].split('"', 1)[0]
        day = line.split('"endTime":"', 1)[1][:10]
        self.benign[day][src] += 1

    def finish(self):
        self.least = {day: sorted(counts.values(), reverse=True)[TOP - 1] for day, counts in self.benign.items() if len(counts) >= TOP}

    def finds(self, attack):
        counts = collections.defaultdict(collections.Counter)
        for _, line in attack.rows:
            counts[line.split('"endTime":"', 1)[1][:10]][line.split('"srcIP":"', 1)[1].split('"', 1)[0]] += 1
        return any(
            count + self.benign[day][src] > self.least.get(day, 0)
            for day, sources in counts.items()
            for src, count in sources.most_common(TOP)
        )


def span_text(value):
    for unit, size in (("h", 3600), ("min", 60)):
        if value >= 2 * size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} s"


def number_text(value):
    return f"{value:g}" if value < 10_000 else f"{value:,.0f}"


def compare(calm, alerts):
    """The runs without and with attacks: alerts, and the logarithms of uploads that net.volume.outlier measures with."""
    with open(calm) as file:
        print(f"  without attacks: {sum(1 for _ in file)} alerts")
    for name, path in (("without", calm), ("with", alerts)):
        with open(path.with_suffix(".population.jsonl")) as file:
            windows = [json.loads(line) for line in file]
        values = {}
        for column in ("pairs", "mean_log_tx", "spread_log_tx"):
            cuts = statistics.quantiles([window[column] for window in windows], n=20)
            values[column] = f"{cuts[9]:.2f} (5 to 95 %: {cuts[0]:.2f} to {cuts[18]:.2f})"
        print(f"  {name} attacks, by ten minutes, median:", ", ".join(f"{column} {text}" for column, text in values.items()))


def derived(one):
    parameters = dict(one["parameters"])
    if one["kind"] == "exfiltration":
        parameters["mb_an_hour"] = parameters["mb"] * min(1, 3600 / parameters["seconds"])
    if one["kind"] == "beacon" and parameters["hours"] >= 15:
        parameters["long_period"] = parameters["period"]
    if one["kind"] == "travel":
        parameters[f"beyond {parameters['where']}"] = parameters["beyond"]
    return parameters


def tables(judged):
    """Markdown: for each kind of attack its recall by parameter."""
    print(f"\nFound: {sum(bool(one['found']) for one in judged)} of {len(judged)} attacks.")
    print(f"Top talkers: {sum(one['top'] for one in judged)}, with {TOP} alerts on every day without an attack.")
    for kind, views in VIEWS.items():
        of_kind = [one for one in judged if one["kind"] == kind]
        rules = collections.Counter(rule for one in of_kind for rule in one["found"])
        columns = [rule for rule, count in rules.most_common(3)]
        hit, top = sum(bool(one["found"]) for one in of_kind), sum(one["top"] for one in of_kind)
        print(f"\n### {kind}: {hit} of {len(of_kind)} found; top talkers {top}")
        others = {rule: count for rule, count in rules.items() if rule not in columns}
        if others:
            print("also:", ", ".join(f"{rule} {count}" for rule, count in sorted(others.items())))
        for parameter, title, edges, split in views:
            keep = ONLY.get((kind, parameter), lambda _: True)
            print(f"\n| {title} | attacks | found | {''.join(f'`{rule}` | ' for rule in columns)}median delay | top talkers |")
            print("|" + "---|" * (5 + len(columns)))
            values = sorted({one["parameters"][split] for one in of_kind}) if split else [None]
            for value in values:
                for low, high in zip(edges, edges[1:]):
                    inside = [
                        one
                        for one in of_kind
                        if keep(one["parameters"])
                        and low <= derived(one).get(parameter, -math.inf) < high
                        and (value is None or one["parameters"][split] == value)
                    ]
                    if not inside:
                        continue
                    delays = [min(one["found"].values()) for one in inside if one["found"]]
                    cells = [f"{sum(rule in one['found'] for one in inside)}" for rule in columns]
                    name = f"{number_text(low)} to {number_text(high)}" + (f", {value}" if value else "")
                    delay = span_text(statistics.median(delays)) if delays else ""
                    print("| " + " | ".join([name, str(len(inside)), str(len(delays)), *cells, delay, str(sum(one["top"] for one in inside))]) + " |")


def false_alerts(runs):
    """Alerts about no attack: by rule, by what is behind them, by day."""
    days = sum(run["days"] for run in runs)
    every = [alert for run in runs for alert in run["rest"]]
    print(f"\n### Alerts about no attack: {len(every)} in {days:.0f} days, {len(every) / days:.2f} a day")
    print("\n| rule | because of | alerts | a day |\n|---|---|---|---|")
    counts = collections.Counter((alert["rule"], alert["lure"]) for alert in every)
    for (rule, lure), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        print(f"| `{rule}` | {lure} | {count} | {count / days:.2f} |")
    later = sum(alert["day"] > 0 for alert in every)
    print(f"\nfrom the second day on: {later}, {later / (days - len(runs)):.2f} a day\n")
    for run in runs:
        by_day = collections.Counter(alert["day"] for alert in run["rest"])
        print(f"seed {run['seed']}, by day:", " ".join(str(by_day[day]) for day in range(round(run["days"]))))
