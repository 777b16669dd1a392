"""sys.stdout and sys.stderr of an interpreter: line by line into the app's log."""

import io
import sys
import warnings

import _moult


class LogStream(io.TextIOBase):
    """A text stream whose whole lines become log records. Safe to use from all threads; a line
    that has no end yet waits for it, also when flushed, until the interpreter ends."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    mode = "w"

    def __init__(self, letter, name):
        self._letter = letter
        self.name = name
        self.buffer = LogBytes(letter, name)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        _moult.log_write(self._letter, text)
        return len(text)

    def writable(self):
        return True

    def isatty(self):
        return False

    def flush(self):
        pass

    def close(self):
        pass  # the log outlives whoever closes it

    def fileno(self):
        raise io.UnsupportedOperation("an app's log has no file descriptor")

    def reconfigure(self, **options):
        pass

    def __deepcopy__(self, memo):
        return self  # a bound `write` can be copied, as python3's

    def __reduce_ex__(self, protocol):
        raise TypeError("cannot pickle '_io.TextIOWrapper' object")  # as python3's


class LogBytes(io.RawIOBase):
    """What sys.stdout.buffer is."""

    def __init__(self, letter, name):
        self._letter = letter
        self.name = name

    def write(self, data):
        data = bytes(data)
        _moult.log_write(self._letter, data)
        return len(data)

    def writable(self):
        return True

    def isatty(self):
        return False

    def close(self):
        pass


def show_warning(message, category, filename, lineno, file=None, line=None):
    text = warnings.formatwarning(message, category, filename, lineno, line)
    if file is None and isinstance(sys.stderr, LogStream):
        _moult.log_write("w", text)
        return
    stream = sys.stderr if file is None else file
    if stream is not None:
        stream.write(text)


def install():
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    sys.stdout = sys.__stdout__ = LogStream("o", "<stdout>")
    sys.stderr = sys.__stderr__ = LogStream("e", "<stderr>")
    warnings.showwarning = show_warning
