#!/usr/bin/env python3
"""A minute with a hostile client, a hostile app and a hostile disk beside an app that behaves: are its answers all
right, and are they about as fast as before?

    hostile.py [--seconds N] [--seed N] [--kinds KIND,…] [--python EXE]     the programs: $MOULT_BIN, else build/bin

Exit code 1: an answer was lost or wrong that no death of its host explains, the daemon has ended, or it does not come
back to what it was. The ratio of the 99th percentiles is printed; it is of clients that wait for each answer.
"""

import argparse
import collections
import http.client
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(os.path.dirname(FOLDER)), "bench")]

import hostile_app  # noqa: E402
import hostile_clients  # noqa: E402
import moult  # noqa: E402

GOOD = """import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"good ", environ["PATH_INFO"].encode(), b" ", str(os.getpid()).encode()]
"""
ASKERS = 4
PACE = 0.01  # seconds between two questions of one asker


def ask(port, out, stop, number):
    """One client of the app that behaves; in a process of its own, so that the attackers' GIL is none of its matter."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    times, wrong, count = [], [], 0
    while not stop.is_set():
        count += 1
        path = f"/{number}/{count}"
        began = time.monotonic()
        try:
            connection.request("GET", "/good" + path)
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            if answer.status != 200 or not body.startswith(f"good {path} "):
                wrong.append((time.time(), f"{answer.status} {body[:80]!r}"))
        except (OSError, http.client.HTTPException) as error:
            wrong.append((time.time(), repr(error)))
            connection.close()
        times.append(time.monotonic() - began)
        time.sleep(PACE)
    out.put((times, wrong))


class Asking:
    """The app that behaves is asked for as long as the block lasts."""

    def __init__(self, port):
        self.out, self.stop = multiprocessing.Queue(), multiprocessing.Event()
        self.askers = [multiprocessing.Process(target=ask, args=(port, self.out, self.stop, n)) for n in range(ASKERS)]
        self.times, self.wrong = [], []

    def __enter__(self):
        for asker in self.askers:
            asker.start()
        return self

    def __exit__(self, *error):
        self.stop.set()
        for _ in self.askers:
            times, wrong = self.out.get(timeout=120)
            self.times += times
            self.wrong += wrong
        for asker in self.askers:
            asker.join()

    def p99(self):
        return sorted(self.times)[int(len(self.times) * 0.99)] * 1000


class Disk:
    """What happens to the files of the bad app and to the daemon's own."""

    def __init__(self, served):
        self.served = served
        self.edits = list(hostile_app.BAD.values())

    def bad_edit(self):
        self.served.edit("bad", random.choice(self.edits))
        time.sleep(random.uniform(0, 1.5))
        self.good_edit()

    def good_edit(self):
        self.served.edit("bad", hostile_app.GOOD + f"# {random.random()}\n")

    def burst(self):
        for _ in range(50):
            self.good_edit()
            time.sleep(0.005)

    def tree_gone(self):
        bad = os.path.join(self.served.folder, "bad")
        os.rename(bad, bad + ".away")
        time.sleep(0.3)
        os.rename(bad + ".away", bad)

    def state_unwritable(self):
        state = os.path.join(self.served.folder, "state")
        os.rename(state, state + ".away")
        time.sleep(0.3)
        if os.path.exists(state):
            os.rename(state, f"{state}.{random.random()}")
        os.rename(state + ".away", state)

    def record_broken(self):
        state = os.path.join(self.served.folder, "state")
        for folder, _, files in os.walk(state):
            for file in files:
                if "bad" in folder and file.endswith(".json"):
                    with open(os.path.join(folder, file), "w") as record:
                        record.write(random.choice(["", "[" * 100000, "{", "null", '{"version": 99}']))

    def cache_gone(self):
        for folder, _, files in os.walk(os.path.join(self.served.folder, ".cache")):
            for file in files:
                os.unlink(os.path.join(folder, file))

    def hup(self):
        self.served.process.send_signal(signal.SIGHUP)

    def usr(self):
        self.served.process.send_signal(random.choice([signal.SIGUSR1, signal.SIGUSR2]))

    def actions(self):
        return [self.bad_edit, self.bad_edit, self.good_edit, self.burst, self.tree_gone, self.state_unwritable,
                self.record_broken, self.cache_gone, self.hup, self.usr]


class Operator:
    """What people do with moultctl, kill and the config meanwhile, to both apps."""

    def __init__(self, served):
        self.served = served

    def ask(self, method, **parameters):
        try:
            return self.served.control(method, **parameters)
        except RuntimeError:
            return None  # refused, with a reason

    def app(self):
        return random.choice(["good", "bad"])

    def reload(self):
        self.ask("reload", app=self.app(), force=True)

    def restart(self):
        self.ask("restart", app=self.app())

    def recycle(self):
        self.ask("recycle", timeout=30)

    def rollback(self):
        if self.ask("rollback", app=self.app()):
            self.ask("thaw", all=True)

    def stop_and_start(self):
        self.ask("stop", app="bad", timeout=5)
        self.ask("start", app="bad")

    def deploy(self):
        self.ask("deploy.begin", app=self.app(), for_seconds=2)

    def config(self):
        self.served.write("config/apps/extra.toml", random.choice(
            ["tree = 1\n", f'tree = "{self.served.folder}/bad"\nroute = "/extra"\n', "[[[\n"]))
        self.ask("config.reload")
        os.unlink(os.path.join(self.served.folder, "config/apps/extra.toml"))
        self.ask("config.reload")

    def edits_the_good(self):
        self.served.edit("good", GOOD + f"# {random.random()}\n")

    def looks(self):
        for method in ("list", "hosts", "doctor", "calls"):
            self.ask(method)
        for method in ("status", "show", "why", "compat", "generations", "imports", "diff"):
            self.ask(method, app=self.app())

    def actions(self):
        return [self.reload, self.restart, self.recycle, self.rollback, self.stop_and_start, self.deploy, self.config,
                self.edits_the_good, self.edits_the_good, self.looks]


