#!/usr/bin/python3
"""Lists the apps of the daemon, reloads some, and tells what happened.

    reload.py [APP ...]

Plain Python and nothing but the standard library: the control socket speaks JSON-RPC, one line per
message (docs/control.md). Exit codes are those of moultctl: 0 done, 2 usage, 4 no such app, 6 new code
rejected while old code serves, 7 no daemon.
"""

import json
import os
import socket
import sys

EXIT_CODES = {"usage": 2, "not_running": 3, "no_such_app": 4, "config_invalid": 5, "code_rejected": 6,
              "denied": 8, "timed_out": 124, "interrupted": 130}


class ControlError(Exception):
    """The daemon's answer was an error; `data` is described in docs/control.md."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.data = error.get("data", {})


class Control:
    """One connection to the daemon, one request at a time."""

    def __init__(self, path, timeout=150.0):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rw", encoding="utf-8", newline="\n")
        self._last_id = 0

    def __call__(self, method, on_progress=None, **params):
        """Calls `method` and returns its result; on_progress(params) sees what comes before it."""
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._stream.write(json.dumps(request) + "\n")
        self._stream.flush()
        for line in self._stream:
            message = json.loads(line)
            if message.get("method") == "progress":
                if on_progress:
                    on_progress(message["params"])
            elif message.get("id") == self._last_id:
                if "error" in message:
                    raise ControlError(message["error"])
                return message["result"]
        raise ConnectionError("the daemon closed the connection")


def socket_paths():
    """Where a daemon of this user may listen, best first."""
    if os.environ.get("MOULT_SOCKET"):
        return [os.environ["MOULT_SOCKET"]]
    folders = [os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}"]
    paths = [f"{folder}/moult/control.sock" for folder in folders if folder]
    return paths + [os.path.expanduser(f"~/.moult/run/{os.uname().nodename}/control.sock")]


def connect():
    """A Control of the first daemon that answers, or an OSError."""
    for path in socket_paths():
        try:
            return Control(path)
        except OSError as error:
            problem = error
    raise problem


def show_progress(progress):
    print(f"  {progress.get('app')}: generation {progress.get('generation')} {progress.get('state')}")


def main(apps):
    try:
        control = connect()
    except OSError as error:
        print(f"no daemon: {error}; tried {', '.join(socket_paths())}", file=sys.stderr)
        return 7
    for app in control("list")["apps"]:
        print(f"{app['name']}: {app['state']}, generation {app['generation']}")

    cursor = control("events")["cursor"]  # what comes after this is ours to tell
    status = 0
    for name in apps:
        try:
            result = control("reload", on_progress=show_progress, app=name, wait="switched", timeout=120)
            print(f"{name}: {result['outcome']}, generation {result['previous']} -> {result['generation']}")
        except ControlError as error:
            print(f"{name}: {error}", file=sys.stderr)
            if error.data.get("detail"):
                print(error.data["detail"], file=sys.stderr)
            status = EXIT_CODES.get(error.data.get("code"), 1)

    for event in control("events", since=cursor)["events"]:
        print(event["time"], event["event"], event.get("app") or "", json.dumps(event.get("data", {})))
    return status


if __name__ == "__main__":
    if any(argument.startswith("-") for argument in sys.argv[1:]):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
