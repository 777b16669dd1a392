"""What becomes of an app in a process that it forks, as multiprocessing does."""

import os
import sys
import threading

import _signal

is_child = False


def install():
    """In process isolation; sub-interpreters cannot fork. After threading's own function of this kind."""
    os.register_at_fork(after_in_child=on_fork)


def on_fork():
    global is_child
    is_child = True
    _signal.set_wakeup_fd(-1)
    thread = threading.current_thread()
    # A worker is no thread of threading's making. What is left alone in a process is its main thread, and
    # multiprocessing ends its children as such.
    if isinstance(thread, threading._DummyThread):
        thread.__class__ = threading._MainThread
        thread._name = "MainThread"
        thread._daemonic = False
        if hasattr(thread, "_set_tstate_lock") and thread._tstate_lock is None:  # up to 3.12
            thread._set_tstate_lock()
    threading._main_thread = thread
    if (queues := sys.modules.get("concurrent.futures.thread")) is not None:
        queues._threads_queues.clear()  # their threads are the parent's
