"""One moultd for a measurement: a private folder, apps, the control socket, memory and HTTP."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BIN = os.environ.get("MOULT_BIN", f"{TOP}/build/bin")

FLASK_APP = """from flask import Flask
app = Flask(__name__)
VERSION = "v0"

@app.route("/")
def hello():
    return VERSION
"""
PLAIN_APP = """def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, world!"]
"""


class Moult:
    """A daemon in the foreground of a `with` block; everything goes with it.

    apps: name -> (text of app.py or {file: text}, further lines of the app's TOML, where {folder} is the
    private folder). cpus: a taskset list.
    """

    def __init__(self, apps, daemon_toml="", python="/usr/bin/python3", cpus=None):
        self.folder = tempfile.mkdtemp(prefix="moult-bench-")
        self.python, self.cpus = python, cpus
        self.socket = os.path.join(self.folder, "control.sock")
        self.port = free_port()
        self.write("config/moult.toml", f'listen = "127.0.0.1:{self.port}"\n{daemon_toml}\n')
        for name, (code, toml) in apps.items():
            for file, text in ({"app.py": code} if isinstance(code, str) else code).items():
                self.write(f"{name}/{file}", text)
            tree = os.path.join(self.folder, name)
            toml = toml.replace("{folder}", self.folder)
            self.write(f"config/apps/{name}.toml", f'tree = "{tree}"\npython = "{python}"\n{toml}\n')

    def write(self, name, text):
        """A file of the private folder, written as an editor does: a new one, renamed over the old one."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def edit(self, app, code):
        self.write(f"{app}/app.py", code)

    def __enter__(self):
        environment = dict(os.environ, HOME=self.folder, MOULT_SOCKET=self.socket)
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen(
            (["taskset", "-c", self.cpus] if self.cpus else [])
            + [f"{BIN}/moultd", "--config", f"{self.folder}/config", "--state", f"{self.folder}/state"],
            env=environment, stderr=self.log, start_new_session=True)
        until(lambda: self.apps_are_running(), "the apps are running")
        return self

    def stop(self):
        """Ends the daemon as a user would; all generations have retired when it returns."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def __exit__(self, *error):
        try:
            if self.process.poll() is None:
                self.stop()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()
        if error[0] is None:
            shutil.rmtree(self.folder)
        else:
            print("kept for a look:", self.folder)

    def apps_are_running(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"moultd has ended; see {self.folder}/log")
        try:
            apps = self.control("list")["apps"]
        except OSError:
            return False
        broken = [app for app in apps if app["state"] in ("failed", "backoff")]
        if broken:
            raise RuntimeError(f"not running: {broken}")
        return bool(apps) and all(app["state"] == "running" for app in apps)

    def control(self, method, **parameters):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(300)
            connection.connect(self.socket)
            stream = connection.makefile("rw")
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            while True:
                answer = json.loads(stream.readline())
                if "id" in answer:
                    break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def connect(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def processes(self):
        """pid -> memory in KiB (Pss, Rss, Private) of the daemon and its hosts."""
        hosts = [host["pid"] for host in self.control("hosts")["hosts"]]
        return {pid: memory(pid) for pid in [self.process.pid, *hosts]}


def app_text(name):
    with open(f"{HERE}/apps/{name}.py") as file:
        return file.read()


def get(connection, path="/"):
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def until(predicate, what, seconds=60):
    end = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > end:
            raise RuntimeError(f"timed out waiting until {what}")
        time.sleep(0.005)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        text = file.read()

    def kib(name):
        return sum(int(value) for value in re.findall(rf"^{name}:\s+(\d+)", text, re.M))

    return {"pss": kib("Pss"), "rss": kib("Rss"), "private": kib("Private_Clean") + kib("Private_Dirty")}
