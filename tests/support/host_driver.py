"""Plays the daemon for one host process: makes interpreters, sends requests over lanes, retires.

For tests of interp/ alone (tests/host). Speaks ipc/PROTOCOL.md from the other side. Every wait has
a deadline. The Python under test is $MOULT_HOST_PYTHON, its module lies in $MOULT_MODULE_DIR.
"""

import array
import hashlib
import json
import mmap
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

PYTHON = os.environ.get("MOULT_HOST_PYTHON", "/usr/bin/python3.11")
MODULE_DIR = os.environ.get("MOULT_MODULE_DIR", "")
PACKET = 128 * 1024
DEADLINE = 20.0 * int(os.environ.get("MOULT_TEST_PATIENCE") or 1)

REQUEST, BODY, ABORT = 1, 2, 3
WANT_BODY, HEAD, CHUNK, FILE, FAILED, RETURNED = 16, 17, 18, 19, 20, 21
BODY_STREAMS, BODY_CHUNKED, HTTPS, HTTP10, WARMUP = 1, 2, 4, 8, 16
END, BROKEN, HAS_LENGTH, HAS_DATE, HAS_SERVER = 1, 2, 4, 8, 16


def python_version():
    return tuple(
        int(part)
        for part in subprocess.check_output(
            [PYTHON, "-I", "-S", "-c", "import sys; print(*sys.version_info[:3])"], text=True
        ).split()
    )


VERSION = python_version()
# How sub-interpreters are made by default on this version.
MODE = "shared" if VERSION < (3, 13) else "strict" if VERSION < (3, 14) else "own"


def text(value):
    data = value if isinstance(value, bytes) else value.encode("latin-1")
    return struct.pack("<I", len(data)) + data


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def text(self):
        size = self.take("I")
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece

    def rest(self):
        return self.data[self.at :]


def snapshot_bytes(files):
    """The memfd layout of a snapshot: {absolute path: bytes}."""
    entries, names, contents = [], b"", b""
    ordered = sorted((name.encode(), data) for name, data in files.items())
    start = 24 + 64 * len(ordered)
    name_total = sum(len(name) for name, _ in ordered)
    for name, data in ordered:
        entries.append(
            struct.pack(
                "<QIIQQ32s", start + len(names), len(name), 0, start + name_total + len(contents), len(data),
                hashlib.sha256(data).digest(),
            )
        )
        names += name
        contents += data
    return b"MOULTSN1" + struct.pack("<QQ", len(ordered), start) + b"".join(entries) + names + contents


def snapshot_fd(files):
    memfd = os.memfd_create("snapshot")
    os.write(memfd, snapshot_bytes(files))
    return memfd


class Response:
    """What came back for one call, frame by frame."""

    def __init__(self):
        self.status = 0
        self.reason = ""
        self.headers = []
        self.flags = 0
        self.length = 0
        self.body = b""
        self.frames = []  # (type, flags, size)
        self.failed = None
        self.file = None

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Lanes:
    """The daemon's ends of an interpreter's lanes: the batch lane, and one of each worker."""

    def __init__(self, batch, workers, board):
        self.batch = batch
        self.workers = workers
        self.board = mmap.mmap(board, 8 * (1 + len(workers)))
        self.numbers = 0
        self.credit = 0  # as the host told last
        self.frames = {}  # call -> those that came and were not taken
        self.served_by = {}  # call -> the lane that a frame of it came by
        self.ended = False
        self.reading = threading.Lock()  # several threads may make calls
        for sock in (batch, *workers):
            sock.settimeout(DEADLINE)

    def claimed(self):
        return struct.unpack_from("=Q", self.board)[0]

    def worker_of(self, call):
        """The lane of the worker that serves it, which is waited for."""
        end = time.monotonic() + DEADLINE
        while call not in self.served_by:
            serving = struct.unpack_from(f"={len(self.workers)}Q", self.board, 8)
            if call in serving:
                return self.workers[serving.index(call)]
            if time.monotonic() > end:
                raise TimeoutError(f"no worker began call {call}")
            time.sleep(0.001)
        return self.served_by[call]

    def send_requests(self, frames):
        self.batch.send(struct.pack("=I", 0) + b"".join(struct.pack("=I", len(frame)) + frame for frame in frames))

    def take(self, call, timeout=DEADLINE):
        """The next frame of this call: its bytes, and the descriptors that came with it."""
        while True:
            with self.reading:
                if self.frames.get(call):
                    return self.frames[call].pop(0)
                if self.ended:
                    raise EOFError("the worker closed its lane")
                ready = select.select([self.batch, *self.workers], [], [], timeout)[0]
                if not ready:
                    raise TimeoutError(f"nothing of call {call}")
                for sock in ready:
                    self.read(sock)

    def read(self, sock):
        data, descriptors, _, _ = socket.recv_fds(sock, PACKET, 4)
        if not data:
            self.ended = True
            return
        frames = [data]
        if sock is self.batch:
            self.credit = struct.unpack_from("=I", data)[0]
            frames, at = [], 4
            while at < len(data):
                size = struct.unpack_from("=I", data, at)[0]
                frames.append(data[at + 4 : at + 4 + size])
                at += 4 + size
        for frame in frames:
            call = struct.unpack_from("=Q", frame, 2)[0]
            self.frames.setdefault(call, []).append((frame, descriptors))
            if sock is not self.batch:
                self.served_by[call] = sock

    def close(self):
        for sock in (self.batch, *self.workers):
            sock.close()


