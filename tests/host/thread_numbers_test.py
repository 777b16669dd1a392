"""What C code remembers by the number of a thread: two interpreters of one host never take one's for the other's."""

import threading
import unittest
from decimal import Decimal

import case
from host_driver import Host, VERSION

THREADS = 3

# Runs `source` in a thread that the app keeps, or in the worker itself.
KEEPS_A_THREAD = """
    import concurrent.futures
    exec(%r)
    pool = concurrent.futures.ThreadPoolExecutor(1)
    run = application
    def application(environ, start):
        if environ["PATH_INFO"] == "/worker":
            return run(environ, start)
        return pool.submit(run, environ, start).result()
""" % __import__("textwrap").dedent(case.HostCase.RUNS)


@unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
class ThreadNumbers(case.HostCase):
    def setUp(self):
        super().setUp()
        self.host = Host()
        self.addCleanup(self.host.close)
        self.interps = [
            self.serve(KEEPS_A_THREAD, name=f"app{number}.py", threads=THREADS) for number in range(3)
        ]

    def places(self):
        """Each thread of each interpreter that can be asked: the workers, and one that the app has started."""
        for interp in self.interps:
            for lane in interp.lanes:
                yield interp, lane, "/worker"
            yield interp, interp.lane, "/pool"

    def ask(self, place, source):
        _, lane, path = place
        answer = lane.get(path, method="POST", body=source.encode())
        self.assertIsNone(answer.failed)
        done, result = eval(answer.body)
        self.assertTrue(done, result)
        return result

    def check_apart(self, change, look, untouched):
        """After `change` in one thread, `look` in each other one; then that one again sees its own change."""
        places = list(self.places())
        for changed in places:
            value = self.ask(changed, change)
            self.assertNotEqual(value, untouched)
            for other in places:
                if other is not changed:
                    self.assertEqual(self.ask(other, look), untouched)
                    self.assertEqual(self.ask(changed, look), value)
            self.ask(changed, change.replace("# back: ", ""))

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
                if (result := self.ask(place, source)) != expected:
                    wrong.append(result)

        clients = [
            threading.Thread(
                target=compute,
                args=(place, rough, "0.1429") if place[0] is self.interps[0] else (place, exact, str(Decimal(1) / 7)),
            )
            for place in self.places()
            if place[2] == "/worker"
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
        numbers = [self.ask(place, source) for place in self.places()]
        self.assertEqual(len(set(numbers)), len(numbers), numbers)


if __name__ == "__main__":
    unittest.main()
