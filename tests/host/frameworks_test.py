"""What Django and Flask look for on their own: modules by name, folders beside a module."""

import unittest

import case

SETTINGS = """
    SECRET_KEY = 'x'
    ROOT_URLCONF = 'site_urls'
    INSTALLED_APPS = ['blog', 'shop']
    TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True}]
    DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}
    DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'
    """


@unittest.skipUnless(case.has_package("django"), "no Django")
class Django(case.HostCase):
    def test_autodiscovery_commands_migrations_and_templates(self):
        self.tree.write({
            "site_settings.py": SETTINGS,
            "site_urls.py": "from django.utils.module_loading import autodiscover_modules\n"
            "autodiscover_modules('jobs')\nurlpatterns = []\n",
            "registry.py": "found = []\n",
            "blog/__init__.py": "",
            "blog/models.py": "from django.db import models\nclass Entry(models.Model): pass\n",
            "blog/jobs.py": "import registry\nregistry.found.append('blog')\n",
            "blog/templates/page.html": "a {{ word }}",
            "blog/management/__init__.py": "", "blog/management/commands/__init__.py": "",
            "blog/management/commands/tidy.py": """
                from django.core.management.base import BaseCommand
                class Command(BaseCommand):
                    def handle(self, *args, **options):
                        return 'tidied'
                """,
            "blog/migrations/__init__.py": "",
            "blog/migrations/0001_first.py": "from django.db import migrations\n"
            "class Migration(migrations.Migration):\n    dependencies = []\n    operations = []\n",
            "shop/apps.py": "from django.apps import AppConfig\nclass Shop(AppConfig):\n    name = 'shop'\n",
            "shop/__init__.py": "",
        })
        set_up = "import os, django\nos.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\ndjango.setup()\n"
        interp = self.serve(set_up + case.textwrap.dedent(self.RUNS))
        # After the generation was made nothing of this counts.
        self.tree.write({"blog/management/commands/later.py": "", "blog/migrations/0002_later.py": "1 / 0\n"})
        result = self.run_in(interp, """
            import site_urls, registry, warnings
            warnings.simplefilter('ignore')
            from django.apps import apps
            from django.core.management import call_command, get_commands
            from django.db import connection
            from django.db.migrations.loader import MigrationLoader
            from django.template.loader import render_to_string
            result = [registry.found, call_command('tidy'), 'later' in get_commands()]
            result.append(sorted(MigrationLoader(None).disk_migrations))
            result.append(render_to_string('page.html', {'word': 'template'}))
            result.append([config.path for config in apps.get_app_configs()])
            """)
        paths = [self.tree / "blog", self.tree / "shop"]
        self.assertEqual(result, [["blog"], "tidied", False, [("blog", "0001_first")], "a template", paths])


@unittest.skipUnless(case.has_package("flask"), "no Flask")
class Flask(case.HostCase):
    def test_blueprints_root_paths_templates_and_static_files(self):
        self.tree.write({
            "web/__init__.py": """
                import flask
                from .blog import blog
                def create_app():
                    app = flask.Flask(__name__)
                    app.register_blueprint(blog, url_prefix='/blog')
                    @app.route('/')
                    def home():
                        return flask.render_template('home.html', app=app)
                    return app
                """,
            "web/blog/__init__.py": """
                import flask
                blog = flask.Blueprint('blog', __name__, template_folder='pages', static_folder='files')
                from . import views
                """,
            "web/blog/views.py": """
                import flask
                from . import blog
                @blog.route('/')
                def index():
                    return flask.render_template('blog.html', path=blog.root_path)
                """,
            "web/templates/home.html": "{{ app.root_path }} {{ app.instance_path }}",
            "web/blog/pages/blog.html": "blog in {{ path }}",
            "web/blog/files/x.txt": "static",
            "space/part/views.py": "import flask\nblueprint = flask.Blueprint('part', __name__)\n",
        })
        interp = self.serve("from web import create_app\napplication = create_app()\n")
        self.assertEqual(interp.get("/").body.decode(), f"{self.tree / 'web'} {self.tree / 'instance'}")
        self.assertEqual(interp.get("/blog/").body.decode(), f"blog in {self.tree / 'web/blog'}")
        self.assertEqual(interp.get("/blog/files/x.txt").body, b"static")
        other = self.serve(self.RUNS, name="other.py")
        result = self.run_in(other, """
            import flask, space.part.views
            result = space.part.views.blueprint.root_path, flask.Flask('web').root_path
            """)
        self.assertEqual(result, (self.tree / "space/part", self.tree / "web"))


if __name__ == "__main__":
    unittest.main()
