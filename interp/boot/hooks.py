"""What an app wants done when its generations begin and end: the hooks of the module `moult`."""

import sys
import time

import _moult
from _moult import guards, on_demand, start

# What makes a call of a function give an object that still has to be run, instead of running it:
# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR (inspect is not imported for them).
NOT_AT_ONCE = 0x20 | 0x80 | 0x200

generation = on_demand.facts["generation"]
loaded = start.reported  # the daemon knows by now which hooks there are
ready_hooks = []
retire_hooks = []
handoff_hook = None
adopt_hook = None


def ready(function):
    """Has `function()` called before this generation serves, in each of its interpreters.

    Several are possible; they run in the order in which they were defined, after `adopt` and before
    the warm-up. An exception rejects the generation: the one before serves on. Together with the
    import they have `start_timeout`. Returns the function.

        @moult.ready
        def check_database():
            connect().execute("SELECT 1")
    """
    check("ready", function)
    ready_hooks.append(function)
    return function


def handoff(function):
    """Has `function()` called in the generation that serves when a new one has been imported and has
    an `adopt` hook; what it returns is given to that. Returns the function.

    It runs on a worker like a call, beside others, and has `handoff_timeout` seconds. The generation
    serves on afterwards, for good if the new one is rejected: it must not give away what it needs.
    The result must be something that an argument of a call can be. One per app.

        @moult.handoff
        def give():
            return {"sessions": SESSIONS}
    """
    global handoff_hook
    check("handoff", function)
    tell_replaced("handoff", handoff_hook, function)
    handoff_hook = function
    return function


def adopt(function):
    """Has `function(state, generation)` called in each interpreter of a new generation, before `ready`
    hooks, with what `handoff` returned and the number of the generation that it was called in.
    Returns the function.

    Not called when there is nothing to adopt: at the first start, after a crash, when the old code
    has no `handoff`. An exception, or more than `handoff_timeout` seconds, is logged and the
    generation starts without the state; with `adopt = "required"` it is rejected. One per app.

        @moult.adopt
        def take(state, generation):
            SESSIONS.update(state["sessions"])
    """
    global adopt_hook
    check("adopt", function)
    tell_replaced("adopt", adopt_hook, function)
    adopt_hook = function
    return function


def retire(function):
    """Has `function()` called when this generation ends, after its last call and before `atexit`
    functions: to release pools, locks, files. Returns the function.

    Several are possible; they run in the reverse order of their definition, on a thread of their own,
    and have what `retire_timeout` leaves. Exceptions are logged. May be used at any time.

        @moult.retire
        def close_pool():
            POOL.close()
    """
    check("retire", function)
    retire_hooks.append(function)
    return function


def check(kind, function):
    if not callable(function):
        raise TypeError(f"@moult.{kind} is used without arguments, over a function; got {type(function).__name__}")
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & NOT_AT_ONCE:
        raise TypeError(f"a {kind} hook runs to its end: {name_of(function)} is a generator or async function")
    if loaded and kind != "retire":
        text = f"@moult.{kind} came after the app was loaded: {name_of(function)} is not called"
        _moult.notice("warning", text, *guards.caller())


def tell_replaced(kind, before, function):
    if before is not None:
        text = f"@moult.{kind}: {name_of(function)} takes the place of {name_of(before)}; an app has one"
        _moult.notice("warning", text, *guards.caller())


def name_of(function):
    return getattr(function, "__qualname__", None) or repr(function)


def names():
    """The kinds that are defined. From now on it is too late for more of those before traffic."""
    global loaded
    loaded = True
    kinds = ("ready", ready_hooks), ("handoff", handoff_hook), ("adopt", adopt_hook), ("retire", retire_hooks)
    return [kind for kind, found in kinds if found]


def run(name, args=()):
    """One of the daemon's calls. What `handoff` gives are the arguments of `adopt`."""
    kind = name.rpartition(".")[2]
    if kind == "ready":
        for function in list(ready_hooks):
            function()
    elif kind == "handoff" and handoff_hook is not None:
        return handoff_hook(), generation
    elif kind == "adopt" and adopt_hook is not None:
        state, giver = args
        adopt_hook(state, giver)
    return None


def run_retire(end):
    """The retire hooks, latest first, each that can still begin before `end` (time.monotonic)."""
    while retire_hooks:
        function = retire_hooks.pop()
        if time.monotonic() >= end:
            sys.stderr.write(f"moult: retire_timeout was over before the retire hook {name_of(function)}\n")
            continue
        try:
            function()
        except BaseException:
            import traceback

            sys.stderr.write(f"moult: the retire hook {name_of(function)} failed\n{traceback.format_exc()}")
