"""What Django leaves to its own server or to the first request."""

import _moult
from _moult import start


def complete(found):
    """The WSGI callable, with what `runserver` would add to it."""
    from django.conf import settings

    if not settings.configured:
        return found
    import_urls(settings)
    return with_static_files(settings, found)


def import_urls(settings):
    """Django imports its URL configuration, and with it the views, at the first request: too late to
    find out that they are broken."""
    from django.urls import get_resolver

    if getattr(settings, "ROOT_URLCONF", None):
        get_resolver().url_patterns


def with_static_files(settings, found):
    """With DEBUG the files of django.contrib.staticfiles, the admin's for one, are served as by runserver."""
    url = getattr(settings, "STATIC_URL", None) or ""
    path = "/" + url.lstrip("/")
    is_served = any(path.startswith(prefix) for prefix in start.static) or "whitenoise" in str(settings.MIDDLEWARE)
    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS or "//" in url or path == "/" or is_served:
        return found
    if settings.DEBUG:
        from django.contrib.staticfiles.handlers import StaticFilesHandler

        return found if isinstance(found, StaticFilesHandler) else StaticFilesHandler(found)
    if start.cause == "start":
        root = getattr(settings, "STATIC_ROOT", None) or "STATIC_ROOT"
        _moult.log_write(
            "m",
            f"{path} (static files of Django) is served by runserver and with DEBUG only: "
            f'run `manage.py collectstatic` and set static = {{ "{path}" = "{root}" }}, or have the web server do it\n',
        )
    return found
