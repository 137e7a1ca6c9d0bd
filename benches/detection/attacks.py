"""Attacks whose parameters are drawn anew in each run: log-uniform over a wide range, one of each slice of it.

Each attack has hosts of its own (`actors`, `victims`), by which an alert about it is known. An attack inside comes from a device
of a generated subscriber, which goes on with what it does anyway.
"""

import math

import habits
from flows import DAY, HOUR, MINUTE, TCP, UDP, address, device, failed, flow

# Rows of a run have to stay few enough; a fast attack that would have more is shorter.
ROWS_MAX = {"syn_flood": 40_000, "brute_force": 10_000, "brute_force_many": 10_000, "dns_tunnel": 20_000, "beacon": 4_000}
# Rules about what is usual need a week (uploads, administration) or a day (services).
WEEK, ONE_DAY = 7.0 * DAY, 1.05 * DAY


class Attack:
    def __init__(self, kind, **parameters):
        self.kind, self.parameters = kind, parameters
        self.rows, self.actors, self.victims = [], set(), set()
        # What its subscriber does anyway, if it has one of its own.
        self.habit, self.start, self.end = [], None, None

    def close(self):
        """A silence has no rows, and knows its times."""
        if not self.rows:
            return
        self.start = min(at for at, _ in self.rows)
        self.end = max(at for at, _ in self.rows)


class Draw:
    """Who and when; `slice` is the part of a range that is this attack's."""

    def __init__(self, random, span):
        self.random, self.span = random, span
        subscribers = list(range(150))
        random.shuffle(subscribers)
        # An upload is judged by subscriber, so that each has one device that steals.
        self.thieves = [device(one, 1) for one in subscribers]
        self.others = [device(one, 2) for one in subscribers] + [device(one, 1) for one in reversed(subscribers)]
        self.numbers = 0
        self.slots = []

    def log(self, low, high, part=None):
        return low * (high / low) ** (self.random.random() if part is None else part)

    def inside(self):
        if not self.others:
            return self.host()
        one = self.others.pop(0)
        if one in self.thieves:
            self.thieves.remove(one)
        return one

    def thief(self):
        one = self.thieves.pop(0)
        self.others.remove(one)
        return one

    def host(self):
        """One of ours that is new."""
        self.numbers += 1
        return f"V{self.numbers}", address(10, (80 << 16) + self.numbers)

    def outside(self):
        self.numbers += 1
        return address(240, (1 << 16) + self.numbers)

    def start(self, length, since=0.1 * DAY):
        return self.random.uniform(since, max(since, self.span - length - 0.1 * DAY))

    def times(self, start, length, rows):
        return sorted(start + self.random.random() * length for _ in range(rows))


def scanner(draw, attack):
    """Two of three scan from within."""
    if draw.random.random() < 0.67:
        subscriber, src = draw.inside()
        attack.parameters["from"] = "inside"
    else:
        subscriber, src = "V0", draw.outside()
        attack.parameters["from"] = "outside"
    attack.actors.add(src)
    return subscriber, src


def scan_vertical(draw, part):
    rate = draw.log(0.01, 1000, part)
    ports = int(min(draw.log(100, 5_000), rate * DAY))
    attack = Attack("scan_vertical", rate=rate, ports=ports)
    subscriber, src = scanner(draw, attack)
    victim = draw.host()[1]
    attack.victims.add(victim)
    start = draw.start(ports / rate)
    for n, at in enumerate(draw.times(start, ports / rate, ports)):
        port = 1 + n * 1_103 % 5_003
        attack.rows.append(failed(at, subscriber, src, victim, port, draw.random.random() < 0.8))
    return attack


def scan_horizontal(draw, part):
    rate = draw.log(0.01, 1000, part)
    hosts = int(min(draw.log(100, 5_000), rate * DAY))
    attack = Attack("scan_horizontal", rate=rate, hosts=hosts)
    subscriber, src = scanner(draw, attack)
    first, port = (96 << 16) + draw.random.randrange(1 << 20), draw.random.choice((22, 445, 3389, 80, 1433))
    start = draw.start(hosts / rate)
    for n, at in enumerate(draw.times(start, hosts / rate, hosts)):
        attack.rows.append(failed(at, subscriber, src, address(10, first + n), port, draw.random.random() < 0.1))
    return attack


