"""Numbers, dates, random values."""

from cases import case, raised


@case("datetime", "_datetime")
def strptime():
    import datetime

    return [
        datetime.datetime.strptime("2020-02-29 +01:30", "%Y-%m-%d %z"),
        raised(datetime.datetime.strptime, "20x", "%Y"),
        raised(datetime.datetime.strptime, "2020", "%Q"),
    ]


@case("time", "_strptime")
def time_strptime():
    import time

    return [
        time.strptime("30 Nov 20", "%d %b %y"),
        raised(time.strptime, "x", "%d"),
        time.strftime("%a %b", time.gmtime(0)),
    ]


@case("datetime", "_datetime", "_pydatetime")
def dates():
    import copy
    import datetime
    import pickle

    class Zone(datetime.tzinfo):
        def utcoffset(self, when):
            return datetime.timedelta(hours=2)

        def tzname(self, when):
            return "two"

        def dst(self, when):
            return None

    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, 6, Zone())
    zoned = datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)
    return [
        moment.isoformat(),
        moment - zoned,
        moment < zoned,
        moment.astimezone(datetime.timezone.utc),
        pickle.loads(pickle.dumps(zoned)) == zoned,
        copy.deepcopy(zoned).tzinfo is datetime.timezone.utc,
        datetime.timezone.utc is datetime.datetime.now(datetime.timezone.utc).tzinfo,
        isinstance(moment, datetime.date),
        type(moment.date()) is datetime.date,
        raised(datetime.date, 2020, 13, 1),
        raised(lambda: moment < moment.replace(tzinfo=None)),
        datetime.datetime.fromisoformat("2011-11-04T00:05:23Z"),
        datetime.timedelta(days=1) / datetime.timedelta(hours=1),
        datetime.datetime.max,
        moment.timetuple(),
        hash(zoned) == hash(moment.replace(tzinfo=datetime.timezone.utc)),
    ]


@case("zoneinfo", "_zoneinfo")
def zones():
    import copy
    import datetime
    import pickle
    import zoneinfo

    found = []
    for key in ("Asia/Tokyo", "Europe/Paris", "America/New_York", "UTC"):
        zone = zoneinfo.ZoneInfo(key)
        when = datetime.datetime(2020, 7, 1, 12, tzinfo=zone)
        found.append((key, when.utcoffset(), when.tzname(), when.dst(), zoneinfo.ZoneInfo(key) is zone, zone.key))
        found.append(when.astimezone(datetime.timezone.utc).isoformat())
        found.append(pickle.loads(pickle.dumps(zone)) is zone)
        found.append(copy.deepcopy(when).tzinfo is zone)
    try:
        zoneinfo.ZoneInfo("Nowhere/Near")
    except zoneinfo.ZoneInfoNotFoundError as error:
        found.append(f"caught {error}")
    found.append(zoneinfo.ZoneInfo.no_cache("Europe/Rome") is zoneinfo.ZoneInfo("Europe/Rome"))
    zoneinfo.ZoneInfo.clear_cache()
    found.append(isinstance(zoneinfo.ZoneInfo("Europe/Paris"), datetime.tzinfo))
    found.append("Europe/Paris" in zoneinfo.available_timezones())

    class Own(zoneinfo.ZoneInfo):
        pass

    found.append(type(Own("Asia/Tokyo")) is Own)
    return found


@case("decimal", "_decimal", "_pydecimal", "numbers")
def decimals_are_numbers():
    import decimal
    import fractions
    import numbers

    one = decimal.Decimal(1)
    return [
        isinstance(one, numbers.Number),
        isinstance(one, numbers.Real),
        one == fractions.Fraction(1),
        decimal.Decimal("0.5") < fractions.Fraction(2, 3),
        fractions.Fraction(one),
        one == 1.0,
        hash(one) == hash(1),
        raised(lambda: one + 1.5),
        raised(lambda: one + fractions.Fraction(1)),
        sum([one, one]),
        decimal.Decimal(fractions.Fraction(1, 4).numerator),
        {1: "a"}[one],
        round(decimal.Decimal("2.5")),
        f"{one:>5.2f}",
    ]


@case("decimal", "_decimal")
def decimal_contexts():
    import copy
    import decimal
    import pickle
    import threading

    decimal.getcontext().clear_flags()
    found = [repr(decimal.getcontext()), repr(decimal.DefaultContext), repr(decimal.BasicContext)]
    with decimal.localcontext() as context:
        context.prec = 5
        context.traps[decimal.Inexact] = True
        try:
            decimal.Decimal(1) / 3
        except decimal.Inexact as error:
            found.append(f"caught {type(error).__mro__}")
    try:
        decimal.Decimal(1) / 0
    except ZeroDivisionError as error:
        found.append(type(error) is decimal.DivisionByZero)
    try:
        decimal.Decimal("x")
    except decimal.InvalidOperation as error:
        found.append(f"{error.args}")
    value = decimal.Decimal("1.10")
    found += [
        copy.deepcopy(value),
        pickle.loads(pickle.dumps(value)) == value,
        value.as_tuple(),
        type(value.as_tuple()).__module__,
    ]
    found += [pickle.loads(pickle.dumps(decimal.getcontext())), isinstance(value, decimal.Decimal)]
    seen = []
    thread = threading.Thread(target=lambda: seen.append(decimal.getcontext().prec))
    thread.start()
    thread.join()
    return [*found, seen, decimal.getcontext().prec]


