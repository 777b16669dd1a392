"""What an app sees of its virtual environment is what that environment's own python says."""

import json
import os
import subprocess
import unittest

import case
from case import Host, Tree
from host_driver import PYTHON, VERSION

FACTS = """
import importlib.metadata, os, site, subprocess, sys, sysconfig
def facts():
    return {
        "executable": sys.executable, "prefix": sys.prefix, "exec_prefix": sys.exec_prefix,
        "base_prefix": sys.base_prefix, "base_exec_prefix": sys.base_exec_prefix,
        "base_executable": os.path.realpath(sys._base_executable),
        "site": site.getsitepackages(), "user": site.ENABLE_USER_SITE, "paths": sysconfig.get_paths(),
        "scheme": sysconfig.get_default_scheme(),
        "variables": [sysconfig.get_config_var(name) for name in ("prefix", "exec_prefix", "base", "installed_base")],
        "packages": sorted({d.metadata["Name"] for d in importlib.metadata.distributions()}),
        "path": [entry for entry in sys.path if "-packages" in entry or entry.endswith("extra")],
        "argument": importlib.metadata.version("tool"),
    }
"""
CHILD = FACTS + "import json; print(json.dumps(facts()))"
APP = FACTS + """
import json
def application(environ, start):
    start('200 OK', [])
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True)
    return [json.dumps([facts(), child.stdout or child.stderr]).encode()]
"""


class Environments(case.HostCase):
    maxDiff = None

    def venv(self, *options, home=None, settings=""):
        """A new virtual environment with a package, and a .pth file that names a folder."""
        venv = Tree()
        self.addCleanup(venv.remove)
        subprocess.check_call([PYTHON, "-m", "venv", "--without-pip", *options, venv.path])
        packages = f"lib/python{VERSION[0]}.{VERSION[1]}/site-packages"
        os.makedirs(venv / "extra")
        venv.write({
            f"{packages}/tool-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: tool\nVersion: 1.5\n",
            f"{packages}/extra.pth": f"{venv.path}/extra\n",
        })
        with open(venv / "pyvenv.cfg") as file:
            config = file.read()
        if home is not None:  # as uv writes it: by way of a symlink, which it keeps
            config = config.replace(f"home = {os.path.dirname(self.base(venv))}", f"home = {home}")
            os.unlink(venv / "bin/python")
            os.symlink(os.path.join(home, os.path.basename(self.base(venv))), venv / "bin/python")
        venv.write({"pyvenv.cfg": config + settings})
        return venv

    @staticmethod
    def base(venv):
        return subprocess.check_output([venv / "bin/python3", "-c", "import sys; print(sys._base_executable)"],
                                       text=True).strip()

    def compare(self, venv):
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "VIRTUAL_ENV": venv.path}
        expected = json.loads(subprocess.check_output([venv / "bin/python", "-c", CHILD], env=environment))
        self.assertEqual(expected["prefix"], venv.path)
        self.tree.write({"app.py": f"CHILD = {CHILD!r}\n" + APP})
        for mode in (None, "main"):
            with self.subTest(mode=mode):
                host = self.host
                options = {"venv": venv.path, "env": environment}
                if mode is not None:
                    host = Host()
                    self.addCleanup(host.close)
                    options["mode"] = mode
                interp = host.make(self.tree, self.tree / "app.py", **options)
                answer, child = json.loads(interp.get().body)
                interp.retire()
                self.assertEqual(answer, expected)
                self.assertEqual(json.loads(child), expected)
        return expected

    def test_one_of_venv(self):
        expected = self.compare(self.venv())
        self.assertEqual(expected["packages"], ["tool"])

    def test_one_that_sees_the_systems_packages(self):
        venv = self.venv("--system-site-packages")
        self.assertGreater(len(self.compare(venv)["site"]), 1)

    def test_one_of_uv_whose_home_is_a_symlink(self):
        away = Tree()
        self.addCleanup(away.remove)
        base = os.path.dirname(os.path.dirname(self.base(self.venv())))
        os.symlink(base, away / "python")
        self.compare(self.venv(home=away / "python/bin", settings="uv = 0.5.1\n"))

    def test_python_path_is_taken_as_python_takes_it(self):
        self.tree.write({"app.py": self.RUNS, "one/first.py": "", "two/second.py": ""})
        paths = os.pathsep.join([self.tree / "one", "two", ""])
        interp = self.host.make(self.tree, self.tree / "app.py", cwd=self.tree.path,
                                env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": paths})
        self.addCleanup(self.retire, interp)
        found = self.run_in(interp, "import sys\nresult = sys.path[:3]")
        self.assertEqual(found, [self.tree.path, self.tree / "one", self.tree / "two"])


class Refusals(case.HostCase):
    def test_what_a_sub_interpreter_cannot_do_names_the_setting(self):
        interp = self.serve(self.RUNS)
        for source in (
            "os.fork()", "os.execv('/bin/true', ['true'])",
            "subprocess.run(['true'], preexec_fn=lambda: None)",
        ):
            with self.subTest(source=source):
                text = self.run_in(interp, f"""
                    import os, subprocess
                    try:
                        {source}
                    except RuntimeError as error:
                        result = str(error)
                    """)
                self.assertIn("not supported", text)
                self.assertIn('isolation = "process"', text)
        self.assertEqual(self.run_in(interp, "import subprocess\nresult = subprocess.run(['true']).returncode"), 0)


if __name__ == "__main__":
    unittest.main()
