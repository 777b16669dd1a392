"""Each path shows one thing that PEP 3333 or HTTP asks of the server."""
import hashlib
import io
import json
import sys
import time

PLAIN = [("Content-Type", "text/plain")]
released = []  # what close() was called for


class Body:
    """An iterable with close(), as PEP 3333 asks to be honoured."""

    def __init__(self, parts, name):
        self.parts, self.name = parts, name

    def __iter__(self):
        return iter(self.parts)

    def close(self):
        released.append(self.name)


def environ(env, start):
    shown = {key: value for key, value in env.items() if isinstance(value, (str, bool, tuple))}
    start("200 OK", PLAIN)
    return [json.dumps(shown).encode()]


def echo(env, start):
    body = env["wsgi.input"].read()
    start("200 OK", PLAIN)
    return [body]


def digest(env, start):
    seen, size = hashlib.sha256(), 0
    while part := env["wsgi.input"].read(8192):
        seen.update(part)
        size += len(part)
    start("200 OK", PLAIN)
    return [f"{size} {seen.hexdigest()}".encode()]


def lines(env, start):
    source = env["wsgi.input"]
    parts = [source.readline(), source.readline(3), source.read(2), source.readlines(1)]
    parts += [list(source), source.read(), source.readline()]
    start("200 OK", PLAIN)
    return [repr(parts).encode()]


def written(env, start):
    write = start("200 OK", PLAIN)
    write(b"one ")
    write(b"two ")
    return [b"three"]


def closed(env, start):
    start("200 OK", PLAIN)
    return Body([b"a", b"b"], "closed")


def endless(env, start):
    def parts():
        while True:
            yield b"x" * 1000
            time.sleep(0.005)

    start("200 OK", PLAIN)
    return Body(parts(), "endless")


def released_names(env, start):
    start("200 OK", PLAIN)
    return [" ".join(released).encode()]


def late_error(env, start):
    start("200 OK", PLAIN)
    try:
        raise ValueError("before the headers are sent")
    except ValueError:
        start("503 Replaced", [("Content-Type", "text/plain"), ("X-Replaced", "yes")], sys.exc_info())
    return [b"replaced"]


def cut(env, start):
    start("200 OK", PLAIN)
    yield b"begun"
    try:
        raise ValueError("after the headers were sent")
    except ValueError:
        start("500 Too late", PLAIN, sys.exc_info())


def raises(env, start):
    raise RuntimeError("a secret of the app")


def steps(env, start):
    start("200 OK", PLAIN)
    for i in range(3):
        yield f"step {i}\n".encode()
        time.sleep(0.05)


def of_length(env, start):
    start("200 OK", PLAIN + [("Content-Length", "5")])
    return [b"12", b"345"]


def wrong_length(env, start):
    start("200 OK", PLAIN + [("Content-Length", "10")])
    return [b"short"]


def file(env, start):
    start("200 OK", PLAIN)
    return env["wsgi.file_wrapper"](open(__file__, "rb"))


def file_like(env, start):
    start("200 OK", PLAIN)
    return env["wsgi.file_wrapper"](io.BytesIO(b"like a file" * 1000), 100)


def repeated(env, start):
    start("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Latin", "caf\xe9")])
    return [b""]


def injected(env, start):
    start("200 OK", [("X-Bad", "a\r\nX-Injected: yes")])
    return [b"not seen"]


def hop(env, start):
    start("200 OK", [("Connection", "close")])
    return [b"not seen"]


def no_content(env, start):
    start("204 No Content", [])
    return [b""]


def not_modified(env, start):
    start("304 Not Modified", [("ETag", '"1"')])
    return []


def bare_bytes(env, start):
    start("200 OK", PLAIN)
    return b"bare bytes"


def errors(env, start):
    env["wsgi.errors"].write("to wsgi.errors\n")
    print("to stdout")
    print("to stderr", file=sys.stderr)
    start("200 OK", PLAIN)
    return [b"logged"]


def sleep(env, start):
    time.sleep(float(env["QUERY_STRING"]))
    start("200 OK", PLAIN)
    return [b"slept"]


def unread(env, start):
    start("200 OK", PLAIN)
    return [b"did not read"]


PATHS = {
    "/environ": environ, "/echo": echo, "/digest": digest, "/lines": lines, "/written": written,
    "/closed": closed, "/endless": endless, "/released": released_names, "/late_error": late_error,
    "/cut": cut, "/raises": raises, "/steps": steps, "/of_length": of_length,
    "/wrong_length": wrong_length, "/file": file, "/file_like": file_like, "/repeated": repeated,
    "/injected": injected, "/hop": hop, "/no_content": no_content, "/not_modified": not_modified,
    "/bare_bytes": bare_bytes, "/errors": errors, "/sleep": sleep, "/unread": unread,
}


def application(env, start):
    if handler := PATHS.get(env["PATH_INFO"]):
        return handler(env, start)
    start("200 OK", PLAIN)
    return [b"features"]
