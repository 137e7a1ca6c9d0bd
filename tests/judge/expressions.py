#!/usr/bin/env python3
"""Does Google's reference implementation answer random expressions as tripline does?

usage: expressions.py FILE [--record | --check]
                                a file that the test `expressions` writes with TRIPLINE_EXPRESSIONS=COUNT,SEED,FILE
--record writes what was judged of each function to tests/golden/judged.json, from which docs/equivalence.md is made;
--check fails when that file says otherwise.

Each expression is asked as it was written and as it is printed for BigQuery, over its rows; rows that fail here have to
fail there. GoogleSQL does not say whether an operand of AND or OR is computed when the other decides: where one engine
fails because it did, the row is counted apart. Prints how often each function was judged and the share of values; exit 1
on any difference.
"""
import collections, ipaddress, json, math, pathlib, re, sys

from client import Judge, Refused

TOLERANCE = 1e-9
SHOWN_MAX = 20


def same(kind, rough, a, b):
    if a is None or b is None or kind != "FLOAT64":
        return a == b
    a, b = float(a), float(b)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if rough:
        return a == b or abs(a - b) <= TOLERANCE * max(abs(a), abs(b))
    return a == b and math.copysign(1, a) == math.copysign(1, b)


def fails(answer):
    return isinstance(answer, dict)


def decided(case):
    return bool({"AND", "OR"} & set(case["functions"]))


undecided = []


def differences(judge, columns, case, text):
    """One expression over its rows: those that have answers together, the first that fails alone."""
    good = [(row, answer) for row, answer in zip(case["rows"], case["answers"]) if not fails(answer)]
    bad = [row for row, answer in zip(case["rows"], case["answers"]) if fails(answer)]
    if good:
        try:
            yield from compared(judge, columns, [(case, text)], [row for row, _ in good], [[a] for _, a in good])
        except Refused as refused:
            if not (decided(case) and str(refused).startswith("OUT_OF_RANGE")):
                yield f"{text}: {refused}"
            undecided.append(text)
    for row in bad[:1]:
        try:
            _, rows = judge.evaluate(f"SELECT {text} FROM t", {"t": (columns, [row])})
            if decided(case):
                undecided.append(text)
            else:
                yield f"{text} over {row}: fails here, {rows[0][0]} there"
        except Refused as refused:
            if not str(refused).startswith("OUT_OF_RANGE"):
                yield f"{text}: {refused}"


def compared(judge, columns, asked, rows, answers):
    """Several expressions over the same rows in one query."""
    table = [("row_number", "INT64"), *columns]
    numbered = [[str(number), *row] for number, row in enumerate(rows)]
    items = ", ".join(f"{text} AS answer_{number}" for number, (_, text) in enumerate(asked))
    found, got = judge.evaluate(f"SELECT {items} FROM t ORDER BY row_number", {"t": (table, numbered)})
    for place, (case, text) in enumerate(asked):
        if found[place][1] != case["type"]:
            yield f"{text}: {case['type']} here, {found[place][1]} there"
        for row, mine, theirs in zip(rows, answers, got):
            if not same(case["type"], case["rough"], mine[place], theirs[place]):
                yield f"{text} over {dict(zip([c for c, _ in columns], row))}: {mine[place]} here, {theirs[place]} there"


KINDS = ["plain", "NULL", "NaN or infinite", "-0.0", "extreme", "not ASCII", "IPv6", "before 1970"]
JUDGED = pathlib.Path(__file__).parent.parent / "golden" / "judged.json"


def kind_of(kind, text):
    """What is special about a value."""
    if text is None:
        return "NULL"
    if kind == "FLOAT64":
        number = float(text)
        if math.isnan(number) or math.isinf(number):
            return "NaN or infinite"
        if number == 0 and math.copysign(1, number) < 0:
            return "-0.0"
        return "extreme" if number and not 1e-300 < abs(number) < 1e300 else "plain"
    if kind == "INT64":
        return "extreme" if abs(int(text)) >= 1 << 62 else "plain"
    if kind == "STRING":
        if not text.isascii():
            return "not ASCII"
        try:
            return "IPv6" if ipaddress.ip_address(text).version == 6 else "plain"
        except ValueError:
            return "plain"
    if kind in ("TIMESTAMP", "DATE"):
        return "before 1970" if int(text) < 0 else "plain"
    return "plain"


def judged(columns, cases):
    """By function: expressions, and its rows by what is special about the values of the columns that are named."""
    found = {}
    for case in cases:
        words = set(re.findall(r"\w+", case["expression"]))
        named = [place for place, (name, _) in enumerate(columns) if name in words]
        kinds = collections.Counter()
        for row in case["rows"]:
            kinds.update({kind_of(columns[place][1], row[place]) for place in named})
        for name in set(case["functions"]):
            entry = found.setdefault(name, {"expressions": 0, "rows": 0, "values": 0, "kinds": collections.Counter()})
            entry["expressions"] += 1
            entry["rows"] += len(case["rows"])
            entry["values"] += sum(answer is not None and not fails(answer) for answer in case["answers"])
            entry["kinds"].update(kinds)
    return {name: {**entry, "kinds": {kind: entry["kinds"][kind] for kind in KINDS if entry["kinds"][kind]}}
            for name, entry in sorted(found.items())}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        head, *cases = [json.loads(line) for line in file]
    columns = [tuple(column) for column in head["columns"]]
    print(head["summary"])
    counts, kinds, found = collections.Counter(), collections.Counter(), []
    with Judge() as judge:
        for case in cases:
            # The judge has no functions of our own.
            for text in {case["printed"]} if case["own"] else {case["expression"], case["printed"]}:
                found += differences(judge, columns, case, text)
            counts.update(set(case["functions"]))
            kinds.update("error" if fails(a) else "NULL" if a is None else case["type"] for a in case["answers"])
    print("judged by function: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    print("answers by kind: " + ", ".join(f"{name} {count}" for name, count in sorted(kinds.items())))
    by_function = judged(columns, cases)
    for name, entry in by_function.items():
        print(f"  {name}: {entry['expressions']} expressions, {entry['rows']} rows, {entry['values']} values; "
              + ", ".join(f"{kind} {count}" for kind, count in entry["kinds"].items()))
    text = "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in by_function.items()) + "\n}\n"
    if "--record" in sys.argv:
        JUDGED.write_text(text)
    elif "--check" in sys.argv and JUDGED.read_text() != text:
        found.append(f"{JUDGED} is not what was judged here: --record writes it")
    for difference in found[:SHOWN_MAX]:
        print(f"DIFFER {difference}")
    print(f"{len(cases)} expressions as written and as printed, {len(found)} differences, "
          f"{len(undecided)} that fail or not by the order of evaluation")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
