"""A shop with one price list; CURRENCY is in this app's environment alone."""

import os

PRICES = {"/tea": 4, "/cake": 6}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in PRICES:
        status, text = "200 OK", f"{path[1:]}: {PRICES[path]} {os.environ['CURRENCY']}\n"
    else:
        links = [environ["SCRIPT_NAME"] + item for item in PRICES]
        status, text = "200 OK", "shop: " + " ".join(links) + "\n"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]
