#!/usr/bin/env python3
"""Serves real packages, each imported at the top of an app and inside of a view, over three generations, and
compares the answers with plain python3. Prints a table: where each runs, its memory, the time to new code.

    reach.py [--python EXE] [--debian] [--table] [NAME…]
    reach.py --packages     Debian's names of what --debian serves

Packages come from PyPI into one virtual environment a package, below build/reach; with --debian they are those
that the system has. --table prints Markdown. Exit status 1 when an answer differs.
"""

import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(TOP, "bench")]

import moult  # noqa: E402
from reach_packages import PACKAGES  # noqa: E402

# In `ahead` the package is imported with the app, in `late` by the first request.
APP = """
{source}
GENERATION = {generation}
if {ahead}:
    use()
def application(environ, start_response):
    try:
        answer, status = use(), '200 OK'
    except Exception as error:
        answer, status = repr(error), '500 Internal Server Error'
    start_response(status, [('Content-Type', 'text/plain')])
    return [('%d %s' % (GENERATION, answer)).encode()]
"""
GENERATIONS = 3
INSTALL_SECONDS = 600


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, **options)


def environment_of(name, requirements, python):
    """The Python of a virtual environment that has the package; None: there is none for this version."""
    tag = run([python, "-c", "import sys; print('py%d%d' % sys.version_info[:2])"]).stdout.strip()
    folder = os.path.join(TOP, "build", "reach", tag, name)
    inside = os.path.join(folder, "bin", "python")
    done = os.path.join(folder, "installed")
    if os.path.exists(done):
        return inside
    if not os.path.exists(inside) and run([python, "-m", "venv", folder]).returncode != 0:
        raise SystemExit(f"{python} -m venv does not work (on Debian: python3-venv)")
    wanted = ["--only-binary", ":all:", *requirements.split()]
    pip = run([inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile", *wanted])
    if pip.returncode != 0:
        return None
    open(done, "w").close()
    return inside


def expected(python, source):
    """What plain Python answers; None: it does not have the package."""
    plain = run([python, "-c", f"{source}\nprint(use(), end='')"], cwd="/")
    return plain.stdout if plain.returncode == 0 else None


def ask(served, app):
    connection = served.connect(timeout=120)
    try:
        return moult.get(connection, f"/{app}")
    finally:
        connection.close()


def serve(name, source, python, answer):
    """One row, and what went wrong."""
    def code(generation, ahead):
        return APP.format(source=source, generation=generation, ahead=ahead)

    toml = 'routes = ["/{0}"]\nkeep_previous = 0\nspare = "off"\n'
    apps = {app: (code(1, app == "ahead"), toml.format(app)) for app in ("ahead", "late")}
    wrong, seconds = [], []
    with moult.Moult(apps, python=python) as served:
        for generation in range(1, GENERATIONS + 1):
            for app in apps:
                if generation > 1:
                    served.edit(app, code(generation, app == "ahead"))
                    outcome = served.control("reload", app=app)
                    seconds.append(outcome["make_seconds"])
                for _ in range(2):
                    status, body = ask(served, app)
                    if (status, body) != (200, f"{generation} {answer}"):
                        wrong.append(f"{app}, generation {generation}: {status} {body[:300]}")
        pages = [served.control("status", app=app) for app in apps]
        where = [page["isolation"] for page in pages]
        memory = max(page["memory_bytes"] for page in pages) / 2**20
    runs = "process" if where[0] == "process" else "interpreter"
    if (where[0] == "process") != (where[1] == "process"):
        wrong.append(f"imported ahead it runs in {where[0]}, late in {where[1]}")
    return runs, memory, sorted(seconds)[len(seconds) // 2], wrong


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--python", default="/usr/bin/python3")
    options.add_argument("--debian", action="store_true")
    options.add_argument("--table", action="store_true")
    options.add_argument("--packages", action="store_true")
    options.add_argument("names", nargs="*", metavar="NAME")
    options = options.parse_args()
    if options.packages:
        print(*sorted(debian for _, debian, _ in PACKAGES.values() if debian))
        return 0
    line = "| {:<14} | {:<11} | {:>8} | {:>10} |" if options.table else "{:<16} {:<13} {:>9} {:>11}"
    print(line.format("package", "runs in", "memory", "new code"))
    if options.table:
        print("|---|---|---:|---:|")
    served = failed = 0
    for name in options.names or PACKAGES:
        requirements, _, source = PACKAGES[name]
        python = options.python if options.debian else environment_of(name, requirements, options.python)
        answer = expected(python, source) if python else None
        if answer is None:
            print(line.format(name, "not there", "", ""), flush=True)
            continue
        runs, memory, seconds, wrong = serve(name, source, python, answer)
        served += 1
        failed += bool(wrong)
        print(line.format(name, "FAILS" if wrong else runs, f"{memory:.0f} MiB", f"{seconds * 1000:.0f} ms"), flush=True)
        for text in wrong:
            print("   ", text, flush=True)
    print(f"\n{served - failed} of {served} served as plain Python does", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
