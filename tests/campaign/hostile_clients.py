"""What clients of hostile.py do, each a function of an address; none lasts more than some seconds, and what
comes back is of no interest."""

import random
import socket
import time


def connect(port, timeout=5):
    connection = socket.create_connection(("127.0.0.1", port), timeout)
    connection.settimeout(timeout)
    return connection


def exchange(port, data, timeout=5, most=1 << 20):
    """Sends, reads what comes until the end or the time-out."""
    with connect(port, timeout) as connection:
        try:
            connection.sendall(data)
            got = 0
            until = time.monotonic() + timeout
            while got < most and time.monotonic() < until and (part := connection.recv(65536)):
                got += len(part)
        except OSError:
            pass


def request(method, path, headers="", body=b"", version="1.1"):
    return f"{method} {path} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode() + body


def does(what, method="GET", timeout=5, most=1 << 20):
    def client(port):
        exchange(port, request(method, f"/bad/?do={what}"), timeout, most)

    client.__name__ = f"{method} {what}"
    return client


def long_authority(port):
    authority = "a" * random.choice([21_850, 31_900, 40_000, 65_000])
    body = b"x" * random.choice([0, 1000, 60_000, 65_536])
    data = f"POST http://{authority}/bad/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    exchange(port, data + body, 2)


def long_headers(port):
    headers = "".join(f"X-{n}: {'v' * random.randrange(1, 8000)}\r\n" for n in range(random.randrange(1, 20)))
    exchange(port, request("POST", "/bad/", headers + "Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"), 2)


def garbage(port):
    exchange(port, random.randbytes(random.randrange(1, 5000)), 1)


def broken_chunks(port):
    exchange(port, request("POST", "/bad/", "Transfer-Encoding: chunked\r\n", b"5\r\nhel\r\nzz\r\n"), 2)


def odd_heads(port):
    for head in ("GET /bad/ HTTP/9.9", "GET /bad/\x80 HTTP/1.1", "get  /bad/ HTTP/1.1", "GET * HTTP/1.1",
                 "OPTIONS * HTTP/1.1", "CONNECT x:1 HTTP/1.1", "GET /bad/ HTTP/1.1\r\nTransfer-Encoding: xchunked"):
        exchange(port, head.encode("latin-1") + b"\r\nHost: x\r\n\r\n", 0.5)


def slowly(port, data, seconds):
    with connect(port) as connection:
        until = time.monotonic() + seconds
        for byte in data:
            if time.monotonic() > until:
                return
            connection.send(bytes([byte]))
            time.sleep(0.1)


def slow_head(port):
    slowly(port, request("GET", "/bad/"), 5)


def slow_upload(port):
    with connect(port) as connection:
        connection.sendall(request("POST", "/bad/?do=reads_slowly", "Content-Length: 100000\r\n"))
        until = time.monotonic() + 5
        try:
            while time.monotonic() < until:
                connection.send(b"x")
                time.sleep(0.2)
        except OSError:
            pass


def slow_reader(port):
    with connect(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request("GET", "/bad/?do=endless"))
        for _ in range(30):
            if not connection.recv(100):
                return
            time.sleep(0.1)


def idle_connections(port):
    held = []
    try:
        for _ in range(300):
            held.append(connect(port, 2))
        time.sleep(2)
    except OSError:
        pass
    for connection in held:
        connection.close()


def pipelined(port):
    exchange(port, request("GET", "/bad/").replace(b"close", b"keep-alive") * 200, 2)


def gone_at_once(port):
    for _ in range(20):
        with connect(port) as connection:
            connection.sendall(request("GET", "/bad/?do=events"))


CLIENTS = [long_authority, long_headers, garbage, broken_chunks, odd_heads, slow_head, slow_upload, slow_reader,
           idle_connections, pipelined, gone_at_once,
           does("events", "HEAD", 3), does("empty", "GET", 1), does("endless", "HEAD", 3), does("endless"),
           does("wrong_length"), does("large_head"), does("events", timeout=2)]
APPS = [does(name) for name in ("flood", "yes", "prints", "holds_the_gil", "threads", "descriptors", "memory", "reloads",
                                "recursion")]
DEATHS = [does(name) for name in ("crash", "ends", "closes")]


def control_nested(path):
    control(path, b'{"jsonrpc":"2.0","id":1,"method":"call","params":' + b"[" * (1 << 20) + b"\n")


def control_nested_id(path):
    control(path, b'{"jsonrpc":"2.0","method":"ping","id":' + b'{"a":' * 200_000 + b"\n")


def control_batch(path):
    control(path, b"[" * 500_000 + b"]" * 500_000 + b"\n")


def control_garbage(path):
    control(path, random.randbytes(5000) + b"\n" + b"x" * (2 << 20))


def control(path, data):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(path)
            connection.sendall(data)
            connection.recv(65536)
        except OSError:
            pass


CONTROLS = [control_nested, control_nested_id, control_batch, control_garbage]
