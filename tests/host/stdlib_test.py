"""Every module of the standard library does in the interpreters of one host what it does in plain Python:
in two that live at once, in one after an older or a younger one has ended, and in one that was made after that."""

import concurrent.futures
import json
import os
import subprocess
import unittest

import case
import host_driver
import stdlib_expected
from host_driver import Host

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stdlib")
MODE = "main" if (3, 12) <= host_driver.VERSION < (3, 13) else host_driver.MODE
BATCHES = 8
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8", "TERM": "dumb"}

SERVES = """
    import json
    import cases, exercise
    cases.load()
    def application(environ, start):
        start('200 OK', [])
        return [json.dumps(exercise.run(json.loads(environ['wsgi.input'].read()))).encode()]
    """
# In a thread, as a request is.
MEASURE = """
    import json, sys, threading
    import cases, exercise
    cases.load()
    def run():
        for _ in range(2):
            results.append(exercise.run(json.loads(sys.argv[1])))
    results = []
    thread = threading.Thread(target=run, name='moult-worker-0')
    thread.start()
    thread.join()
    with open(sys.argv[2], 'w') as file:
        json.dump(results, file)
    """


class HostEnded(Exception):
    """The host crashed or did not answer."""


class StandardLibrary(unittest.TestCase):
    maxDiff = None

    def test_modules_do_what_they_do_in_plain_python(self):
        names = json.loads(subprocess.check_output([host_driver.PYTHON, os.path.join(SOURCES, "stdlib_modules.py")]))
        self.assertGreater(len(names), 300)
        size = -(-len(names) // BATCHES)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            batches = [names[at : at + size] for at in range(0, len(names), size)]
            differences = [one for found in pool.map(differing, batches) for one in found]
        told = set()
        for module, what, step, plain, here in differences:
            if (module, what) in told:
                continue
            told.add((module, what))
            if stdlib_expected.reason(module, what) is None:
                with self.subTest(module=module, what=what, step=step):
                    self.fail(f"\nplain Python: {plain}\nin a host:    {here}")
        self.assertEqual(stdlib_expected.unused(), [], "expected to differ, but do not")


def differing(names):
    """[(module, what, step, plain, here)] of a batch. What ends a host is taken out of it."""
    tree = case.Tree({"app.py": SERVES, "measure.py": MEASURE})
    for name in os.listdir(SOURCES):
        if name.endswith(".py"):
            with open(os.path.join(SOURCES, name), "rb") as file:
                tree.write({name: file.read()})
    try:
        first, again = plain_python(tree, names)
        return list(compared(first, again, in_a_host(tree, names)))
    except HostEnded as error:
        with open(tree / "at") as file:
            culprit = file.read()
        rest = [name for name in names if name != culprit]
        return [(culprit, "the host", "", "lives", str(error)), *(differing(rest) if rest else ())]
    finally:
        tree.remove()


def plain_python(tree, names):
    subprocess.run(
        [host_driver.PYTHON, "-s", "-X", "utf8", tree / "measure.py", json.dumps(names), tree / "results"],
        env=ENVIRONMENT,
        cwd=tree.path,
        timeout=host_driver.DEADLINE * 4,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with open(tree / "results") as file:
        return json.load(file)


def in_a_host(tree, names):
    """{step: results}"""
    host = Host(env=ENVIRONMENT)
    steps = {}

    def make():
        return host.make(tree, tree / "app.py", mode=MODE, env=ENVIRONMENT)

    def run(interp, step):
        response = interp.get(method="POST", body=json.dumps(names).encode())
        steps[step] = json.loads(response.body) if response.failed is None else response.failed

    try:
        one = make()
        run(one, "in the first")
        if MODE == "main":
            run(one, "in the first, again")
        else:
            two = make()
            run(two, "in the second, beside the first")
            run(one, "in the first, again")
            end(one)
            run(two, "in the second, again, after the first has ended")
            three = make()
            run(three, "in the third, after the first has ended")
            end(three)
            run(two, "in the second, again, after the first and the third have ended")
            end(two)
    except (OSError, EOFError, AssertionError) as error:
        host.process.kill()
        raise HostEnded(f"{type(error).__name__}: {error} after {list(steps)}") from error
    finally:
        host.close()
    return steps


def end(interp):
    event = interp.retire()
    assert event["event"] == "retired", event


def compared(first, again, steps):
    for step, results in steps.items():
        plain = again if ", again" in step else first
        if isinstance(results, str):
            raise HostEnded(results)
        for module, facts in plain.items():
            same_import = facts["import"] == results[module]["import"]
            for what in sorted(facts.keys() | results[module].keys()) if same_import else ["import"]:
                expected, found = facts.get(what), results[module].get(what)
                if expected != found:
                    yield module, what, step, expected, found


if __name__ == "__main__":
    unittest.main()
