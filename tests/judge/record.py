#!/usr/bin/env python3
"""Records what Google's reference implementation of GoogleSQL answers for the function table.

usage: record.py [--check]

Writes tests/golden/functions.json and aggregates.json; with --check it fails when these files and the live answers differ, or when the judge
answers otherwise about an expression as it is printed for BigQuery (printed.json, in the same order). null is NULL,
{"error": true} a row that fails.
"""
import json, math, pathlib, sys

import cases
from client import Judge, Refused

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
TARGET = GOLDEN / "functions.json"
AGGREGATES = GOLDEN / "aggregates.json"


def ask(judge, expression, columns, rows):
    """The type and the answers by row."""
    numbered = [[str(number), *row] for number, row in enumerate(rows)]
    table = [("row_number", "INT64"), *map(tuple, columns)]
    answers, found = judge.evaluate(f"SELECT {expression} AS answer FROM t ORDER BY row_number", {"t": (table, numbered)})
    return answers[0][1], [row[0] for row in found]


def answer(judge, expression, columns, rows):
    try:
        return ask(judge, expression, columns, rows)
    except Refused:
        pass
    kinds, singles = set(), []
    for row in rows:
        try:
            kind, answers = ask(judge, expression, columns, [row])
            kinds.add(kind)
            singles.append(answers[0])
        except Refused as refused:
            # A refusal of the expression itself is no answer of a row.
            if not str(refused).startswith("OUT_OF_RANGE"):
                raise SystemExit(f"{expression}: {refused}")
            singles.append({"error": True})
    if not kinds:
        raise SystemExit(f"{expression}: every row fails")
    return kinds.pop(), singles


def record(judge):
    golden = []
    for case in cases.all_cases():
        kind, answers = answer(judge, case.get("judged", case["expression"]), case["columns"], case["rows"])
        golden.append({**case, "type": kind, "answers": answers})
    return golden


def record_aggregates(judge):
    """Each aggregate over each table: one answer."""
    golden = []
    for expressions, columns, tables in cases.aggregates():
        for expression in expressions:
            for rows in tables:
                answers, found = judge.evaluate(f"SELECT {expression} AS answer FROM t", {"t": (columns, rows)})
                golden.append({"expression": expression, "columns": [list(column) for column in columns], "rows": rows,
                               "type": answers[0][1], "answer": found[0][0]})
    return golden


def keep(path, golden):
    """Writes, or checks that it is what was written."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in golden)
    text = f"[\n{lines}\n]\n"
    if "--check" not in sys.argv:
        path.write_text(text)
    elif path.read_text() != text:
        raise SystemExit(f"{path.name} differs from the live answers")


def same(case):
    """Are two answers equal? Those of our own functions were asked in other words, so they may differ by the tolerance."""
    tolerance = float(case.get("tolerance", 0)) if "judged" in case else 0
    near = lambda a, b: math.isclose(float(a), float(b), rel_tol=tolerance)
    return lambda a, b: a == b or bool(tolerance) and isinstance(a, str) and isinstance(b, str) and near(a, b)


def check_printed(judge, golden):
    """Printed expressions have the same answers."""
    printed = json.loads((GOLDEN / "printed.json").read_text())
    if len(printed) != len(golden):
        raise SystemExit(f"{len(printed)} printed expressions for {len(golden)} recorded ones")
    changed = 0
    for case, text in zip(golden, printed):
        changed += text != case["expression"]
        kind, answers = answer(judge, text, case["columns"], case["rows"])
        if kind != case["type"] or not all(map(same(case), answers, case["answers"])):
            raise SystemExit(f"{case['expression']} is printed as {text}, which has other answers")
    print(f"{len(printed)} printed expressions have the same answers, {changed} of them not as they were written")


def main():
    with Judge() as judge:
        golden, aggregates = record(judge), record_aggregates(judge)
        if "--check" in sys.argv:
            check_printed(judge, golden)
    answers = [a for case in golden for a in case["answers"]]
    values = [a for a in answers if isinstance(a, str)]
    print(f"{len(golden)} expressions, {len(answers)} answers, {len(values) / len(answers):.0%} of them values")
    print(f"{len(aggregates)} answers of aggregates")
    keep(TARGET, golden)
    keep(AGGREGATES, aggregates)


if __name__ == "__main__":
    main()
