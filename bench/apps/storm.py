"""An app of the storm: calls its peer all the time, and counts what it calls and what is called in it.

A generation tells its counts at its end, in a retire hook: one line of JSON in the file $TOLD.
"""
import collections
import json
import os
import threading
import urllib.parse

import moult
import part

VERSION = 0
PEER = os.environ["PEER"]
lock = threading.Lock()
served = 0
called = collections.Counter()  # generation of the peer -> answers


@moult.export
def double(number, text, deeper):
    """The answer, and what code gave it: this module, one imported with it, one imported only here."""
    global served
    import late

    with lock:
        served += 1
    inner = call_peer("enter", number + 1, deeper - 1) if deeper else []
    me = moult.current()
    return {"double": 2 * number, "text": text, "app": me.app, "generation": me.generation,
            "versions": [VERSION, part.VERSION, late.VERSION], "inner": inner}


def call_peer(kind, number, deeper):
    """[[generation, version] of each app on the way], after the checks; counts the answer."""
    text = f"{number}-{'x' * (number % 500)}"
    if kind == "enter":
        answer = moult.call(PEER, "double", number, text, deeper=deeper)
    elif kind == "timeout":
        answer = moult.call(PEER, "double", number, text, deeper=deeper, timeout=120.0)
    else:
        answer = moult.submit(PEER, "double", number, text, deeper=deeper).result(120)
    with lock:
        called[answer["generation"]] += 1
    if answer["double"] != 2 * number or answer["text"] != text or answer["app"] != PEER:
        raise AssertionError(f"a wrong answer: {answer}")
    if len(set(answer["versions"])) != 1:
        raise AssertionError(f"an answer of several versions: {answer['versions']}")
    return [[answer["app"], answer["generation"], answer["versions"][0]], *answer["inner"]]


def many(first, calls, seen):
    for number in range(first, first + calls):
        kind = ("enter", "enter", "enter", "timeout", "submit")[number % 5]
        seen += call_peer(kind, number, 2 if number % 7 == 0 else 0)


@moult.retire
def tell_counts():
    me = moult.current()
    with lock:
        text = json.dumps({"app": me.app, "generation": me.generation, "served": served, "called": called})
    with open(os.environ["TOLD"], "a") as file:
        file.write(text + "\n")


def application(environ, start_response):
    """Calls from this worker and from a thread of the app's own, at the same time."""
    asked = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    first, calls, seen, errors = int(asked["first"]), int(asked["calls"]), [], []

    def beside():
        try:
            many(first + calls, calls, seen)
        except BaseException as error:
            errors.append(repr(error))

    thread = threading.Thread(target=beside)
    thread.start()
    try:
        many(first, calls, seen)
    except Exception as error:
        errors.append(repr(error))
    thread.join()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"versions": sorted(set(map(tuple, seen))), "errors": errors}).encode()]
