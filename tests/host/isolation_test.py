"""What one interpreter does is not seen by another, nor by the process."""

import os
import shutil
import subprocess
import textwrap
import unittest

import case
from host_driver import Host, VERSION


ASK = textwrap.dedent("""
    import os, sys, time, subprocess, logging, warnings, signal, locale, threading
    def application(env, start):
        start('200 OK', [])
        return [repr(eval(env['QUERY_STRING'])).encode()]
    """)


class Asking(case.HostCase):
    def ask(self, interp, expression):
        response = interp.get(query=expression)
        self.assertIsNone(response.failed)
        return eval(response.body)


class Environment(Asking):
    def test_os_environ_is_the_apps_own(self):
        one = self.serve(ASK, env={"A": "1", "PATH": "/usr/bin:/bin"})
        two = self.serve(ASK, env={"A": "2", "PATH": "/usr/bin:/bin"})
        self.assertEqual(self.ask(one, "dict(os.environ)"), {"A": "1", "PATH": "/usr/bin:/bin"})
        self.ask(one, "os.environ.update(B='new', A='changed')")
        self.assertEqual(self.ask(two, "(os.environ['A'], os.environ.get('B'), os.getenv('A'))"), ("2", None, "2"))
        self.assertEqual(self.ask(one, "(os.environb[b'B'], os.environ['A'])"), (b"new", "changed"))
        self.ask(one, "os.environ.pop('A')")
        self.assertEqual(self.ask(one, "'A' in os.environ"), False)
        third = self.serve(ASK, env={})
        self.assertEqual(self.ask(third, "dict(os.environ)"), {})

    def test_children_get_the_apps_environment(self):
        interp = self.serve(ASK, env={"A": "mine", "PATH": "/usr/bin:/bin"})
        self.ask(interp, "os.environ.update(B='added')")
        self.assertEqual(self.ask(interp, "subprocess.check_output('echo $A $B', shell=True)"), b"mine added\n")
        self.assertEqual(self.ask(interp, "os.popen('echo $A').read()"), "mine\n")
        self.assertEqual(self.ask(interp, "os.system('exit 3')"), 3 << 8)
        self.assertEqual(self.ask(interp, "subprocess.check_output(['env'], env={'X': 'y'})"), b"X=y\n")

    def test_working_folders(self):
        os.mkdir(self.tree / "sub")
        one = self.serve(ASK)
        two = self.serve(ASK, cwd=self.tree / "sub")
        self.assertEqual(self.ask(one, "os.getcwd()"), self.tree.path)
        self.assertEqual(self.ask(two, "os.getcwd()"), self.tree / "sub")
        self.ask(one, "os.chdir('/')")
        self.assertEqual(self.ask(one, "subprocess.check_output(['pwd'])"), b"/\n")
        self.assertEqual(self.ask(two, "os.getcwd()"), self.tree / "sub")

    def test_path_and_argv(self):
        os.mkdir(self.tree / "extra")
        interp = self.serve(ASK, path=[self.tree / "extra", self.tree / "extra"], argv=["prog", "-x"])
        path, argv = self.ask(interp, "(sys.path, sys.argv)")
        self.assertEqual(path[:2], [self.tree / "extra", self.tree.path])
        self.assertEqual(len(path), len(set(path)))
        self.assertEqual(argv, ["prog", "-x"])
        self.assertNotIn("", path)

    def test_site_packages_are_those_of_that_python(self):
        python = case.host_driver.PYTHON
        theirs = eval(subprocess.check_output([python, "-c", "import sys; print(sys.path[1:])"], cwd="/", text=True, env={"HOME": "/nonexistent"}))
        ours = self.ask(self.serve(ASK), "sys.path")
        self.assertEqual(ours[1:], [entry for entry in theirs])
        self.assertEqual(os.path.realpath(self.ask(self.serve(ASK), "sys.executable")), os.path.realpath(python))

    def test_a_virtual_environment(self):
        venv = self.tree / "venv"
        subprocess.check_call([case.host_driver.PYTHON, "-m", "venv", "--without-pip", venv])
        version = "python%d.%d" % VERSION[:2]
        self.tree.write({
            f"venv/lib/{version}/site-packages/inside.py": "WHERE = 'venv'\n",
            f"venv/lib/{version}/site-packages/linked.pth": self.tree / "linked\n",
            "linked/by_pth.py": "VALUE = 5\n",
        })
        source = ASK + "import inside, by_pth\n"
        interp = self.serve(source, venv=venv)
        self.assertEqual(self.ask(interp, "(inside.WHERE, by_pth.VALUE, sys.executable, sys.prefix, sys.prefix != sys.base_prefix)"),
                         ("venv", 5, venv + "/bin/python", venv, True))
        self.assertEqual(self.ask(interp, "[p for p in sys.path if 'dist-packages' in p]"), [])
        self.assertEqual(self.ask(interp, "subprocess.check_output([sys.executable, '-c', 'import inside; print(inside.WHERE)'])"), b"venv\n")

    def test_warnings_and_flags(self):
        interp = self.serve(ASK + "warnings.warn('look at this', DeprecationWarning)\n", warnings=["always::DeprecationWarning"], python_flags=["-B", "-O", "-W", "ignore:nothing"])
        self.assertEqual(interp.log.wait_for("look at this")[0], "w")
        self.assertTrue(self.ask(interp, "sys.dont_write_bytecode"))
        self.assertTrue(any("-O has no effect" in event["text"] for event in self.host.seen("notice")))

    def test_modules_and_monkey_patches_stay_inside(self):
        one, two = self.serve(ASK), self.serve(ASK)
        self.ask(one, "(setattr(time, 'patched', 1), sys.path.append('/one'), logging.getLogger().setLevel(10)) and None")
        self.assertEqual(self.ask(two, "(hasattr(time, 'patched'), '/one' in sys.path, logging.getLogger().level)"), (False, False, 30))


