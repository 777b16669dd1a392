"""Calls between apps of one host: threads that enter another interpreter, and calls that come by a
worker's lane. The way by the daemon is in tests/integration/calls_test.cpp."""

import json
import os
import threading
import time
import unittest

import case
import host_driver
from host_driver import Host

CALL = 32  # flag of a request

# Evaluates what it is sent, in its own module.
CALLER = """
    import moult, threading
    def application(env, start):
        source = env['wsgi.input'].read().decode()
        start('200 OK', [])
        try:
            return [repr(eval(source, globals())).encode()]
        except moult.CallError as error:
            return [f'{type(error).__name__}: {error}'.encode()]
"""

TARGET = """
    import moult, sys, os, threading, contextvars, warnings, decimal
    variable = contextvars.ContextVar('variable', default='unset')
    local = threading.local()

    @moult.export
    def add(a, b=0):
        "Adds."
        return a + b

    @moult.export
    def echo(*args, **kwargs):
        return args, kwargs

    @moult.export(name='deep.er.name')
    def named(): return 'named'

    @moult.export
    def fails(text): raise ValueError(text)

    @moult.export
    def leaves(): raise SystemExit(3)

    @moult.export
    def lambda_(): return [1, {'x': lambda: 0}]

    @moult.export
    def remember(value):
        before = variable.get(), getattr(local, 'value', None)
        variable.set(value); local.value = value
        return before

    @moult.export
    def where(): return moult.current().app, moult.current().generation, moult.request(), os.getcwd()

    @moult.export
    def back(app, function, *args): return moult.call(app, function, *args)

    @moult.export
    def count():
        yield 1

    @moult.export
    def numbers(): return sorted(sys.modules['_moult'].exports)

    def application(env, start):
        start('200 OK', []); return [b'target']
"""


