#!/usr/bin/env python3
"""Writes the files of networks beside it, in MaxMind's format (https://maxmind.github.io/MaxMind-DB/, version 2.0).

usage: make.py

`city.mmdb` is like a file of cities: IPv4 in a tree of IPv6, with the second ways to it, networks inside networks, records
that lack values and some whose values have another type. `asn.mmdb` is one of IPv4 alone with flat records, `wide.mmdb` one
of IPv6 with records for so large networks that they hold IPv4's part of the tree. The others are damaged.
"""
import ipaddress, pathlib, struct

FOLDER = pathlib.Path(__file__).parent
BUILT = 1_767_225_600  # 2026-01-01
ALIASES = ["::ffff:0:0/96", "2001::/32", "2002::/16"]


class Int(int):
    """Signed, 32 bits."""


class Unsigned:
    """Of a type that the format asks for."""

    def __init__(self, kind, value):
        self.kind, self.value = kind, value


def head(kind, size):
    extended = kind > 7
    first = 0 if extended else kind << 5
    if size < 29:
        start, rest = size, b""
    elif size < 285:
        start, rest = 29, bytes([size - 29])
    else:
        start, rest = 30, struct.pack(">H", size - 285)
    return bytes([first | start]) + (bytes([kind - 7]) if extended else b"") + rest


def encoded(value):
    if isinstance(value, bool):
        return head(14, int(value))
    if isinstance(value, str):
        data = value.encode()
        return head(2, len(data)) + data
    if isinstance(value, bytes):
        return head(4, len(value)) + value
    if isinstance(value, float):
        return head(3, 8) + struct.pack(">d", value)
    if isinstance(value, Int):
        return head(8, 4) + struct.pack(">i", value)
    if isinstance(value, Unsigned):
        data = value.value.to_bytes((value.value.bit_length() + 7) // 8, "big")
        return head(value.kind, len(data)) + data
    if isinstance(value, int):
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        kind = 5 if len(data) <= 2 else 6 if len(data) <= 4 else 9 if len(data) <= 8 else 10
        return head(kind, len(data)) + data
    if isinstance(value, dict):
        return head(7, len(value)) + b"".join(encoded(k) + encoded(v) for k, v in value.items())
    if isinstance(value, list):
        return head(11, len(value)) + b"".join(map(encoded, value))
    raise TypeError(value)


class Raw(bytes):
    """Bytes of a record as they are: damage."""


class Tree:
    def __init__(self, version, bits, kind):
        self.version, self.bits, self.kind = version, bits, kind
        self.nodes = [[None, None]]
        self.data, self.offsets = b"", {}

    def offset(self, record):
        data = record if isinstance(record, Raw) else encoded(record)
        if data not in self.offsets:
            self.offsets[data] = len(self.data)
            self.data += data
        return self.offsets[data]

    def path(self, network):
        network = ipaddress.ip_network(network)
        wide = self.version == 6 and network.version == 4
        bits = format(int(network.network_address), f"0{128 if wide else network.max_prefixlen}b")
        return bits[:network.prefixlen + (96 if wide else 0)]

    def node(self, path):
        """The node that a path ends at; a record on the way goes down into both halves."""
        at = 0
        for bit in path:
            child = self.nodes[at][int(bit)]
            if not isinstance(child, int):
                self.nodes.append([child, child])
                child = self.nodes[at][int(bit)] = len(self.nodes) - 1
            at = child
        return at

    def put(self, network, record):
        """Larger networks first."""
        path = self.path(network)
        self.nodes[self.node(path[:-1])][int(path[-1])] = ("data", self.offset(record))

    def alias(self, network):
        path = self.path(network)
        self.nodes[self.node(path[:-1])][int(path[-1])] = self.node("0" * 96)

    def bytes(self):
        count = len(self.nodes)
        tree = b""
        for node in self.nodes:
            left, right = (count if c is None else c if isinstance(c, int) else count + 16 + c[1] for c in node)
            if self.bits == 28:
                middle = (left >> 24) << 4 | right >> 24
                tree += (left & 0xffffff).to_bytes(3, "big") + bytes([middle]) + (right & 0xffffff).to_bytes(3, "big")
            else:
                size = self.bits // 8
                tree += left.to_bytes(size, "big") + right.to_bytes(size, "big")
        about = {
            "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": Unsigned(9, BUILT),
            "database_type": self.kind, "description": {"en": "for tests"}, "ip_version": self.version,
            "languages": ["en"], "node_count": Unsigned(6, count), "record_size": self.bits,
        }
        return tree + bytes(16) + self.data + b"\xab\xcd\xefMaxMind.com" + encoded(about)


def write(name, data):
    (FOLDER / name).write_bytes(data)
    print(name, len(data))


def city():
    def place(country, name=None, at=None, **more):
        record = {"country": {"iso_code": country, "geoname_id": 1_000_000 + sum(country.encode())}}
        if name:
            record["city"] = {"names": {"en": name}}
        if at:
            record["location"] = {"latitude": at[0], "longitude": at[1], "accuracy_radius": 20}
        return record | more

    tree = Tree(6, 28, "Tripline-City-Test")
    tree.put("10.0.0.0/8", place("ZZ"))
    tree.put("10.9.0.0/16", place("ZZ", "Lab", (0.5, -0.25)))
    tree.put("10.9.9.9/32", place("ZZ", "Desk", (0.5, 7)))
    tree.put("203.0.113.0/24", place("DE", "Berlin", (52.5, 13.4), subdivisions=[{"iso_code": "BE"}, {"iso_code": "X"}]))
    tree.put("198.51.100.0/25", place("US", traits={"is_anycast": True}))
    # Values of other types, and none.
    tree.put("198.51.100.128/25", {"country": {"iso_code": 7}, "location": {"latitude": "north"}})
    tree.put("192.0.2.0/25", {})
    tree.put("192.0.2.128/25", {"country": "FR", "city": {"names": {"en": ""}}, "location": {"latitude": float("nan")}})
    tree.put("2001:db8::/32", place("JP", "Tokyo", (35.7, 139.7), asn=Int(-5)))
    tree.put("2001:db8:9::/48", place("JP", "Osaka", (34.7, 135.5), asn=2 ** 63))
    tree.put("2001:db8:9::7/128", place("JP", "Kyoto", (35.0, 135.8), asn=2 ** 70))
    for alias in ALIASES:
        tree.alias(alias)
    return tree


def flat(version, bits, networks):
    tree = Tree(version, bits, "Tripline-ASN-Test")
    for network, number, name in networks:
        tree.put(network, {"autonomous_system_number": number, "autonomous_system_organization": name})
    return tree


whole = city().bytes()
write("city.mmdb", whole)
write("../judge/project/data/geo.mmdb", whole)
write("asn.mmdb", flat(4, 24, [("203.0.113.0/24", 64496, "Example"), ("203.0.113.128/26", 64497, "Inner"),
                               ("198.51.100.7/32", 4_200_000_000, "One host")]).bytes())
write("wide.mmdb", flat(6, 32, [("::/2", 1, "Low"), ("2000::/3", 2, "Given out"), ("2001:db8::/32", 3, "Documents")]).bytes())
write("cut.mmdb", whole[:len(whole) // 2])
damaged = flat(4, 24, [("203.0.113.0/24", 64496, "Example")])
damaged.put("198.51.100.0/24", Raw(b"\xe1\x58autonomous_system_number"))
write("bad_record.mmdb", damaged.bytes())
circle = flat(4, 24, [("203.0.113.0/24", 64496, "Example")])
circle.nodes[0][0] = 0
write("circle.mmdb", circle.bytes())
