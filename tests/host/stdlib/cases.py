"""The hand-written exercises, by the module that each is about."""

table = {}


def case(*modules):
    """Registers an exercise: a function without arguments whose result is compared as text."""

    def register(function):
        for module in modules:
            table.setdefault(module, []).append((f"{function.__name__}()", function))
        return function

    return register


def of(module):
    return table.get(module, ())


def raised(function, *arguments, **options):
    """The class and text of what a call raises, else what it returns."""
    try:
        return function(*arguments, **options)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def load():
    import cases_data, cases_flow, cases_language, cases_native, cases_objects  # noqa: E401, F401
    import cases_system, cases_text, cases_web  # noqa: E401, F401
