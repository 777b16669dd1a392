"""Messages between interpreters: what arrives equal, and what is refused with its place."""

import os
import textwrap
import unittest

import case
from host_driver import VERSION

SEEDS = 3000

# Runs the Python that a request brings, and answers with the repr of what it left in `result`.
APP = textwrap.dedent("""
    import values, _moult
    from values import *
    from _moult import payload
    from _moult.call_errors import *
    def refused(f, *args):
        try:
            f(*args)
        except PayloadError as error:
            return type(error).__name__, error.path, error.class_name, str(error)
        raise AssertionError(f'not refused: {args!r:.300}')
    def application(env, start):
        start('200 OK', [])
        scope = {**globals(), 'here': env['moult.generation']}
        exec(env['wsgi.input'].read().decode(), scope)
        return [repr(scope.get('result')).encode('utf-8', 'backslashreplace')]
    """)

# Data, classes and comparison, the same in both interpreters.
VALUES = textwrap.dedent('''
    import array, collections, dataclasses, datetime, decimal, enum, fractions, math, pickle, random, struct, uuid
    import sys, threading
    from _moult import payload_pack as pack, payload_unpack as unpack, payload_copy as copied
    from _moult import payload_pack_call as pack_call, payload_unpack_call as unpack_call

    Point = collections.namedtuple('Point', 'x y')

    class Colour(enum.IntEnum):
        RED = 1

    @dataclasses.dataclass
    class Order:
        number: int
        items: object = None

    class Slotted:
        __slots__ = ('a', '__b', 'unset')
        def __init__(self, a, b):
            self.a, self.__b = a, b
        def __eq__(self, other):
            return (self.a, self.__b) == (other.a, other.__b)

    class Text(str):
        pass

    class Matrix:
        """Gives its bytes away as numpy does."""
        def __init__(self, data):
            self.data = data
        def __reduce_ex__(self, protocol):
            return Matrix, (pickle.PickleBuffer(self.data),)
        def __eq__(self, other):
            return bytes(self.data) == bytes(other.data)

    class Stubborn:
        def __init__(self):
            self.order = Order(1)
        def __setstate__(self, state):
            raise ValueError('not today')

    class Holder:
        def __init__(self, **names):
            self.__dict__.update(names)

    def nested(depth, value=None):
        for _ in range(depth):
            value = [value]
        return value

    NUMBERS = [0, 1, -1, 127, 128, -128, -129, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**63 - 1, 2**63, -2**63,
               -2**63 - 1, 2**64, -2**64, 255 << 56, 1 << 71, -(1 << 71), 2**100000, -3**5000]
    SIGNALLING = struct.unpack('<d', struct.pack('<Q', 0x7FF800000000BEEF))[0]
    REALS = [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, -math.nan, SIGNALLING, 5e-324, 1.7976931348623157e308]
    CHARACTERS = ['', 'a', 'é', 'ÿ', 'Ā', '☃', '\\uffff', '\\U0001f40d', '\\U0010ffff', '\\0', '\\ud800', '\\udc80',
                  '\\ud800\\udc00']

    def leaf(r):
        kind = r.randrange(16)
        if kind == 0: return r.choice([None, True, False])
        if kind == 1: return r.choice(NUMBERS)
        if kind == 2: return r.getrandbits(r.randrange(1, 300)) * r.choice([1, -1])
        if kind == 3: return r.choice(REALS)
        if kind == 4: return r.random() * 10 ** r.randrange(-300, 300)
        if kind == 5: return ''.join(r.choice(CHARACTERS) for _ in range(r.randrange(8)))
        if kind == 6: return 'x' * r.choice([0, 1, 2, 254, 255, 256, 1000, 70000])
        if kind == 7: return r.choice(CHARACTERS) * r.choice([1, 255, 256])
        if kind == 8: return r.randbytes(r.choice([0, 1, 255, 256, 1000, 65535, 65536, 100000]))
        if kind == 9: return bytearray(r.randbytes(r.choice([0, 1, 300, 65535, 65536])))
        if kind == 10: return memory(r)
        if kind == 11: return datetime.date(r.randrange(1, 10000), r.randrange(1, 13), r.randrange(1, 29))
        if kind == 12: return time(r)
        if kind == 13: return datetime.datetime.combine(leaf_date(r), time(r))
        if kind == 14: return datetime.timedelta(r.randrange(-999999999, 999999999), r.randrange(86400), r.randrange(10**6))
        return r.randrange(-1000, 1000)

    def leaf_date(r):
        return datetime.date.fromordinal(r.randrange(1, 3652060))

    def time(r):
        return datetime.time(r.randrange(24), r.randrange(60), r.randrange(60), r.randrange(10**6), fold=r.randrange(2))

    def memory(r):
        kind = r.choice('bBhHiIlLqQnNfd?cP@')
        kind = '@i' if kind == '@' else kind
        rows, columns = r.randrange(1, 5), r.choice([1, 3, 3000])
        size = struct.calcsize(kind) * rows * columns
        raw = bytes(size) if kind in '?' else struct.pack(f'{rows * columns}f', *range(rows * columns)) if kind == 'f' else bytes(
            i % 3 for i in range(size))
        view = memoryview(raw)
        if r.randrange(2):
            return view.cast(kind, [rows, columns])
        if r.randrange(8) == 0:
            return view[:struct.calcsize(kind)].cast(kind, [])
        return view.cast(kind) if kind != 'B' else view

    def hashable(r, depth):
        while True:
            made = tree(r, depth, r.choice([leaf, leaf, lambda r: tuple(hashable(r, 0) for _ in range(2))]))
            try:
                hash(made)
            except (TypeError, ValueError):
                continue
            if made == made:
                return made

    def tree(r, depth, leaf=leaf):
        kind = r.randrange(9) if depth > 0 else 8
        size = r.choice([0, 1, 2, 3, 5]) if r.randrange(50) else 300
        if size == 300:
            return [leaf(r) if i % 100 == 0 else i for i in range(size)]
        if kind == 0: return tuple(tree(r, depth - 1) for _ in range(size))
        if kind in (1, 2): return [tree(r, depth - 1) for _ in range(size)]
        if kind in (3, 4): return {hashable(r, 0): tree(r, depth - 1) for _ in range(size)}
        if kind == 5: return {hashable(r, 0) for _ in range(size)}
        if kind == 6: return frozenset(hashable(r, 0) for _ in range(size))
        return leaf(r)

    def special(r):
        kind = r.randrange(14)
        if kind == 0: return Point(leaf(r), leaf(r))
        if kind == 1: return Colour.RED
        if kind == 2: return Order(r.randrange(10), leaf(r))
        if kind == 3: return decimal.Decimal(r.randrange(10**9)) / 7
        if kind == 4: return uuid.UUID(int=r.getrandbits(128))
        if kind == 5: return Slotted(leaf(r), r.random())
        if kind == 6: return Text('text')
        if kind == 7: return datetime.datetime(2000 + r.randrange(30), 5, 6, 7, 8, tzinfo=datetime.timezone.utc)
        if kind == 8: return collections.OrderedDict(a=1, b=leaf(r))
        if kind == 9: return fractions.Fraction(1, 3)
        if kind == 10: return Matrix(bytearray(r.randbytes(r.choice([10, 65536, 70000]))))
        if kind == 11: return array.array('d', [1.5] * r.choice([1, 20000]))
        if kind == 12: return complex(1, r.random())
        return range(r.randrange(100))

    def value_of(seed):
        """Plain data, and for each third seed something in it that is not."""
        r = random.Random(seed)
        made = tree(r, r.randrange(5))
        return made if seed % 3 else [made, special(r), {'deep': (special(r),)}]

    def check(a, b, path='value'):
        """Raises unless they are equal in all that can be seen."""
        assert type(a) is type(b), (path, type(a), type(b))
        if isinstance(a, float):
            assert struct.pack('<d', a) == struct.pack('<d', b), (path, a, b)
        elif type(a) in (list, tuple, Point):
            assert len(a) == len(b), path
            for i, (x, y) in enumerate(zip(a, b)):
                check(x, y, f'{path}[{i}]')
        elif type(a) in (dict, collections.OrderedDict):
            assert len(a) == len(b), path
            for i, ((k, x), (l, y)) in enumerate(zip(a.items(), b.items())):
                check(k, l, f'{path}.key {i}')
                check(x, y, f'{path}.value {i}')
        elif type(a) is memoryview:
            assert (a.format, a.shape, a.tobytes()) == (b.format, b.shape, b.tobytes()), path
            assert b.readonly and b.c_contiguous, path
        elif type(a) in (datetime.datetime, datetime.time):
            assert (a, a.fold, a.tzinfo) == (b, b.fold, b.tzinfo), path
        elif type(a) is Order:
            check(a.number, b.number), check(a.items, b.items)
        elif type(a) is Slotted:
            check(a.a, b.a), check(a._Slotted__b, b._Slotted__b)
        else:
            assert a == b, path

    def write(name, messages):
        with open(name, 'wb') as file:
            for message in messages:
                file.write(struct.pack('<Q', len(message)) + message)

    def read(name):
        with open(name, 'rb') as file:
            while head := file.read(8):
                yield file.read(*struct.unpack('<Q', head))
    ''')