class Streams(Asking):
    def test_print_logging_and_errors_go_line_by_line(self):
        interp = self.serve(ASK)
        self.ask(interp, "print('out', 1, end='!\\n')")
        self.ask(interp, "print('two\\nlines', file=sys.stderr)")
        self.ask(interp, "logging.error('logged %s', 'error')")
        self.ask(interp, "print('\\udc80 caf\\xe9')")
        self.ask(interp, "sys.stdout.buffer.write(b'raw\\n')")
        self.assertEqual(interp.log.wait_for("out 1"), ("o", "out 1!"))
        self.assertEqual(interp.log.wait_for("two"), ("e", "two"))
        self.assertEqual(interp.log.wait_for("lines"), ("e", "lines"))
        self.assertEqual(interp.log.wait_for("logged")[0], "e")
        self.assertEqual(interp.log.wait_for("caf"), ("o", "\\udc80 caf\xe9"))
        self.assertEqual(interp.log.wait_for("raw"), ("o", "raw"))

    def test_the_streams_look_like_text_streams(self):
        interp = self.serve(ASK)
        self.assertEqual(self.ask(interp, "(sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.writable(), sys.stdin.read(), sys.__stdout__ is sys.stdout, sys.stdout.name)"),
                         (False, "utf-8", True, "", True, "<stdout>"))
        self.assertEqual(self.ask(interp, "subprocess.run(['echo', 'x'], stdout=subprocess.PIPE).stdout"), b"x\n")

    def test_a_very_long_line_is_split(self):
        interp = self.serve(ASK)
        self.ask(interp, "print('\u2603' * 3000 + 'end')".encode().decode("latin-1").replace("\xe2\x98\x83", "\\u2603"))
        interp.log.wait_for("end")
        joined = "".join(text for _, text in interp.log.lines)
        self.assertEqual(joined, "\u2603" * 3000 + "end")
        self.assertLessEqual(max(len(text.encode()) for _, text in interp.log.lines), 4000)

    def test_lines_of_two_threads_do_not_mix(self):
        interp = self.serve("""
            import threading, sys
            def talk(letter):
                for _ in range(200): print(letter * 10, letter * 10, sep=letter)
            def application(env, start):
                threads = [threading.Thread(target=talk, args=(l,)) for l in 'ab']
                for t in threads: t.start()
                for t in threads: t.join()
                print('finished')
                start('200 OK', []); return []
            """)
        interp.get()
        interp.log.wait_for("finished")
        self.assertEqual({text for _, text in interp.log.lines}, {"a" * 21, "b" * 21, "finished"})

    def test_an_uncaught_error_of_a_thread_is_logged(self):
        interp = self.serve("import threading\ndef application(env, start): pass\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()\n")
        self.assertEqual(interp.log.wait_for("ZeroDivisionError")[0], "e")

    def test_a_full_pipe_drops_and_tells(self):
        import threading

        blocker = threading.Event()
        original = case.host_driver.LogReader.run
        self.addCleanup(setattr, case.host_driver.LogReader, "run", original)

        def late(reader):
            blocker.wait(20)
            original(reader)

        case.host_driver.LogReader.run = late
        interp = self.serve(ASK)
        self.ask(interp, "[print('x' * 1000) for _ in range(500)] and None")
        blocker.set()
        interp.log.wait_for("x")
        for _ in range(50):
            self.ask(interp, "print('again')")
            self.host.send({"do": "stack", "interp": interp.number})
            self.host.wait("stack")
            dropped = [event for event in self.host.seen("notice") if "log lines were dropped" in event["text"]]
            if dropped:
                break
        self.assertTrue(dropped)


