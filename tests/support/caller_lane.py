"""The daemon's end of caller lanes: what a host sends when its apps call functions by way of the
daemon (ipc/PROTOCOL.md, "Calls of functions"). For tests of interp/ alone."""

import socket
import struct

from host_driver import ABORT, CHUNK, DEADLINE, END, HEAD, PACKET, REQUEST, Host, Reader, text


class CallerLane:
    def __init__(self, descriptor):
        self.sock = socket.socket(fileno=descriptor)
        self.sock.settimeout(DEADLINE)
        self.call = 0

    def receive(self):
        """(type, call, the rest)"""
        data = self.sock.recv(PACKET)
        if not data:
            raise EOFError("the host closed a caller lane")
        reader = Reader(data)
        kind, _, call = reader.take("BBQ")
        return kind, call, reader

    def take_request(self):
        """Waits for a call: its function and its app."""
        kind, self.call, reader = self.receive()
        assert kind == REQUEST, kind
        reader.take("QH")
        fields = [reader.text().decode() for _ in range(9)]
        return fields[1], fields[3]

    def take_abort(self):
        kind, call, _ = self.receive()
        assert (kind, call) == (ABORT, self.call), (kind, call)

    def is_closed(self):
        """Has the host closed its end? Nothing is to be on its way."""
        self.sock.setblocking(False)
        try:
            return self.sock.recv(PACKET) == b""
        except BlockingIOError:
            return False

    def refuse(self):
        """There is no such function."""
        self.sock.send(struct.pack("<BBQQH", HEAD, END, self.call, 0, 404) + text("not_exported") + text("") + b"{}")

    def begin_stream(self):
        self.sock.send(struct.pack("<BBQQH", HEAD, 0, self.call, 0, 207) + text("stream") + text(""))

    def end_stream(self):
        self.sock.send(struct.pack("<BBQ", CHUNK, END, self.call))

    def close(self):
        self.sock.close()


class CalledHost(Host):
    """A host whose caller lanes are kept."""

    def __init__(self, **options):
        self.callers = []
        super().__init__(**options)

    def take_packet(self):
        data, descriptors, _, _ = socket.recv_fds(self.channel, PACKET, 1)
        self.callers.extend(CallerLane(descriptor) for descriptor in descriptors)
        return data

    def take_caller(self):
        """Waits for one more."""
        known = len(self.callers)
        while len(self.callers) == known:
            self.receive()
        return self.callers[-1]

    def close(self):
        for lane in self.callers:
            lane.close()
        return super().close()
