"""The app that is called."""
import decimal

import moult

MIB = bytes(1 << 20)


@moult.export
def echo(value):
    return value


@moult.export
def size(data):
    return len(data)


@moult.export
def give():
    return MIB


@moult.export
def fail(text):
    raise ValueError(text)


@moult.export
def price(value):
    return decimal.Decimal(value) / 3


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"echo"]
