"""Says what an exception was, as text that can leave the interpreter."""

import os
import re
import sys
import threading
import traceback

LIMIT = 64 * 1024
# Python 3.15 gives this advice where it was started with -S, as every host is.
NO_SITE_ADVICE = re.compile(r"\. Site initialization is disabled, [^\n]*")

tree = ""


def install():
    """Python's own hooks print by C code that reads source lines from the disk (before 3.13; the last of
    them also later). These get them from linecache, which is of the generation."""
    if sys.version_info < (3, 13):
        sys.excepthook = sys.__excepthook__ = show
        threading.excepthook = threading.__excepthook__ = show_of_thread
    sys.unraisablehook = sys.__unraisablehook__ = show_unraisable


def show(kind, error, trace):
    if sys.stderr is not None:
        traceback.print_exception(kind, error, trace, file=sys.stderr)


def show_of_thread(args):
    if args.exc_type is not SystemExit and sys.stderr is not None:
        name = args.thread.name if args.thread is not None else threading.get_ident()
        print(f"Exception in thread {name}:", file=sys.stderr)
        show(args.exc_type, args.exc_value, args.exc_traceback)


def show_unraisable(args):
    if sys.stderr is None:
        return
    try:
        place = repr(args.object)
    except Exception:
        place = "<object repr() failed>"
    what = args.err_msg or "Exception ignored in"
    print(f"{what}:" if args.object is None else f"{what}: {place}", file=sys.stderr)
    show(args.exc_type, args.exc_value, args.exc_traceback)


def describe(error):
    """(one line, whole traceback, file, line): file is the innermost one inside the app's tree."""
    file, line = place_of(error)
    try:
        text = "".join(without_own_frames(traceback.TracebackException.from_exception(error)).format())
    except Exception as failure:  # a __str__ that raises, for example
        text = f"{type(error).__name__} (its traceback cannot be shown: {failure!r})\n"
    text = NO_SITE_ADVICE.sub("", text)
    if type(error).__module__.startswith("_moult"):
        return str(error)[:2000], shortened(text), file, line
    return NO_SITE_ADVICE.sub("", one_line_of(error))[:2000], shortened(text), file, line


def one_line_of(error):
    """The type and the message, without the notes that 3.11 puts behind them."""
    try:
        report = traceback.TracebackException.from_exception(error)
        report.__notes__ = None
        last = list(report.format_exception_only())[-1]
        return " ".join(part.strip() for part in last.splitlines())
    except Exception:
        return type(error).__name__


def without_own_frames(report):
    """Drops Moult's and the import system's frames, which tell an app's author nothing."""
    seen = set()
    todo = [report]
    while todo:
        part = todo.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        part.stack = traceback.StackSummary.from_list([f for f in part.stack if not is_own(f.filename)])
        todo += [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or [])]
    return report


def is_own(filename):
    return filename.startswith(("<moult", "<frozen importlib"))


def place_of(error):
    if isinstance(error, SyntaxError) and error.filename and in_tree(error.filename):
        return error.filename, error.lineno or 0
    place = "", 0
    frame = error.__traceback__
    while frame is not None:
        filename = frame.tb_frame.f_code.co_filename
        if in_tree(filename):
            place = filename, frame.tb_lineno or 0
        frame = frame.tb_next
    return place


def in_tree(filename):
    return bool(tree) and filename.startswith(tree + os.sep) and "/site-packages/" not in filename[len(tree) :]


def shortened(text):
    if len(text.encode("utf-8", "backslashreplace")) <= LIMIT:
        return text
    half = LIMIT // 8  # a character may take four bytes, twice half of them are kept
    return text[:half] + "\n  [... the middle of this traceback was left out ...]\n" + text[-half:]