class Lane:
    """Makes calls of an interpreter, one after the other."""

    def __init__(self, lanes):
        self.lanes = lanes
        self.calls = 0  # the number of the last one

    def send_request(self, path="/", method="GET", headers=(), body=b"", flags=0, length=None, query="", **extra):
        self.lanes.numbers += 1
        self.calls = self.lanes.numbers
        if length is None:
            length = len(body)
        fields = [
            method,
            extra.get("target", path + ("?" + query if query else "")),
            extra.get("script_name", ""),
            path,
            query,
            "localhost",
            "8000",
            extra.get("remote_addr", "127.0.0.1"),
            "50000",
        ]
        encoded = b"".join(text(name) + text(value) for name, value in headers)
        frame = (
            struct.pack("<BBQQH", REQUEST, flags, self.calls, length, len(headers))
            + b"".join(text(field) for field in fields)
            + text(encoded)
            + text(body)
        )
        if extra.get("hold"):
            return frame
        self.lanes.send_requests([frame])
        return self.calls

    def send_body(self, data, flags=0, call=None):
        call = call or self.calls
        self.lanes.worker_of(call).send(struct.pack("<BBQ", BODY, flags, call) + data)

    def send_abort(self, call=None):
        call = call or self.calls
        self.lanes.worker_of(call).send(struct.pack("<BBQ", ABORT, 0, call))

    def receive(self):
        data, descriptors = self.lanes.take(self.calls)
        reader = Reader(data)
        kind, flags, call = reader.take("BBQ")
        return kind, flags, call, reader, descriptors

    def next_frame(self, response):
        """Takes one frame into `response`; True when the call is over."""
        kind, flags, call, reader, descriptors = self.receive()
        assert call == self.calls, f"a frame of call {call} during {self.calls}"
        response.frames.append((kind, flags, len(reader.data)))
        if kind == HEAD:
            response.flags = flags
            response.length, response.status = reader.take("QH")
            response.reason = reader.text().decode("latin-1")
            lines = reader.text().decode("latin-1")
            assert lines == "" or lines.endswith("\r\n"), lines
            response.headers = [tuple(line.split(": ", 1)) for line in lines.split("\r\n")[:-1]]
            response.body += reader.rest()
        elif kind == CHUNK:
            response.body += reader.rest()
        elif kind == FILE:
            offset, length = reader.take("QQ")
            response.file = (offset, length)
            with os.fdopen(descriptors[0], "rb") as file:
                response.body += os.pread(file.fileno(), length, offset)
        elif kind in (FAILED, RETURNED):
            response.failed = reader.rest().decode()
            return True
        return kind != WANT_BODY and bool(flags & END)

    def finish(self, response=None):
        response = response or Response()
        while not self.next_frame(response):
            pass
        return response

    def get(self, path="/", **options):
        self.send_request(path, **options)
        return self.finish()

    def post_streamed(self, path, pieces, headers=(), length=None, broken=False):
        """A body that goes piece by piece as the app asks for it."""
        flags = BODY_STREAMS | (BODY_CHUNKED if length is None else 0)
        self.send_request(path, method="POST", headers=headers, flags=flags, length=length or 0)
        response = Response()
        pieces = list(pieces)
        while True:
            over = self.next_frame(response)
            if over:
                return response
            if response.frames[-1][0] == WANT_BODY:
                piece = pieces.pop(0)
                last = not pieces
                self.send_body(piece, (BROKEN if broken else END) if last else 0)


