"""How long the import of a Django project of 300 modules takes: cold, and with code that was compiled before.

Each round has a cache folder of its own. `cold`: a new host, nothing is cached. `disk`: another new host, as after
a roll-back, a recycling or a restart of the daemon. `memory`: once more in that host. `none`: a new host without
a cache. `own` is the time in the project's own import statements, `all` from `make` to `made` (Django's import
among it); the CPU time is that of the importing thread. The hosts are driven without a daemon: nothing is settled,
read or switched here.
"""
import os
import shutil
import statistics
import sys
import tempfile

from moult import BIN, TOP

APPS = 10
PARTS = 27  # of each app, beside __init__, models and urls

SETTINGS = """
SECRET_KEY = "x"
ROOT_URLCONF = "site_urls"
INSTALLED_APPS = [f"app{i}" for i in range(%d)]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""
ENTRY = """
import os, time
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django.core.wsgi, django.db.models, django.forms, django.http, django.urls
began, began_cpu = time.monotonic(), time.thread_time()
django_application = django.core.wsgi.get_wsgi_application()
import site_urls
own, cpu = time.monotonic() - began, time.thread_time() - began_cpu
def application(environ, start_response):
    start_response("200 OK", [])
    return [f"{own} {cpu}".encode()]
"""
MODEL = """
class Model{0}(models.Model):
    name = models.CharField(max_length=100)
    count = models.IntegerField(default=0)

    def __str__(self):
        return self.name
"""
VIEW = """
def view{0}(request, number=0):
    values = [number + step for step in range(10) if step % 2]
    names = {{str(value): value * 2 for value in values}}
    if request.method == "POST":
        for name, value in names.items():
            if value > 10:
                return HttpResponse(f"{{name}} is {{value}}", status=400)
        return HttpResponse(", ".join(sorted(names)))
    try:
        return HttpResponse("\\n".join(f"{{name}}: {{value}}" for name, value in names.items()))
    except ValueError as error:
        return HttpResponse(str(error), status=500)


class Thing{0}:
    limit = {0}

    def __init__(self, name, size=1):
        self.name, self.size = name, size

    @property
    def label(self):
        return f"{{self.name}} ({{self.size}})"

    def grow(self, by=1):
        self.size = min(self.limit, self.size + by)
        return self
"""


def project():
    """{name: text} of all files: 300 modules and an entry."""
    files = {"app.py": ENTRY, "site_settings.py": SETTINGS % APPS}
    for app in range(APPS):
        name = f"app{app}"
        models = "".join(MODEL.format(i) for i in range(3))
        files[f"{name}/__init__.py"] = ""
        files[f"{name}/models.py"] = "from django.db import models\n" + models
        for part in range(PARTS):
            text = "".join(VIEW.format(i) for i in range(8))
            files[f"{name}/part{part}.py"] = f"from django.http import HttpResponse\nfrom . import models\n{text}"
        imports = "".join(f"from . import part{part}\n" for part in range(PARTS))
        paths = "".join(f"    path('{part}/', part{part}.view0),\n" for part in range(PARTS))
        files[f"{name}/urls.py"] = f"from django.urls import path\n{imports}urlpatterns = [\n{paths}]\n"
    includes = "".join(f"    path('{app}/', include('app{app}.urls')),\n" for app in range(APPS))
    files["site_urls.py"] = f"from django.urls import include, path\nurlpatterns = [\n{includes}]\n"
    return files


def imports(options):
    os.environ["MOULT_HOST_PYTHON"] = options.python
    os.environ["MOULT_MODULE_DIR"] = os.path.join(os.path.dirname(BIN), "lib/moult")
    sys.path.insert(0, os.path.join(TOP, "tests/support"))
    from host_driver import Host, Tree

    tree = Tree(project())
    times = {}

    def load(kind, host):
        interp = host.make(tree, tree / "app.py")
        own, cpu = (float(text) for text in interp.get().body.split())
        times.setdefault(kind, []).append((own * 1000, cpu * 1000, interp.made["seconds"] * 1000))
        interp.retire()

    try:
        for _ in range(options.times):
            top = tempfile.mkdtemp(prefix="moult-bench-")
            cache = os.path.join(top, "moult")
            for kinds, folder in ((("none",), None), (("cold",), cache), (("disk", "memory"), cache)):
                host = Host(cache=folder)
                try:
                    for kind in kinds:
                        load(kind, host)
                    wait_for_writer(folder, len(tree.sources()))
                finally:
                    host.close()
            shutil.rmtree(top)
    finally:
        tree.remove()
    for kind, measured in times.items():
        own, cpu, whole = (statistics.median(column) for column in zip(*measured))
        print(f"imports: Django project of {APPS * (PARTS + 3)} modules, {kind:6}: p50 of {len(measured)}: "
              f"own {own:.0f} ms ({cpu:.0f} ms of CPU), all {whole:.0f} ms")


def wait_for_writer(folder, files):
    while folder and len([name for name in os.listdir(folder + "/code") if name[0] != "."]) < files:
        pass
