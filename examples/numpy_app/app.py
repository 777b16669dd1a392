"""Numbers by NumPy, which refuses sub-interpreters: Moult gives the app a process of its own."""

import json
from urllib.parse import parse_qs

import numpy as np


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    size = min(int(query.get("size", ["3"])[0]), 500)
    matrix = np.arange(size * size, dtype=float).reshape(size, size)
    answer = {
        "numpy": np.__version__,
        "trace": float(np.trace(matrix)),
        "rank": int(np.linalg.matrix_rank(matrix)),
        "multiprocess": bool(environ["wsgi.multiprocess"]),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode() + b"\n"]
