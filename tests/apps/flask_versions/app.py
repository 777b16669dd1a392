"""Answers with the version that three modules have, one of them imported inside the view."""
import os

from flask import Flask, request

import first
import second.part

app = Flask(__name__)


@app.route("/")
def versions():
    import late

    return f"{first.VERSION} {second.part.VERSION} {late.VERSION} {request.args.get('n', '')} {os.getpid()}"