def kill_a_host(served):
    hosts = served.control("hosts")["hosts"]
    if hosts:
        os.kill(random.choice(hosts)["pid"], signal.SIGKILL)


def attacker(stop, actions, done, lock, pause):
    while not stop.is_set():
        action = random.choice(actions)
        try:
            action()
        except (OSError, ValueError, RuntimeError):
            pass
        with lock:
            done[action.__name__] += 1
        time.sleep(random.uniform(0, pause))


def named(function, *arguments):
    def action():
        function(*arguments)

    action.__name__ = function.__name__
    return action


def deaths_of(served):
    events = served.control("events", filter=["host.*"])["events"]
    return [event for event in events if event["event"] in ("host.died", "host.stalled", "host.recycled")]


def facts(pid):
    with open(f"/proc/{pid}/statm") as file:
        resident = int(file.read().split()[1]) * 4096
    return len(os.listdir(f"/proc/{pid}/fd")), resident


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--kinds", default="clients,apps,disk,controls,operator,deaths")
    parser.add_argument("--python", default="/usr/bin/python3")
    options = parser.parse_args()
    random.seed(options.seed)
    kinds = options.kinds.split(",")
    apps = {"good": (GOOD, 'route = "/good"'), "bad": (hostile_app.GOOD, 'route = "/bad"\nqueue = 50')}
    ok = True
    with moult.Moult(apps, "hosts = 1", options.python) as served:
        disk = Disk(served)
        with Asking(served.port) as before:
            time.sleep(min(15, options.seconds))
        fds, memory = facts(served.process.pid)
        groups = {
            "clients": [named(c, served.port) for c in hostile_clients.CLIENTS],
            "apps": [named(c, served.port) for c in hostile_clients.APPS],
            "deaths": [named(c, served.port) for c in hostile_clients.DEATHS] + [named(kill_a_host, served)],
            "operator": Operator(served).actions(),
            "controls": [named(c, served.socket) for c in hostile_clients.CONTROLS],
            "disk": disk.actions(),
        }
        pauses = {"clients": 0.2, "apps": 1, "deaths": 10, "controls": 2, "disk": 2, "operator": 2}
        stop, done, lock = threading.Event(), collections.Counter(), threading.Lock()
        threads = [threading.Thread(target=attacker, args=(stop, groups[kind], done, lock, pauses[kind]))
                   for kind in kinds for _ in range(2 if kind == "clients" else 1)]
        with Asking(served.port) as during:
            for thread in threads:
                thread.start()
            time.sleep(options.seconds)
            stop.set()
            for thread in threads:
                thread.join()
        alive = served.process.poll() is None
        print(f"hostile: seed {options.seed}, {options.seconds} s of {', '.join(kinds)}: {sum(done.values())} acts")
        print("  " + ", ".join(f"{name} {count}" for name, count in sorted(done.items())))
        if not alive:
            print(f"  THE DAEMON HAS ENDED: {served.process.returncode}")
            raise SystemExit(1)
        deaths = deaths_of(served)
        died = [event for event in deaths if event["event"] == "host.died"]
        explained = ASKERS * len(died)
        wrong = during.wrong
        print(f"  good: {len(during.times)} answers, {len(wrong)} wrong or lost "
              f"({len(died)} deaths of hosts explain up to {explained} where it shared them)")
        for when, what in wrong[:10]:
            print(f"    {time.strftime('%H:%M:%S', time.gmtime(when))} {what}")
        ok &= len(wrong) <= explained
        print(f"  good: p99 {before.p99():.1f} ms before, {during.p99():.1f} ms meanwhile "
              f"({during.p99() / before.p99():.1f} times); longest {max(during.times):.2f} s")
        disk.good_edit()
        connection = served.connect()

        def comes_back():
            try:
                return moult.get(connection, "/bad/")[1] == "bad, but serves"
            except (OSError, http.client.HTTPException):
                connection.close()
                return False

        try:
            moult.until(comes_back, "the bad app serves again", 60)
            print("  bad: serves again")
        except Exception as error:
            ok = False
            print(f"  BAD DOES NOT COME BACK: {error}; {json.dumps(served.control('list')['apps'])}")
        time.sleep(2)
        fds_after, memory_after = facts(served.process.pid)
        print(f"  daemon: {fds_after - fds:+d} descriptors, {(memory_after - memory) / 2**20:+.1f} MiB")
        ok &= fds_after < fds + 60
    if not ok:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
