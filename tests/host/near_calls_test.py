"""Calls inside of one host whose result takes calls to be read, and interrupts of calls that are
inside of each other."""

import case

CALLER = "    import moult\n" + case.EVALUATES
SERVER = "def application(environ, start): pass\n"


class NearCalls(case.HostCase):
    def make(self, **sources):
        """An app of each source; they can call each other."""
        made = []
        for name, source in sources.items():
            self.tree.write({f"{name}.py": source})
            made.append(self.host.make(self.tree, self.tree / f"{name}.py", app=name, path=[self.tree.path]))
            self.addCleanup(self.retire, made[-1])
            self.host.route(name, made[-1])
        return made

    def running(self, function):
        """Waits until it runs: the name of its call."""
        while True:
            self.host.asks += 1
            self.host.send({"do": "calls", "ask": self.host.asks})
            for call in self.host.wait("calls")["calls"]:
                if call["function"] == function:
                    return call["call"]

    def test_objects_of_a_result_may_call_while_they_are_made(self):
        self.tree.write({"shared.py": """
            import moult
            def inner(): return moult.call('inner', 'get') if moult.current().app == 'caller' else None
            def outer(*parts): return parts
            class Inner:
                def __reduce__(self): return inner, ()
            class Outer:
                def __reduce__(self): return outer, (Inner(), b'A' * 100_000, b'B' * 200_000)
            """})
        caller, *_ = self.make(
            caller=CALLER + "    import shared\n",
            outer="import moult, shared\n@moult.export\ndef get(): return shared.Outer()\n" + SERVER,
            inner="import moult\n@moult.export\ndef get(): return [b'C' * 70_000, b'D' * 150_000, {'e': b'E' * 150_000}]\n"
            + SERVER,
        )
        source = b"(lambda r: [(x[:1], len(x)) for x in (*r[0][:2], *r[1:])])(moult.call('outer', 'get'))"
        for _ in range(3):
            self.assertEqual(
                caller.get(method="POST", body=source).body,
                b"[(b'C', 70000), (b'D', 150000), (b'A', 100000), (b'B', 200000)]",
            )

    def test_an_interrupt_goes_through_all_calls_that_lead_back(self):
        caller, _ = self.make(
            caller=CALLER + """
    @moult.export
    def spin():
        while True: pass
""",
            target="import moult\n@moult.export\ndef back(): return moult.call('caller', 'spin')\n" + SERVER,
        )
        call = caller.lane.send_request(method="POST", body=b"moult.call('target', 'back')")
        self.running("spin")
        caller.interrupt(call)
        self.assertEqual(caller.lane.finish().body, b"Interrupted: ")
        self.assertEqual(caller.get(method="POST", body=b"1 + 1").body, b"2")

    def test_a_callee_that_swallows_an_interrupt_does_not_save_its_caller(self):
        caller, *_ = self.make(
            caller=CALLER,
            target="import moult\n@moult.export\ndef again():\n    while True: moult.call('deep', 'swallow')\n" + SERVER,
            deep="""
                import moult
                @moult.export
                def swallow():
                    try:
                        while True: pass
                    except BaseException:
                        return 'swallowed'
                """ + SERVER,
        )
        caller.lane.send_request(method="POST", body=b"moult.call('target', 'again')")
        self.running("swallow")
        self.host.send({"do": "kill", "ask": 1, "call": self.running("again")})
        self.assertEqual(caller.lane.finish().body, b"RemoteError: moult.Interrupted")

    def test_a_thread_of_an_app_that_ends_is_called_back_from_where_it_is(self):
        self.tree.write({"leaving.py": CALLER + """
    import threading
    def begin():
        threading.Thread(target=moult.call, args=('target', 'spin'), daemon=True).start()
"""})
        leaving = self.host.make(self.tree, self.tree / "leaving.py", app="leaving")
        self.make(target="import moult\n@moult.export\ndef spin():\n    while True: pass\n" + SERVER)
        leaving.get(method="POST", body=b"begin()")
        self.running("spin")
        self.retire(leaving)
