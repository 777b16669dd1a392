"""The processes that multiprocessing has started for an app end with its generation."""

import os
import signal
import sys
import time


def end(seconds):
    """After atexit, by which the daemonic ones have been ended and the others waited for."""
    limit = time.monotonic() + seconds
    end_processes(seconds / 2)
    if server := getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None):
        stop(server, "_forkserver_alive_fd", "_forkserver_pid", limit)
    if tracker := getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None):
        stop(tracker, "_fd", "_pid", limit)
    for one in left:
        if one._callback is not None:  # else it was called
            try:
                one._callback(*one._args, **one._kwargs)
            except OSError:
                pass


def end_processes(seconds):
    processes = getattr(sys.modules.get("multiprocessing.process"), "_children", ())
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in list(processes):
            if not has_ended(process):
                send(process.pid, number)
        wait(lambda: all(map(has_ended, list(processes))), time.monotonic() + seconds / 2)


left = []


def remember(finalizers):
    """By atexit, before multiprocessing forgets those that it leaves to the end of a process: they close descriptors
    of processes and shared memory that the app still holds."""
    left.extend(one for (priority, _), one in list(finalizers.items()) if priority is None)


def has_ended(process):
    try:
        return process._popen is None or process._popen.poll() is not None
    except Exception:
        return True


def stop(server, descriptor, pid, limit):
    """Both end when nobody holds the other end of their pipe any more. One of a parent is none of ours: no pid."""
    fd, child = getattr(server, descriptor, None), getattr(server, pid, None)
    if fd is None or child is None:
        return
    setattr(server, descriptor, None)
    setattr(server, pid, None)
    os.close(fd)
    if not wait(lambda: is_reaped(child), limit):
        send(child, signal.SIGKILL)
        wait(lambda: is_reaped(child), time.monotonic() + 0.5)


def is_reaped(pid):
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True


def send(pid, number):
    try:
        os.kill(pid, number)
    except (OSError, TypeError):
        pass


def wait(done, limit):
    pause = 0.001
    while not (over := done()) and time.monotonic() < limit:
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    return over
