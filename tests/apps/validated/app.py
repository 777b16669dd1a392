"""Served through wsgiref's validator, which turns each breach of PEP 3333 into an AssertionError."""
import warnings
from wsgiref.validate import validator

warnings.simplefilter("error")


def inner(env, start):
    body = env["wsgi.input"].read(1 << 20)
    env["wsgi.errors"].write("checked\n")
    start("200 OK", [("Content-Type", "text/plain")])
    if env["PATH_INFO"] == "/parts":
        return iter([b"a", b"", b"b"])
    return [b"valid:" + body]


application = validator(inner)
