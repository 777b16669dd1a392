"""The app that calls: a request names what to do and how often, the answer is JSON."""
import decimal
import functools
import gc
import json
import threading
import time
import urllib.parse

import moult

DATA = {"id": 12345, "method": "GET", "path": "/api/v1/items", "user": "alice", "ok": True, "n": 3.14,
        "tags": ["a", "b"]}
MIB = bytes(range(256)) * 4096
lock = threading.Lock()
barriers = {}


def together(run, parties):
    """Waits until all requests of this run are here."""
    with lock:
        barrier = barriers.setdefault(run, threading.Barrier(parties))
    barrier.wait(60)


def timed(function, calls):
    clock = time.perf_counter_ns
    times = [0] * calls
    for i in range(calls):
        began = clock()
        function()
        times[i] = clock() - began
    return times


def echo(asked):
    """Nanoseconds of each call, and of the run from its begin to its end."""
    timeout = {"timeout": float(asked["timeout"])} if asked.get("timeout") else {}
    call = functools.partial(moult.call, asked["app"], "echo", DATA, **timeout)
    for _ in range(int(asked["warmup"])):
        if call() != DATA:
            raise AssertionError("a wrong answer")
    together(asked["run"], int(asked["threads"]))
    began = time.perf_counter_ns()
    times = timed(call, int(asked["calls"]))
    return {"times": times, "began": began, "ended": time.perf_counter_ns()}


def large(asked):
    """1 MiB of bytes there, or back, and a memcpy beside it. The blocks take turns: all see the same noise."""
    view = memoryview(bytearray(len(MIB)))

    def copy():
        view[:] = MIB

    app = asked["app"]
    functions = {
        "memcpy": copy,
        "argument": functools.partial(moult.call, app, "size", MIB),
        "result": functools.partial(moult.call, app, "give"),
        "both ways": functools.partial(moult.call, app, "echo", MIB),
    }
    if functions["argument"]() != len(MIB) or functions["both ways"]() != MIB:
        raise AssertionError("a wrong answer")
    for function in functions.values():
        timed(function, 100)
    times = {name: [] for name in functions}
    for _ in range(10):
        for name, function in functions.items():
            timed(function, 10)
            times[name] += timed(function, 100)
    return times


def once_in_a_thread(app):
    """A thread that lives for one call: what it has in other interpreters goes with it."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(moult.call(app, "echo", 1)))
    thread.start()
    thread.join()
    if answers != [1]:
        raise AssertionError(f"a wrong answer: {answers}")


def mixed(asked):
    """Calls of all kinds: of 1,000 one in a thread of its own, one that raises, some by pickle, some large."""
    app, calls = asked["app"], int(asked["calls"])
    large = bytes(100_000)
    for i in range(calls):
        kind = i % 1000
        if kind == 1:
            once_in_a_thread(app)
        elif kind == 2:
            try:
                moult.call(app, "fail", "no")
            except moult.RemoteError as error:
                if error.type != "ValueError":
                    raise
            else:
                raise AssertionError("fail did not raise")
        elif kind == 3:
            if moult.submit(app, "echo", DATA).result(60) != DATA:
                raise AssertionError("a wrong answer")
        elif kind % 100 == 4:
            if moult.call(app, "price", decimal.Decimal(12)) != 4:
                raise AssertionError("a wrong answer")
        elif kind % 100 == 5:
            if moult.call(app, "size", large) != len(large):
                raise AssertionError("a wrong answer")
        elif kind % 100 == 6:
            if moult.call(app, "echo", DATA, timeout=60.0) != DATA:
                raise AssertionError("a wrong answer")
        elif moult.call(app, "echo", DATA) != DATA:
            raise AssertionError("a wrong answer")
    gc.collect()
    return {"calls": calls}


WORDS = {"echo": echo, "large": large, "mixed": mixed}


def application(environ, start_response):
    asked = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    answer = WORDS[asked["what"]](asked)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
