"""The exceptions of calls between apps. Apps see them as moult.CallError and so on."""


class CallError(Exception):
    """A call of another app's function did not come back with a value. The base of all of these."""

    __module__ = "moult"


class RemoteError(CallError):
    """The function itself raised. The exception object stays on the other side; what is known of it:

    type: str, the name of its class, such as "ValueError" or "billing.errors.NoSuchOrder".
    message: str, what str() gave for it there.
    traceback: str, the whole traceback as text.
    """

    __module__ = "moult"

    def __init__(self, type="Exception", message="", traceback=""):
        super().__init__(type, message, traceback)
        self.type = type
        self.message = message
        self.traceback = traceback

    def __str__(self):
        return f"{self.type}: {self.message}" if self.message else self.type


class AppNotFound(CallError):
    """There is no app of that name."""

    __module__ = "moult"


class NotExported(CallError):
    """The app exports no function of that name."""

    __module__ = "moult"


class PayloadError(CallError):
    """Arguments or a result cannot be carried; nothing of them reached the other side.

    path: str or None, where the first offending value is: "argument 'order'['items'][2].lock".
    class_name: str or None, the class that the receiver could not make: "shop.models.Order".
    """

    __module__ = "moult"

    def __init__(self, message="", path=None, class_name=None):
        super().__init__(message)
        self.path = path
        self.class_name = class_name


class PayloadTooLarge(PayloadError):
    """Arguments or a result are larger than messages may be.

    size: int, the bytes at which that was noticed; the message may be larger still.
    limit: int, the bytes that are allowed.
    """

    __module__ = "moult"

    def __init__(self, message="", size=0, limit=0, path=None):
        super().__init__(message, path)
        self.size = size
        self.limit = limit


class CallTimeout(CallError, TimeoutError):
    """The deadline passed before the function came back. It may still be running there."""

    __module__ = "moult"


class CallCycle(CallError):
    """Calls that call each other are nested deeper than is allowed."""

    __module__ = "moult"


class AppUnavailable(CallError):
    """The app is stopped, or was restarting for too long, or its queue of calls is full."""

    __module__ = "moult"


class HostLost(CallError):
    """The process that ran the function went away meanwhile. Whether it had done its work is unknown."""

    __module__ = "moult"
