"""An order is so many pieces of an item. What one costs, billing knows."""

import moult

billing = moult.app("billing")


def page(path):
    if path == "/history":
        return "".join(f"{item}: {count}\n" for item, count in moult.call("billing", "history"))
    item, _, count = path.strip("/").partition("/")
    try:
        total = int(count or 1) * billing.price(item or "tea")
    except moult.RemoteError as error:
        return f"billing says {error.type}: {error.message}\n"
    return f"{item or 'tea'}: {total} EUR (call {moult.request()})\n"


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [page(environ["PATH_INFO"]).encode()]
