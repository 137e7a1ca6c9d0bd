"""Rows of NetLog, and the addresses that are given to hosts of the benchmark.

Ours are in 10.0.0.0/8 beyond those of `tripline generate`; what is outside is in 240.0.0.0/4, which is nobody's.
"""

import datetime

FIRST = datetime.datetime(2026, 1, 5, tzinfo=datetime.timezone.utc)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

TCP, UDP, ICMP = 6, 17, 1
NAMES = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP"}
SERVED, UNANSWERED, REFUSED = 27, 2, 22

_days = {}


def stamp(seconds):
    """Seconds after FIRST, as text."""
    micros = round(seconds * 1e6)
    day, rest = divmod(micros, 86_400_000_000)
    if day not in _days:
        _days[day] = (FIRST + datetime.timedelta(days=day)).strftime("%Y-%m-%dT")
    whole, micros = divmod(rest, 1_000_000)
    return f"{_days[day]}{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{micros:06}Z"


def seconds(text):
    """The other way."""
    text = text.rstrip("Z")
    form = "%Y-%m-%dT%H:%M:%S.%f" if "." in text else "%Y-%m-%dT%H:%M:%S"
    moment = datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc)
    return (moment - FIRST).total_seconds()


def flow(end, subscriber, src, dst, port, tx, rx, *, took=0.0, protocol=TCP, flags=None, src_port=40_000):
    """(end, line) of one flow; `took` is its duration in seconds."""
    if flags is None:
        flags = SERVED if protocol == TCP else 0
    till = stamp(end)
    line = (
        f'{{"subscriberId":"{subscriber}","srcIP":"{src}","dstIP":"{dst}","srcPort":{src_port},"dstPort":{port},'
        f'"txBytes":{int(tx)},"rxBytes":{int(rx)},"tcpFlag":{flags},"startTime":"{stamp(end - took)}",'
        f'"endTime":"{till}","timestamp":"{till}","protocolName":"{NAMES[protocol]}","protocolNumber":{protocol},'
        '"geoCountry":null,"geoCity":null,"latitude":null,"longitude":null}\n'
    )
    return end, line


def failed(end, subscriber, src, dst, port, refused, src_port=40_000):
    """A connection that came to nothing."""
    flags, rx = (REFUSED, 40) if refused else (UNANSWERED, 0)
    return flow(end, subscriber, src, dst, port, 60, rx, flags=flags, src_port=src_port)


def address(first, number):
    """`first` is the first octet; `number` counts from 0."""
    number += 256
    return f"{first}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def device(subscriber, number):
    """A device of a generated subscriber, as `tripline generate` numbers them: (subscriber, address)."""
    offset = (subscriber + 1) * 16 + number
    return f"S{subscriber:06}", f"10.0.{offset >> 8}.{offset & 255}"
