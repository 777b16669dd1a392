"""What shows that the app cannot live in a sub-interpreter: an extension module that refuses, a call that
would change the whole process. With isolation = "auto" the daemon then makes the generation anew in a
process of its own, and the call that met it is served there."""

import sys

import _moult

notes = {}  # by name: (what, its file, what it said, file and line of the app)
serving = False  # the daemon knows what was noted while the app was loaded


class Moved(BaseException):
    """Unwinds what is to be done once more in a process of the app's own. An app cannot keep it: the answer of
    a call in which it was raised is not sent."""

    __module__ = "moult"


def process_wanted(what, why, path=""):
    """Says that the app belongs into a process of its own because of `what`, as in
    process_wanted("resource.setrlimit()", "it would bound all apps of the host"). Returns where the app
    stays (isolation = "interpreter"), is in such a process, or runs what cannot be done again: then the
    caller decides what becomes of it."""
    is_news = what not in notes
    if is_news:
        notes[what] = what, path, why, *place_in_app()
    if serving and is_news:
        _moult.refused(*notes[what])
    if _moult.may_move() and (not serving or _moult.move_call()):
        raise Moved(f"{what}: {why}")


def place_in_app():
    """File and line of the innermost frame inside the app's tree, else of one outside of the library."""
    from _moult import errors, guards

    frame = sys._getframe(2)
    while frame is not None:
        if errors.in_tree(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return guards.caller()


def take_notes():
    """All that was noted while the app was loaded; from here on the daemon is told of each at once."""
    global serving
    serving = True
    return list(notes.values())
