"""What C modules of the standard library keep does not go from one interpreter to another, nor with its end."""

import unittest

import case
from host_driver import Host, VERSION


@unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
class State(case.HostCase):
    """Each test has a host of its own: what counts is which interpreter used a module first."""

    def setUp(self):
        super().setUp()
        self.host = Host()
        self.addCleanup(self.host.close)

    def run_over_ends(self, source, expected):
        """Run in two interpreters, in the second after the first has ended, and in others made then: one as
        usual, one that was a spare and had the modules imported."""
        self.tree.write({"app.py": self.RUNS})
        first, second = (self.host.make(self.tree, self.tree / "app.py") for _ in range(2))
        for interp in (first, second, first):
            self.assertEqual(self.run_in(interp, source), expected)
        self.assertEqual(first.retire()["event"], "retired")
        self.assertEqual(self.run_in(second, source), expected)
        third = self.host.make(self.tree, self.tree / "app.py")
        modules = ["numbers", "decimal", "fractions", "datetime", "zoneinfo", "socket", "time", "pickle"]
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=modules)
        self.host.wait("spare", interp=spare.number)
        self.assertEqual(self.host.load(spare, self.tree, 9)["event"], "made")
        for interp in (third, spare, second):
            self.assertEqual(self.run_in(interp, source), expected)
            self.assertEqual(interp.retire()["event"], "retired")

    def test_strptime(self):
        self.run_over_ends(
            """
            import datetime, time
            result = str(datetime.datetime.strptime("2020", "%Y")), time.strptime("7 May 2020", "%d %b %Y")[1:3]
            try: datetime.datetime.strptime("x", "%Y")
            except ValueError as error: result += (str(error),)
            """,
            ("2020-01-01 00:00:00", (5, 7), "time data 'x' does not match format '%Y'"),
        )

    def test_zoneinfo(self):
        self.run_over_ends(
            """
            import datetime, pickle, zoneinfo
            zone = zoneinfo.ZoneInfo("Asia/Tokyo")
            result = [str(datetime.datetime(2020, 1, 1, tzinfo=zone)), pickle.loads(pickle.dumps(zone)) is zone]
            result.append(zoneinfo.ZoneInfo("Europe/Paris").key)
            try: zoneinfo.ZoneInfo("No/Where")
            except zoneinfo.ZoneInfoNotFoundError: result.append("caught")
            """,
            ["2020-01-01 00:00:00+09:00", True, "Europe/Paris", "caught"],
        )

    def test_decimal_among_the_numbers(self):
        self.run_over_ends(
            """
            import numbers
            from decimal import Decimal, localcontext, FloatOperation
            from fractions import Fraction
            half = Decimal("0.5")
            result = [
                isinstance(half, numbers.Number), isinstance(half, numbers.Real), issubclass(Decimal, numbers.Number),
                Decimal(1) == Fraction(1), Fraction(1) == Decimal(1), half != Fraction(1, 2),
                half < Fraction(2, 3), half >= Fraction(2, 3), Fraction(1, 3) < half, half > Fraction(1, 3),
                hash(half) == hash(Fraction(1, 2)) == hash(0.5), Fraction(half) + 1, Decimal(3) == 3 + 0j, half < 1.5,
                {half: 1}[Fraction(1, 2)], sorted([Fraction(2, 3), half, 0.6]),
            ]
            for wrong in (lambda: half + Fraction(1), lambda: half < "1", lambda: half < 1j):
                try: result.append(wrong())
                except TypeError: result.append("TypeError")
            result = repr(result)
            """,
            "[True, False, True, True, True, False, True, False, True, True, True, Fraction(3, 2), True, True, 1, "
            "[Decimal('0.5'), 0.6, Fraction(2, 3)], 'TypeError', 'TypeError', 'TypeError']",
        )

    def test_decimal_signals_pickles_and_contexts(self):
        self.run_over_ends(
            """
            import copy, decimal, pickle
            from decimal import Decimal
            result = [pickle.loads(pickle.dumps(Decimal("1.50"))), str(Decimal("1.50").as_tuple())]
            try: Decimal(1) / 0
            except ZeroDivisionError as error: result.append(isinstance(error, decimal.DivisionByZero))
            for context in (decimal.DefaultContext, decimal.BasicContext, decimal.ExtendedContext, decimal.getcontext()):
                result.append((context.prec, isinstance(context, decimal.Context), repr(context) == repr(pickle.loads(pickle.dumps(context))), type(copy.copy(context)) is decimal.Context))
            with decimal.localcontext() as context:
                decimal.setcontext(decimal.ExtendedContext)
                decimal.getcontext().prec = 3
                result += [str(Decimal(1) / 3), decimal.ExtendedContext.prec, str(decimal.ExtendedContext.divide(1, 3))]
            with decimal.localcontext(decimal.BasicContext, prec=4):
                result.append(str(Decimal(2) / 3))
            result = repr(result)
            """,
            "[Decimal('1.50'), 'DecimalTuple(sign=0, digits=(1, 5, 0), exponent=-2)', True, (28, True, True, True), "
            "(9, True, True, True), (9, True, True, True), (28, True, True, True), '0.333', 9, '0.333333333', '0.6667']",
        )

    def test_a_decimal_context_belongs_to_a_thread_of_one_interpreter(self):
        self.tree.write({"app.py": self.RUNS})
        interps = [self.host.make(self.tree, self.tree / "app.py") for _ in range(4)]
        for number, interp in enumerate(interps):
            self.assertEqual(self.run_in(interp, "import decimal; result = decimal.getcontext().prec"), 28)
            self.run_in(interp, f"import decimal; decimal.getcontext().prec = {number + 3}; result = None")
        for number, interp in enumerate(interps):
            self.assertEqual(self.run_in(interp, "import decimal; result = decimal.getcontext().prec"), number + 3)
        for interp in interps:
            self.retire(interp)
        fresh = self.serve(self.RUNS)
        self.assertEqual(self.run_in(fresh, "import decimal; result = decimal.getcontext().prec"), 28)

    @unittest.skipIf(VERSION >= (3, 12), "the module's state is the interpreter's")
    def test_a_changed_default_context_is_not_that_of_all(self):
        one, two = self.serve(self.RUNS), self.serve(self.RUNS, name="two.py")
        refused = self.run_in(one, """
            import decimal
            result = []
            for change in (lambda: setattr(decimal.DefaultContext, "prec", 5), lambda: setattr(decimal.BasicContext, "prec", 5)):
                try: change(); result.append(None)
                except RuntimeError as error: result.append(str(error))
            """)
        self.assertIn('isolation = "process"', refused[0])
        self.assertIsNone(refused[1])
        self.assertEqual(self.run_in(two, "import decimal; result = decimal.DefaultContext.prec, decimal.BasicContext.prec"), (28, 9))
        self.tree.write({"traps.py": "import decimal\ndecimal.DefaultContext.traps[decimal.Inexact] = True\n" + "def application(env, start): pass\n"})
        self.assertIn('isolation = "process"', self.host.reject(self.tree, self.tree / "traps.py")["error"])

    def test_exceptions_of_socket(self):
        self.run_over_ends(
            """
            import socket
            result = []
            try: socket.getaddrinfo("nowhere.invalid", 80, flags=socket.AI_NUMERICHOST)
            except socket.gaierror as error: result.append(error.errno == socket.EAI_NONAME)
            try: socket.gethostbyaddr("192.0.2.1.x.invalid")
            except socket.gaierror: result.append("caught")
            result.append(issubclass(socket.herror, OSError))
            one, other = socket.socketpair()
            with one, other:
                one.settimeout(0.01)
                try: one.recv(1)
                except socket.timeout as error: result.append(isinstance(error, TimeoutError))
            """,
            [True, "caught", True, True],
        )

    def test_exceptions_of_other_modules_in_c(self):
        self.run_over_ends(
            """
            import binascii, csv, ctypes, json, lzma, pickle, pyexpat, queue, select, sqlite3, ssl, struct, xml.etree.ElementTree, zlib
            from concurrent.futures import ThreadPoolExecutor
            def caught(exception, function, *args):
                try: function(*args)
                except exception: return True
            result = [
                caught(binascii.Error, binascii.a2b_hex, "0"), caught(csv.Error, next, csv.reader([b"x"])),
                caught(ctypes.ArgumentError, ctypes.CDLL(None).strlen, 1.5), caught(json.JSONDecodeError, json.loads, "x"),
                caught(lzma.LZMAError, lzma.decompress, b"xx"), caught(pickle.UnpicklingError, pickle.loads, b"x"),
                caught(pickle.PicklingError, pickle.dumps, lambda: 0), caught(pyexpat.ExpatError, pyexpat.ParserCreate().Parse, "<", True),
                caught(queue.Empty, queue.SimpleQueue().get, False), caught(sqlite3.OperationalError, sqlite3.connect(":memory:").execute, "x"),
                caught(ssl.SSLError, ssl.create_default_context().set_ciphers, "none"), caught(struct.error, struct.pack, "B", 300),
                caught(xml.etree.ElementTree.ParseError, xml.etree.ElementTree.fromstring, "<"), caught(zlib.error, zlib.decompress, b"x"),
            ]
            """,
            [True] * 14,
        )

    @unittest.skipIf(VERSION >= (3, 12), "it refuses there")
    @unittest.skipUnless(case.has_package("_curses"), "no curses")
    def test_curses(self):
        self.run_over_ends(
            """
            import curses
            try: curses.tigetstr("x")
            except curses.error: result = "caught"
            """,
            "caught",
        )


if __name__ == "__main__":
    unittest.main()