class LogReader(threading.Thread):
    """Collects the records of one app's log pipe."""

    def __init__(self, fd):
        super().__init__(daemon=True)
        self.fd = fd
        self.lines = []
        self.changed = threading.Condition()
        self.start()

    def run(self):
        data = b""
        while piece := os.read(self.fd, 65536):
            data += piece
            while len(data) >= 5 and len(data) >= 5 + struct.unpack_from("<I", data)[0]:
                size = struct.unpack_from("<I", data)[0]
                record = chr(data[4]), data[5 : 5 + size].decode("utf-8", "replace")
                data = data[5 + size :]
                with self.changed:
                    self.lines.append(record)
                    self.changed.notify_all()
        os.close(self.fd)

    def wait_for(self, part):
        """The first record whose text contains `part`."""

        def found():
            return next((line for line in self.lines if part in line[1]), None)

        with self.changed:
            if not self.changed.wait_for(found, DEADLINE):
                raise AssertionError(f"no log line with {part!r} in {self.lines}")
            return found()

    def text(self):
        return "\n".join(line for _, line in self.lines)


class Interp:
    """One interpreter of a host, with its lanes and its log."""

    def __init__(self, host, number, ends, log):
        self.host = host
        self.number = number
        self.ends = ends
        self.lanes = [Lane(ends) for _ in ends.workers]
        self.log = log
        self.made = None

    @property
    def lane(self):
        return self.lanes[0]

    def get(self, path="/", **options):
        return self.lane.get(path, **options)

    def interrupt(self, call):
        """Interrupts it once a worker has begun it."""
        self.ends.worker_of(call)
        self.host.send({"do": "interrupt", "interp": self.number, "call": call})

    def close_lanes(self):
        self.ends.close()

    def ask_retire(self, timeout=5.0):
        self.close_lanes()
        self.host.send({"do": "retire", "interp": self.number, "timeout": timeout})

    def retire(self, timeout=5.0):
        self.ask_retire(timeout)
        return self.host.wait("retired", "abandoned", interp=self.number)