class ProcessWide(Asking):
    def notices(self, interp, part):
        self.host.send({"do": "stack", "interp": interp.number})
        self.host.wait("stack")
        return [event for event in self.host.seen("notice") if part in event["text"] and event["interp"] == interp.number]

    def test_another_time_zone_is_told_and_not_set(self):
        interp = self.serve(ASK)
        before = self.ask(interp, "time.strftime('%Z %z')")
        self.ask(interp, "(os.environ.update(TZ='Asia/Tokyo'), time.tzset()) and None")
        event = self.host.wait("process_wide") if not self.host.seen("process_wide") else self.host.seen("process_wide")[0]
        self.assertEqual((event["what"], event["value"]), ("tz", "Asia/Tokyo"))
        self.assertEqual(self.ask(interp, "time.strftime('%Z %z')"), before)

    def test_the_hosts_own_time_zone_passes(self):
        host = Host(env={"TZ": "Asia/Tokyo"})
        self.addCleanup(host.close)
        self.tree.write({"app.py": ASK})
        interp = host.make(self.tree, self.tree / "app.py", env={"TZ": "Asia/Tokyo"})
        self.assertEqual(self.ask(interp, "(time.tzset(), time.strftime('%z'))"), (None, "+0900"))
        self.assertEqual(host.seen("process_wide"), [])

    def test_locale_queries_pass_and_changes_are_told(self):
        interp = self.serve(ASK, env={"LANG": "C.UTF-8"})
        self.ask(interp, "(locale.setlocale(locale.LC_ALL, ''), locale.setlocale(locale.LC_CTYPE))")
        self.host.send({"do": "stack", "interp": interp.number})
        self.host.wait("stack")
        self.assertEqual([e for e in self.host.seen("process_wide") if e["what"] == "locale"], [])

    @unittest.skipUnless(os.path.isdir("/usr/lib/locale/C.utf8"), "no locale to copy")
    def test_a_change_of_the_locale_is_told(self):
        shutil.copytree("/usr/lib/locale/C.utf8", self.tree / "locales/xx_XX.utf8")
        host = Host(env={"LOCPATH": self.tree / "locales"})
        self.addCleanup(host.close)
        self.tree.write({"app.py": ASK})
        interp = host.make(self.tree, self.tree / "app.py")
        self.assertEqual(self.ask(interp, "locale.setlocale(locale.LC_TIME, 'xx_XX.UTF-8')"), "xx_XX.UTF-8")
        event = host.wait("process_wide") if not host.seen("process_wide") else host.seen("process_wide")[0]
        self.assertEqual((event["what"], event["value"]), ("locale", "xx_XX.UTF-8"))

    def test_signals_do_nothing_and_say_so_once_per_place(self):
        interp = self.serve(ASK + "def twice():\n    for _ in range(2): signal.signal(signal.SIGUSR1, print)\ntwice()\n")
        told = self.notices(interp, "signal.signal() has no effect")
        self.assertEqual(len(told), 1)
        self.assertEqual((told[0]["file"], told[0]["line"] > 0), (self.tree / "app.py", True))

    def test_signals_may_be_errors(self):
        interp = self.serve(ASK + "try: signal.signal(signal.SIGUSR1, print)\nexcept ValueError as e: ERROR = str(e)\n", signals="error")
        self.assertIn("main", self.ask(interp, "ERROR"))

    def test_asyncio_and_its_signal_handlers(self):
        interp = self.serve("""
            import asyncio, signal
            async def work():
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)
                process = await asyncio.create_subprocess_exec('echo', 'from a child', stdout=-1)
                return (await process.communicate())[0]
            def application(env, start):
                start('200 OK', []); return [asyncio.run(work())]
            """)
        self.assertEqual(interp.get().body, b"from a child\n")

    def test_asyncio_lives_on_when_the_first_interpreter_that_used_it_has_ended(self):
        self.tree.write({"loop.py": """
            import asyncio
            async def work(): return b'done'
            def application(env, start):
                start('200 OK', []); return [asyncio.run(work())]
            """})
        host = Host()
        self.addCleanup(host.close)
        first, second = [host.make(self.tree, self.tree / "loop.py") for _ in range(2)]
        self.assertEqual((first.get().body, second.get().body), (b"done", b"done"))
        self.assertEqual(first.retire()["event"], "retired")
        self.assertEqual(second.get().body, b"done")
        self.assertEqual(second.retire()["event"], "retired")

    def test_fork_and_exec_are_refused(self):
        interp = self.serve(ASK + "def refused(f, *a):\n    try: return f(*a)\n    except RuntimeError as e: return str(e)\n")
        self.assertIn("fork not supported", self.ask(interp, "refused(os.fork)"))
        self.assertIn("exec not supported", self.ask(interp, "refused(os.execvp, 'true', ['true'])"))

    def test_multiprocessing_spawns(self):
        self.tree.write({"work.py": "def double(x): return 2 * x\n"})
        interp = self.serve("""
            import multiprocessing, work
            def application(env, start):
                with multiprocessing.Pool(1) as pool: result = pool.map(work.double, [1, 2])
                start('200 OK', []); return [repr((result, multiprocessing.get_start_method())).encode()]
            """)
        response = interp.get()
        self.assertIsNone(response.failed)
        result, method = eval(response.body)
        self.assertEqual(result, [2, 4])
        self.assertNotEqual(method, "fork")


class Turns(case.HostCase):
    def test_an_app_that_computes_does_not_keep_another_one_waiting(self):
        """3.11 and 3.12 ask only their own interpreter for a GIL that another one holds."""
        busy = self.serve("""
            import time
            def application(env, start):
                end = time.monotonic() + 300
                while time.monotonic() < end: pass
                start('200 OK', []); return []
            """, name="busy.py")
        hello = self.serve("def application(env, start):\n    start('200 OK', []); return [b'hello']\n")
        busy.lane.send_request("/")
        for _ in range(5):
            self.assertEqual(hello.get().body, b"hello")
        busy.interrupt(busy.lane.calls)
        self.assertIn("Interrupted", busy.lane.finish().failed)


if __name__ == "__main__":
    unittest.main()
