"""How changes on disk are noticed: after what time, at what cost while nothing changes, and whether all of them are."""
import contextlib
import json
import os
import random
import socket
import time

from moult import PLAIN_APP, Moult, get, memory, until

PARTS_APP = """import importlib, os, pkgutil
import parts
values = {name: importlib.import_module(f"parts.{name}").VALUE for _, name, _ in pkgutil.iter_modules(parts.__path__)}
text = ",".join(f"{name}={value}" for name, value in sorted(values.items()))
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
"""


def say(text):
    print(f"noticing: {text}", flush=True)


def tree_of(folders, files):
    """{file: text} of a tree with so many folders and source files, app.py among them."""
    tree = {f"pack{i % folders}/m{i}.py": f"N = {i}\n" for i in range(files - 1)}
    tree["app.py"] = PLAIN_APP
    return tree


def processor_seconds(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def watches(pid):
    count = 0
    for number in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/fdinfo/{number}") as file:
            count += sum(line.startswith("inotify wd:") for line in file)
    return count


def at_rest(moult, seconds, what):
    pid = moult.process.pid
    before = processor_seconds(pid)
    time.sleep(seconds)
    used = processor_seconds(pid) - before
    status = moult.control("status", app="app0")
    say(f"{what}: daemon RSS {memory(pid)['rss'] / 1024:.1f} MiB, {watches(pid)} watches in all, {status['watch']}, "
        f"{used * 1000:.1f} ms of a core in {seconds} s at rest ({used / seconds:.3%})")


def until_noticed(options):
    """From before the write to the arrival of the event at a client of the control socket."""
    times = []
    with Moult({"app0": (PLAIN_APP, 'reload = "off"')}, python=options.python) as moult:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(moult.socket)
            stream = connection.makefile("rw")
            asked = {"follow": True, "filter": "change.seen"}
            stream.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "events", "params": asked}) + "\n")
            stream.flush()
            time.sleep(0.5)
            for i in range(1000):
                name = f"part{i}.py"
                began = time.perf_counter()
                with open(f"{moult.folder}/app0/{name}", "w") as file:
                    file.write("N = 1\n")
                while name not in stream.readline():
                    pass
                times.append((time.perf_counter() - began) * 1e6)
                time.sleep(0.002)
    times.sort()
    say(f"write() to notice, 1,000 writes: p50 {times[500]:.0f} µs, p99 {times[990]:.0f} µs, max {times[-1]:.0f} µs")


class Editor:
    """Changes the modules of one app as people and programs do; knows what the disk holds."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.random = random.Random(seed)
        self.disk = {f"m{i}": 0 for i in range(30)}
        self.edits = 0

    def path(self, name):
        return os.path.join(self.folder, "parts", name + ".py")

    def text(self):
        return ",".join(f"{name}={value}" for name, value in sorted(self.disk.items()))

    def put(self, path):
        with open(path, "w") as file:
            file.write(f"VALUE = {self.edits}\n")

    def edit(self):
        self.edits += 1
        name = self.random.choice(sorted(self.disk))
        path = self.path(name)
        how = self.random.randrange(8)
        if how <= 2:
            self.put(path)
        elif how == 3:
            self.put(path + ".new")
            os.rename(path + ".new", path)
        elif how == 4:  # vim
            os.rename(path, path + "~")
            self.put(path)
            os.remove(path + "~")
        elif how == 5:  # a copy that keeps an old time
            self.put(path + ".new")
            os.utime(path + ".new", (1_000_000_000, 1_000_000_000))
            os.rename(path + ".new", path)
        elif how == 6:  # another name
            del self.disk[name]
            name = f"n{self.edits}"
            os.rename(path, self.path(name))
            self.put(self.path(name))
        else:  # gone, and one that is new
            del self.disk[name]
            os.remove(path)
            name = f"m{self.edits}"
            self.put(self.path(name))
        self.disk[name] = self.edits


def simulate(options):
    """Bursts of edits with pauses, as in a day of work; at each rest what is served must be what the disk holds."""
    app = {"app.py": PARTS_APP, "parts/__init__.py": ""} | {f"parts/m{i}.py": "VALUE = 0\n" for i in range(30)}
    bursts = worst = 0
    with Moult({"app0": (app, "keep_previous = 0")}, python=options.python) as moult:
        editor = Editor(f"{moult.folder}/app0", seed=1)
        connection = moult.connect()
        began = time.monotonic()
        while editor.edits < options.edits:
            for _ in range(editor.random.randrange(1, 40)):
                editor.edit()
                time.sleep(editor.random.choice((0, 0, 0, 0.005, 0.02)))
            bursts += 1
            rest = time.monotonic()
            until(lambda: get(connection) == (200, editor.text()), "what is served is what the disk holds", 30)
            worst = max(worst, time.monotonic() - rest)
        took = time.monotonic() - began
        counters = moult.control("status", app="app0")["counters"]
        say(f"{editor.edits} edits in {bursts} bursts, {took:.0f} s: {counters['reloads']} generations, "
            f"{counters['rejected']} rejected, 0 bursts missed; {worst * 1000:.0f} ms from last edit to served at worst")


def noticing(options):
    until_noticed(options)
    twenty = tree_of(20, 1000)
    with Moult({f"app{i}": (twenty, f'route = "/app{i}"\nkeep_previous = 0') for i in range(20)},
               python=options.python) as moult:
        time.sleep(5)
        at_rest(moult, 20, "20 apps of 1,000 files")
    large = tree_of(2000, 19_990)
    with Moult({"app0": (large, "keep_previous = 0")}, python=options.python) as moult:
        time.sleep(5)
        at_rest(moult, 20, "one app of 19,990 files in 2,000 folders")
    with Moult({"app0": (large, 'keep_previous = 0\npolling = "on"')}, python=options.python) as moult:
        time.sleep(5)
        at_rest(moult, 50, "the same, polled, in the minute after a change")
        time.sleep(15)
        at_rest(moult, 60, "the same, polled, later")
    simulate(options)