class PayloadCase(case.HostCase):
    def setUp(self):
        super().setUp()
        self.tree.write({"values.py": VALUES})
        self.one = self.serve(APP)

    def run_in(self, interp, code):
        lane = interp.lane
        lane.send_request("/", method="POST", body=textwrap.dedent(code).encode("utf-8", "surrogatepass"))
        response = lane.finish()
        self.assertIsNone(response.failed, response.failed)
        return eval(response.body)

    def run_here(self, code):
        return self.run_in(self.one, code)

    def refusal(self, expression, setup=""):
        """(class, path, class name, message) of what packing it as the only argument `it` raises."""
        code = textwrap.dedent(setup) + f"\nresult = refused(lambda: pack_call(it={expression}))"
        return self.run_here(code)


class Values(PayloadCase):
    def test_random_data_arrives_equal_in_the_other_interpreter(self):
        two = self.serve(APP)
        for sender, receiver, first in ((self.one, two, 0), (two, self.one, SEEDS)):
            name = self.tree / f"messages{first}"
            seeds = f"range({first}, {first + SEEDS})"
            self.run_in(sender, f"write({name!r}, (pack(value_of(seed)) for seed in {seeds}))")
            counted = self.run_in(receiver, f"""
                result = [0, 0]
                for seed, message in zip({seeds}, read({name!r}), strict=True):
                    check(value_of(seed), unpack(message), f'seed {{seed}}: ')
                    result[message[8 + 8 * int.from_bytes(message[4:8], 'little')] == ord('V')] += 1
                """)
            self.assertEqual(sum(counted), SEEDS)
            self.assertGreater(min(counted), SEEDS // 4)  # both by pickle and without

    def test_plain_types_need_no_pickle(self):
        self.assertTrue(self.run_here("""
            r = random.Random(1)
            every = [None, True, 1.5, 'a', b'b', bytearray(b'c'), memoryview(b'd').cast('c'), [1], (2,), {3: 4}, {5},
                     frozenset({6}), leaf_date(r), time(r), datetime.datetime(2020, 1, 1), datetime.timedelta(1), *NUMBERS,
                     *REALS, *CHARACTERS]
            check(every, copied(every))
            result = pack(every)[8:9] == b'V'
            """))

    def test_arguments_arrive_as_they_were_given(self):
        self.assertEqual(self.run_here("""
            calls = [pack_call(), pack_call(1, [2]), pack_call(1, b=2, é=3), pack_call(Point(1, 2), k=Colour.RED)]
            (args, kwargs), calls[3:] = unpack_call(calls[3]), []
            check((args, kwargs), ((Point(1, 2),), {'k': Colour.RED}))
            result = [unpack_call(call) for call in calls]
            """), [((), None), ((1, [2]), None), ((1,), {"b": 2, "é": 3})])

    def test_nesting_up_to_the_limit_and_beyond(self):
        self.assertEqual(self.run_here("""
            result = []
            for depth in (100, 101, 300):
                message = pack(nested(depth, 'end'))
                value = unpack(message)
                for _ in range(depth):
                    value, = value
                result.append((value, chr(message[8])))
            """), [("end", "V"), ("end", "v"), ("end", "v")])

    def test_recursion_and_shared_references(self):
        self.assertEqual(self.run_here("""
            loop = [1]; loop.append(loop)
            made = copied(loop)
            shared = ['s']; both = copied([shared, shared])
            big = bytearray(70000)
            pickled = copied([big, big, Point(1, 2)])
            result = made[0], made[1] is made, both, pickled[0] is pickled[1], pickled[0] == big
            """), (1, True, [["s"], ["s"]], True, True))

    def test_large_bytes_are_buffers_of_their_own(self):
        self.assertEqual(self.run_here("""
            count = lambda value: (int.from_bytes(pack(value)[4:8], 'little'), len(pack(value)) < 300000)
            large = b'x' * 65536
            result = [count(large), count(large[1:]), count([large, bytearray(large), memoryview(large)]),
                      count(Order(1, [large, bytearray(large), memoryview(large)])), count(Matrix(bytearray(large)))]
            """), [(1, True), (0, True), (3, True), (3, True), (1, True)])

    def test_pickled_buffers_keep_what_they_were(self):
        self.assertEqual(self.run_here("""
            made = [copied(Matrix(data)).data for data in (bytes(70000), bytearray(70000), bytes(10), bytearray(10))]
            result = [(type(data).__name__, len(data)) for data in made]
            """), [("bytes", 70000), ("bytearray", 70000), ("bytes", 10), ("bytearray", 10)])

    def test_a_bytearray_is_free_again_when_the_message_is_gone(self):
        self.assertEqual(self.run_here("""
            data = bytearray(100000)
            pack(data), pack(Order(1, data)), refused(pack, [data, threading.Lock()])
            data.append(1)
            result = len(data)
            """), 100001)

    def test_code_of_the_app_may_make_messages_while_one_is_made(self):
        self.assertEqual(self.run_here("""
            global Nested
            class Nested:
                def __reduce__(self):
                    return unpack, (pack([1, Point(2, 3)]),)
            result = tuple(copied([Nested(), Nested()])[1][1])
            """), (2, 3))

    def test_a_finalizer_that_empties_what_is_being_encoded(self):
        # On 3.11 the iterator of a set may start a collection.
        self.run_here("""
            import gc
            class Emptying:
                def __del__(self):
                    data.clear(), table.clear()
            before = gc.get_threshold()
            for shape in (lambda: [data, table], lambda: [table, data]) * 20:
                gc.disable()
                data = [{1}, *([str(i)] for i in range(1000))]
                table = {1: {2}, **{i: [i] for i in range(2, 1000)}}
                both = shape()
                garbage = Emptying(); garbage.me = garbage; del garbage
                gc.set_threshold(1)
                gc.enable()
                try:
                    pack(both)
                except PayloadError:
                    pass
                gc.set_threshold(*before)
            """)


class Refusals(PayloadCase):
    def test_the_path_names_the_first_place_that_offends(self):
        cases = [
            ("threading.Lock()", "argument 'it'"),
            ("{'order': {'items': [1, 2, Holder(lock=threading.Lock())]}}", "argument 'it'['order']['items'][2].lock"),
            ("[1, (lambda: 0)]", "argument 'it'[1]"),
            ("{1: Slotted(1, threading.Lock())}", "argument 'it'[1]._Slotted__b"),
            ("Slotted(1, {2: iter(())}) and Slotted((i for i in ()), 2)", "argument 'it'.a"),
            ("{(1, len): 1, len: 2, (lambda: 0): 3}", "argument 'it'.<key <function>>"),
            ("{1, (lambda: 0)}", "argument 'it'.<member>"),
            ("{2 ** 100_000: sys}", "argument 'it'[<int>]"),
            ("{'x' * 100: sys}", "argument 'it'['" + "x" * 56 + "...]"),
            ("Order(1, [Point(1, sys)])", "argument 'it'.items[0][1]"),
            ("[memoryview(b'abcd')[::2]]", "argument 'it'[0]"),
            ("open('/dev/null')", "argument 'it'"),
        ]
        for expression, path in cases:
            with self.subTest(expression):
                kind, found, _, message = self.refusal(expression)
                self.assertEqual((kind, found), ("PayloadError", path))
                self.assertTrue(message.startswith(path + ": "), message)
        self.assertIn("cannot pickle '_thread.lock' object", self.refusal("threading.Lock()")[3])

    def test_positional_arguments_and_results_have_paths_too(self):
        self.assertEqual(self.run_here("""
            result = [refused(lambda: pack_call(1, [threading.Lock()]))[1], refused(pack, (1, threading.Lock()))[1]]
            """), ["argument 2[0]", "result[1]"])

    def test_a_local_class_is_refused(self):
        kind, path, _, message = self.refusal("[Local()]", "class Local: pass\nLocal.__qualname__ = 'f.<locals>.Local'")
        self.assertEqual((kind, path), ("PayloadError", "argument 'it'[0]"))
        self.assertIn("Local", message)

    def test_memory_that_cannot_be_made_again(self):
        for expression, part in [
            ("memoryview(b'abcd')[::2]", "one after another"),
            ("memoryview(struct.pack('<4i', 1, 2, 3, 4)).cast('i', [2, 2])[::-1]", "one after another"),
        ]:
            self.assertIn(part, self.refusal(expression)[3])
        self.assertEqual(self.refusal("view", "view = memoryview(b'abc'); view.release()")[0], "PayloadError")

    def test_an_error_of_the_apps_own_code_is_its_message(self):
        setup = """
            global Bad
            class Bad:
                def __reduce__(self): raise ValueError('no\\n  more')
            """
        kind, path, _, message = self.refusal("{'a': Bad()}", setup)
        self.assertEqual((kind, path, message), ("PayloadError", "argument 'it'['a']", "argument 'it'['a']: no more"))

    def test_an_interruption_is_not_a_refusal(self):
        self.assertEqual(self.run_here("""
            global Stopped
            class Stop(BaseException): pass
            class Stopped:
                def __reduce__(self): raise Stop
            data = bytearray(100000)
            try:
                pack([data, Stopped()])
            except Stop:
                data.append(1)
                result = 'stopped'
            """), "stopped")

    def test_far_too_deep_nesting(self):
        kind, path, _, message = self.refusal("nested(100_000)")
        self.assertEqual((kind, path), ("PayloadError", "argument 'it'"))
        self.assertIn("too deeply", message)

    def test_the_search_for_the_place_has_an_end(self):
        kind, path, _, _ = self.refusal("[*range(100_000), threading.Lock()]")
        self.assertEqual((kind, path), ("PayloadError", "argument 'it'"))
        path = self.refusal("nested(900, threading.Lock())")[1]
        self.assertLess(len(path), 400)

    def test_a_class_that_only_the_sender_has(self):
        two = self.serve(APP)
        self.tree.write({"only_here.py": "class Thing:\n    pass\n"})
        only_one = self.run_here("""
            import types
            module = types.ModuleType('only_here'); sys.modules['only_here'] = module
            class Thing: pass
            Thing.__module__, Thing.__qualname__ = 'only_here', 'Thing'
            module.Thing = Thing; values.Extra = type('Extra', (), {'__module__': 'values'})
            result = pack([1, Thing()]), pack([1, {'x': values.Extra()}])
            thing = [1, {'x': Thing()}]
            assert payload.find_class(thing, 'only_here.Thing') == "result[1]['x']"
            assert payload.find_class_in_call((1,), {'k': thing}, 'only_here.Thing') == "argument 'k'[1]['x']"
            assert payload.find_class(thing, 'only_here.Other') is None
            """)
        for message, name in zip(only_one, ("only_here.Thing", "values.Extra")):
            kind, _, class_name, text = self.run_in(two, f"result = refused(unpack, {message!r})")
            self.assertEqual((kind, class_name), ("PayloadError", name))
            self.assertTrue(text.startswith(f"the receiver cannot make a {name}: "), text)

    def test_an_instance_whose_making_fails_in_the_receiver(self):
        kind, _, class_name, text = self.run_here("result = refused(copied, [Stubborn(), 1])")
        self.assertEqual((kind, class_name), ("PayloadError", "values.Stubborn"))
        self.assertEqual(text, "the receiver cannot make a values.Stubborn: not today")


class Sizes(PayloadCase):
    def test_a_message_may_be_as_large_as_the_limit(self):
        self.assertEqual(self.run_here("""
            result = []
            for value in ('x' * 1000, b'x' * 100000, list(range(1000)), Order(1, 'x' * 1000), Order(1, b'x' * 100000)):
                message = pack(value)
                size = len(message) - 8 - 8 * int.from_bytes(message[4:8], 'little')
                pack(value, size)
                try:
                    pack(value, size - 1)
                except PayloadTooLarge as error:
                    result.append((error.limit == size - 1, error.size >= size - 1, str(error.limit) in str(error)))
            """), [(True, True, True)] * 5)

    def test_too_much_is_noticed_before_it_is_copied(self):
        self.assertEqual(self.run_here("""
            import resource
            text, data, many = 'x' * 200_000_000, bytes(1_000_000), [str(i) * 10 for i in range(1_000_000)]
            values = (text, [text], Order(1, text), bytes(20_000_000), [data] * 2000,
                      Order(1, [bytes(1_000_000) for _ in range(20)]), many, Order(1, many))
            base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            kinds = {refused(pack, value, 16_000_000)[0] for value in values}
            result = kinds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base < 150_000
            """), ({"PayloadTooLarge"}, True))

    def test_one_object_many_times_is_counted_each_time_only_without_pickle(self):
        self.assertEqual(self.run_here("""
            data = bytes(1_000_000)
            result = refused(pack, [data] * 20, 16_000_000)[0], len(pack(Order(1, [data] * 20), 16_000_000)) < 1_100_000
            """), ("PayloadTooLarge", True))


class Malformed(PayloadCase):
    def test_damaged_messages_give_a_value_or_an_error(self):
        self.assertGreater(self.run_here("""
            result = 0
            r = random.Random(7)
            for seed in range(1, 700):
                message = pack(value_of(seed if seed % 3 else seed + 1))
                if message[8 + 8 * int.from_bytes(message[4:8], 'little')] != ord('V') or len(message) > 5000:
                    continue
                for _ in range(60):
                    damaged = bytearray(message)
                    for _ in range(r.randrange(1, 4)):
                        at = r.randrange(len(damaged))
                        damaged[at:at + r.randrange(3)] = r.choice([b'', r.randbytes(1), b'\\xff', r.randbytes(4)])
                    if damaged[8:9] == b'v' or damaged[8:9] == b'c':
                        continue
                    try:
                        repr(unpack(bytes(damaged)))
                    except (PayloadError, ValueError) as error:
                        assert str(error) == 'malformed message', error
                        result += 1
            """), 1000)

    def test_a_claimed_list_of_four_billion_is_not_made(self):
        before = self.host.memory()
        self.assertEqual(self.run_here("""
            flat = lambda text: struct.pack('<II', len(text), 0) + text
            tag = pack([0] * 256)[9:10]
            result = [refused(unpack, flat(b'V' + (tag + b'\\xff' * 4) * 50))[3],
                      refused(unpack, flat(b'V' + (tag + struct.pack('<I', 1_000_000)) * 90 + bytes(1_000_000)))[3]]
            """), ["malformed message"] * 2)
        self.assertLess(self.host.memory() - before, 200_000_000)

    def test_a_pickle_that_is_none(self):
        for body in ("b'v'", "b'vnothing'", "b'c' + pack(Point(1, 2))[9:]", "b'x'", "b''"):
            kind = self.run_here(f"""
                text = {body}
                message = struct.pack('<II', len(text), 0) + text
                result = refused(unpack_call if text[:1] == b'c' else unpack, message)[0]
                """)
            self.assertEqual(kind, "PayloadError", body)

    def test_a_value_is_no_call(self):
        self.assertEqual(self.run_here("result = refused(unpack_call, pack(1))[3], refused(unpack, pack_call(1))[3]"),
                         ("malformed message",) * 2)


class Whole(PayloadCase):
    def test_nothing_is_kept(self):
        round_of_all = """
            for seed in range(0, 400):
                copied(value_of(seed))
            for value in (threading.Lock(), [Order(1, bytes(100000)), lambda: 0], Order(2, 'x' * 100000)):
                for _ in range(100):
                    try:
                        unpack(pack(value, 70000))
                    except PayloadError:
                        pass
            import gc; gc.collect()
            """
        for _ in range(3):
            self.run_here(round_of_all)
        before = self.host.memory()
        for _ in range(10):
            self.run_here(round_of_all)
        self.assertLess(self.host.memory() - before, 6_000_000)

    def test_pickle_is_imported_when_it_is_needed(self):
        interp = self.serve("import sys, _moult\nPICKLE = 'pickle' in sys.modules\ndef application(env, start):\n"
                            "    start('200 OK', []); _moult.payload_copy([1, 'a'])\n"
                            "    return [repr((PICKLE, 'pickle' in sys.modules)).encode()]\n", name="lean.py")
        self.assertEqual(eval(interp.get().body), (False, False))

    def test_the_errors_can_be_pickled_and_copied(self):
        self.assertEqual(self.run_here("""
            import copy, moult
            made = [RemoteError('ValueError', 'no', 'Traceback'), PayloadError('m', 'result[1]', 'a.B'),
                    PayloadTooLarge('m', 10, 5), CallTimeout('late'), AppNotFound('x'), NotExported('f'), CallCycle('c'),
                    AppUnavailable('u'), HostLost('h'), CallError('e')]
            result = []
            for error in made:
                for again in (copied(error), copy.copy(error)):
                    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error)), error
                    assert isinstance(again, CallError) and type(again).__doc__
                result.append(type(error).__module__ + '.' + type(error).__name__ + ': ' + str(error))
            assert isinstance(made[3], TimeoutError)
            """)[:3], ["moult.RemoteError: ValueError: no", "moult.PayloadError: m", "moult.PayloadTooLarge: m"])


if __name__ == "__main__":
    unittest.main()