@case("fractions", "statistics", "math", "cmath")
def fractions_and_statistics():
    import decimal
    import fractions
    import math
    import pickle
    import statistics

    third = fractions.Fraction(1, 3)
    return [
        third + 1,
        third + 0.5,
        pickle.loads(pickle.dumps(third)),
        fractions.Fraction("1.25"),
        third.limit_denominator(2),
        statistics.mean([decimal.Decimal("1.5"), 2]),
        raised(statistics.mean, []),
        statistics.stdev([1, 2, 4]),
        statistics.mean([third, 1]),
        statistics.NormalDist(1, 2).cdf(1),
        math.comb(5, 2),
        raised(math.sqrt, -1),
        math.isclose(0.1 + 0.2, 0.3),
        statistics.quantiles([1, 2, 3, 4]),
        statistics.multimode("aab"),
    ]


@case("random", "_random", "secrets")
def random_values():
    import pickle
    import random
    import secrets

    one = random.Random(7)
    found = [one.random(), one.randint(1, 9), one.choices("abc", k=3), one.sample(range(9), 3), one.gauss(0, 1)]
    state = one.getstate()
    two = pickle.loads(pickle.dumps(one))
    found += [one.random() == two.random(), len(state[1]), isinstance(one, random.Random)]
    random.seed(3)
    found += [random.random(), random.getstate()[0], random.randbytes(3), len(secrets.token_hex(4))]
    return [
        *found,
        len({random.SystemRandom().random() for _ in range(3)}),
        isinstance(random.SystemRandom(), random.Random),
    ]


@case("uuid", "_uuid")
def uuids():
    import pickle
    import uuid

    known = uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")
    return [
        known,
        uuid.uuid3(uuid.NAMESPACE_URL, "x"),
        pickle.loads(pickle.dumps(known)) == known,
        known.variant,
        known.version,
        uuid.uuid4().version,
        uuid.uuid1().version,
        uuid.uuid1() != uuid.uuid1(),
        uuid.UUID(int=5),
        raised(uuid.UUID, "x"),
        type(uuid.uuid1().is_safe).__name__,
    ]


@case("calendar", "sched", "bisect", "_bisect", "heapq", "_heapq", "graphlib")
def orders():
    import bisect
    import calendar
    import graphlib
    import heapq

    heap = [5, 1, 4]
    heapq.heapify(heap)
    sorter = graphlib.TopologicalSorter({"a": {"b"}, "b": {"c"}})
    return [
        calendar.monthrange(2020, 2),
        raised(calendar.monthrange, 2020, 13),
        calendar.month(2020, 2),
        heapq.heappop(heap),
        heapq.nsmallest(2, [3, 1, 2]),
        list(heapq.merge([1, 4], [2])),
        bisect.bisect([1, 2, 3], 2, key=lambda x: x),
        list(sorter.static_order()),
        raised(bisect.bisect, [1, "a"], 2),
    ]


@case("struct", "_struct", "array", "binascii", "base64")
def packed():
    import array
    import base64
    import binascii
    import copy
    import pickle
    import struct

    found = [
        struct.pack("<IhB", 1, 2, 3),
        struct.unpack(">d", b"\0" * 8),
        struct.calcsize("@lq"),
        list(struct.iter_unpack("B", b"ab")),
    ]
    for bad in (lambda: struct.pack("B", 300), lambda: struct.unpack("I", b""), lambda: struct.Struct("?!")):
        try:
            bad()
        except struct.error as error:
            found.append(f"caught {error}")
    numbers = array.array("i", [1, 2])
    numbers.append(3)
    found += [
        numbers,
        pickle.loads(pickle.dumps(numbers)),
        copy.copy(numbers),
        memoryview(numbers).format,
        raised(array.array, "?"),
    ]
    found += [isinstance(numbers, __import__("collections").abc.MutableSequence), iter(numbers).__reduce__()[1:]]
    try:
        binascii.unhexlify("x")
    except binascii.Error as error:
        found.append(f"caught {error}")
    try:
        base64.b64decode("a")
    except binascii.Error as error:
        found.append(f"caught {error}")
    return [*found, base64.b85encode(b"abc"), binascii.crc32(b"a")]