class Near(case.HostCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tree = host_driver.Tree({"caller.py": CALLER, "target.py": TARGET})
        cls.addClassCleanup(cls.tree.remove)

    def setUp(self):
        self.caller = self.make("caller")
        self.target = self.make("target")

    def make(self, name, **options):
        interp = self.host.make(self.tree, self.tree / f"{name}.py", app=name, **options)
        self.addCleanup(self.retire, interp)
        self.route(name, interp)
        return interp

    def route(self, app, *interps):
        self.host.route(app, *interps)

    def run_in(self, interp, source):
        response = interp.get(method="POST", body=source.encode())
        self.assertIsNone(response.failed)
        return response.body.decode()

    def call(self, arguments):
        return self.run_in(self.caller, f"moult.call('target', {arguments})")

    def test_a_function_gets_its_arguments_and_gives_its_result(self):
        self.assertEqual(self.call("'add', 1, b=2"), "3")
        self.assertEqual(self.run_in(self.caller, "moult.app('target').add(20, b=22)"), "42")
        self.assertEqual(self.call("'echo', None, [1.5, {'ä': b'x'}], k={1, 2}"),
                         "((None, [1.5, {'ä': b'x'}]), {'k': {1, 2}})")
        self.assertEqual(self.run_in(self.caller, "moult.app('target').deep.er.name()"), "'named'")

    def test_what_the_function_raises_comes_back_as_text(self):
        self.assertEqual(self.call("'fails', 'no such order'"), "RemoteError: ValueError: no such order")
        self.assertEqual(self.call("'leaves'"), "RemoteError: SystemExit: 3")
        source = "(lambda e: (e.type, e.message, 'in fails' in e.traceback, e.__cause__, e.__context__))(catch())"
        self.tree.write({"catching.py": CALLER + """
    def catch():
        try:
            moult.call('target', 'fails', 'x')
        except moult.RemoteError as error:
            return error
"""})
        catching = self.make("catching")
        self.assertEqual(self.run_in(catching, source), "('ValueError', 'x', True, None, None)")

    def test_functions_that_are_not_exported_are_named_with_what_there_is(self):
        self.assertEqual(self.call("'ad'"), "NotExported: target.ad: 'ad' is not exported (did you mean 'add'?)")
        self.assertIn("the app exports add, ", self.call("'zzzz'"))
        self.assertIn("the app exports nothing", self.run_in(self.caller, "moult.call('caller', 'x')"))

    def test_what_cannot_be_carried_is_named_by_its_place(self):
        text = self.call("'add', {'items': [1, threading.Lock()]}")
        self.assertRegex(text, r"PayloadError: .*argument 1\['items'\]\[1\].*lock")
        self.assertRegex(self.call("'lambda_'"), r"PayloadError: target.lambda_: .*result\[1\]\['x'\]")

    def test_a_class_that_only_the_caller_has_is_named(self):
        self.tree.write({"classy.py": CALLER + """
    class Order: pass
"""})
        classy = self.make("classy")
        text = self.run_in(classy, "moult.call('target', 'add', [0, Order()], b=1)")
        self.assertRegex(text, r"PayloadError: .*argument 1\[1\].*classy\.Order")

    def test_calls_go_back_and_forth(self):
        self.assertEqual(self.call("'back', 'target', 'add', 1, 2"), "3")
        self.tree.write({"other.py": TARGET})
        self.make("other")
        self.assertEqual(self.call("'back', 'other', 'back', 'target', 'back', 'other', 'add', 1, 2"), "3")

    def test_a_chain_that_is_too_deep_is_refused(self):
        arguments = ", ".join("'back', 'target'" for _ in range(31))
        self.assertEqual(self.call(f"{arguments}, 'add', 1, 2"), "3")
        text = self.call(f"'back', 'target', {arguments}, 'add', 1, 2")
        self.assertIn("moult.CallCycle: target.add: calls are nested more than 32 deep", text)

    def test_neither_side_sees_the_others_context(self):
        self.assertEqual(self.call("'remember', 1")[:9], "('unset',")
        self.assertEqual(self.call("'remember', 2")[:9], "('unset',")
        source = "(variable.set('mine'), moult.call('target', 'remember', 3)[0], variable.get())[1:]"
        self.tree.write({"context.py": "import contextvars\nvariable = contextvars.ContextVar('variable')\n"
                         + host_driver.textwrap.dedent(CALLER)})
        self.assertEqual(self.run_in(self.make("context"), source), "('unset', 'mine')")

    def test_a_call_knows_where_it_runs(self):
        app, generation, request, folder = eval(self.call("'where'"))
        self.assertEqual((app, generation), ("target", self.target.number))
        self.assertRegex(request, r"^h0-\d+$")
        self.assertRegex(self.run_in(self.caller, "moult.request()"), r"^'w0-\d+'$")
        self.assertEqual(folder, self.tree.path)

    def test_large_buffers_arrive(self):
        text = self.run_in(self.caller, "(lambda r: (len(r[0][0]), r[0][0] == b'x' * (1 << 20), type(r[0][1])))"
                           "(moult.call('target', 'echo', b'x' * (1 << 20), bytearray(1 << 17)))")
        self.assertEqual(text, "(1048576, True, <class 'bytearray'>)")

    def test_callbacks_of_c_code_run_where_they_belong(self):
        """PyGILState on 3.11: ctypes and sqlite3 call back into Python."""
        self.tree.write({"callbacks.py": """
            import ctypes, sqlite3, moult
            NAME = 'callbacks'
            compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
            def order(a, b):
                seen.add(moult.current().app)
                return a[0] - b[0]
            def label(n):
                seen.add(moult.current().app)
                return f'{NAME} {n}'
            seen = set()
            @moult.export
            def both():
                numbers = (ctypes.c_int * 4)(3, 1, 2, 0)
                ctypes.CDLL(None).qsort(numbers, 4, 4, compare(order))
                db = sqlite3.connect(':memory:')
                db.create_function('label', 1, label)
                return list(numbers), db.execute('select label(7)').fetchone()[0], sorted(seen)
            def application(env, start): pass
        """})
        self.make("callbacks")
        for _ in range(3):
            text = self.run_in(self.caller, "moult.call('callbacks', 'both')")
            self.assertEqual(text, "([0, 1, 2, 3], 'callbacks 7', ['callbacks'])")
        self.assertEqual(self.call("'add', 1, 1"), "2")

    def test_what_is_being_carried_may_call_in_its_turn(self):
        self.tree.write({"reducing.py": CALLER + """
    class Asks:
        def __reduce__(self): return int, (str(moult.call('target', 'add', [Asks2(), 1], b=[2])[1]),)
    class Asks2:
        def __reduce__(self): return int, (str(moult.call('target', 'add', 20, b=1)),)
"""})
        self.assertEqual(self.run_in(self.make("reducing"), "moult.call('target', 'add', Asks(), b=Asks2())"), "22")

    def test_threads_of_the_app_can_call_too_and_leave_nothing_behind(self):
        source = """
            import threading, moult
            def many(count):
                results = []
                def work(n): results.append(moult.call('target', 'add', n, 1))
                threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
                for t in threads: t.start()
                for t in threads: t.join()
                return sorted(results)
        """
        self.tree.write({"threads.py": host_driver.textwrap.dedent(source) + host_driver.textwrap.dedent(CALLER)})
        interp = self.make("threads")
        self.assertEqual(self.run_in(interp, "many(20)"), repr(list(range(1, 21))))

    def test_a_drained_interpreter_takes_no_calls_and_the_next_one_does(self):
        self.tree.write({"target.py": TARGET.replace("return a + b", "return 'new'")})
        new = self.host.make(self.tree, self.tree / "target.py", app="target")
        self.addCleanup(self.retire, new)
        self.tree.write({"target.py": TARGET})
        self.assertEqual(self.call("'add', 1"), "1")
        self.route("target", new)
        self.host.send({"do": "drain", "interp": self.target.number})
        self.host.wait("drained", interp=self.target.number)
        self.assertEqual(self.call("'add', 1"), "'new'")
        self.route("target", self.target)  # a roll-back
        self.host.send({"do": "drain", "interp": new.number})
        self.host.wait("drained", interp=new.number)
        self.assertEqual(self.call("'add', 1"), "1")


class Blocking(case.HostCase):
    """Calls that are under way when something happens to one of the two sides."""

    def setUp(self):
        super().setUp()
        self.tree.write({"caller.py": CALLER, "target.py": """
            import moult, os, time
            @moult.export
            def wait(path):
                open(path + '.begun', 'w').close()
                while not os.path.exists(path): time.sleep(0.002)
                return moult.current().generation
            @moult.export
            def spin(path):
                open(path + '.begun', 'w').close()
                while True: pass
            @moult.export
            def through(app, function, path): return moult.call(app, function, path)
            def application(env, start): pass
        """})
        self.interps = {}
        for name in ("caller", "target"):
            self.interps[name] = self.host.make(self.tree, self.tree / f"{name}.py", app=name)
            self.host.route(name, self.interps[name])

    def begin(self, source):
        """Sends the request; returns when the function has begun."""
        self.interps["caller"].lane.send_request(method="POST", body=source.encode())
        self.tree.wait_for("go.begun")

    def end(self):
        return self.interps["caller"].lane.finish().body.decode()

    def open_gate(self):
        open(self.tree / "go", "w").close()

    def tidy(self):
        for interp in self.interps.values():
            self.retire(interp)

    def test_a_drain_waits_for_the_call_in_flight(self):
        self.begin(f"moult.call('target', 'wait', {self.tree / 'go'!r})")
        self.host.route("target")
        self.host.send({"do": "drain", "interp": self.interps["target"].number})
        self.host.send({"do": "calls", "ask": 7})
        calls = self.host.wait("drained", "calls")
        self.assertEqual(calls["event"], "calls")  # not drained before that
        self.assertEqual(calls["ask"], 7)
        [call] = calls["calls"]
        self.assertEqual((call["app"], call["function"], call["caller"], call["depth"]), ("target", "wait", "caller", 1))
        self.open_gate()
        self.host.wait("drained", interp=self.interps["target"].number)
        self.assertEqual(self.end(), str(self.interps["target"].number))
        self.tidy()

    def test_kill_ends_one_call_and_stack_shows_it(self):
        self.begin(f"moult.call('target', 'spin', {self.tree / 'go'!r})")
        self.host.send({"do": "calls", "ask": 1})
        [call] = self.host.wait("calls")["calls"]
        self.host.send({"do": "stack", "ask": 2, "call": call["call"]})
        stack = self.host.wait("stack")
        self.assertEqual(stack["ask"], 2)
        self.assertIn("in spin", stack["text"])
        self.host.send({"do": "kill", "ask": 3, "call": call["call"]})
        self.assertTrue(self.host.wait("killed")["found"])
        self.assertIn("RemoteError: moult.Interrupted", self.end())
        self.host.send({"do": "kill", "ask": 4, "call": call["call"]})
        self.assertFalse(self.host.wait("killed")["found"])
        self.tidy()

    def test_an_interrupt_of_the_caller_reaches_the_function_that_it_waits_for(self):
        self.begin(f"moult.call('target', 'through', 'target', 'spin', {self.tree / 'go'!r})")
        interp = self.interps["caller"]
        interp.interrupt(interp.lane.calls)
        response = interp.lane.finish()
        self.assertIn("Interrupted", response.failed or response.body.decode())
        self.assertEqual(interp.get(method="POST", body=b"1 + 1").body, b"2")
        self.tidy()

    def test_a_target_that_is_retired_ends_what_runs_in_it(self):
        self.begin(f"moult.call('target', 'spin', {self.tree / 'go'!r})")
        self.host.route("target")
        event = self.interps.pop("target").retire(timeout=host_driver.DEADLINE)
        self.assertEqual(event["event"], "retired")
        self.assertIn("RemoteError: moult.Interrupted", self.end())
        self.tidy()


class ByLane(case.HostCase):
    """What a worker answers to calls of functions."""

    def setUp(self):
        super().setUp()
        self.interp = self.serve(TARGET, app="target")

    def call(self, function, body, codec="json", **headers):
        fields = [(name, str(value)) for name, value in headers.items()]
        if codec:
            fields.append(("codec", codec))
        return self.interp.get("target", method="CALL", target=function, headers=fields, body=body, flags=CALL)

    def test_json_in_and_out(self):
        answer = self.call("add", b'{"a": 40, "b": 2}')
        self.assertEqual((answer.reason, answer.status, answer.body), ("value", 200, b"42"))
        self.assertEqual(self.call("add", b"[1, 2]").body, b"3")
        big = str(2**200).encode()
        self.assertEqual(self.call("add", b"[%s]" % big).body, big)
        self.assertEqual(self.call("numbers", b"").reason, "value")

    def test_hooks_are_not_for_other_apps(self):
        self.tree.write({"hooked.py": TARGET + """
    @moult.handoff
    def give(): return 'state'
"""})
        interp = self.host.make(self.tree, self.tree / "hooked.py")
        self.addCleanup(self.retire, interp)
        call = {"method": "CALL", "target": "moult.hook.handoff", "headers": [("codec", "json")], "flags": CALL}
        self.assertEqual(interp.get("hooked", script_name="shop", **call).reason, "not_exported")
        self.assertEqual(interp.get("hooked", **call).reason, "value")

    def test_errors_are_json(self):
        answer = self.call("fails", b'["x"]')
        error = json.loads(answer.body)
        self.assertEqual((answer.reason, error["type"], error["message"]), ("raised", "ValueError", "x"))
        self.assertIn("in fails", error["traceback"])
        self.assertEqual(error["file"], self.tree / "app.py")
        self.assertEqual(self.call("ad", b"").reason, "not_exported")
        self.assertEqual(self.call("add", b"{").reason, "payload")
        self.assertEqual(self.call("add", b"3").reason, "payload")
        self.assertEqual(self.call("lambda_", b"").reason, "payload")
        self.assertEqual(self.call("add", b"rubbish", codec=None).reason, "payload")
        self.assertEqual(self.call("add", b"[1, 1]", depth=32).reason, "cycle")
        self.assertEqual(self.call("leaves", b"").reason, "raised")

    def test_exports_are_told(self):
        [add] = [e for e in json.loads(self.call("moult.exports", b"").body) if e["name"] == "add"]
        self.assertEqual(add, {"name": "add", "signature": "(a, b=0)", "doc": "Adds.", "inline": False, "stream": False})
        self.assertEqual(self.interp.made["exports"], 11)

    def test_items_come_one_by_one_and_an_abort_closes_the_generator(self):
        interp = self.serve("""
            import moult
            closed = []
            @moult.export
            def endless():
                try:
                    n = 0
                    while True:
                        yield n
                        n += 1
                finally:
                    closed.append(n)
            @moult.export
            def breaks():
                yield 1
                raise KeyError('x')
            @moult.export
            def is_closed(): return bool(closed)
            def application(env, start): pass
        """, name="streams.py")
        lane = interp.lane
        lane.send_request("x", method="CALL", target="endless", headers=[("codec", "json")], flags=CALL)
        response = host_driver.Response()
        while b"3" not in response.body:
            lane.next_frame(response)
        self.assertEqual(response.reason, "stream")
        lane.send_abort()
        lane.finish(response)
        self.assertTrue(response.body.startswith(b"\x01\0\0\0v0\x01\0\0\0v1"))
        lane.send_request("x", method="CALL", target="is_closed", headers=[("codec", "json")], flags=CALL)
        self.assertEqual(lane.finish().body, b"true")
        lane.send_request("x", method="CALL", target="breaks", headers=[("codec", "json")], flags=CALL)
        body = lane.finish().body
        self.assertEqual(body[:6], b"\x01\0\0\0v1")
        self.assertEqual(body[10:18], b"eraised\n")

    def test_a_function_that_was_not_there_at_the_start_is_told(self):
        interp = self.serve("""
            import moult
            def application(env, start):
                moult.export(application, name='late')
                start('200 OK', []); return [b'']
        """, name="late.py")
        interp.get()
        self.host.wait("exported", interp=interp.number)


class Module(case.HostCase):
    def test_what_cannot_be_exported_is_refused_where_it_stands(self):
        for code, message in (
            ("@moult.export\nasync def f(): pass", "TypeError: an exported function is a plain one"),
            ("moult.export(3)", "TypeError: moult.export is used over a function; got int"),
            ("@moult.export(name='moult.x')\ndef f(): pass", "TypeError: no function can be exported as 'moult.x'"),
            ("@moult.export(inline=True)\ndef f():\n    yield", "TypeError: what yields items cannot be exported inline"),
        ):
            self.tree.write({"app.py": f"import moult\n{code}\ndef application(e, s): pass\n"})
            event = self.host.reject(self.tree, self.tree / "app.py")
            self.assertIn(message, event["error"])
            self.host.wait("retired", interp=event["interp"])

    def test_the_config_can_export(self):
        self.tree.write({"tools.py": "class Box:\n    @staticmethod\n    def open(n): return n * 2\n"})
        interp = self.serve("def application(e, s): pass", exports=["tools:Box.open"])
        answer = interp.get("x", method="CALL", target="Box.open", headers=[("codec", "json")], body=b"[4]", flags=CALL)
        self.assertEqual(answer.body, b"8")
        self.tree.write({"app.py": "def application(e, s): pass"})
        event = self.host.reject(self.tree, self.tree / "app.py", exports=["tools:nothing"])
        self.assertIn("nothing", event["error"])
        self.host.wait("retired", interp=event["interp"])

    def test_an_app_can_ask_for_its_own_reload(self):
        interp = self.serve("import moult\nmoult.freeze()\nmoult.reload()\ndef application(e, s): pass")
        while len(self.host.seen("asks")) < 2:
            self.host.receive()
        self.assertEqual([event["what"] for event in self.host.seen("asks")], ["freeze", "reload"])


class Scratch(case.HostCase):
    """moult.Interpreter: interpreters that an app makes for itself."""

    def setUp(self):
        super().setUp()
        self.tree.write({"maths.py": """
            import itertools
            counter = itertools.count(1)
            def double(n): return 2 * n
            def count(): return next(counter)
            def fail(): raise KeyError('k')
            def _private(): pass
            def many():
                yield 1
            """})
        self.interp = self.serve(CALLER + """
    import maths, os
    def use(source, calls, **options):
        with moult.Interpreter(source, **options) as i:
            return [i.call(name, *args) for name, *args in calls]
    kept = []
    def keep(n):
        for _ in range(n): kept.append(moult.Interpreter('maths'))
    def closed():
        i = moult.Interpreter('maths')
        return i.close(), i.close(), i.call('count')
    def closed_meanwhile():
        # The call says that it runs, and goes on for longer than calls of other apps would get.
        read, write = os.pipe()
        slow = moult.Interpreter('import os, time\\ndef slow(fd):\\n    os.write(fd, b"x")\\n    end = time.monotonic() + 0.5\\n'
                                 '    while time.monotonic() < end: pass\\n    return "done"')
        results = []
        thread = threading.Thread(target=lambda: results.append(slow.call('slow', write)))
        thread.start()
        os.read(read, 1)
        ended = slow.close()
        thread.join()
        os.close(read), os.close(write)
        return ended, results
    def attempt(f):
        try: return f()
        except Exception as e: return type(e).__name__, str(e)
""", scratch_interpreters=3)

    def ask(self, source):
        response = self.interp.get(method="POST", body=source.encode())
        self.assertIsNone(response.failed)
        return response.body.decode()

    def test_code_and_modules_run_apart_from_the_app(self):
        self.assertEqual(self.ask("use('def f(n): return n + 1', [('f', 1)])"), "[2]")
        self.assertEqual(self.ask("use('maths', [('count',), ('count',), ('double', 4)])"), "[1, 2, 8]")
        self.assertEqual(self.ask("maths.count(), use('maths', [('count',)]), maths.count()"), "(1, [1], 2)")

    def test_errors_come_back(self):
        self.assertEqual(self.ask("use('maths', [('fail',)])"), "RemoteError: KeyError: 'k'")
        self.assertIn("NotExported", self.ask("use('maths', [('_private',)])"))
        self.assertIn("RemoteError: SyntaxError", self.ask("use('def f(:', [])"))
        self.assertIn("RemoteError: ModuleNotFoundError: No module named 'nothing'", self.ask("use('nothing', [])"))
        self.assertIn("'TypeError', 'many yields items", self.ask("attempt(lambda: use('maths', [('many',)]))"))
        self.assertEqual(self.ask("closed()"), "AppUnavailable: Interpreter.count: this interpreter is closed")
        self.assertIn("ValueError", self.ask("attempt(lambda: use('maths', [], gil='none'))"))

    def test_own_gil_where_this_python_has_it(self):
        answer = self.ask("attempt(lambda: use('maths', [('double', 2)], gil='own'))")
        self.assertEqual(answer[:3], "[4]" if host_driver.VERSION >= (3, 14, 4) else "('V")
        self.assertEqual(self.ask("use('maths', [('double', 2)], gil='shared')"), "[4]")

    def test_there_is_a_limit_and_the_end_of_the_app_ends_them(self):
        self.ask("keep(3)")
        self.assertIn("this app has 3 scratch interpreters already", self.ask("attempt(lambda: keep(1))"))
        self.assertEqual(self.ask("kept[0].close(), attempt(lambda: keep(1))"), "(True, None)")

    def test_they_leave_no_descriptors_behind(self):
        folder = f"/proc/{self.host.process.pid}/fd"
        self.ask("use('maths', [])")
        before = len(os.listdir(folder))
        for _ in range(5):
            self.ask("use('maths', [])")
        deadline = time.monotonic() + 10
        while len(os.listdir(folder)) > before:  # the last thread of one may be on its way out
            self.assertLess(time.monotonic(), deadline)

    def test_close_waits_for_the_calls_that_run_in_it(self):
        self.assertEqual(self.ask("closed_meanwhile()"), "(True, ['done'])")

    def test_none_is_made_by_an_app_that_ends(self):
        interp = self.serve(CALLER + """
    kept = []
    @moult.retire
    def too_late(): kept.append(moult.Interpreter('maths'))
""", name="late.py", host=self.host, scratch_interpreters=1)
        self.retire(interp)
        interp.log.wait_for("RuntimeError: this generation of the app is being ended")

    def test_an_app_in_a_process_of_its_own_has_them_too(self):
        host = Host()
        self.addCleanup(host.close)
        self.tree.write({"own.py": CALLER + """
    def use():
        with moult.Interpreter('maths') as i: return i.call('double', 4)
    while_imported = use()
"""})
        interp = host.make(self.tree, self.tree / "own.py", mode="main", scratch_interpreters=1)
        self.assertEqual(interp.get(method="POST", body=b"while_imported, use()").body, b"(8, 8)")
        interp.close_lanes()

    def test_one_that_cannot_be_ended_taints_the_host(self):
        host = Host()
        self.addCleanup(host.close)
        interp = self.serve(CALLER + """
    def stuck():
        i = moult.Interpreter('import threading\\nlock = threading.Lock()\\ndef block():\\n    lock.acquire()\\n    threading.Thread(target=lock.acquire).start()')
        i.call('block')
        return i.close()
""", name="stuck.py", host=host, scratch_interpreters=1)
        interp.lane.send_request(method="POST", body=b"stuck()")
        event = host.wait("tainted", interp=interp.number)
        self.assertIn("could not be ended", event["why"])
        self.assertEqual(interp.lane.finish().body, b"False")


if __name__ == "__main__":
    unittest.main()
