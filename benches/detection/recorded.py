"""A recorded command and control, thinned to fifteen flows and laid into a day of generated traffic."""

import collections
import csv
import json
import subprocess

import judge
from flows import DAY, HOUR, seconds, stamp

CALLS, JITTER, EVENTS = 15, 0.3, 3_000


def calls(folder, day):
    """The flows between the pair that has most of them."""
    with open(folder / f"{day}.labels.csv") as file:
        classes = {int(row["line"]): row["class"] for row in csv.DictReader(file)}
    pairs = collections.defaultdict(list)
    with open(folder / f"{day}.netlog.jsonl") as file:
        for number, line in enumerate(file, 1):
            row = json.loads(line)
            if classes.get(number) == "c2":
                pairs[row["srcIP"], row["dstIP"], row["dstPort"]].append(row)
    return max(pairs.values(), key=len)


def thin(rows, random):
    """Every so many of them, at the times of a slow beacon with jitter; sizes, ports and durations stay."""
    period = DAY / CALLS
    at = random.uniform(0, period / 2)
    for row in rows[:: max(1, len(rows) // CALLS)][:CALLS]:
        took = seconds(row["endTime"]) - seconds(row["startTime"])
        end = min(at + took, DAY - 1)
        moved = row | {"startTime": stamp(end - took), "endTime": stamp(end), "timestamp": stamp(end)}
        yield end, json.dumps(moved, separators=(",", ":")) + "\n"
        at += period * (1 + random.uniform(-JITTER, JITTER))


def measure(program, project, folder, work, seed, random):
    found = []
    for day in ("day1", "day2"):
        calm, slow, alerts = work / f"{day}.benign.jsonl", work / f"{day}.calls.jsonl", work / f"{day}.alerts.jsonl"
        generate = [program, "generate", "--events", str(EVENTS), "--rate", str(EVENTS / DAY), "--subscribers", "10"]
        generate += ["--seed", str(seed), "--start", stamp(0), "--output", calm]
        subprocess.run(generate, check=True, capture_output=True)
        attack = type("Attack", (), {})()
        attack.rows = list(thin(calls(folder, day), random))
        slow.write_text("".join(line for _, line in attack.rows))
        first = json.loads(attack.rows[0][1])
        attack.actors, attack.victims = {first["srcIP"]}, {first["dstIP"]}
        attack.start, attack.end = attack.rows[0][0], attack.rows[-1][0]
        run = [program, "run", "--project", project, "--source", "netlog", "--input", calm, "--input", slow, "--output", alerts]
        subprocess.run(run, check=True, capture_output=True)
        delays, rest = judge.join([attack], open(alerts))
        top = judge.TopTalkers()
        for line in open(calm):
            top.add(line)
        top.finish()
        least = top.least[stamp(0)[:10]]
        found.append({
            "recording": day, "calls": len(attack.rows), "port": first["dstPort"], "found": delays[0], "rest": rest,
            "top": top.finds(attack), "hours": (attack.end - attack.start) / HOUR, "top_needs": least + 1,
        })  # fmt: skip
    return found
