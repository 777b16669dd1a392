"""What C code remembers by the number of a thread: two interpreters of one host never take one's for the other's."""

import threading
import unittest
from decimal import Decimal

import case
from host_driver import BODY_CHUNKED, BODY_STREAMS, Host, Response, VERSION, WANT_BODY

THREADS = 4  # the first one asks a thread that the app has started, the others run the code themselves

# A call that runs each line of its body, in its worker or in a thread that the app keeps, until the body ends.
CONVERSES = """
    import concurrent.futures
    pool = concurrent.futures.ThreadPoolExecutor(1)
    def run(source):
        names = {}
        exec(source, names)
        return names["result"]
    def application(environ, start):
        start("200 OK", [])
        for line in environ["wsgi.input"]:
            result = run(eval(line)) if environ["PATH_INFO"] == "/worker" else pool.submit(run, eval(line)).result()
            yield repr(result).encode() + b"\\n"
"""


class Place:
    """A thread of an interpreter that keeps running what it is asked: a worker in one long call."""

    def __init__(self, interp, lane, path):
        self.interp = interp
        self.path = path
        self.lane = lane
        lane.send_request(path, method="POST", flags=BODY_STREAMS | BODY_CHUNKED)
        interp.ends.worker_of(lane.calls)

    def ask(self, source):
        while self.lane.receive()[0] != WANT_BODY:
            pass
        self.lane.send_body(repr(source).encode() + b"\n")
        answer = Response()
        while not answer.body.endswith(b"\n"):
            if self.lane.next_frame(answer):
                raise AssertionError(answer.failed)
        return eval(answer.body)


@unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
class ThreadNumbers(case.HostCase):
    def setUp(self):
        super().setUp()
        self.host = Host()
        self.addCleanup(self.host.close)
        interps = [self.serve(CONVERSES, name=f"app{number}.py", threads=THREADS) for number in range(3)]
        self.places = [
            Place(interp, lane, "/pool" if lane is interp.lane else "/worker")
            for interp in interps
            for lane in interp.lanes
        ]

    def check_apart(self, change, look, untouched):
        """After `change` in one thread, `look` in each other one; then that one again sees its own change."""
        for changed in self.places:
            value = changed.ask(change)
            self.assertNotEqual(value, untouched)
            for other in self.places:
                if other is not changed:
                    self.assertEqual(other.ask(look), untouched)
                    self.assertEqual(changed.ask(look), value)
            changed.ask(change.replace("# back: ", ""))

    def test_contexts_of_decimal(self):
        self.check_apart(
            "import decimal; decimal.getcontext().prec = 4; result = str(decimal.Decimal(1) / 7)\n"
            "# back: decimal.getcontext().prec = 28",
            "import decimal; result = str(decimal.Decimal(1) / 7)",
            "0.1428571428571428571428571429",
        )

    def test_the_running_loop_of_asyncio(self):
        self.check_apart(
            "import asyncio; asyncio._set_running_loop('mine'); result = asyncio._get_running_loop()\n"
            "# back: asyncio._set_running_loop(None)",
            "import asyncio; result = asyncio._get_running_loop()",
            None,
        )

    def test_variables_of_contexts(self):
        self.check_apart(
            "import contextvars, re; var = vars(re).setdefault('_v', contextvars.ContextVar('v', default=0))\n"
            "var.set(5); result = var.get()\n"
            "# back: var.set(0)",
            "import contextvars, re; result = vars(re).setdefault('_v', contextvars.ContextVar('v', default=0)).get()",
            0,
        )

    def test_decimal_while_all_of_them_compute(self):
        rough = "import decimal, time\nwith decimal.localcontext(prec=4): time.sleep(0); result = str(decimal.Decimal(1) / 7)"
        exact = "import decimal, time; time.sleep(0); result = str(decimal.Decimal(1) / 7)"
        wrong = []

        def compute(place, source, expected):
            for _ in range(300):
                if (result := place.ask(source)) != expected:
                    wrong.append(result)

        clients = [
            threading.Thread(
                target=compute,
                args=(place, rough, "0.1429") if place.interp is self.places[0].interp else (place, exact, str(Decimal(1) / 7)),
            )
            for place in self.places
            if place.path == "/worker"
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(wrong, [])

    @unittest.skipIf(VERSION >= (3, 12), "nothing there outlives its interpreter")
    def test_no_two_threads_of_a_host_have_one_number(self):
        source = (
            "import ctypes\napi = ctypes.pythonapi\napi.PyThreadState_Get.restype = ctypes.c_void_p\n"
            "api.PyThreadState_GetID.restype = ctypes.c_uint64\n"
            "result = api.PyThreadState_GetID(ctypes.c_void_p(api.PyThreadState_Get()))"
        )
        numbers = [place.ask(source) for place in self.places]
        self.assertEqual(len(set(numbers)), len(numbers), numbers)


if __name__ == "__main__":
    unittest.main()
