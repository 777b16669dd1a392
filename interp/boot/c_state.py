"""C modules of the standard library that keep their state for the whole process, up to 3.12: each interpreter
gets what is its own (on 3.12 not all of it: there interpreters cannot share what Python code has made, and `auto` gives
each app a process). The main interpreter has imported them first (preimport.py), so that none takes its
state from an interpreter that ends."""

import gc
import os
import sys

from _moult import guards, stand_ins, verdict


def install(mode):
    if mode == "main":
        return
    guards.after_import("ssl", own_certificates)
    if sys.version_info < (3, 14):
        complete_token()
    if mode != "shared" or sys.version_info >= (3, 13):
        return
    # Its caches and exceptions are those of the last interpreter that imported it, and go with any that ends.
    # zoneinfo has a Python part that does the same.
    sys.modules["_zoneinfo"] = None
    if sys.version_info < (3, 12):
        guards.after_import("decimal", own_decimal)
        guards.after_import("array", own_array)


def own_decimal(module):
    if isinstance(module.setcontext, type(own_decimal)):
        return  # all of it is Python: an app has kept _decimal out
    # As the C module does; in a frame of decimal, so that a spare (shelf.py) counts it to that.
    numbers = eval("__import__('numbers')", vars(module))
    numbers.Number.register(module.Decimal)
    rational = class_of_rationals(module.Decimal)
    if rational not in (None, numbers.Rational):
        rational.register(numbers.Rational)
    templates = {name: own_template(module, name) for name in ("DefaultContext", "BasicContext", "ExtendedContext")}
    vars(module).update(templates)
    own = tuple(templates.values())
    real = module.setcontext

    def setcontext(context, /):
        """Set a new default context."""
        real(context.copy() if any(context is template for template in own) else context)

    module.setcontext = setcontext
    stand_ins.name(module)


def class_of_rationals(decimal):
    """The class numbers.Rational that _decimal compares with: that of the interpreter which imported it first,
    and which nothing else leads to. A hack: isinstance() asks its second argument, whose method then has the
    class in its frame while it asks the first."""
    found = []

    class Probe:
        @property
        def __class__(self):
            found.append(sys._getframe(1).f_locals.get("cls"))
            return object

    decimal() == Probe()
    return found[0] if found else None


def own_template(module, name):
    """A context that others are made from. The C module's own objects are those of all interpreters."""
    shared = getattr(module, name)

    class Context(module.Context):
        def __setattr__(self, attribute, value):
            if name == "DefaultContext" and value != getattr(self, attribute):
                told_default_context()
            super().__setattr__(attribute, value)

        def __reduce__(self):
            return self.copy().__reduce__()

    Context.__module__ = "decimal"
    Context.__qualname__ = "Context"
    settings = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    flags, traps = ([signal for signal, is_set in table.items() if is_set] for table in (shared.flags, shared.traps))
    own = Context(**{setting: getattr(shared, setting) for setting in settings}, flags=flags, traps=traps)
    if name == "DefaultContext":
        default.update(module=module, traps=dict(own.traps))
    return own


default = {}  # the module decimal, and the traps that DefaultContext had at first


def check_after_import():
    """What an app does to DefaultContext.traps is no attribute that is set."""
    if default and dict(default["module"].DefaultContext.traps) != default["traps"]:
        told_default_context()


def told_default_context():
    verdict.process_wanted("a change of decimal.DefaultContext", "new threads of the whole process begin with it")
    raise RuntimeError('decimal.DefaultContext is that of the process: set isolation = "process" for this app')


def own_array(module):
    """3.11 keeps the function that makes an array anew of the interpreter that pickled one first: no other could
    pickle one. Python code may not change the type, so this goes to its dictionary, before the name has been
    looked up: what the type has looked up it remembers."""
    (names,) = gc.get_referents(vars(module.array))
    real = names["__reduce_ex__"]

    def __reduce_ex__(self, protocol, /):
        """Return state information for pickling."""
        function, *state = real(self, protocol)
        own = module._array_reconstructor
        return own if getattr(function, "__name__", "") == own.__name__ else function, *state

    names["__reduce_ex__"] = __reduce_ex__


def complete_token():
    """Up to 3.13 contextvars.Token.MISSING exists in the main interpreter only. This type is closed as well."""
    from _contextvars import ContextVar, Token

    if "MISSING" not in vars(Token):
        (names,) = gc.get_referents(vars(Token))
        names["MISSING"] = ContextVar("asks for it").set(None).old_value


def own_certificates(module):
    """OpenSSL looks for SSL_CERT_FILE and SSL_CERT_DIR in the C environment, which is the host's."""
    real = module.SSLContext.set_default_verify_paths

    def set_default_verify_paths(self):
        """Load the default certificates, as the environment names them."""
        default = module.get_default_verify_paths()
        if not (os.environ.get(default.openssl_cafile_env) or os.environ.get(default.openssl_capath_env)):
            return real(self)
        for place in ({"cafile": default.cafile}, {"capath": default.capath}):
            try:
                if any(place.values()):
                    self.load_verify_locations(**place)
            except OSError:
                pass  # as OpenSSL does with what is not there or no certificate

    set_default_verify_paths.__qualname__ = "SSLContext.set_default_verify_paths"
    module.SSLContext.set_default_verify_paths = set_default_verify_paths
