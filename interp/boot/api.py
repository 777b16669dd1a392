"""The module `moult`, as an app sees it. interp/stubs/moult.pyi has its types."""

import sys
import threading

import _moult
from _moult import call_errors, calls, guards, hooks

THREADS_MAX = 32  # of submit() and acall(), made as they are needed
PENDING_MAX = 1000  # calls of submit() and acall() that have not come back


class Current:
    """Where this code runs. See moult.current()."""

    __module__ = "moult"
    __slots__ = ("app", "generation", "interpreter", "host", "cause", "python")

    def __repr__(self):
        return f"moult.Current({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


def export(function=None, /, *, name=None, inline=False, stream=False):
    """Lets other apps, `moultctl call` and the control socket call a function.

    name: str, the name that callers use, with dots for namespaces; the function's own otherwise.
    inline: bool, runs in the calling thread (when that is in the same host) even when the caller gave
        a timeout; for functions that surely return at once.
    stream: bool, what the function returns is an iterator whose items are sent one by one. Generator
        functions are streams without this.
    Returns the function unchanged. TypeError for what cannot be called, and for async functions.

        @moult.export
        def total(order: int) -> float: ...

        @moult.export(name="orders.recent")
        def recent(): ...
    """

    def add(function):
        if not callable(function):
            raise TypeError(f"moult.export is used over a function; got {type(function).__name__}")
        chosen = name or function.__name__
        if not isinstance(chosen, str) or chosen.startswith("moult."):
            raise TypeError(f"no function can be exported as {chosen!r}")
        calls.add_export(chosen, function, inline, stream)
        return function

    return add if function is None else add(function)


class Function:
    """A function of another app, by its name: call it, or go on to a name below it."""

    __module__ = "moult"
    __slots__ = ("_app", "_name", "_timeout")

    def __init__(self, app, name, timeout):
        self._app, self._name, self._timeout = app, name, timeout

    def __call__(self, /, *args, **kwargs):
        return _moult.call_with(self._app, self._name, args, kwargs, self._timeout)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Function(self._app, f"{self._name}.{name}", self._timeout)

    def __repr__(self):
        return f"<moult function {self._app}.{self._name}>"


class App:
    """Another app, by its name. See moult.app()."""

    __module__ = "moult"

    def __init__(self, name, timeout=None):
        self.__dict__["_name"], self.__dict__["_timeout"] = name, timeout

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        function = self.__dict__[name] = Function(self._name, name, self._timeout)
        return function

    def __repr__(self):
        return f"<moult app {self._name}>"


