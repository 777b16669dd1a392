"""From saving a file to the first answer of new code with `moultd run`: a Flask app and a Django project
of 100 modules, both at rest before each edit. With `spare` off, on and for packages the same binary shows
what the interpreter that stands ready is worth."""
import os
import statistics
import subprocess
import time

from moult import BIN, FLASK_APP, Moult, get, until

MODULES = 100
SETTINGS = """SECRET_KEY = "x"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site0.urls"
WSGI_APPLICATION = "site0.wsgi.application"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.common.CommonMiddleware",
              "django.middleware.csrf.CsrfViewMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
"""
VIEWS = """from django.http import HttpResponse
VERSION = "v0"
def index(request):
    return HttpResponse(VERSION)
"""


def django_project(modules=MODULES):
    """Files of a project whose views import that many modules of its own, each with some code."""
    body = "\n\n".join(f"class Model{n}:\n    def method(self, a, b=1):\n        return [a, b, {n}]\n\n"
                       f"def function_{n}(x):\n    return {{'x': x, 'n': {n}}}" for n in range(12))
    files = {f"site0/parts/part{i}.py": f"import dataclasses, functools\n\n{body}\n" for i in range(modules)}
    files |= {
        "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site0.settings")\n',
        "site0/__init__.py": "",
        "site0/parts/__init__.py": "",
        "site0/settings.py": SETTINGS,
        "site0/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
        "site0/urls.py": "from django.urls import path\nfrom site0 import views\n"
                         'urlpatterns = [path("", views.index)]\n',
        "site0/views.py": "".join(f"from site0.parts import part{i}\n" for i in range(modules)) + VIEWS,
    }
    return files


class Run(Moult):
    """`moultd run` of one project."""

    def __init__(self, files, python):
        super().__init__({}, python=python)
        for name, text in files.items():
            self.write(f"app/{name}", text)

    def __enter__(self):
        environment = dict(os.environ, HOME=self.folder, MOULT_SOCKET=self.socket)
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen(
            [f"{BIN}/moultd", "run", f"{self.folder}/app", "--listen", f"127.0.0.1:{self.port}",
             "--python", self.python], env=environment, stderr=self.log, start_new_session=True)
        until(lambda: self.apps_are_running(), "the app runs")
        return self


def edit_times(files, file, python, times):
    """Milliseconds from the write to the first answer of new code."""
    found = []
    with Run(files, python) as moult:
        connection = moult.connect()
        for i in range(times + 1):
            time.sleep(1.0)  # as a person does; a spare is made meanwhile
            began = time.monotonic()
            moult.write(f"app/{file}", files[file].replace("v0", f"v{i + 1}"))
            while get(connection)[1] != f"v{i + 1}":
                if time.monotonic() > began + 30:
                    raise RuntimeError("new code never came")
                time.sleep(0.001)
            found.append((time.monotonic() - began) * 1000)
        parts = [generation["make_seconds"] * 1000 for generation in
                 moult.control("generations", app="app")["generations"][:times]]
    return found[1:], parts


def run(options):
    projects = {
        "Flask": ({"app.py": FLASK_APP}, "app.py"),
        f"Django, {MODULES} modules": (django_project(), "site0/views.py"),
    }
    for name, (files, file) in projects.items():
        times, makes = edit_times(files, file, options.python, options.times)
        print(f"edits: {name}: save to first answer of new code, {options.times} edits, moultd run: "
              f"median {statistics.median(times):.0f} ms, min {min(times):.0f}, max {max(times):.0f}; "
              f"of that making {statistics.median(makes):.0f}")
