"""Threads, loops, queues, logs and the end of an interpreter."""

from cases import case, raised


@case("threading", "_thread", "_threading_local", "queue", "_queue")
def threads():
    import queue
    import threading

    local, seen = threading.local(), []
    local.value = "mine"

    class Own(threading.local):
        def __init__(self):
            self.made = threading.current_thread().name

    own = Own()
    ready = threading.Condition()

    def work():
        seen.append((hasattr(local, "value"), own.made, threading.current_thread().daemon))
        with ready:
            ready.notify()

    with ready:
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        seen.append(ready.wait(5))
    thread.join()
    timer = threading.Timer(0.001, seen.append, ["timer"])
    timer.start()
    timer.join()
    barrier = threading.Barrier(2)
    pair = threading.Thread(target=barrier.wait)
    pair.start()
    barrier.wait()
    pair.join()
    hooked, before = [], threading.excepthook
    threading.excepthook = lambda arguments: hooked.append(arguments.exc_type.__name__)
    fails = threading.Thread(target=lambda: 1 / 0)
    fails.start()
    fails.join()
    threading.excepthook = before
    lock, items = threading.RLock(), queue.Queue(1)
    items.put(1)
    for call in (lambda: items.put(2, block=False), lambda: queue.SimpleQueue().get(block=False)):
        try:
            call()
        except (queue.Full, queue.Empty) as error:
            seen.append(f"caught {type(error).__name__}")
    return [
        seen,
        hooked,
        raised(lock.release),
        raised(threading.Lock().release),
        items.get(),
        thread.is_alive(),
        threading.Event().wait(0),
        raised(thread.start),
        threading.stack_size(),
        threading.current_thread().daemon,
        threading.main_thread().is_alive(),
        queue.Empty.__module__,
        threading.main_thread().name,
        threading.current_thread() is threading.main_thread(),
        isinstance(threading.main_thread(), threading._MainThread),
    ]


@case("asyncio", "_asyncio", "asyncio.tasks", "asyncio.subprocess", "asyncio.streams")
def loops():
    import asyncio
    import sys

    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def main():
        found = [
            await asyncio.to_thread(sum, [1, 2]),
            asyncio.current_task() is not None,
            type(asyncio.get_running_loop()).__name__,
        ]
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"line\n")
        found.append(await reader.readline())
        writer.close()
        server.close()
        await server.wait_closed()
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=-1)
        found.append(((await child.communicate())[0], child.returncode))
        try:
            await asyncio.wait_for(asyncio.sleep(9), 0.001)
        except asyncio.TimeoutError as error:
            found.append(f"caught {type(error).__name__}")
        task = asyncio.create_task(asyncio.sleep(9))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            found.append(f"cancelled {task.cancelled()}")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, value)) for value in (1, 2)]
        found += [
            [task.result() for task in tasks],
            len(asyncio.all_tasks()),
            await asyncio.gather(asyncio.sleep(0, 3)),
        ]
        items = asyncio.Queue(1)
        await items.put(1)
        return [*found, raised(items.put_nowait, 2), isinstance(task, asyncio.Future), await items.get()]

    return [
        asyncio.run(main()),
        asyncio.run(main()),
        raised(asyncio.get_running_loop),
        raised(asyncio.run, 1),
        asyncio.TimeoutError is TimeoutError,
        asyncio.CancelledError.__mro__,
    ]


@case("concurrent.futures", "concurrent.futures.thread")
def pools():
    import concurrent.futures as futures

    with futures.ThreadPoolExecutor(2, initializer=int) as pool:
        found = [
            list(pool.map(abs, [-1, -2])),
            pool.submit(pow, 2, 3).result(),
            type(pool.submit(int, "x").exception()).__name__,
        ]
        slow = pool.submit(__import__("time").sleep, 0.05)
        try:
            slow.result(0.001)
        except futures.TimeoutError as error:
            found.append(f"caught {type(error).__name__}")
        found.append(sorted(done.result() for done in futures.as_completed([pool.submit(int, n) for n in "21"])))
    return [
        *found,
        raised(pool.submit, int),
        futures.TimeoutError is TimeoutError,
        futures.wait([slow]).not_done,
        futures.CancelledError.__mro__,
    ]


