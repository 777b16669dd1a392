"""The app of hostile.py that behaves badly: its query says how. Each lasts a few seconds at most, as long as Python has
a say in it; GOOD is its code, BAD are edits that cannot serve."""

GOOD = '''import ctypes, os, re, subprocess, sys, threading, time
from urllib.parse import parse_qs
kept = []

def events():
    while True:
        yield b"data: x\\\\n\\\\n"
        time.sleep(0.02)

def empty():
    while True:
        yield b""

class Chunk:
    def __iter__(self):
        return self
    def __next__(self):
        return b"x" * 65536

def flood(environ):
    for _ in range(100):
        os.write(1, b"y" * 8191 + b"\\\\n")
    return [b"flooded"]

def yes(environ):
    child = subprocess.Popen(["yes"])
    time.sleep(0.5)
    child.kill()
    child.wait()
    return [b"yes"]

def prints(environ):
    for n in range(20000):
        print("a line of the app's own", n)
    return [b"printed"]

def holds_the_gil(environ):
    re.match("(a+)+$", "a" * 27 + "b")
    return [b"matched"]

def threads(environ):
    started = [threading.Thread(target=time.sleep, args=(1,), daemon=True) for _ in range(100)]
    for thread in started:
        thread.start()
    return [b"threads"]

def descriptors(environ):
    files = [open("/dev/null") for _ in range(300)]
    return [b"%d" % len(files)]

def memory(environ):
    return [b"%d" % len(bytearray(50 << 20))]

def reloads(environ):
    import moult
    for _ in range(200):
        moult.reload()
    return [b"reloads"]

def recursion(environ):
    try:
        return recursion(environ)
    except RecursionError:
        return [b"deep"]

def large_head(environ):
    environ["start"]("200 OK", [("X-Large", "x" * 65536)])
    return [b"x" * 65536]

def wrong_length(environ):
    environ["start"]("200 OK", [("Content-Length", "5")])
    return Chunk()

def reads_slowly(environ):
    while environ["wsgi.input"].read(10):
        time.sleep(0.01)
    return [b"read"]

def crash(environ):
    ctypes.string_at(0)

def ends(environ):
    os._exit(3)

def closes(environ):
    os.closerange(3, 256)
    return [b"closed"]

DOES = {f.__name__: f for f in (flood, yes, prints, holds_the_gil, threads, descriptors, memory, reloads, recursion,
                                reads_slowly, crash, ends, closes)}
DOES |= {"events": lambda e: events(), "empty": lambda e: empty(), "endless": lambda e: Chunk()}

def application(environ, start_response):
    what = parse_qs(environ["QUERY_STRING"]).get("do", [""])[0]
    environ["start"] = start_response
    if what in ("large_head", "wrong_length"):
        return globals()[what](environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return DOES[what](environ) if what in DOES else [b"bad, but serves"]
'''.replace("\\\\n", "\\n")

BAD = {
    "syntax": "def application(:\n",
    "import": "import nosuch\n",
    "raises": "1 / 0\n",
    "exits": "import sys; sys.exit('no')\n",
    "empty": "",
    "loops": "while True:\n    pass\n",
    "sleeps": "import time; time.sleep(5)\n",
    "crashes": "import ctypes; ctypes.string_at(0)\n",
    "deep": "(" * 5000 + ")" * 5000 + "\n",
    "nul": "x = 1\0\n",
    "large": "X = [\n" + "    1,\n" * 200000 + "]\n",
}
