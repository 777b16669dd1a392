"""The static files of Django's own applications, as runserver serves them."""

import unittest

import case

SETTINGS = """
    DEBUG = {debug}
    SECRET_KEY = 'x'
    ALLOWED_HOSTS = ['*']
    ROOT_URLCONF = 'site_urls'
    INSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth', 'django.contrib.messages',
                      'django.contrib.sessions', 'django.contrib.admin', 'django.contrib.staticfiles']
    MIDDLEWARE = {middleware}
    STATIC_URL = {url!r}
    DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}}}
    DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'
    """
URLS = """
    from django.http import HttpResponse
    from django.urls import path
    urlpatterns = [path('', lambda request: HttpResponse('page'))]
    """
WSGI = """
    import os
    os.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'
    from django.core.wsgi import get_wsgi_application
    application = get_wsgi_application()
    """
CSS = "/static/admin/css/base.css"


@unittest.skipUnless(case.has_package("django"), "no Django")
class DjangoStaticFiles(case.HostCase):
    def site(self, debug=True, url="static/", middleware=(), **options):
        settings = SETTINGS.format(debug=debug, url=url, middleware=list(middleware))
        self.tree.write({"site_settings.py": settings, "site_urls.py": URLS})
        return self.serve(WSGI, name="wsgi.py", cause="start", **options)

    def test_with_debug_they_are_served_and_the_pages_too(self):
        interp = self.site()
        self.assertIn(b"admin", interp.get(CSS).body.lower())
        self.assertEqual(interp.get("/").body, b"page")
        self.assertEqual(interp.get("/static/admin/none.css").status, 404)
        self.assertEqual(interp.made["callable"], "wsgi:application")

    def test_without_debug_the_log_says_how_they_can_be(self):
        interp = self.site(debug=False)
        self.assertEqual(interp.get(CSS).status, 404)
        self.assertIn('static = { "/static/" = "STATIC_ROOT" }', interp.log.wait_for("collectstatic")[1])

    def test_nothing_is_added_where_somebody_else_serves_them(self):
        for options in ({"static": ["/static/"]}, {"url": "https://cdn.example.org/static/"}, {"url": "/"}):
            for debug in (True, False):
                with self.subTest(options, debug=debug):
                    interp = self.site(debug=debug, **options)
                    self.assertEqual(interp.get(CSS).status, 404)
                    self.assertNotIn("collectstatic", interp.log.text())


if __name__ == "__main__":
    unittest.main()
