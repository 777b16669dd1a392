"""What uWSGI loads: it measures while it is imported, and leaves the figures in a file."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import rivals  # noqa: E402

figures = rivals.uwsgi_rpc(int(os.environ["CALLS"]), int(os.environ["WARMUP"]))
with open(os.environ["FIGURES"] + ".new", "w") as file:
    json.dump(figures, file)
os.rename(file.name, os.environ["FIGURES"])


def application(environ, start_response):
    start_response("200 OK", [])
    return []
