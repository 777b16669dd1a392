"""What else Python has to call a function elsewhere: PYTHON rivals.py pipe|interpreters; a script of uWSGI.

Prints JSON: what was measured -> [nanoseconds of each round trip, seconds of all]. The same dict as apps/caller.py.
"""
import json
import sys
import threading
import time

DATA = {"id": 12345, "method": "GET", "path": "/api/v1/items", "user": "alice", "ok": True, "n": 3.14,
        "tags": ["a", "b"]}


def echo(value):
    return value


def timed(function, calls, warmup):
    for _ in range(warmup):
        if function() != DATA:
            raise AssertionError("a wrong answer")
    clock = time.perf_counter_ns
    times = [0] * calls
    for i in range(calls):
        began = clock()
        function()
        times[i] = clock() - began
    return times


def in_threads(functions, calls, warmup):
    """One thread for each function, all at once: the times of all, and how long it took."""
    times = []
    began = time.perf_counter()
    threads = [threading.Thread(target=lambda f=function: times.extend(timed(f, calls, warmup)))
               for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(times) != calls * len(functions):
        raise RuntimeError("a thread failed")
    return times, time.perf_counter() - began


def answer_all(ends):
    def answer(end):
        try:
            while True:
                end.send(end.recv())
        except EOFError:
            pass

    threads = [threading.Thread(target=answer, args=(end,)) for end in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def pipe(calls, warmup):
    """multiprocessing.Pipe to another process, which has a thread for each calling one."""
    import multiprocessing
    import os

    found = {}
    for count in (1, 2):
        pairs = [multiprocessing.Pipe() for _ in range(count)]
        child = os.fork()
        if child == 0:
            try:
                for ours, _ in pairs:
                    ours.close()
                answer_all([theirs for _, theirs in pairs])
            finally:
                os._exit(0)
        for _, theirs in pairs:
            theirs.close()

        def make(end):
            def round_trip():
                end.send(DATA)
                return end.recv()

            return round_trip

        found[f"multiprocessing.Pipe, {count} thread(s)"] = in_threads(
            [make(ours) for ours, _ in pairs], calls, warmup)
        for ours, _ in pairs:
            ours.close()
        os.waitpid(child, 0)
    return found


def serve_queue(questions, answers):
    while (value := questions.get()) is not None:
        answers.put(value)


def interpreters(calls, warmup):
    """concurrent.interpreters: a call in this thread, and queues to a thread in the other interpreter."""
    from concurrent import interpreters

    found = {}
    for count in (1, 2):
        others = [interpreters.create() for _ in range(count)]
        functions = [lambda other=other: other.call(echo, DATA) for other in others]
        found[f"Interpreter.call, {count} thread(s)"] = in_threads(functions, calls, warmup)
        for other in others:
            other.close()
    other = interpreters.create()
    questions, answers = interpreters.create_queue(), interpreters.create_queue()
    thread = other.call_in_thread(serve_queue, questions, answers)

    def round_trip():
        questions.put(DATA)
        return answers.get()

    found["interpreters' queues, 1 thread"] = in_threads([round_trip], max(calls // 100, 50), 5)
    questions.put(None)
    thread.join()
    other.close()
    return found


def uwsgi_rpc(calls, warmup):
    """uWSGI's local rpc, in one process. It carries strings alone, so JSON is made and read on both sides."""
    import uwsgi

    uwsgi.register_rpc("echo", lambda text: json.dumps(json.loads(text)).encode())

    def call():
        return json.loads(uwsgi.call(b"echo", json.dumps(DATA).encode()))

    return {f"uWSGI rpc with JSON, {count} thread(s)": in_threads([call] * count, calls, warmup)
            for count in (1, 2)}


if __name__ == "__main__":
    # By its name as a module: what other interpreters get is found there.
    import rivals

    word, calls, warmup = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(getattr(rivals, word)(calls, warmup)))
