"""A blog that tells how it was reached."""

import os


def application(environ, start_response):
    mount = environ["SCRIPT_NAME"] or "/"
    text = f"blog at {environ['HTTP_HOST']}, mounted at {mount}; CURRENCY is {os.environ.get('CURRENCY')}\n"
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]