class Host:
    """One host process and the daemon's end of its command channel."""

    def __init__(self, python=PYTHON, env=None, flags=(), cache=None, cache_bytes=64 << 20, before=None):
        """`cache`: the folder of the bytecode cache; None: there is none. `before` runs in the process first."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = "3" if cache is None else f"3, {cache!r}, {cache_bytes}"
        code = f"import sys; sys.path.insert(0, {MODULE_DIR!r}); import _moult_host; _moult_host.main({arguments})"
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8", **(env or {})}
        for name in ("LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS", "PYTHONMALLOC"):
            if name in os.environ:
                environment[name] = os.environ[name]

        def give_channel():
            os.dup2(theirs.fileno(), 3)
            os.set_inheritable(3, True)
            if before:
                before()

        # -I would ignore PYTHONMALLOC, which sanitizers need.
        isolated = ["-s", "-P"] if "PYTHONMALLOC" in environment else ["-I"]
        self.process = subprocess.Popen(
            [python, *isolated, "-S", "-X", "utf8", *flags, "-c", code],
            stdin=subprocess.DEVNULL,
            env=environment,
            close_fds=False,
            preexec_fn=give_channel,
        )
        theirs.close()
        self.channel = ours
        self.channel.settimeout(DEADLINE)
        self.events = []
        self.numbers = 0
        self.asks = 1000
        self.booted = self.wait("booted")

    def send(self, message, descriptors=()):
        socket.send_fds(self.channel, [json.dumps(message).encode()], list(descriptors))

    def take_packet(self):
        return self.channel.recv(PACKET)

    def receive(self):
        data = self.take_packet()
        if not data:
            raise EOFError(f"the host is gone, exit code {self.process.wait(DEADLINE)}")
        event = json.loads(data)
        self.events.append(event)
        return event

    def route(self, app, *interps):
        """Calls of `app` enter these from now on. Returns when the host knows."""
        self.send({"do": "route", "app": app, "interps": [interp.number for interp in interps]})
        self.asks += 1
        self.send({"do": "calls", "ask": self.asks})
        while self.wait("calls")["ask"] != self.asks:
            pass

    def wait(self, *kinds, interp=None):
        """The next event of one of these kinds; the others are kept in `events`."""
        while True:
            event = self.receive()
            if event["event"] in kinds and interp in (None, event.get("interp")):
                return event

    def seen(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def begin(self, tree, entry, mode=MODE, threads=1, snapshot=None, modules=None, compiled=(), **spec):
        """Sends `make` and returns the Interp at once. With `modules` it is a spare, without sources."""
        self.numbers += 1
        entry = {"kind": "file", "path": entry} if isinstance(entry, str) else entry
        if modules is not None:
            snapshot = {}
        memfd = snapshot_fd(tree.sources() if snapshot is None else snapshot)
        log_read, log_write = os.pipe()
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(1 + threads)]
        board = os.memfd_create("board")
        os.truncate(board, 8 * (1 + threads))
        full = {
            "tree": tree.path,
            "roots": [tree.path],
            "entry": entry,
            "path": [],
            "cwd": tree.path,
            "env": {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
            "argv": [tree.path],
            **spec,
        }
        self.send(
            {
                "do": "make",
                "interp": self.numbers,
                "app": spec.pop("app", "test"),
                "generation": self.numbers,
                "mode": mode,
                "threads": threads,
                "spec": full,
                "spare": modules is not None,
                "modules": list(modules or ()),
                "sources": list(compiled),
            },
            [memfd, log_write, pairs[0][1].fileno(), board, *(theirs.fileno() for _, theirs in pairs[1:])],
        )
        os.close(memfd)
        os.close(log_write)
        for _, theirs in pairs:
            theirs.close()
        ours = [ours for ours, _ in pairs]
        ends = Lanes(ours[0], ours[1:], board)
        os.close(board)
        return Interp(self, self.numbers, ends, LogReader(log_read))

    def load(self, interp, tree, generation, cause="change"):
        """Gives a spare its code; the event that says what became of it."""
        memfd = snapshot_fd(tree.sources())
        self.send({"do": "load", "interp": interp.number, "generation": generation, "cause": cause}, [memfd])
        os.close(memfd)
        return self.wait("made", "rejected", interp=interp.number)

    def make(self, tree, entry, **options):
        interp = self.begin(tree, entry, **options)
        event = self.wait("made", "rejected", interp=interp.number)
        assert event["event"] == "made", event.get("traceback") or event
        interp.made = event
        return interp

    def reject(self, tree, entry, **options):
        """A make that must be refused: the event."""
        interp = self.begin(tree, entry, **options)
        event = self.wait("made", "rejected", interp=interp.number)
        assert event["event"] == "rejected", event
        interp.close_lanes()
        event["log"] = interp.log
        return event

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self):
        self.channel.close()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Tree:
    """An app's folder in a private place."""

    def __init__(self, files=None):
        self.path = os.path.realpath(tempfile.mkdtemp(prefix="moult-tree-"))
        self.write(files or {})

    def write(self, files):
        for name, content in files.items():
            path = os.path.join(self.path, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else textwrap.dedent(content).encode())

    def sources(self):
        found = {}
        for folder, _, names in os.walk(self.path):
            if "/site-packages" in folder:
                continue
            for name in names:
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    with open(path, "rb") as file:
                        found[path] = file.read()
        return found

    def wait_for(self, name):
        """Returns when the app has made this file."""
        end = time.monotonic() + DEADLINE
        while not os.path.exists(os.path.join(self.path, name)):
            if time.monotonic() > end:
                raise TimeoutError(f"the app made no {name}")
            time.sleep(0.005)

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)