def syn_flood(draw, part):
    rate = draw.log(10, 10_000, part)
    length = min(draw.log(30, 20 * MINUTE), ROWS_MAX["syn_flood"] / rate)
    sources = draw.random.choice((1, 20, 1 << 27))
    attack = Attack("syn_flood", rate=rate, seconds=length, sources=sources)
    subscriber, victim = draw.host()
    attack.victims.add(victim)
    first, port = (4 << 24) + (draw.numbers << 16), draw.random.choice((80, 443))
    for at in draw.times(draw.start(length), length, int(rate * length)):
        number = draw.random.randrange(sources)
        src = address(241 + number % 10 if sources > 20 else 240, number if sources > 20 else first + number)
        attack.rows.append(failed(at, subscriber, src, victim, port, False))
    return attack


def login(at, subscriber, src, dst, port, random):
    tx, rx = random.uniform(1_500, 2_300), random.uniform(1_900, 2_700)
    return flow(at, subscriber, src, dst, port, tx, rx, took=random.uniform(0.6, 3))


def brute_force(draw, part):
    rate = draw.log(1 / 60, 100, part)
    length = max(min(draw.log(5 * MINUTE, 12 * HOUR), ROWS_MAX["brute_force"] / rate), 20 / rate)
    attack = Attack("brute_force", per_minute=rate * 60, seconds=length)
    _, src = scanner(draw, attack)
    subscriber, victim = draw.host()
    attack.victims.add(victim)
    port = draw.random.choice((21, 22, 3389))
    for at in draw.times(draw.start(length, ONE_DAY), length, int(rate * length)):
        attack.rows.append(login(at, subscriber, src, victim, port, draw.random))
    return attack


def brute_force_many(draw, part):
    rate = draw.log(0.1, 100, part) / 60
    length = draw.log(HOUR, 12 * HOUR)
    tries = max(min(int(rate * length), ROWS_MAX["brute_force_many"]), 20)
    sources = [draw.outside() for _ in range(int(draw.log(5, 500)))]
    attack = Attack("brute_force_many", per_minute=rate * 60, seconds=length, sources=len(sources))
    subscriber, victim = draw.host()
    attack.victims.add(victim)
    attack.actors.update(sources)
    for at in draw.times(draw.start(length, ONE_DAY), length, tries):
        attack.rows.append(login(at, subscriber, draw.random.choice(sources), victim, 22, draw.random))
    return attack


def exfiltration(draw, part):
    size = draw.log(1e7, 5e10, part)
    length = draw.log(5 * MINUTE, 8 * HOUR)
    parts = int(draw.log(1, 300))
    attack = Attack("exfiltration", mb=size / 1e6, seconds=length, flows=parts)
    subscriber, src = draw.thief()
    peer = draw.outside()
    attack.actors.update((src, subscriber))
    attack.victims.add(peer)
    start, took = draw.start(length, WEEK), length / parts
    for n in range(parts):
        attack.rows.append(flow(start + (n + 1) * took, subscriber, src, peer, 443, size / parts, 9_000, took=took * 0.9))
    return attack


def beacon(draw, part):
    period = draw.log(30, 6 * HOUR, part)
    jitter, vary = draw.random.uniform(0, 0.5), draw.random.uniform(0, 0.2)
    length = min(max(draw.log(3 * HOUR, 3 * DAY), 10 * period), period * ROWS_MAX["beacon"])
    attack = Attack("beacon", period=period, jitter=jitter, hours=length / HOUR)
    subscriber, src = draw.inside()
    peer, size, port = draw.outside(), draw.log(300, 5_000), draw.random.choice((80, 443, 443, 8443))
    attack.actors.add(src)
    attack.victims.add(peer)
    start = at = draw.start(length)
    while at <= start + length:
        tx = size * draw.random.uniform(1 - vary, 1 + vary)
        attack.rows.append(flow(at, subscriber, src, peer, port, tx, 400, took=0.4))
        at += period * (1 + draw.random.uniform(-jitter, jitter))
    return attack


def interactive(draw, part):
    rate = draw.log(2, 300, part)
    length = draw.log(6 * MINUTE, HOUR)
    attack = Attack("interactive", per_minute=rate, seconds=length)
    subscriber, src = draw.inside()
    peer = draw.outside()
    attack.actors.add(src)
    attack.victims.add(peer)
    for at in draw.times(draw.start(length), length, int(rate * length / 60)):
        tx = draw.random.lognormvariate(7, 0.6)
        attack.rows.append(flow(at, subscriber, src, peer, 443, tx, 400, took=0.2))
    return attack


