#!/usr/bin/env python3
"""Records what Google's reference implementation of GoogleSQL answers for the function table.

usage: GOOGLESQL_CLIENT=path/to/evaluate.py tests/golden/record.py [--check]

The client is a Python file with `service`, `stubs`, `simple_catalog_pb2`, `language_options`, `encode` and
`decode`; GOOGLESQL_ADDRESS says where the server listens (localhost:50551). Without --check it writes
functions.json beside this file; with it, it fails when that file and the live answers differ.

A value is written as text, so that nothing is lost on the way: INT64 decimal, FLOAT64 as Python prints it,
BYTES hexadecimal, TIMESTAMP as microseconds and DATE as days since 1970. null is NULL, {"error": true} a row
that fails.
"""
import importlib.util, json, os, pathlib, sys

import cases

HERE = pathlib.Path(__file__).parent
TARGET = HERE / "functions.json"


def load_client():
    path = os.environ["GOOGLESQL_CLIENT"]
    spec = importlib.util.spec_from_file_location("client", path)
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    return client


class Judge:
    def __init__(self, client):
        import grpc
        self.client, self.grpc = client, grpc
        address = os.environ.get("GOOGLESQL_ADDRESS", "localhost:50551")
        channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
        self.stub = client.stubs.ZetaSqlLocalServiceStub(channel)
        self.options = client.language_options(self.stub)
        self.kinds = dict(client.KINDS, DATE=client.type_pb2.TYPE_DATE)
        self.names = {kind: name for name, kind in self.kinds.items()}

    def ask(self, expression, columns, rows):
        """The answers by row, or the error's text; and the type."""
        client = self.client
        request = client.service.EvaluateQueryRequest()
        request.options.language_options.CopyFrom(self.options)
        request.options.default_timezone = "UTC"
        catalog = client.simple_catalog_pb2.SimpleCatalogProto(name="catalog")
        catalog.builtin_function_options.language_options.CopyFrom(self.options)
        entry = catalog.table.add(name="t", serialization_id=1)
        for name, kind in [("row_number", "INT64"), *columns]:
            entry.column.add(name=name).type.type_kind = self.kinds[kind]
        data = request.table_content["t"].table_data
        for number, row in enumerate(rows):
            out = data.row.add()
            out.cell.append(client.encode("INT64", number))
            for (_, kind), value in zip(columns, row, strict=True):
                out.cell.append(self.encode(kind, value))
        request.simple_catalog.CopyFrom(catalog)
        request.sql = f"SELECT {expression} AS answer FROM t ORDER BY row_number"
        try:
            reply = self.stub.EvaluateQuery(request)
        except self.grpc.RpcError as error:
            return None, f"{error.code().name}: {error.details()}"
        kind = self.names[reply.prepared.columns[0].type.type_kind]
        return kind, [self.decode(kind, r.cell[0]) for r in reply.content.table_data.row]

    def encode(self, kind, text):
        cell = self.client.value_pb2.ValueProto()
        if text is None:
            return cell
        if kind == "TIMESTAMP":
            micros = int(text)
            cell.timestamp_value.seconds = micros // 1_000_000
            cell.timestamp_value.nanos = micros % 1_000_000 * 1000
        elif kind == "DATE":
            cell.date_value = int(text)
        elif kind == "BYTES":
            cell.bytes_value = bytes.fromhex(text)
        elif kind == "BOOL":
            cell.bool_value = text == "true"
        elif kind == "INT64":
            cell.int64_value = int(text)
        elif kind == "FLOAT64":
            cell.double_value = float(text)
        else:
            cell.string_value = text
        return cell

    def decode(self, kind, cell):
        field = cell.WhichOneof("value")
        if field is None:
            return None
        value = getattr(cell, field)
        if kind == "TIMESTAMP":
            return str(value.seconds * 1_000_000 + value.nanos // 1000)
        if kind == "BYTES":
            return value.hex()
        if kind == "BOOL":
            return "true" if value else "false"
        return repr(value) if kind == "FLOAT64" else str(value)


def answer(judge, expression, columns, rows):
    kind, answers = judge.ask(expression, columns, rows)
    if kind is not None:
        return kind, answers
    whole = answers
    kinds, singles = set(), []
    for row in rows:
        kind, answers = judge.ask(expression, columns, [row])
        if kind is None:
            # A refusal of the expression itself is no answer of a row.
            if not answers.startswith("OUT_OF_RANGE"):
                raise SystemExit(f"{expression}: {answers}")
            singles.append({"error": True})
        else:
            kinds.add(kind)
            singles.append(answers[0])
    if not kinds:
        raise SystemExit(f"{expression}: every row fails: {whole}")
    return kinds.pop(), singles


def record(judge):
    golden = []
    for case in cases.all_cases():
        kind, answers = answer(judge, case["expression"], case["columns"], case["rows"])
        golden.append({**case, "type": kind, "answers": answers})
    return golden


def main():
    golden = record(Judge(load_client()))
    answers = [a for case in golden for a in case["answers"]]
    values = [a for a in answers if isinstance(a, str)]
    print(f"{len(golden)} expressions, {len(answers)} answers, {len(values) / len(answers):.0%} of them values")
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in golden)
    text = f"[\n{lines}\n]\n"
    if "--check" in sys.argv:
        if TARGET.read_text() != text:
            raise SystemExit("functions.json differs from the live answers")
    else:
        TARGET.write_text(text)


if __name__ == "__main__":
    main()
