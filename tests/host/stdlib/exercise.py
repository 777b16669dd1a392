"""Imports and exercises modules of the standard library and says in plain texts what came of it.

Runs in an interpreter of a host and, as the measure, in plain Python. So what it says must not depend on
addresses, times, paths or the order of threads.
"""

import collections.abc
import contextlib
import copy
import importlib
import io
import numbers
import os
import pickle
import re
import sys
import traceback
import types
import warnings

import cases

ABSTRACT = [
    *(getattr(collections.abc, name) for name in collections.abc.__all__),
    *(getattr(numbers, name) for name in ("Number", "Complex", "Real", "Rational", "Integral")),
    io.IOBase,
    io.RawIOBase,
    io.BufferedIOBase,
    io.TextIOBase,
    os.PathLike,
    contextlib.AbstractContextManager,
    contextlib.AbstractAsyncContextManager,
]
CONSTANT = (int, float, complex, str, bytes, bool, type(None))
ARGUMENTS = [(), ([],), ({},), ("a",), (b"a",), ("a", "b")]

# What they make reads, writes, listens, connects or starts something when it is made.
NOT_MADE = re.compile(
    r"(_?io|_pyio|tempfile|mailbox|dbm|_dbm|_gdbm|shelve|zipfile|tarfile|gzip|wave|aifc|sunau|fileinput|venv|distutils"
    r"|imaplib|poplib|nntplib|telnetlib|smtplib|smtpd|ftplib|socketserver|xmlrpc|http|urllib|wsgiref|webbrowser"
    r"|multiprocessing|tkinter|_tkinter|turtle|curses|_curses\w*|lib2to3|pydoc|logging|asyncore|asynchat|subprocess"
    r"|sqlite3|_sqlite3|builtins|profiling|pipes|sys|test|unittest|site|_sitebuiltins|_pyrepl|concurrent\.interpreters|_interp\w*)(\.|$)"
    r"|_?asyncio\..*([Ll]oop|Policy|Runner|Watcher|Transport|Task)|(threading|_thread)\.\w*(Local|ThreadHandle)"
)
# What is about this process or this moment, or the order of a set of texts, which each process has of its own.
NO_CONSTANTS = re.compile(r"(sys|builtins|site|sysconfig|_sysconfigdata\w*|os|posix|time|__main__|tokenize|smtpd)$")
# Shifts as the process goes, or is bound to the way an executable was started.
PASSING = re.compile(r"_?(pid|start|time|main_thread|count|counter|ident|home|executable|argv|path)\b", re.I)


def run(names):
    """{module: {what: text}}"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: exercise(name) for name in names}


def note(text):
    """For whom finds that this process has ended: what it was at."""
    with open("at", "w") as file:
        file.write(text)


def exercise(name):
    note(name)
    facts = {"import": "ok"}
    try:
        import_public(name)
        module = importlib.import_module(name)
    except BaseException as error:
        return {"import": said(error)}
    for key, value in sorted(vars(module).items(), key=lambda item: str(item[0])):
        if not isinstance(key, str) or key.startswith("__") or isinstance(value, types.ModuleType):
            continue
        if key.startswith("_") and not isinstance(value, type):
            continue
        try:
            facts[key] = about(name, key, getattr(module, key))  # 3.15 may import it only now
        except BaseException:
            facts[key] = "the exercise failed: " + traceback.format_exc()
    for title, case in cases.of(name):
        facts[title] = answer(case)
    return facts


def import_public(name):
    """An accelerator comes with the module that it belongs to, in real life."""
    if name.startswith("_"):
        with contextlib.suppress(ImportError):
            importlib.import_module(PUBLIC.get(name, name[1:]))


PUBLIC = {"_elementtree": "xml.etree.ElementTree", "_ssl": "ssl", "_posixsubprocess": "subprocess"}


def answer(function):
    try:
        return plain(function())
    except BaseException as error:
        return "raised " + said(error)


def plain(value):
    text = re.sub(r"0x[0-9a-f]{6,}", "0x…", repr(value))
    text = re.sub(
        r"cannot pickle '_io.TextIOWrapper' object", "cannot pickle 'TextIOWrapper' instances", text
    )  # until 3.12
    return re.sub(r"(recursion depth exceeded).*?(?=['\"])", r"\1", text)[:2000]


def said(error):
    return f"{type(error).__module__}.{type(error).__qualname__}: {plain(str(error))}"


def full_name(kind):
    return f"{kind.__module__}.{kind.__qualname__}"


def about(name, key, value):
    if isinstance(value, type):
        return about_class(value, name)
    if isinstance(value, CONSTANT):
        kept = NO_CONSTANTS.match(name) or PASSING.search(key)
        return type(value).__name__ if kept else plain(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"function, pickled: {answer(lambda: pickled(value) is value)}"
    return full_name(type(value))


def about_class(kind, name):
    facts = [" > ".join(full_name(base) for base in kind.__mro__)]
    if kind.__module__.lstrip("_") != name.lstrip("_"):
        return facts[0]  # it is exercised where it is at home
    home = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        home = getattr(home, part, None)
    facts.append(f"found by its name: {home is kind}")
    facts.append(
        "is "
        + " ".join(abstract.__name__ for abstract in ABSTRACT if answer(lambda: issubclass(kind, abstract)) == "True")
    )
    if not kind.__name__.startswith("_") and not NOT_MADE.match(full_name(kind)):
        facts += about_instance(kind)
    return "; ".join(facts)


def about_instance(kind):
    for arguments in ARGUMENTS:
        try:
            instance = kind(*arguments)
            break
        except Exception:
            pass
    else:
        return [f"not made: {answer(kind)}"]
    facts = [f"made of {arguments}", f"exactly it: {type(instance) is kind}"]
    facts.append(
        "has " + " ".join(one.__name__ for one in ABSTRACT if answer(lambda: isinstance(instance, one)) == "True")
    )
    if isinstance(instance, BaseException):
        facts.append(answer(lambda: caught(instance, kind)))
    for way in (pickled, copy.copy, copy.deepcopy):
        facts.append(f"{way.__name__}: {answer(lambda: of_the_same_kind(way(instance), kind))}")
    return facts


def caught(error, kind):
    try:
        raise error
    except kind as again:
        return again is error


def pickled(instance):
    return pickle.loads(pickle.dumps(instance))


def of_the_same_kind(other, kind):
    return type(other) is kind or full_name(type(other))