def flood_distributed(draw, part):
    sources = int(draw.log(50, 5_000, part))
    length = draw.log(MINUTE, 15 * MINUTE)
    protocol = draw.random.choice((TCP, UDP))
    attack = Attack("flood_distributed", sources=sources, seconds=length)
    subscriber, victim = draw.host()
    attack.victims.add(victim)
    first = (8 << 20) + (draw.numbers << 13)
    start, each = draw.start(length, ONE_DAY), draw.random.randrange(1, 4)
    for n in range(sources):
        for at in draw.times(start, length, each):
            rx = 0 if protocol == UDP else 900
            attack.rows.append(flow(at, subscriber, address(251, first + n), victim, 443, 1_200, rx, protocol=protocol))
    return attack


def amplification(draw, part):
    factor = draw.log(2, 500)
    per_5m = draw.log(1e6, 1e10, part)
    length = draw.log(5 * MINUTE, HOUR)
    rows = int(draw.log(100, 1_500))
    attack = Attack("amplification", mb_in_5m=per_5m / 1e6, factor=factor, seconds=length)
    subscriber, server = draw.host()
    attack.actors.add(server)
    targets = [draw.outside() for _ in range(draw.random.randrange(1, 6))]
    attack.victims.update(targets)
    answered, port = per_5m * length / (5 * MINUTE) / rows, draw.random.choice((53, 123, 389, 1900, 11211))
    for at in draw.times(draw.start(length), length, rows):
        src = draw.random.choice(targets)
        attack.rows.append(flow(at, subscriber, src, server, port, answered / factor, answered, protocol=UDP))
    return attack


def dns_tunnel(draw, part):
    rate = draw.log(1e3, 1e7, part)
    query = draw.random.uniform(100, 280)
    length = min(draw.log(10 * MINUTE, 6 * HOUR), ROWS_MAX["dns_tunnel"] * query / rate * MINUTE)
    attack = Attack("dns_tunnel", kb_a_minute=rate / 1e3, query=query, seconds=length)
    subscriber, src = draw.inside()
    server = draw.random.choice(("198.51.100.1", draw.outside()))
    attack.actors.add(src)
    for at in draw.times(draw.start(length), length, int(rate * length / MINUTE / query)):
        tx = query * draw.random.uniform(0.85, 1.15)
        attack.rows.append(flow(at, subscriber, src, server, 53, tx, 180, protocol=UDP))
    return attack


def lateral(draw, part):
    hosts = int(draw.log(2, 200, part))
    length = draw.log(5 * MINUTE, 12 * HOUR)
    attack = Attack("lateral", hosts=hosts, in_30m=hosts * min(1, 30 * MINUTE / length), seconds=length)
    subscriber, src = draw.inside()
    attack.actors.add(src)
    port = draw.random.choice((22, 445, 445, 3389, 5985))
    for at in draw.times(draw.start(length, WEEK), length, hosts):
        dst = draw.host()[1]
        attack.rows.append(flow(at, subscriber, src, dst, port, draw.log(3e3, 3e6), 6_000, took=draw.log(1, 100)))
    return attack


def travel(draw, part):
    return habits.travel(draw, part, Attack)


def silence(draw, part):
    draw.slots = draw.slots or habits.slots(draw.random, draw.span, KINDS[silence])
    return habits.silence(draw, part, Attack)


KINDS = {
    scan_vertical: 30, scan_horizontal: 30, syn_flood: 30, brute_force: 32, brute_force_many: 24, exfiltration: 40, beacon: 48,
    interactive: 20, flood_distributed: 30, amplification: 32, dns_tunnel: 32, lateral: 32,
    travel: 40, silence: 12,
}  # fmt: skip


def inject(random, span):
    draw, attacks = Draw(random, span), []
    # Those that need a subscriber's device first.
    for make, count in sorted(KINDS.items(), key=lambda kind: kind[0] is not exfiltration):
        for n in range(count):
            attack = make(draw, (n + random.random()) / count)
            attack.rows = [row for row in attack.rows if 0 < row[0] < span]
            attack.habit = [row for row in attack.habit if 0 < row[0] < span]
            if not attack.habit and (not attack.rows or not math.isfinite(attack.rows[0][0])):
                continue
            attack.close()
            attacks.append(attack)
    return attacks
