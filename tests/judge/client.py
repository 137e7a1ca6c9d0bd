"""A client of Google's reference implementation of GoogleSQL, which tests/judge/install fetches.

Values are text, so that nothing is lost on the way: INT64 decimal, FLOAT64 as Python prints it, BYTES hexadecimal,
TIMESTAMP as microseconds and DATE as days since 1970, BOOL true or false; None is NULL.
"""
import os, pathlib, socket, subprocess, sys, time

HOME = pathlib.Path(os.environ.get("JUDGE_HOME")
                    or pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "tripline-judge")
sys.path.insert(0, str(HOME / "stubs"))
import grpc  # noqa: E402
import local_service_pb2 as service  # noqa: E402
import local_service_pb2_grpc as stubs  # noqa: E402
from zetasql.proto import simple_catalog_pb2  # noqa: E402
from zetasql.public import options_pb2, type_pb2, value_pb2  # noqa: E402

KINDS = {"BOOL": type_pb2.TYPE_BOOL, "INT64": type_pb2.TYPE_INT64, "FLOAT64": type_pb2.TYPE_DOUBLE,
         "STRING": type_pb2.TYPE_STRING, "BYTES": type_pb2.TYPE_BYTES, "TIMESTAMP": type_pb2.TYPE_TIMESTAMP,
         "DATE": type_pb2.TYPE_DATE}
NAMES = {kind: name for name, kind in KINDS.items()}
SERVER = HOME / "node_modules/@fivetrandevelopers/zetasql/lib/zetasql/remote_server.so"
START_SECONDS_MAX = 30


class Refused(Exception):
    """The judge does not answer: its code and words."""


class Judge:
    """A server of our own, for as long as the block lasts."""

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.process = subprocess.Popen([str(SERVER), "localhost", str(port)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
                  # An error quotes the value, which may be long.
                  ("grpc.max_metadata_size", 1 << 24), ("grpc.absolute_max_metadata_size", 1 << 24)]
        self.channel = grpc.insecure_channel(f"localhost:{port}", options=limits)
        grpc.channel_ready_future(self.channel).result(timeout=START_SECONDS_MAX)
        self.stub = stubs.ZetaSqlLocalServiceStub(self.channel)
        self.options = self.language_options()
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.process.terminate()
        self.process.wait()

    def language_options(self):
        """The options nearest to BigQuery."""
        options = self.stub.GetLanguageOptions(service.LanguageOptionsRequest(maximum_features=True))
        options.product_mode = options_pb2.PRODUCT_EXTERNAL
        features = set(options.enabled_language_features)
        features |= {options_pb2.FEATURE_INTERVAL_TYPE, options_pb2.FEATURE_TIME_BUCKET_FUNCTIONS}
        features -= {options_pb2.FEATURE_TIMESTAMP_NANOS, options_pb2.FEATURE_PARAMETERIZED_TYPES}
        del options.enabled_language_features[:]
        options.enabled_language_features.extend(sorted(features))
        return options

    def analyze(self, sql, tables):
        """Refused unless a statement is valid over tables; `tables` by name: columns."""
        request = service.AnalyzeRequest(sql_statement=sql)
        request.options.language_options.CopyFrom(self.options)
        # None named: every kind of statement.
        del request.options.language_options.supported_statement_kinds[:]
        request.options.default_timezone = "UTC"
        catalog = simple_catalog_pb2.SimpleCatalogProto(name="catalog")
        catalog.builtin_function_options.language_options.CopyFrom(self.options)
        for number, (name, columns) in enumerate(tables.items(), 1):
            entry = catalog.table.add(name=name, serialization_id=number)
            for column, kind in columns:
                entry.column.add(name=column).type.type_kind = KINDS[kind]
        request.simple_catalog.CopyFrom(catalog)
        try:
            self.stub.Analyze(request)
        except grpc.RpcError as error:
            raise Refused(f"{error.code().name}: {error.details()}") from None

    def evaluate(self, sql, tables):
        """Columns as (name, type) and rows of a query; `tables` by name: (columns, rows)."""
        request = service.EvaluateQueryRequest(sql=sql)
        request.options.language_options.CopyFrom(self.options)
        request.options.default_timezone = "UTC"
        catalog = simple_catalog_pb2.SimpleCatalogProto(name="catalog")
        catalog.builtin_function_options.language_options.CopyFrom(self.options)
        for number, (name, (columns, rows)) in enumerate(tables.items(), 1):
            entry = catalog.table.add(name=name, serialization_id=number)
            for column, kind in columns:
                entry.column.add(name=column).type.type_kind = KINDS[kind]
            data = request.table_content[name].table_data
            # A table without rows has content too.
            data.SetInParent()
            encoders = [ENCODERS[kind] for _, kind in columns]
            for row in rows:
                cells = data.row.add().cell
                for encode, value in zip(encoders, row, strict=True):
                    cell = cells.add()
                    if value is not None:
                        encode(cell, value)
        request.simple_catalog.CopyFrom(catalog)
        try:
            reply = self.stub.EvaluateQuery(request)
        except grpc.RpcError as error:
            raise Refused(f"{error.code().name}: {error.details()}") from None
        columns = [(column.name, NAMES[column.type.type_kind]) for column in reply.prepared.columns]
        decoders = [DECODERS[kind] for _, kind in columns]
        rows = [[decode(cell) for decode, cell in zip(decoders, row.cell)] for row in reply.content.table_data.row]
        return columns, rows


def set_timestamp(cell, text):
    micros = int(text)
    cell.timestamp_value.seconds = micros // 1_000_000
    cell.timestamp_value.nanos = micros % 1_000_000 * 1000


def setter(field, convert):
    return lambda cell, text: setattr(cell, field, convert(text))


ENCODERS = {"BOOL": setter("bool_value", lambda text: text == "true"), "INT64": setter("int64_value", int),
            "FLOAT64": setter("double_value", float), "STRING": setter("string_value", str),
            "BYTES": setter("bytes_value", bytes.fromhex), "TIMESTAMP": set_timestamp, "DATE": setter("date_value", int)}


def getter(field, convert):
    return lambda cell: convert(getattr(cell, field)) if cell.WhichOneof("value") else None


DECODERS = {"BOOL": getter("bool_value", lambda value: "true" if value else "false"),
            "INT64": getter("int64_value", str), "FLOAT64": getter("double_value", repr),
            "STRING": getter("string_value", str), "BYTES": getter("bytes_value", bytes.hex),
            "TIMESTAMP": getter("timestamp_value", lambda at: str(at.seconds * 1_000_000 + at.nanos // 1000)),
            "DATE": getter("date_value", str)}
