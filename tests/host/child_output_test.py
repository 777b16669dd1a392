"""What children of an app write is told apart from that of its neighbours' children."""

import json
import os
import socket
import threading
import unittest

import case
from host_driver import Host, PACKET, VERSION


class Listening(Host):
    """Keeps the pipes that come with `output`, and what is read from them, by interpreter."""

    def __init__(self, **options):
        self.texts = {}
        self.ended = set()
        self.changed = threading.Condition()
        super().__init__(**options)

    def take_packet(self):
        data, descriptors, _, _ = socket.recv_fds(self.channel, PACKET, 4)
        if descriptors:
            number = json.loads(data)["interp"]
            threading.Thread(target=self.collect, args=(number, descriptors[0]), daemon=True).start()
        return data

    def collect(self, number, descriptor):
        while data := os.read(descriptor, 65536):
            with self.changed:
                self.texts[number] = self.texts.get(number, "") + data.decode()
                self.changed.notify_all()
        os.close(descriptor)
        with self.changed:
            self.ended.add(number)
            self.changed.notify_all()

    def wait_for(self, what):
        with self.changed:
            return self.changed.wait_for(what, case.host_driver.DEADLINE)


@unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
class ChildOutput(case.HostCase):
    WAYS = """
        import multiprocessing.util, os, subprocess, sys
        command = ["/bin/sh", "-c", "echo out; echo err >&2"]
        def wait(pid): os.waitpid(pid, 0)
        def spawn(**options): wait(os.posix_spawn("/bin/sh", command, os.environ, **options))
        subprocess.run(command)
        subprocess.run(command, close_fds=False)
        os.system("echo out; echo err >&2")
        spawn()
        wait(os.posix_spawnp("sh", command, os.environ))
        os.popen("echo read; echo err >&2").read()
        result = [subprocess.run(command, stdout=subprocess.PIPE).stdout]
        result.append(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout)
        subprocess.run(command, stderr=subprocess.DEVNULL)
        r, w = os.pipe()
        spawn(file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)])
        os.close(w)
        result.append(os.read(r, 100))
        os.close(r)
    """

    def setUp(self):
        super().setUp()
        self.host = Listening()
        self.addCleanup(self.host.close)

    def listen(self):
        """Takes the events that have come; a question makes sure of it."""
        self.host.send({"do": "calls", "ask": 1})
        self.host.wait("calls")

    def test_each_way_to_start_one(self):
        interp, other = self.serve(self.RUNS), self.serve(self.RUNS, name="other.py")
        self.assertEqual(self.run_in(interp, self.WAYS), [b"out\n", b"out\nerr\n", b"out\n"])
        self.listen()
        expected = 5 * "out\nerr\n" + "err\n" + "err\n" + "out\n" + "err\n"
        self.assertTrue(self.host.wait_for(lambda: self.host.texts.get(interp.number) == expected), self.host.texts)
        self.run_in(other, "import subprocess; result = subprocess.run(['echo', 'other']).returncode")
        self.listen()
        self.assertTrue(self.host.wait_for(lambda: self.host.texts.get(other.number) == "other\n"))

    def test_a_child_may_outlive_its_generation(self):
        interp = self.serve(self.RUNS, host=self.host)
        pid = self.run_in(interp, """
            import os, subprocess
            child = subprocess.Popen(["/bin/sh", "-c", "read line; echo said $line"], stdin=subprocess.PIPE)
            os.dup(child.stdin.fileno())
            result = child.pid
            """)
        self.listen()
        stdin = os.open(f"/proc/{pid}/fd/0", os.O_WRONLY)
        self.assertEqual(interp.retire()["event"], "retired")
        os.write(stdin, b"it\n")
        os.close(stdin)
        self.assertTrue(self.host.wait_for(lambda: self.host.texts.get(interp.number) == "said it\n"), self.host.texts)
        self.assertTrue(self.host.wait_for(lambda: interp.number in self.host.ended))


if __name__ == "__main__":
    unittest.main()
