"""Answers that have no end, or none that a client gets: `/released` tells which were closed."""
import threading
import time

PLAIN = [("Content-Type", "text/plain")]
released = []
begun, go_on = threading.Event(), threading.Event()


class Body:
    def __init__(self, parts, name):
        self.parts, self.name = parts, name

    def __iter__(self):
        return iter(self.parts)

    def close(self):
        released.append(self.name)


def endless(part=b"data: x\n\n", pause=0.0):
    while True:
        yield part
        time.sleep(pause)


def events(env, start):
    start("200 OK", PLAIN)
    return Body(endless(), "events")


def flood(env, start):
    start("200 OK", PLAIN)
    return Body(endless(b"x" * 65536), "flood")


def late_start(env, start):
    """A generator as the app: start_response is called by the first step."""
    try:
        start("200 OK", PLAIN)
        yield from endless()
    finally:
        released.append("late_start")


def status(env, start):
    start(env["QUERY_STRING"], [])
    return Body(endless(), "status")


def five(env, start):
    start("200 OK", PLAIN + [("Content-Length", "5")])
    return Body(endless(b"ab"), "five")


def zero(env, start):
    start("200 OK", PLAIN + [("Content-Length", "100000")])
    return env["wsgi.file_wrapper"](open("/dev/zero", "rb"))


def silent(env, start):
    start("200 OK", PLAIN)

    def parts():
        yield b"begun"
        yield from endless(b"", 0.01)

    return Body(parts(), "silent")


def computes(env, start):
    """Looks up only when its client has gone."""
    begun.set()
    go_on.wait(30)
    start("200 OK", PLAIN)
    return Body(endless(), "computes")


def go(env, start):
    begun.wait(30)
    go_on.set()
    start("200 OK", PLAIN)
    return []


def writes(env, start):
    write = start("200 OK", PLAIN)
    try:
        while True:
            write(b"x" * 1000)
    finally:
        released.append("writes")


def proc(env, start):
    start("200 OK", PLAIN)
    return env["wsgi.file_wrapper"](open("/proc/self/status", "rb"))


def big_head(env, start):
    size, body = map(int, env["QUERY_STRING"].split("-"))
    start("200 OK", [("X", "x" * size)])
    return [b"b" * body]


def environ(env, start):
    start("200 OK", PLAIN)
    return [f"{env['SERVER_PORT']} {env['HTTP_HOST']} {env['SERVER_PROTOCOL']}".encode()]


def upload(env, start):
    size = 0
    while part := env["wsgi.input"].read(8192):
        size += len(part)
    start("200 OK", PLAIN)
    return [str(size).encode()]


def gone(env, start):
    start("200 OK", PLAIN)
    return [" ".join(released).encode()]


PATHS = {"/" + f.__name__: f for f in
         (events, flood, late_start, status, five, zero, silent, computes, go, writes, proc, big_head, environ, upload)}
PATHS["/released"] = gone


def application(env, start):
    if handler := PATHS.get(env["PATH_INFO"]):
        return handler(env, start)
    start("200 OK", PLAIN)
    return [b"here"]
