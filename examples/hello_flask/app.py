"""A Flask app with a template, a form and static files."""

from flask import Flask, render_template, request

app = Flask(__name__)


@app.route("/")
def index():
    return render_template(
        "index.html",
        name=request.args.get("name", "Moult"),
        generation=request.environ.get("moult.generation", "?"),
    )


@app.route("/echo", methods=["POST"])
def echo():
    return {"you_sent": request.get_json(force=True)}