@case("logging", "logging.handlers", "logging.config")
def logs():
    import io
    import logging
    import logging.config
    import logging.handlers
    import queue

    out = io.StringIO()
    logger = logging.getLogger("exercise.inner")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    stream = logging.StreamHandler(out)
    stream.setFormatter(logging.Formatter("%(levelname)s %(name)s %(funcName)s %(threadName).0s%(message)s"))
    items = queue.Queue()
    listener = logging.handlers.QueueListener(items, stream, respect_handler_level=True)
    handler = logging.handlers.QueueHandler(items)
    logger.addHandler(handler)
    listener.start()
    logger.info("told %d", 1)
    logger.debug("not")
    try:
        1 / 0
    except ZeroDivisionError:
        logger.warning("with", exc_info=False)
    listener.stop()
    logger.removeHandler(handler)
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, "loggers": {"exercise.other": {"level": "ERROR"}}}
    )
    memory = logging.handlers.MemoryHandler(9)
    memory.handle(logging.makeLogRecord({"msg": "kept", "levelno": 10}))
    return [
        out.getvalue(),
        logging.getLogger("exercise.other").level,
        len(memory.buffer),
        logging.getLevelName(20),
        logger.isEnabledFor(10),
        raised(logging.config.dictConfig, {}),
        logging.getLogger("exercise.inner") is logger,
        logging.lastResort.level,
        logging.root.name,
    ]


@case("bdb", "cProfile")
def tracing():
    import cProfile
    import io
    import pstats
    import sys

    def kept():
        pass

    profile, seen, out = cProfile.Profile(), [], io.StringIO()
    profile.runcall(sorted, [2, 1])
    pstats.Stats(profile, stream=out).print_stats()
    sys.settrace(lambda frame, event, argument: seen.append(event) if frame.f_code.co_name == "kept" else None)
    kept()
    sys.settrace(None)
    return [seen, "function calls" in out.getvalue(), sys.gettrace()]


@case("atexit", "sched", "timeit", "doctest", "unittest", "unittest.mock")
def tools():
    import atexit
    import doctest
    import sched
    import unittest
    import unittest.mock

    def kept():
        pass

    atexit.register(kept)
    atexit.unregister(kept)
    seen = []
    plan = sched.scheduler()
    plan.enter(0, 1, seen.append, ("ran",))
    plan.run()
    mock = unittest.mock.Mock(return_value=3)
    with unittest.mock.patch("os.getcwd", mock):
        seen.append(__import__("os").getcwd())

    class Case(unittest.TestCase):
        def test_a(self):
            self.assertEqual(1, 2)

    result = unittest.TestResult()
    Case("test_a").run(result)
    return [seen, len(result.failures), mock.call_count, doctest.Example("1", "1").source, unittest.SkipTest.__mro__]


@case("multiprocessing", "_multiprocessing", "multiprocessing.shared_memory", "_posixshmem")
def processes():
    import multiprocessing
    import multiprocessing.connection
    import multiprocessing.shared_memory

    left, right = multiprocessing.Pipe()
    left.send({"a": 1})
    found = [right.recv(), type(left).__name__, right.poll(0)]
    left.close()
    try:
        right.recv()
    except EOFError:
        found.append("caught")
    right.close()
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=8)
    memory.buf[:2] = b"ab"
    found.append(bytes(memory.buf[:2]))
    memory.close()
    memory.unlink()
    lock = multiprocessing.get_context("spawn").Lock()
    with lock:
        found.append(lock.acquire(block=False))
    return [
        *found,
        multiprocessing.current_process().name,
        multiprocessing.parent_process(),
        multiprocessing.TimeoutError.__mro__,
        multiprocessing.active_children(),
        multiprocessing.Value("i", 3).value,
    ]
