"""Runs CPython's own tests of the standard library inside an app: in an interpreter, and in the one after it in
the same process. What comes out otherwise than in plain Python is printed, with the reason where one is known.

    stdlib.py [-j JOBS] [TEST…]      the Python under test: $MOULT_HOST_PYTHON
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(FOLDER), "support"))

import stdlib_expected as expected  # noqa: E402
import stdlib_files as files  # noqa: E402
import host_driver  # noqa: E402

PYTHON = "%d.%d" % host_driver.VERSION[:2]
MODE = "main" if PYTHON == "3.12" else host_driver.MODE
QUIET = 30 * int(os.environ.get("MOULT_TEST_PATIENCE") or 1)  # seconds without a new test: it hangs
LINES = 6  # of a traceback
TRIES = 12  # tests that end the process are left out, one after the other

APP = """
    import json
    import stdlib_inside
    def application(environ, start):
        stdlib_inside.run(*json.loads(environ['wsgi.input'].read()))
        start('200 OK', [])
        return []
    """


class Ended(Exception):
    """The process has crashed or hangs, at this test."""


class TestFile:
    """One test file of CPython, in a folder of its own: outside of the app's tree, where modules that the tests
    write would be no part of the generation."""

    def __init__(self, name):
        self.name = name
        with open(os.path.join(FOLDER, "stdlib_inside.py"), "rb") as file:
            self.app = host_driver.Tree({"app.py": APP, "stdlib_inside.py": file.read()})
        self.tree = host_driver.Tree({"tmp/keep": ""})
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": self.tree.path,
            "LANG": "C.UTF-8",
            "TMPDIR": self.tree / "tmp",
        }
        self.left_out = {}  # {test: why}, in the host

    def remove(self):
        self.app.remove()
        self.tree.remove()

    def results(self, name):
        with open(self.tree / name) as file:
            return json.load(file)

    def at(self):
        try:
            with open(self.tree / "at") as file:
                return file.read(), os.stat(self.tree / "at").st_mtime
        except FileNotFoundError:
            return "", 0

    def is_quiet(self, began):
        return time.time() - max(began, self.at()[1]) > QUIET

    def plain(self):
        """What plain Python says of each test. One that ends it is left out and counts as failed."""
        left_out = {}
        for _ in range(TRIES):
            began = time.time()
            process = subprocess.Popen(
                [
                    host_driver.PYTHON,
                    "-X",
                    "utf8",
                    "-s",
                    self.app / "stdlib_inside.py",
                    self.name,
                    json.dumps(list(left_out)),
                    self.tree.path,
                ],
                cwd=self.tree.path,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None:
                if self.is_quiet(began):
                    process.kill()
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    pass
            if os.path.exists(self.tree / "plain"):
                found = self.results("plain")
                found["outcomes"].update(dict.fromkeys(left_out, "failed"))
                return found
            left_out[self.at()[0]] = True
        raise Ended(f"plain Python ended {TRIES} times")

    def in_a_host(self):
        """What two interpreters say, one after the other: {step: results}"""
        while True:
            try:
                return self.try_in_a_host()
            except Ended as error:
                if len(self.left_out) == TRIES:
                    raise
                self.left_out[self.at()[0] or self.name] = str(error)

    def try_in_a_host(self):
        found = {}
        host = host_driver.Host(env=self.environment)
        try:
            for step in ("first",) if MODE == "main" else ("first", "second"):
                place = {"cwd": self.tree.path, "env": self.environment}
                interp = host.make(self.app, self.app / "app.py", mode=MODE, **place)
                self.ask(interp, step)
                found[step] = self.results(step)
                event = interp.retire()
                if event["event"] != "retired":
                    found[step]["left"] = str(event.get("threads") or event)
        except (OSError, EOFError, AssertionError) as error:
            raise Ended(f"{type(error).__name__}: {error}" + (f" in the {step}" if found else "")) from error
        finally:
            host.process.kill()
            host.process.wait()
            host.channel.close()
        return found

    def ask(self, interp, step):
        body = json.dumps([self.name, list(self.left_out), self.tree.path, step]).encode()
        began = time.time()
        interp.lane.sock.settimeout(1)
        interp.lane.send_request(method="POST", body=body)
        response = host_driver.Response()
        while True:
            try:
                interp.lane.finish(response)
                break
            except TimeoutError:
                if self.is_quiet(began):
                    raise
        if response.failed is not None:
            raise OSError(response.failed)


def differences(name):
    """(lines to print, unexplained ones) of one test file."""
    file = TestFile(name)
    try:
        plain = file.plain()
        steps = file.in_a_host()
    except Ended as error:
        return f"{name}: {error}", [name]
    finally:
        file.remove()
    lines, unexplained, explained, alike, seen = [], [], {}, {}, set()
    for step, found in steps.items():
        for test in sorted(plain["outcomes"].keys() | found["outcomes"].keys()):
            outcomes = plain["outcomes"].get(test, "not run"), found["outcomes"].get(test, "not run")
            if test in file.left_out:
                outcomes = outcomes[0], "ends the host: " + file.left_out[test]
            # What fails there may do anything here.
            if outcomes[0] == outcomes[1] or outcomes[0] == "failed" or test in seen:
                continue
            seen.add(test)
            text = found["texts"].get(test, "")
            why = expected.reason(PYTHON, test, text)
            if why:
                explained.setdefault(why, []).append(test)
                continue
            unexplained.append(test)
            lines_of = text.splitlines()[-LINES:]
            alike.setdefault((step, *outcomes, *lines_of[-1:]), []).append((test, lines_of))
        if "left" in found:
            lines.append(f"    the {step} interpreter could not be ended: {found['left']}")
    for (step, there, here, *_), tests in alike.items():
        test, text = tests[0]
        more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
        lines += [
            f"    {test}{more}: {there} in plain Python, {here} in the {step} interpreter",
            *("        " + line for line in text),
        ]
    counts = list(plain["outcomes"].values())
    head = f"{name}: {counts.count('passed')} passed, {counts.count('failed')} failed, {counts.count('skipped')} skipped in plain Python"
    head += (
        f" in {plain['seconds']:.0f} s; {len(unexplained)} differ"
        if unexplained
        else f" in {plain['seconds']:.0f} s; the same here"
    )
    if explained:
        head += f", {sum(map(len, explained.values()))} as expected"
    return (
        "\n".join([head, *lines, *(f"    expected: {len(tests)} since {why}" for why, tests in explained.items())]),
        unexplained,
    )


def present(names):
    """Those that this Python has."""
    code = "import test; print(*test.__path__)"
    folders = subprocess.check_output([host_driver.PYTHON, "-c", code], text=True).split()
    found = []
    for name in names:
        path = next(
            (
                path
                for folder in folders
                if os.path.exists(path := os.path.join(folder, name)) or os.path.exists(path + ".py")
            ),
            None,
        )
        if name in files.SPLIT and path and os.path.isdir(path):
            found += sorted(
                f"{name}.{file[:-3]}" for file in os.listdir(path) if file.startswith("test_") and file.endswith(".py")
            )
        elif path or "." in name:
            found.append(name)
    return found


def main():
    parser = argparse.ArgumentParser(prog="./dev stdlib")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    parser.add_argument("tests", nargs="*", metavar="TEST")
    options = parser.parse_args()
    names = present(options.tests or files.FILES)
    differ = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(differences, name) for name in names]):
            text, unexplained = done.result()
            print(text, flush=True)
            differ += bool(unexplained)
    print(f"{len(names) - differ} passed, {differ} failed")
    return 1 if differ or not names else 0


if __name__ == "__main__":
    sys.exit(main())
