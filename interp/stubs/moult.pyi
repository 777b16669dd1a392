"""The module `moult`, as an app sees it that Moult serves. docs/python-api.md explains it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, final, overload

__all__ = [
    "AppNotFound",
    "AppUnavailable",
    "CallCycle",
    "CallError",
    "CallTimeout",
    "Current",
    "HostLost",
    "Interpreter",
    "Interrupted",
    "NotExported",
    "PayloadError",
    "PayloadTooLarge",
    "RemoteError",
    "Stream",
    "acall",
    "adopt",
    "app",
    "call",
    "current",
    "export",
    "freeze",
    "handoff",
    "ready",
    "reload",
    "request",
    "retire",
    "submit",
    "thaw",
]

_F = TypeVar("_F", bound=Callable[..., Any])
_Hook = TypeVar("_Hook", bound=Callable[[], Any])
_AdoptHook = TypeVar("_AdoptHook", bound=Callable[[Any, int], Any])

# Functions that others may call.

@overload
def export(function: _F, /, *, name: str | None = None, inline: bool = False, stream: bool = False) -> _F:
    """Lets other apps, `moultctl call` and the control socket call a function."""

@overload
def export(
    function: None = None, /, *, name: str | None = None, inline: bool = False, stream: bool = False
) -> Callable[[_F], _F]: ...

# Calls.

def app(name: str, *, timeout: float | None = None) -> _App:
    """The app `name`: its attributes are the functions that it exports. `timeout`: seconds for each call."""

def call(app: str, function: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
    """Calls an exported function of another app; its result, or a Stream."""

def submit(
    app: str, function: str, /, *args: Any, timeout: float | None = None, **kwargs: Any
) -> Future[Any]:
    """Begins a call and returns at once. cancel() of the future gives it up, also when it runs."""

async def acall(
    app: str, function: str, /, *args: Any, timeout: float | None = None, **kwargs: Any
) -> Any:
    """call() for asyncio code. Cancelling the task gives the call up."""

class _App:
    def __getattr__(self, name: str) -> _Function: ...

class _Function:
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
    def __getattr__(self, name: str) -> _Function: ...

class Stream(Iterator[Any]):
    """The items of a generator of another app, as they come. Closed at the end of a `with` block."""

    def __next__(self) -> Any: ...
    def close(self) -> None:
        """Gives up the rest; the generator on the other side is closed."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, *exception: type[BaseException] | BaseException | TracebackType | None
    ) -> None: ...

# What can go wrong.

class CallError(Exception):
    """A call did not come back with a value. The base of all of these."""

class RemoteError(CallError):
    """The function itself raised."""

    type: str
    """The name of its class: "ValueError", "billing.errors.NoSuchOrder"."""
    message: str
    traceback: str
    def __init__(self, type: str = "Exception", message: str = "", traceback: str = "") -> None: ...

class AppNotFound(CallError):
    """There is no app of that name."""

class NotExported(CallError):
    """The app exports no function of that name."""

class PayloadError(CallError):
    """Arguments or a result cannot be carried."""

    path: str | None
    """Where the offending value is: "argument 'order'['items'][2]"."""
    class_name: str | None
    """The class that the receiver could not make an instance of."""
    def __init__(
        self, message: str = "", path: str | None = None, class_name: str | None = None
    ) -> None: ...

class PayloadTooLarge(PayloadError):
    """Arguments or a result are larger than `max_payload`."""

    size: int
    """Bytes; 0 when the other side noticed it."""
    limit: int
    def __init__(
        self, message: str = "", size: int = 0, limit: int = 0, path: str | None = None
    ) -> None: ...

class CallTimeout(CallError, TimeoutError):
    """The deadline passed before the function came back."""

class CallCycle(CallError):
    """Calls are nested more than 32 deep."""

class AppUnavailable(CallError):
    """The app is stopped or has no code that serves, or too many calls wait for it."""

class HostLost(CallError):
    """The process that ran the function ended. Whether its work was done is unknown."""

class Interrupted(BaseException):
    """Raised in code whose call has to end: it outlived its time, or was killed."""

# Where this code runs.

@final
class Current:
    app: str
    generation: int
    interpreter: int
    """Unique in its host."""
    host: int
    """As in `moultctl hosts`."""
    cause: str
    """Why it was loaded: "start", "change", "reload", ..."""
    python: str

def current() -> Current:
    """Which app, generation, interpreter and host this code runs in."""

def request() -> str | None:
    """The id of the call that this thread serves, as `moultctl calls` shows it."""

def freeze() -> None:
    """Asks that changes of this app's files be left alone until thaw()."""

def thaw() -> None:
    """Asks that changes be acted on again."""

def reload() -> None:
    """Asks for a new generation of this app. Returns at once."""

# Hooks.

def ready(function: _Hook) -> _Hook:
    """Has `function()` called before this generation serves."""

def handoff(function: _Hook) -> _Hook:
    """Has `function()` called in the generation that serves; its result goes to `adopt`."""

def adopt(function: _AdoptHook) -> _AdoptHook:
    """Has `function(state, generation)` called in a new generation."""

def retire(function: _Hook) -> _Hook:
    """Has `function()` called when this generation ends."""

# Interpreters of an app's own.

class Interpreter:
    """An interpreter to use and throw away."""

    def __init__(self, code_or_module: str, *, gil: Literal["own", "shared"] | None = None) -> None: ...
    def call(self, function: str, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a public function in it."""
    def close(self) -> bool:
        """Ends it, within 5 seconds. False: it could not be ended."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, *exception: type[BaseException] | BaseException | TracebackType | None
    ) -> None: ...
