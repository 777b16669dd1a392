"""The way of a request: requests a second beside other servers in one run, and what each costs in CPU time,
system calls and context switches."""
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request

from moult import Moult, free_port, until

APP = """
BODY = b"Hello, world!"
BIG = b"x" * 102400

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/big":
        body = BIG
    elif path == "/chunks":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"one of a hundred pieces\\n" for _ in range(100))
    elif path == "/upload":
        body = str(len(environ["wsgi.input"].read())).encode()
    else:
        body = BODY
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """
import app
async def application(scope, receive, send):
    async def body(data, more=False):
        await send({"type": "http.response.body", "body": data, "more_body": more})
    async def head(*length):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), *length]})
    path = scope["path"]
    if path == "/chunks":
        await head()
        for _ in range(100):
            await body(b"one of a hundred pieces\\n", True)
        return await body(b"")
    data = app.BIG if path == "/big" else app.BODY
    if path == "/upload":
        size, more = 0, True
        while more:
            event = await receive()
            size, more = size + len(event.get("body", b"")), event.get("more_body", False)
        data = str(size).encode()
    await head((b"content-length", str(len(data)).encode()))
    await body(data)
"""
POST = 'wrk.method = "POST"; wrk.body = string.rep("b", 65536)\n'
# What is asked for: a name, connections, path, whether with a body.
LOADS = (("hello c1", 1, "/", False), ("hello c16", 16, "/", False), ("hello c64", 64, "/", False),
         ("100 KB", 16, "/big", False), ("64 KiB up", 16, "/upload", True), ("100 pieces", 16, "/chunks", False))
SECONDS = 2
ROUNDS = 3


def peers(python):
    """Commands of those that are installed; {port} is to be filled in."""
    def has(module):
        return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0

    found = {}
    if has("bjoern"):
        found["bjoern"] = [python, "-c", "import bjoern, app; bjoern.run(app.application, '127.0.0.1', {port})"]
    if has("fastpysgi"):
        found["FastPySGI"] = [
            python, "-c", "import fastpysgi, app; fastpysgi.run(app.application, host='127.0.0.1', port={port})"]
    if shutil.which("uwsgi"):
        found["uWSGI"] = ["uwsgi", "--plugin", "python3", "--http11-socket", "127.0.0.1:{port}", "--wsgi-file", "app.py",
                          "--threads", "4", "--enable-threads", "--disable-logging", "--die-on-term"]
    if has("uvicorn"):
        found["uvicorn"] = [python, "-m", "uvicorn", "--port", "{port}", "--no-access-log", "--log-level", "error",
                            "asgi:application"]
    return found


def rate(port, connections, path, script):
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-d{SECONDS}s", f"-c{connections}"]
    done = subprocess.run([*command, *(["-s", script] if script else []), f"http://127.0.0.1:{port}{path}"],
                          check=True, capture_output=True, text=True).stdout
    figure = float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])
    return figure, "!" if "Non-2xx" in done or "Socket errors" in done else ""


def answers(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).status == 200
    except OSError:
        return False


def spent(pids):
    """CPU seconds and context switches of these processes so far."""
    ticks = switches = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
            with open(f"/proc/{pid}/task/{task}/status") as file:
                switches += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return ticks / os.sysconf("SC_CLK_TCK"), switches


def system_calls(pids):
    """A second's, by perf; nothing where that cannot be had."""
    try:
        done = subprocess.run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids)),
                               "sleep", "1"], capture_output=True, text=True)
        return float(done.stderr.split(",")[0])
    except (OSError, ValueError):
        return None


def costs(moult):
    pids = list(moult.processes())
    for name, connections, path, posts in LOADS[:3]:
        cpu, switches = spent(pids)
        figure, _ = rate(moult.port, connections, path, None)
        after = spent(pids)
        count = figure * SECONDS
        load = subprocess.Popen(["taskset", "-c", "1", "wrk", "-t1", "-d2s", f"-c{connections}",
                                 f"http://127.0.0.1:{moult.port}{path}"], stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        calls = system_calls(pids)
        during = float(re.search(r"Requests/sec:\s+([\d.]+)", load.communicate()[0])[1])
        print(f"path: {name}: a request costs {(after[0] - cpu) / count * 1e6:.1f} us of CPU, "
              f"{(after[1] - switches) / count:.2f} context switches"
              + (f", {calls / during:.1f} system calls" if calls else ""))


def path(options):
    if (os.cpu_count() or 1) < 2 or not shutil.which("wrk"):
        raise SystemExit("path needs two CPUs and wrk")
    with tempfile.TemporaryDirectory(prefix="moult-bench-") as folder, \
            Moult({"hello": (APP, "threads = 4")}, "hosts = 1", options.python, cpus="0") as moult:
        for name, text in (("app.py", APP), ("asgi.py", ASGI), ("post.lua", POST)):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        ports, running = {"Moult": moult.port}, []
        try:
            for name, command in peers(options.python).items():
                port = free_port()
                running.append(subprocess.Popen(
                    ["taskset", "-c", "0", *(word.replace("{port}", str(port)) for word in command)], cwd=folder,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                until(lambda: answers(port), f"{name} answers")
                ports[name] = port
            for name, connections, target, posts in LOADS:
                script = os.path.join(folder, "post.lua") if posts else None
                figures = {server: [] for server in ports}
                for _ in range(ROUNDS):  # in turn, so that others' load hits all alike
                    for server, port in ports.items():
                        figures[server].append(rate(port, connections, target, script))
                ours = statistics.median(figure for figure, _ in figures["Moult"])
                row = []
                for server, measured in figures.items():
                    median = statistics.median(figure for figure, _ in measured)
                    marks = "".join({mark for _, mark in measured})
                    row.append(f"{server} {median:.0f}{marks}"
                               + (f" ({ours / median:.2f})" if median and server != "Moult" else ""))
                print(f"path: {name}: {', '.join(row)}", flush=True)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(20)
        costs(moult)
