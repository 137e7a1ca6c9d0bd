"""What is usual in a network and looks like an attack, beside what `tripline generate` has (a listed backup and a listed scanner,
time servers, push services, updates). Each lure has its addresses, by which an alert about it is known."""

import habits
from flows import DAY, HOUR, ICMP, MINUTE, UDP, address, device, failed, flow

DAYS = 10


def ours(number):
    return address(10, (32 << 16) + number)


def theirs(number):
    return address(240, (10 << 16) + number)


class Lures:
    def __init__(self, random, span):
        self.random, self.span = random, span
        self.rows, self.names = [], {}
        for make in (
            self.backups, self.scanner, self.monitoring, self.telemetry, self.new_software, self.own_time_servers,
            self.leases, self.printer, self.git, self.updates, self.reputation, self.web_server, self.noise_of_logins,
            self.photos, self.own_sites, self.flights, self.borders, self.household, self.private_network, self.nights,
            self.maintenance, self.retired,
        ):  # fmt: skip
            self.name = make.__name__
            make()

    def add(self, end, subscriber, src, dst, *rest, **more):
        if 0 < end < self.span:
            self.rows.append(flow(end, subscriber, src, dst, *rest, **more))

    def mark(self, *addresses):
        for one in addresses:
            self.names[one] = self.name.replace("_", " ")

    def regular(self, period, jitter, since=0.0):
        at = since + self.random.uniform(0, period)
        while at < self.span:
            yield at
            at += period * (1 + self.random.uniform(-jitter, jitter))

    def backups(self):
        """400 MB each night and 1.2 GB each Sunday, to servers outside that are not listed."""
        self.mark(theirs(20), theirs(21), ours(20), ours(21))
        for day in range(DAYS):
            for part in range(8):
                at = day * DAY + 2 * HOUR + part * 70
                self.add(at, "L20", ours(20), theirs(20), 443, 5e7 * self.random.uniform(0.9, 1.1), 90_000, took=60)
            if day % 7 == 6:
                for part in range(12):
                    at = day * DAY + 3 * HOUR + part * 120
                    self.add(at, "L21", ours(21), theirs(21), 443, 1e8 * self.random.uniform(0.9, 1.1), 90_000, took=110)

    def scanner(self):
        """One that nobody listed: five hosts, 200 ports each, once."""
        self.mark(ours(30))
        at = 3 * DAY + 21 * HOUR
        for host in range(5):
            for port in range(1, 201):
                at += 0.1
                self.rows.append(failed(at, "L30", ours(30), ours(300 + host), port, self.random.random() < 0.9))

    def monitoring(self):
        """Seven hosts by SSH and ten by ping, every five minutes."""
        self.mark(ours(40))
        for at in self.regular(5 * MINUTE, 0.0):
            for host in range(7):
                self.add(at + host, "L40", ours(40), ours(400 + host), 22, 1_900, 2_300, took=0.8)
            for host in range(10):
                self.add(at + 10 + host, "L40", ours(40), ours(410 + host), 0, 84, 84, protocol=ICMP)

    def telemetry(self):
        """Twelve machines, each with a server of its own outside: the same bytes, from the first day on."""
        for n in range(12):
            period, size = self.random.choice((300, 600, 1200, 3600, 7200, 14_400)), self.random.randrange(400, 5_000)
            subscriber, src = device(self.random.randrange(150), 3)
            self.mark(theirs(100 + n))
            for at in self.regular(period, self.random.uniform(0, 0.1)):
                self.add(at, subscriber, src, theirs(100 + n), 443, size * self.random.uniform(0.98, 1.02), 700, took=0.4)

    def new_software(self):
        """Two machines get a program one day that calls its maker every hour; nobody else has it."""
        for n in range(2):
            subscriber, src = device(self.random.randrange(150), 3)
            self.mark(theirs(120 + n))
            for at in self.regular(HOUR, 0.05, since=self.random.uniform(2, 8) * DAY):
                self.add(at, subscriber, src, theirs(120 + n), 443, 1_200 * self.random.uniform(0.98, 1.02), 700, took=0.4)

    def own_time_servers(self):
        for n in range(3):
            subscriber, src = device(self.random.randrange(150), 3)
            self.mark(theirs(130 + n))
            for at in self.regular(self.random.choice((64, 256, 1024)), 0.01):
                self.add(at, subscriber, src, theirs(130 + n), 123, 76, 76, protocol=UDP)

    def leases(self):
        """DHCP, every four hours."""
        self.mark(ours(67))
        for n in range(100):
            subscriber, src = device(n, 1)
            for at in self.regular(4 * HOUR, 0.02):
                self.add(at, subscriber, src, ours(67), 67, 342, 342, protocol=UDP)

    def printer(self):
        """It is gone, and tried every ten minutes."""
        self.mark(ours(90))
        for at in self.regular(10 * MINUTE, 0.02):
            self.rows.append(failed(at, *device(7, 1), ours(90), 9100, False))

    def git(self):
        """50 short sessions an hour by day."""
        self.mark(ours(91))
        for day in range(DAYS):
            for _ in range(450):
                at = day * DAY + self.random.uniform(8, 17) * HOUR
                self.add(at, "L95", ours(95), ours(91), 22, 3_000, 4_000, took=1.5)

    def updates(self):
        """The fifth day: each of 300 machines loads eight files from a network that it never called before."""
        self.mark(*(theirs(200 + n) for n in range(4)))
        for subscriber in range(150):
            for number in (1, 2):
                at = 4 * DAY + self.random.uniform(9, 17) * HOUR
                for _ in range(8):
                    at += self.random.uniform(5, 60)
                    to = theirs(200 + self.random.randrange(4))
                    self.add(at, *device(subscriber, number), to, 443, 60_000, self.random.lognormvariate(17, 0.8), took=4)

    def reputation(self):
        """A mail filter that asks for reputations by DNS."""
        self.mark(ours(96))
        for day in range(DAYS):
            for _ in range(3_000):
                at = day * DAY + self.random.uniform(7, 19) * HOUR
                self.add(at, "L96", ours(96), theirs(53), 53, self.random.randrange(90, 230), 200, protocol=UDP)

    def web_server(self):
        """25 sources in five minutes, and 150 for a while at noon."""
        self.mark(ours(80))
        for at in self.regular(12, 0.9):
            self.visitor(at)
        for day in range(DAYS):
            for _ in range(self.random.randrange(250, 400)):
                self.visitor(day * DAY + 12 * HOUR + self.random.uniform(0, 600))

    def visitor(self, at):
        src = address(240, (20 << 16) + self.random.randrange(60_000))
        self.add(at, "L80", src, ours(80), 443, 1_500, self.random.lognormvariate(10, 1), took=0.9)

    def noise_of_logins(self):
        """What every SSH server that is open to the Internet gets."""
        self.mark(ours(92))
        for at in self.regular(4 * MINUTE, 0.9):
            src = address(240, (30 << 16) + self.random.randrange(4_000))
            self.add(at, "L92", src, ours(92), 22, 1_900, 2_300, took=1.5)

    def photos(self):
        """An evening's 60 to 250 MB from a phone, on eight days."""
        for n in range(8):
            at, left = self.random.randrange(DAYS) * DAY + self.random.uniform(18, 22) * HOUR, self.random.uniform(6e7, 2.5e8)
            subscriber, src = device(self.random.randrange(150), 3)
            self.mark(theirs(220 + n))
            while left > 0:
                size = self.random.uniform(2e6, 6e6)
                left -= size
                at += self.random.uniform(5, 40)
                self.add(at, subscriber, src, theirs(220 + n), 443, size, 9_000, took=4)

    def own_sites(self):
        """Twelve people, each at a site that nobody else uses, through a working day."""
        for n in range(12):
            subscriber, src = device(self.random.randrange(150), 3)
            self.mark(theirs(140 + n))
            for day in range(DAYS):
                for _ in range(self.random.randrange(0, 60)):
                    at = day * DAY + self.random.uniform(7, 20) * HOUR
                    for _ in range(self.random.randrange(1, 4)):
                        at += self.random.uniform(0.1, 20)
                        size = self.random.lognormvariate(7.7, 0.9)
                        self.add(at, subscriber, src, theirs(140 + n), 443, size, size * 6, took=0.9)

    def stay(self, number, src, place, since, until, clock=None):
        """Somebody's flows of some time from one place, by the clock of that place or another; numbers from 500 on."""
        self.mark(f"L{number}", src)
        for at in habits.person(self.random, clock or place, since, min(until, self.span)):
            self.rows.append(habits.located(self.random, at, f"L{number}", src, habits.popular(self.random), place))

    def flights(self):
        """Six people, of whom each flies once, most of them after a week, and back after days."""
        for n in range(500, 506):
            here, km = habits.home(self.random), 500 * 24 ** self.random.random()
            there, gap = habits.elsewhere(self.random, here, km), (km / 800 + 3) * HOUR
            leaves = self.random.uniform(4, 9.5) * DAY
            returns = leaves + gap + self.random.uniform(0.5, 4) * DAY
            self.stay(n, ours(n), here, 0, leaves)
            self.stay(n, theirs(n), there, leaves + gap, returns)
            self.stay(n, ours(n), here, returns + gap, self.span)

    def borders(self):
        """Four telephones that are led out on either side of a border, and four in another city of their country."""
        for n in range(510, 518):
            here, abroad = habits.home(self.random), n < 514
            km = self.random.uniform(50, 400) if abroad else self.random.uniform(300, 3_000)
            there = habits.elsewhere(self.random, here, km, within=not abroad)
            self.stay(n, ours(n), here, 0, self.span)
            self.stay(n, theirs(n), there, self.random.uniform(3, 8.5) * DAY, self.span)

    def household(self):
        """One is on another continent for days while the machines at home go on."""
        here = habits.home(self.random)
        leaves = self.random.uniform(7, 9) * DAY
        self.stay(520, ours(520), here, 0, self.span)
        self.stay(520, theirs(520), habits.elsewhere(self.random, here, 6_000), leaves, self.span)

    def private_network(self):
        """Three who leave by another country for hours of some days, two of them from the first days on."""
        for n, since in ((530, 0), (531, 1), (532, 7)):
            here = habits.home(self.random)
            there = habits.elsewhere(self.random, here, self.random.uniform(800, 9_000))
            self.stay(n, ours(n), here, 0, self.span)
            for day in range(DAYS):
                at = (since + day) * DAY + (self.random.uniform(8, 18) - here.longitude / 15) * HOUR
                if day == 0 or self.random.random() < 0.5:
                    self.stay(n, theirs(n), there, at, at + 3 * HOUR, here)

    def never_still(self, number, an_hour, asleep):
        """A source whose flows pause when `asleep(day, hour)` says so."""
        here = habits.home(self.random)
        self.mark(f"L{number}", ours(number))
        for at in habits.steady(self.random, an_hour, 0, self.span):
            day, hour = divmod(at / HOUR, 24)
            if not asleep(int(day), hour):
                self.rows.append(
                    habits.located(self.random, at, f"L{number}", ours(number), habits.popular(self.random), here)
                )

    def nights(self):
        """Twelve busy machines: on by day, on but for six hours of the night, off at the week-end, off from Friday evening."""
        asleep = (
            lambda day, hour: not 7 <= hour < 20,
            lambda day, hour: 0 <= hour < 6,
            lambda day, hour: day % 7 > 4,
            lambda day, hour: (day % 7 == 4 and hour > 18) or day % 7 > 4,
        )
        for n in range(12):
            self.never_still(540 + n, 10 ** self.random.uniform(1, 2), asleep[n % 4])

    def maintenance(self):
        """Two servers that are stopped for four hours of a night."""
        for n in range(2):
            begins = self.random.uniform(0, 2)
            self.never_still(
                560 + n, 10 ** self.random.uniform(1, 2),
                lambda day, hour, begins=begins, on=7 + 2 * n: day == on and begins <= hour < begins + 4,
            )  # fmt: skip

    def retired(self):
        """One server that is switched off for good."""
        gone = self.random.uniform(8.1, 8.6) * 24
        self.never_still(570, 20, lambda day, hour: day * 24 + hour > gone)
