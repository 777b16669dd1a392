"""Memory, threads and descriptors of daemon and hosts over very many calls: all must stay as they are."""
import os
import time
import urllib.parse

from moult import Moult, app_text, get, memory

RSS_MAX = 5 * 1024  # KiB that may be added between a tenth of the calls and the end
REQUEST = 1_000  # calls of one request


def sizes(pids):
    """pid -> (RSS in KiB, threads, descriptors). Asks the daemon nothing: that would be a descriptor more."""
    return {pid: (memory(pid)["rss"], len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd")))
            for pid in pids}


def growth(before, after):
    """What has grown too much."""
    problems = []
    for pid, (rss, threads, descriptors) in after.items():
        old = before[pid]
        if rss - old[0] > RSS_MAX:
            problems.append(f"process {pid}: RSS {old[0]} KiB, then {rss}")
        if threads > old[1]:
            problems.append(f"process {pid}: {old[1]} threads, then {threads}")
        if descriptors > old[2]:
            problems.append(f"process {pid}: {old[2]} descriptors, then {descriptors}")
    return problems


def tell(name, moult, now, first):
    for pid, (rss, threads, descriptors) in now.items():
        kind = "daemon" if pid == moult.process.pid else f"host {pid}"
        print(f"leak: {name}: {kind}: RSS {rss / 1024:.1f} MiB ({(rss - first[pid][0]) / 1024:+.2f}), "
              f"{threads} threads, {descriptors} descriptors", flush=True)


def one_leak(moult, name, target, calls):
    connection = moult.connect(timeout=600)
    pids = list(moult.processes())
    get(connection, "/near/")
    query = urllib.parse.urlencode({"what": "mixed", "app": target, "calls": REQUEST})
    first = sizes(pids)
    tell(f"{name}, before", moult, first, first)
    began = time.monotonic()
    for i in range(1, calls // REQUEST + 1):
        status, text = get(connection, f"/caller/?{query}")
        if status != 200:
            raise RuntimeError(f"{status} {text}")
        if i == max(calls // 10 // REQUEST, 1):
            tenth = sizes(pids)
            tell(f"{name}, after {i * REQUEST} calls", moult, tenth, first)
    end = sizes(pids)
    tell(f"{name}, after {calls} calls, {time.monotonic() - began:.0f} s", moult, end, tenth)
    if list(moult.processes()) != pids:
        return [f"{name}: other processes than before"]
    return growth(tenth, end)


def leak(options):
    pair = 'group = "leak"\nthreads = 2\nkeep_previous = 0'
    apps = {"caller": (app_text("caller"), f'route = "/caller"\n{pair}'),
            "near": (app_text("echo"), f'route = "/near"\n{pair}'),
            "far": (app_text("echo"), 'route = "/far"\nisolation = "process"\nkeep_previous = 0')}
    with Moult(apps, "hosts = 1", options.python) as moult:
        problems = one_leak(moult, "same host", "near", options.leak_calls)
        problems += one_leak(moult, "other host", "far", options.leak_calls // 10)
    if problems:
        raise SystemExit("leak: " + "\n".join(problems))
