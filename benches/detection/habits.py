"""Breaks of a habit: who is elsewhere sooner than anybody travels, and a source that never pauses and stops. Each has a subscriber
of its own that is there for all days; what it does by habit is in `habit`, the break alone in `rows`."""

import math

from flows import DAY, HOUR, MINUTE, address, flow

WEEK = 7.0 * DAY
EARTH_KM = 6371.0
CITIES = (
    (52.52, 13.41, "DE"), (48.86, 2.35, "FR"), (40.42, -3.70, "ES"), (59.33, 18.07, "SE"), (40.71, -74.01, "US"),
    (37.34, -121.89, "US"), (43.65, -79.38, "CA"), (-23.55, -46.63, "BR"), (35.68, 139.65, "JP"), (1.35, 103.82, "SG"),
)  # fmt: skip
COUNTRIES = ("AT", "BE", "CL", "CZ", "DK", "EG", "GR", "ID", "NG", "NZ", "PE", "PT", "RO", "TH", "UA", "VN")


class Place:
    def __init__(self, latitude, longitude, country, city):
        self.latitude, self.longitude, self.country, self.city = latitude, longitude, country, city

    def at(self, km, bearing, country, city):
        """The place so far from here."""
        angle, latitude = km / EARTH_KM, math.radians(self.latitude)
        north = math.sin(latitude) * math.cos(angle) + math.cos(latitude) * math.sin(angle) * math.cos(bearing)
        there = math.asin(max(-1.0, min(1.0, north)))
        east = math.sin(bearing) * math.sin(angle) * math.cos(latitude), math.cos(angle) - math.sin(latitude) * math.sin(there)
        longitude = (self.longitude + math.degrees(math.atan2(*east)) + 180) % 360 - 180
        return Place(math.degrees(there), longitude, country, city)


def home(random):
    return Place(*random.choice(CITIES), "Home")


def elsewhere(random, here, km, within=False):
    """A place at that distance: in another country, or in the same one."""
    country = here.country if within else random.choice(COUNTRIES)
    return here.at(km, random.uniform(0, 2 * math.pi), country, "Elsewhere")


def popular(random):
    """A destination of many, as `tripline generate` has them."""
    number = 0xC612_0000 + (random.randrange(40) * 7919 & 0x1_FFFF)
    return ".".join(str(number >> bits & 255) for bits in (24, 16, 8, 0))


def located(random, at, subscriber, src, dst, place, city=True):
    """One flow from a place that a table knows to some 25 km."""
    end, line = flow(at, subscriber, src, dst, 443, random.lognormvariate(7.5, 0.8), random.lognormvariate(9, 1), took=0.9)
    seen = place.at(abs(random.gauss(0, 25)), random.uniform(0, 2 * math.pi), place.country, place.city)
    name = f'"{place.city}"' if city else "null"
    head = line.split(',"geoCountry"', 1)[0]
    return end, (
        f'{head},"geoCountry":"{place.country}","geoCity":{name},"latitude":{seen.latitude:.4f},"longitude":{seen.longitude:.4f}}}\n'
    )


def person(random, place, since, until):
    """Times at which somebody at home has flows: some ten sessions a day, from seven to eleven in the evening there."""
    for day in range(int(since // DAY) - 1, int(until // DAY) + 2):
        for _ in range(random.randrange(6, 14)):
            at = day * DAY + random.uniform(7, 23) * HOUR - place.longitude / 15 * HOUR
            for _ in range(random.randrange(1, 7)):
                at += random.uniform(0.5, 120)
                if since < at < until:
                    yield at


def steady(random, an_hour, since, until):
    at = since + random.uniform(0, HOUR / an_hour)
    while at < until:
        yield at
        at += HOUR / an_hour * random.uniform(0.5, 1.5)


def travel(draw, part, attack):
    random = draw.random
    km, gap = draw.log(300, 18_000, part), draw.log(MINUTE, DAY)
    here, way = home(random), random.choices(("out", "in"), (0.75, 0.25))[0]
    within = km < 4_000 and random.random() < 0.15
    there = elsewhere(random, here, km, within)
    city = random.random() > 0.1
    length, flows = draw.log(5 * MINUTE, 4 * HOUR), int(draw.log(3, 30))
    where = "within a country" if within else "no city" if not city else "across a border"
    one = attack(
        "travel", km=km, gap=gap, kmh=km / gap * HOUR, beyond=km - 1000 * gap / HOUR, where=where, way=way, flows=flows
    )
    subscriber, src = draw.host()
    if way == "in":
        src = draw.outside()
    stranger = draw.outside()
    one.actors.update((stranger, subscriber))
    server = draw.host()[1]
    start = draw.start(length + gap, WEEK + gap)

    def to():
        return server if way == "in" else popular(random)

    for at in (start, *draw.times(start, length, flows - 2), start + length):
        one.rows.append(located(random, at, subscriber, stranger, to(), there, city))
    # The rightful one is quiet for as long as was drawn on either side.
    times = [at for at in person(random, here, 0, draw.span) if not start - gap < at < start + length + gap]
    for at in (*times, start - gap, start + length + gap):
        one.habit.append(located(random, at, subscriber, src, to(), here))
    return one


def silence(draw, part, attack):
    random = draw.random
    silent, an_hour, pauses = draw.log(HOUR, 2 * DAY, part), draw.log(3, 100), random.choice((0, random.randrange(1, 15)))
    one = attack("silence", hours=silent / HOUR, flows=an_hour, watched=168 - pauses)
    subscriber, src = draw.host()
    one.actors.update((src, subscriber))
    here = home(random)
    one.start = draw.slots.pop() + random.uniform(0, 2 * HOUR)
    one.end = one.start + silent
    # Whole hours of the clock.
    off = {random.randrange(int(WEEK / HOUR) - 1) + int((one.start - WEEK) // HOUR) + 1 for _ in range(pauses)}
    one.parameters["watched"] = 168 - len(off)
    for at in steady(random, an_hour, 0, draw.span):
        if int(at // HOUR) not in off and not one.start < at < one.end:
            one.habit.append(located(random, at, subscriber, src, popular(random), here))
    return one


def slots(random, span, count):
    """Times for sources to stop: two at most are silent at once, so that each is told by itself."""
    first, lanes = WEEK + 2 * HOUR, 2
    length = (span - first) / (count // lanes)
    times = [first + slot * length for slot in range(count // lanes) for _ in range(lanes)]
    random.shuffle(times)
    return times
