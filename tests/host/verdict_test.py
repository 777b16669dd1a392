"""What a host tells of what refuses an interpreter, and what becomes of the call that met it."""

import glob
import shutil
import subprocess
import unittest

import case
from host_driver import Host

MOVED = 1

# Answers with what `_moult.verdict` makes of the request's path.
APP = """
    from _moult import verdict
    def application(env, start):
        what = env['PATH_INFO'][1:]
        if what == 'begun':
            start('200 OK', [])(b'begun ')
        try:
            if what != 'plain': verdict.process_wanted(what, 'it would not do')
        except Exception:
            what = 'caught'
        except:
            if what != 'bare': raise
        start('200 OK', []) if what != 'begun' else None
        return [what.encode()]
    """


class Verdict(case.HostCase):
    def ask(self, interp, path):
        response = interp.get(path)
        return response.body.decode() if response.failed is None else response.frames[-1][1]

    def told(self):
        event = self.host.wait("refused")
        self.assertEqual(event["file"], self.tree / "app.py")
        self.assertGreater(event["line"], 1)
        return event["module"], event["error"]

    def test_a_call_that_meets_it_is_given_back_and_the_daemon_is_told_once(self):
        interp = self.serve(APP, may_move=True)
        for _ in range(2):
            self.assertEqual(self.ask(interp, "/what"), MOVED)
        self.assertEqual(self.told(), ("what", "it would not do"))
        self.assertEqual(self.ask(interp, "/plain"), "plain")
        self.assertEqual([e["interp"] for e in self.host.seen("refused")].count(interp.number), 1)
        self.assertNotIn("failed", interp.log.text())

    def test_what_catches_everything_does_not_keep_the_call(self):
        interp = self.serve(APP, may_move=True)
        self.assertEqual(self.ask(interp, "/bare"), MOVED)

    def test_an_answer_that_has_begun_goes_on(self):
        interp = self.serve(APP, may_move=True)
        self.assertEqual(self.ask(interp, "/begun"), "begun begun")
        self.assertEqual(self.told()[0], "begun")

    def test_an_app_that_may_not_move_goes_on_and_the_daemon_is_told(self):
        interp = self.serve(APP)
        self.assertEqual(self.ask(interp, "/what"), "what")
        self.assertEqual(self.told()[0], "what")

    def test_a_fork_moves_the_app(self):
        interp = self.serve("""
            import os, subprocess
            def application(env, start):
                if env['PATH_INFO'] == '/fork': os.fork()
                if env['PATH_INFO'] == '/exec': os.execv('/bin/true', ['true'])
                subprocess.run(['/bin/true'], preexec_fn=os.getpid)
            """, may_move=True)
        self.assertEqual(self.ask(interp, "/fork"), MOVED)
        self.assertEqual(self.told(), ("os.fork()", "sub-interpreters cannot fork"))
        self.assertEqual(self.ask(interp, "/preexec"), MOVED)
        self.assertEqual(self.told()[0], "subprocess with preexec_fn")
        self.assertIn("exec not supported", interp.get("/exec").failed)

    def test_stay_makes_it_the_apps_own_matter(self):
        interp = self.serve(APP, may_move=True)
        self.assertEqual(self.ask(interp, "/what"), MOVED)
        self.host.send({"do": "stay", "ask": 7, "interp": interp.number})
        self.assertEqual(self.host.wait("stayed")["ask"], 7)
        self.assertEqual(self.ask(interp, "/what"), "what")

    def test_while_an_app_is_loaded_it_ends_the_load(self):
        self.tree.write({"app.py": """
            from _moult import verdict
            try:
                verdict.process_wanted('resource.setrlimit()', 'it bounds all apps')
            except Exception:
                pass
            raise RuntimeError('not reached')
            """})
        event = self.host.reject(self.tree, self.tree / "app.py", may_move=True)
        self.assertEqual([item["module"] for item in event["refused"]], ["resource.setrlimit()"])
        self.assertNotIn("not reached", event["error"])

    def test_a_load_that_catches_everything_is_made_and_tells_what_it_met(self):
        interp = self.serve("""
            from _moult import verdict
            try:
                verdict.process_wanted('what', 'why')
            except:
                pass
            def application(env, start):
                start('200 OK', []); return []
            """, may_move=True)
        self.assertEqual([item["module"] for item in interp.made["refused"]], ["what"])

    def test_a_call_by_another_app_of_the_host_is_made_by_the_daemon_then(self):
        target = self.serve("""
            import moult
            from _moult import verdict
            @moult.export
            def total():
                verdict.process_wanted('what', 'why')
                return 1
            def application(env, start):
                start('200 OK', []); return []
            """, name="target.py", app="target", may_move=True)
        caller = self.serve("""
            import moult
            def application(env, start):
                start('200 OK', []); return [repr(moult.call('target', 'total', timeout=None)).encode()]
            """, name="caller.py", app="caller")
        self.host.route("target", target)
        caller.lane.send_request("/")
        self.assertEqual(self.host.wait("refused")["module"], "what")
        self.assertEqual(self.host.wait("caller")["interp"], caller.number)  # its lane to the daemon


class Ahead(case.HostCase):
    @unittest.skipUnless(case.has_package("numpy"), "no NumPy")
    def test_the_extension_modules_of_imported_packages_are_looked_at_ahead(self):
        where = "import numpy; print(numpy.__path__[0])"
        numpy = subprocess.check_output([case.host_driver.PYTHON, "-c", where], text=True).strip()
        core = next(iter(glob.glob(numpy + "/*core/_multiarray_umath*.so")))
        for package in ("lazy", "space.inner"):
            with self.subTest(package):
                folder = "site-packages/" + package.replace(".", "/")
                self.tree.write({folder + "/__init__.py": "", "app.py": f"""
                    import {package}
                    def application(env, start):
                        start('200 OK', []); return []
                    """})
                shutil.copy(core, self.tree / f"{folder}/_fast.so")
                sources = {path: text for path, text in self.tree.sources().items() if "site-packages" not in path}
                options = {"snapshot": sources, "path": [self.tree / "site-packages"]}
                event = self.host.reject(self.tree, self.tree / "app.py", may_move=True, **options)
                self.assertEqual([item["module"] for item in event["refused"]], [package + "._fast"])
                interp = self.host.make(self.tree, self.tree / "app.py", **options)
                self.addCleanup(self.retire, interp)
                self.assertEqual(interp.made["refused"], [])


class OwnProcess(unittest.TestCase):
    def test_in_a_process_of_its_own_nothing_is_moved(self):
        host = Host()
        self.addCleanup(host.close)
        tree = case.Tree({"app.py": APP})
        self.addCleanup(tree.remove)
        interp = host.make(tree, tree / "app.py", mode="main", may_move=True)
        self.assertEqual(interp.get("/what").body, b"what")


if __name__ == "__main__":
    unittest.main()
