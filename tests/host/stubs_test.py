"""The type stub of the module `moult` beside what the module is."""

import ast
import json
import os
import subprocess
import unittest

import case
import host_driver

STUBS = os.path.join(host_driver.MODULE_DIR, "python")

# Tells every public name of the module, and what parameters it has: {name: [parameters] or null}, of
# classes their methods and attributes too, as "Class.name". null: it takes none or is no function.
REPORTER = """
    import inspect, json, moult

    def parameters(found):
        try:
            signature = inspect.signature(found)
        except (TypeError, ValueError):
            return None
        return [[p.name, p.kind.name, p.default is not p.empty] for p in signature.parameters.values()]

    def is_public(name):
        return not name.startswith('_') or name in ('__init__', '__enter__', '__exit__', '__next__')

    def report():
        found = {}
        for name in dir(moult):
            if name.startswith('_'):
                continue
            value = getattr(moult, name)
            found[name] = None if isinstance(value, type) else parameters(value)
            if isinstance(value, type):
                for member, of_class in vars(value).items():
                    if is_public(member):
                        found[f'{name}.{member}'] = parameters(of_class) if callable(of_class) else None
        return found

    def application(env, start):
        start('200 OK', [])
        return [json.dumps({'file': getattr(moult, '__file__', None), 'all': moult.__all__, 'names': report()}).encode()]
"""

KINDS = "POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL", "KEYWORD_ONLY", "VAR_KEYWORD"


def parameters_of(function):
    """As inspect tells them: [name, kind, has a default]."""
    args = function.args
    positional = args.posonlyargs + args.args
    without = len(positional) - len(args.defaults)
    found = []
    for number, arg in enumerate(positional):
        found.append([arg.arg, KINDS[number >= len(args.posonlyargs)], number >= without])
    if args.vararg:
        found.append([args.vararg.arg, KINDS[2], False])
    for arg, default in zip(args.kwonlyargs, args.kw_defaults):
        found.append([arg.arg, KINDS[3], default is not None])
    if args.kwarg:
        found.append([args.kwarg.arg, KINDS[4], False])
    return found


def names_in(body, prefix=""):
    """{name: a list of its signatures, or [] of what has none}, with the members of classes."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") or node.name.startswith("__"):
                found.setdefault(prefix + node.name, []).append(parameters_of(node))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found[node.name] = []
            found.update(names_in(node.body, f"{node.name}."))
        elif isinstance(node, ast.AnnAssign) and prefix:
            found[prefix + node.target.id] = []
    return found


def stub():
    with open(os.path.join(STUBS, "moult.pyi"), encoding="utf-8") as file:
        return ast.parse(file.read())


class Stubs(case.HostCase):
    def setUp(self):
        super().setUp()
        # The folder of the stub is on the path, as a careless PYTHONPATH may have it.
        response = self.serve(REPORTER, path=[STUBS]).get()
        self.assertIsNone(response.failed)
        self.found = json.loads(response.body)
        self.stub = names_in(stub().body)

    def test_inside_of_moult_the_real_module_wins(self):
        self.assertIsNone(self.found["file"])

    def test_stub_and_module_have_the_same_names(self):
        given = {name for name in self.stub if "." not in name}
        self.assertEqual(given, {name for name in self.found["names"] if "." not in name})
        listed = next(node.value for node in stub().body if isinstance(node, ast.Assign))
        self.assertEqual(sorted(ast.literal_eval(listed)), self.found["all"])

    def test_classes_have_the_same_methods(self):
        # Attributes that only instances have cannot be seen from the class; nobody makes a Stream.
        real = {name for name, parameters in self.found["names"].items() if "." in name and parameters is not None}
        given = {name for name, signatures in self.stub.items() if "." in name and signatures}
        self.assertEqual(given, real - {"Stream.__init__"})

    def test_current_has_the_attributes_that_it_has(self):
        given = {name for name in self.stub if name.startswith("Current.")}
        self.assertEqual(given, {name for name in self.found["names"] if name.startswith("Current.")})

    def test_parameters_have_the_same_names_kinds_and_defaults(self):
        for name, signatures in self.stub.items():
            for signature in signatures:
                real = self.found["names"][name]
                if len(signatures) > 1 and signature:  # only one of the overloads has a default here
                    signature = [[*signature[0][:2], real[0][2]], *signature[1:]]
                self.assertEqual(signature, real, name)


class Outside(unittest.TestCase):
    def test_outside_of_moult_the_import_says_where_it_can_be_had(self):
        environment = {**os.environ, "PYTHONPATH": STUBS, "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(
            [host_driver.PYTHON, "-c", "import moult"], env=environment, capture_output=True, text=True, timeout=60
        )
        self.assertEqual(ran.returncode, 1)
        self.assertIn("ImportError: moult is there only inside an app that Moult serves: moultd run", ran.stderr)
