"""The smallest app: one WSGI function (PEP 3333)."""

GREETING = "Hello from Moult"


def application(environ, start_response):
    lines = [
        GREETING,
        f"app {environ.get('moult.app', '?')}, generation {environ.get('moult.generation', '?')}",
        f"path {environ['PATH_INFO'] or '/'}",
        "",
        "Change GREETING in examples/hello_wsgi/app.py, save, and ask again.",
    ]
    body = ("\n".join(lines) + "\n").encode()
    start_response(
        "200 OK",
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]