def app(name, *, timeout=None):
    """The app `name`: `moult.app("billing").total(order=7)` calls its exported function.

    timeout: float, seconds for each call made through it; None: that of the call being served.
    Nothing is looked up before a call, and at each call anew: after a reload it runs the new code.
    Exceptions of calls: see moult.call(). All arguments are the function's, `timeout` too.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an app is a str, not {type(name).__name__}")
    return App(name, timeout)


def make_future_type():
    from concurrent.futures import Future

    class CallFuture(Future):
        """The result of moult.submit(). cancel() also ends a call that runs already."""

        __module__ = "moult"

        def cancel(self):
            if super().cancel():
                return True
            if self.done():
                return False
            _moult.far_cancel(self._far)
            return True

    return CallFuture


class Submitter:
    """The threads of submit(): made as they are needed, at most THREADS_MAX, ended with the app."""

    def __init__(self):
        from concurrent.futures import ThreadPoolExecutor

        self.executor = ThreadPoolExecutor(THREADS_MAX, "moult-submit")
        self.future_type = make_future_type()
        self.room = threading.BoundedSemaphore(PENDING_MAX)

    def submit(self, app, function, args, kwargs, timeout):
        if not self.room.acquire(blocking=False):
            raise call_errors.AppUnavailable(f"{app}.{function}: {PENDING_MAX} submitted calls are under way")
        try:
            future = self.future_type()
            future._far = _moult.far_new()
            inherited = _moult.inherited(timeout)
            self.executor.submit(self.run, future, app, function, args, kwargs, inherited)
        except BaseException:
            self.room.release()
            raise
        return future

    def run(self, future, app, function, args, kwargs, inherited):
        try:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = _moult.far_run(future._far, app, function, args, kwargs, inherited)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
        finally:
            self.room.release()


submitter = None
submitter_lock = threading.Lock()


def submit(app, function, /, *args, timeout=None, **kwargs):
    """Begins a call and returns at once: a concurrent.futures.Future of its result.

    The function runs on a thread of its app. The call has the deadline of the one being served, or
    `timeout` seconds from now if that is less. Future.cancel() gives it up. moult.AppUnavailable when
    1,000 such calls are under way.
    """
    global submitter
    if submitter is None:
        with submitter_lock:
            if submitter is None:
                submitter = Submitter()
    return submitter.submit(app, function, args, kwargs, timeout)


async def acall(app, function, /, *args, timeout=None, **kwargs):
    """moult.call() for asyncio code: the event loop goes on meanwhile. Cancelling the task cancels the
    call. An async iterator cannot be had: for streams use moult.call() in a thread."""
    import asyncio

    future = submit(app, function, *args, timeout=timeout, **kwargs)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        future.cancel()
        raise


class Interpreter:
    """An interpreter of the app's own, to use and throw away: what runs in it touches neither the
    app's modules nor its state.

    code_or_module: str, the dotted name of a module that the app could import, or source code.
    gil: "own" (Python 3.14.4 and later: it computes beside the app), "shared", or None for what the
        app itself has.
    Its public functions can be called by name; arguments and results are copied as in moult.call().
    It sees the app's files as they are in this generation, its environment and its log. A call runs
    in the calling thread. RuntimeError when the app has `scratch_interpreters` (4) of them already,
    ValueError when this Python cannot have such a GIL, moult.RemoteError when its code raises.

        with moult.Interpreter("def double(n): return 2 * n") as i:
            i.call("double", 21)
    """

    __module__ = "moult"
    __slots__ = ("_scratch",)

    def __init__(self, code_or_module, *, gil=None):
        if not isinstance(code_or_module, str):
            raise TypeError(f"code_or_module is a str, not {type(code_or_module).__name__}")
        if gil not in (None, "own", "shared"):
            raise ValueError(f"gil is 'own', 'shared' or None, not {gil!r}")
        is_module = all(part.isidentifier() for part in code_or_module.split("."))
        kind = "scratch_module" if is_module else "scratch_code"
        self._scratch = None
        self._scratch = _moult.scratch_make(kind, code_or_module, gil or "")

    def call(self, function, /, *args, **kwargs):
        """Calls a function in it. Exceptions as of moult.call(); AppUnavailable once it is closed."""
        if self._scratch is None:
            raise call_errors.AppUnavailable(f"Interpreter.{function}: this interpreter is closed")
        return _moult.scratch_call(self._scratch, function, args, kwargs)

    def close(self):
        """Ends it, after the calls that run in it: at most 5 seconds. True: it has ended. One that cannot
        be ended is left behind, and the host process is replaced."""
        scratch, self._scratch = self._scratch, None
        return scratch is None or _moult.scratch_close(scratch)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        if getattr(self, "_scratch", None) is not None:
            self.close()


def current():
    """Which app, generation, interpreter and host this code runs in, and why it was loaded.

    Attributes: app (str), generation (int), interpreter (int, unique in its host), host (int, as in
    `moultctl hosts`), cause (str: "start", "change", "reload", …), python (str: "3.11.2").
    """
    return here


def request():
    """The id of the call that this thread serves, an HTTP request too, as `moultctl calls` shows it;
    None in a thread that serves none. For logs."""
    return _moult.call_now()


def freeze():
    """Asks that changes of this app's files be left alone until thaw(), as `moultctl freeze` does."""
    _moult.ask("freeze")


def thaw():
    """Asks that changes be acted on again."""
    _moult.ask("thaw")


def reload():
    """Asks for a new generation of this app, as `moultctl reload` does. Returns at once; the call that
    asked ends in the old generation."""
    _moult.ask("reload")


here = Current()


def make_module(facts):
    """The module `moult` of this interpreter."""
    here.app, here.generation, here.interpreter = facts["app"], facts["generation"], facts["interp"]
    here.host, here.cause = facts["host"], facts["cause"]
    here.python = ".".join(map(str, sys.version_info[:3]))
    module = type(sys)("moult", "What an app can use of the server that runs it: docs/python-api.md.")
    own = (export, app, submit, acall, current, request, freeze, thaw, reload, Current, Interpreter)
    for part in (*own, hooks.ready, hooks.handoff, hooks.adopt, hooks.retire, guards.Interrupted, calls.Stream):
        setattr(module, part.__name__, part)
    for name, part in vars(call_errors).items():
        if isinstance(part, type):
            setattr(module, name, part)
    module.call = _moult.call
    module.__all__ = sorted(name for name in vars(module) if not name.startswith("_"))
    return module
