"""Two apps that call each other from several threads while both are reloaded again and again.

Every call must be answered rightly by exactly one generation, and what callers count must be what
the called count, generation by generation.
"""
import collections
import json
import threading
import time
import urllib.parse

from moult import Moult, app_text, get

CLIENTS = 2  # for each app; every request calls from a worker and from one more thread
CALLS = 40  # of each of the two threads, for one request

# Nobody watches the trees: a reload takes all three files as they are. The threads are enough for all
# calls of all clients at once, three deep.
TOML = 'reload = "off"\nthreads = 16\nkeep_previous = 0\n'


class Client(threading.Thread):
    """Asks one app to call the other one, over and over until told to stop; keeps what went wrong."""

    def __init__(self, moult, app, first):
        super().__init__()
        self.moult, self.app, self.number = moult, app, first
        self.stop = threading.Event()
        self.requests, self.problems, self.seen = 0, [], set()

    def run(self):
        connection = self.moult.connect(timeout=300)
        while not self.stop.is_set() and len(self.problems) < 5:
            asked = urllib.parse.urlencode({"first": self.number, "calls": CALLS})
            self.number += 2 * CALLS
            try:
                status, text = get(connection, f"/{self.app}/?{asked}")
                if status != 200:
                    raise RuntimeError(f"{status}: {text[:500]}")
                answer = json.loads(text)
            except Exception as error:
                self.problems.append(f"{self.app}: {error!r}")
                connection.close()
                continue
            self.requests += 1
            self.problems += [f"{self.app}: {error}" for error in answer["errors"]]
            self.seen.update(map(tuple, answer["versions"]))


def tree(version):
    return {"app.py": app_text("storm").replace("VERSION = 0", f"VERSION = {version}"),
            "part.py": f"VERSION = {version}\n", "late.py": f"VERSION = {version}\n"}


def compare(told, seen):
    """What is wrong with the counts of all generations."""
    problems = []
    served = {(line["app"], line["generation"]): line["served"] for line in told}
    answered = collections.Counter()
    for line in told:
        peer = "pong" if line["app"] == "ping" else "ping"
        for generation, count in line["called"].items():
            answered[peer, int(generation)] += count
    for key in sorted(served.keys() | answered.keys()):
        if served.get(key) != answered.get(key, 0):
            problems.append(f"{key[0]} generation {key[1]}: {answered.get(key, 0)} answers counted by "
                            f"callers, {served.get(key)} calls by itself")
    versions = collections.defaultdict(set)
    for app, generation, version in seen:
        versions[app, generation].add(version)
    problems += [f"{key} answered with the versions {found}" for key, found in versions.items() if len(found) > 1]
    return problems


def one_storm(name, isolation, options):
    apps = {}
    for app, peer in (("ping", "pong"), ("pong", "ping")):
        place = isolation if app == "pong" else 'group = "storm"'
        apps[app] = (tree(0), f'route = "/{app}"\n{TOML}{place}\n'
                              f'env = {{ PEER = "{peer}", TOLD = "{{folder}}/told" }}')
    began = time.monotonic()
    with Moult(apps, "hosts = 1", options.python) as moult:
        clients = [Client(moult, app, i * 1_000_000) for i in range(CLIENTS) for app in apps]
        for client in clients:
            client.start()
        try:
            for i in range(1, options.reloads + 1):
                app = ("ping", "pong")[i % 2]
                for file, text in tree(i).items():
                    moult.write(f"{app}/{file}", text)
                moult.control("reload", app=app)
        finally:
            for client in clients:
                client.stop.set()
            for client in clients:
                client.join()
        problems = [problem for client in clients for problem in client.problems]
        hosts = {host["pid"] for host in moult.control("hosts")["hosts"]}
        moult.stop()
        with open(f"{moult.folder}/told") as file:
            told = [json.loads(line) for line in file]
        problems += compare(told, set().union(*(client.seen for client in clients)))
        calls = sum(line["served"] for line in told)
        print(f"storm: {name}: {options.reloads} reloads, {len(told)} generations, {calls} calls counted on both "
              f"sides, {sum(client.requests for client in clients)} requests, {len(hosts)} host(s) at the end, "
              f"{time.monotonic() - began:.0f} s, {len(problems)} problem(s)", flush=True)
        if problems:
            raise RuntimeError("\n".join(problems[:20]))


def storm(options):
    one_storm("one host", 'group = "storm"', options)
    one_storm("two hosts", 'isolation = "process"', options)
