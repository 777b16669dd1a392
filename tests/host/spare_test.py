"""Spares: interpreters that are made before there is code for them."""

import os
import unittest

import case

APP = """
    import json, sys, queue, moult
    early = sorted(name for name in ("csv", "sched") if name in sys.modules)
    def application(environ, start):
        start("200 OK", [])
        facts = moult.current()
        origin = getattr(queue, "__file__", "")
        return [json.dumps([facts.generation, facts.cause, early, queue.__name__, origin]).encode()]
"""


class Spares(case.HostCase):
    def prepare(self, preload, **options):
        spare = self.host.begin(self.tree, self.tree / "app.py", preload=preload, **options)
        self.addCleanup(self.retire, spare)
        return spare, self.host.wait("spare", interp=spare.number)["names"]

    def test_a_spare_has_its_modules_and_takes_its_code_later(self):
        spare, names = self.prepare(["csv", "no_such_module", "sched"])
        self.assertLessEqual({"csv", "sched"}, set(names))
        self.assertNotIn("_moult", names)
        self.tree.write({"app.py": APP})  # after the spare was made
        event = self.host.load(spare, self.tree, 17)
        self.assertEqual((event["event"], event["callable"]), ("made", "app:application"))
        body = spare.get().body.decode()
        self.assertIn('[17, "change", ["csv", "sched"], "queue"', body)
        self.assertNotIn(self.tree.path, body)

    def test_code_that_fails_in_a_spare_is_rejected_like_any_other(self):
        self.tree.write({"app.py": "import json\n1 / 0\n"})
        spare = self.host.begin(self.tree, self.tree / "app.py", preload=["json"])
        self.host.wait("spare", interp=spare.number)
        event = self.host.load(spare, self.tree, 3)
        self.assertEqual((event["stage"], event["line"]), ("import", 2))
        self.assertIn("ZeroDivisionError", event["error"])
        self.assertEqual(self.host.wait("retired", "abandoned", interp=spare.number)["event"], "retired")

    def test_a_spare_that_is_not_needed_ends(self):
        spare = self.host.begin(self.tree, self.tree / "app.py", preload=["json"])
        self.host.wait("spare", interp=spare.number)
        self.assertEqual(spare.retire()["event"], "retired")

    def test_a_spare_ends_also_while_it_imports(self):
        names = ["json", "csv", "email", "http.client", "unittest", "xmlrpc.client", "sqlite3"]
        spare = self.host.begin(self.tree, self.tree / "app.py", preload=names)
        self.assertEqual(spare.retire()["event"], "retired")

    def test_no_source_of_the_app_runs_in_a_spare(self):
        self.tree.write({"app.py": APP, "csv.py": "open('ran', 'w')", "queue.py": "open('ran', 'w')"})
        _, names = self.prepare(["csv", "queue"])
        self.assertIn("queue", names)
        self.assertFalse(os.path.exists(self.tree / "ran"))

    def test_a_generation_names_what_a_spare_should_import(self):
        interp = self.serve("import csv, json.decoder\ndef application(e, s): pass\n")
        names, why = self.loaded(interp)
        for name in ("csv", "json", "json.decoder", "re"):
            self.assertIn(name, names)
        for name in ("app", "_moult", "moult", "sys", "__main__"):
            self.assertNotIn(name, names)
        self.assertEqual(why, "")

    def test_monkey_patches_are_seen(self):
        interp = self.serve(
            """
            import queue, socket
            class Mine(socket.socket): pass
            socket.socket = Mine
            def application(e, s): pass
            """
        )
        self.assertEqual(self.loaded(interp)[1], "socket.socket by app")

    def loaded(self, interp, packages=False):
        self.host.asks += 1
        self.host.send({"do": "loaded", "ask": self.host.asks, "interp": interp.number, "packages": packages})
        event = self.host.wait("loaded")
        self.assertEqual(event["ask"], self.host.asks)
        return event["names"], event["why"]


if __name__ == "__main__":
    unittest.main()
