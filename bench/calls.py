"""Calls between apps: microseconds of each, beside what else Python has for it, in one run."""
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import urllib.parse

from moult import Moult, app_text, get, until

HERE = os.path.dirname(os.path.abspath(__file__))
PAIR = 'group = "calls"\nthreads = 4\nkeep_previous = 0'
FAR = 'isolation = "process"\nthreads = 4\nkeep_previous = 0'
MIB_EXTRA = 5.0  # microseconds beside 1.5 times a memcpy


class Figures:
    """Nanoseconds of many calls of one kind."""

    def __init__(self, times, rate=None):
        ordered = sorted(times)
        self.p50 = ordered[len(ordered) // 2] / 1000
        self.p99 = ordered[len(ordered) * 99 // 100] / 1000
        self.rate = rate or len(times) / sum(times) * 1e9

    def __str__(self):
        return f"p50 {self.p50:8.2f} µs, p99 {self.p99:8.2f} µs, {self.rate:9,.0f}/s"


def say(name, text):
    print(f"calls: {name:44} {text}", flush=True)


def ask(moult, caller="caller", **asked):
    """What a calling app answers."""
    connection = moult.connect(timeout=600)
    status, text = get(connection, f"/{caller}/?{urllib.parse.urlencode(asked)}")
    connection.close()
    if status != 200:
        raise RuntimeError(f"{asked}: {status} {text}")
    return json.loads(text)


def measure(moult, pairs, options, timeout=""):
    """As many requests at once as pairs (caller, target): each calls from a worker of its own."""
    parties = [sum(caller == other for other, _ in pairs) for caller, _ in pairs]
    with concurrent.futures.ThreadPoolExecutor(len(pairs)) as pool:
        asked = [pool.submit(ask, moult, caller, what="echo", app=target, timeout=timeout, threads=count,
                             run=f"{pairs}-{timeout}", calls=options.calls, warmup=options.calls // 10)
                 for (caller, target), count in zip(pairs, parties)]
        answers = [done.result() for done in asked]
    times = [time for answer in answers for time in answer["times"]]
    nanoseconds = max(answer["ended"] for answer in answers) - min(answer["began"] for answer in answers)
    return Figures(times, len(times) / nanoseconds * 1e9)


def rivals(word, options):
    """What rivals.py measures with the same Python; {} where it cannot."""
    done = subprocess.run([options.python, f"{HERE}/rivals.py", word, str(options.calls),
                           str(options.calls // 10)],
                          env=dict(os.environ, PYTHONPATH=HERE), capture_output=True, text=True)
    if done.returncode != 0:
        say(word, "cannot be measured: " + done.stderr.strip().splitlines()[-1])
        return {}
    return json.loads(done.stdout)


def uwsgi(options):
    """uWSGI has a Python of its own; skipped where that is another release than the apps'."""
    if not shutil.which("uwsgi"):
        say("uWSGI rpc", "not measured: no uwsgi here")
        return {}
    folder = tempfile.mkdtemp(prefix="moult-bench-uwsgi-")
    figures = f"{folder}/figures"
    environment = dict(os.environ, FIGURES=figures, CALLS=str(options.calls), WARMUP=str(options.calls // 10))
    with open(f"{folder}/log", "w") as log:
        process = subprocess.Popen(
            ["uwsgi", "--plugin", "python3", "--master", "--die-on-term", "--lazy-apps", "--enable-threads",
             "--socket", f"{folder}/socket", "--wsgi-file", f"{HERE}/apps/uwsgi_rpc.py"],
            env=environment, stdout=log, stderr=log)
        try:
            until(lambda: os.path.exists(figures) or process.poll() is not None, "uWSGI has measured", 300)
            with open(figures) as file:
                found = json.load(file)
        except (OSError, RuntimeError):
            with open(f"{folder}/log") as file:
                say("uWSGI rpc", "not measured: " + file.read().strip().splitlines()[-1])
            found = {}
        finally:
            process.terminate()
            process.wait(30)
    shutil.rmtree(folder)
    return found


def goal(met, text):
    return f"{text}: {'met' if met else 'MISSED'}"


def ours(options):
    """name -> Figures, and the answer of `large`; all with one daemon."""
    apps = {"caller": (app_text("caller"), f'route = "/caller"\n{PAIR}'),
            "near": (app_text("echo"), f'route = "/near"\n{PAIR}'),
            "caller2": (app_text("caller"), f'route = "/caller2"\n{PAIR}'),
            "near2": (app_text("echo"), f'route = "/near2"\n{PAIR}'),
            "far": (app_text("echo"), f'route = "/far"\n{FAR}')}
    found = {}
    with Moult(apps, "hosts = 1", options.python) as moult:
        compat = moult.control("compat", app="near")
        print(f"calls: Python {compat['python']}, {compat['gil']} GIL, {options.calls} calls of each kind, "
              f"a dict of about 100 bytes both ways; load {os.getloadavg()[0]:.1f}", flush=True)
        near, far = ("caller", "near"), ("caller", "far")
        kinds = {
            "same host, 1 thread(s)": ([near], ""),
            "same host, 2 thread(s)": ([near, near], ""),
            "same host, 2 apps call one each": ([near, ("caller2", "near2")], ""),
            "same host, with a timeout, 1 thread(s)": ([near], "60"),
            "same host, with a timeout, 2 thread(s)": ([near, near], "60"),
            "other host, 1 thread(s)": ([far], ""),
            "other host, 2 thread(s)": ([far, far], ""),
        }
        for name, (pairs, timeout) in kinds.items():
            found[name] = measure(moult, pairs, options, timeout)
            say(name, found[name])
        large = ask(moult, what="large", app="near")
    return found, large, compat


def show_large(large):
    copy = statistics.median(large.pop("memcpy")) / 1000
    say("memcpy of 1 MiB, warm", f"p50 {copy:8.2f} µs")
    limit = 1.5 * copy + MIB_EXTRA
    for name, times in large.items():
        figures = Figures(times)
        text = f", {goal(figures.p50 <= limit, f'at most {limit:.1f} µs')}" if name != "both ways" else ""
        say(f"1 MiB of bytes, same host, {name}", f"{figures}{text}")


def judge(found, compat):
    near, far = found["same host, 1 thread(s)"].p50, found["other host, 1 thread(s)"].p50
    pipe = found["multiprocessing.Pipe, 1 thread(s)"].p50
    if compat["gil"] == "own":
        say("goal", goal(near < 3, f"same host under 3 µs ({near:.2f})"))
        rivals_p50 = [("Pipe", pipe)]
        if "Interpreter.call, 1 thread(s)" in found:
            rivals_p50.append(("Interpreter.call", found["Interpreter.call, 1 thread(s)"].p50))
        for name, p50 in rivals_p50:
            say("goal", goal(near * 10 <= p50, f"same host 10 times faster than {name} ({p50 / near:.1f} times)"))
    else:
        say("goal", goal(near < 15, f"same host under 15 µs ({near:.2f})"))
    say("goal", goal(far <= 1.5 * pipe, f"other host at most 1.5 Pipe round trips ({far / pipe:.2f})"))


def calls(options):
    found, large, compat = ours(options)
    show_large(large)
    others = {**rivals("pipe", options), **uwsgi(options)}
    if tuple(map(int, compat["python"].split(".")[:2])) >= (3, 14):
        others |= rivals("interpreters", options)
    else:
        say("concurrent.interpreters", "not measured: Python has it from 3.14 on")
    for name, (times, seconds) in others.items():
        found[name] = Figures(times, len(times) / seconds)
        say(name, found[name])
    judge(found, compat)
