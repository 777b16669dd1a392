"""Says in the app's log what is imported, by which interpreter and why: the setting `log_imports`."""

import os
import sys

import _moult
from _moult import importer


class ImportLog:
    """Stands first on sys.meta_path and asks the finders behind it. The line is written before the
    module runs: the last one names a module that fails or hangs."""

    def __init__(self, spec):
        self._reason = spec["log_imports"]
        self._place = (
            f"({spec['app']} generation {spec['generation']}, interpreter {spec['interp']}, host process {os.getpid()})"
        )

    def find_spec(self, name, path=None, target=None):
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            found = find(name, path, target) if finder is not self and find is not None else None
            if found is not None:
                if not importer.is_question() and not name.startswith("_moult."):
                    self._tell(name, found)
                return found
        return None

    def invalidate_caches(self):
        pass

    def _tell(self, name, found):
        where = found.origin or ", ".join(found.submodule_search_locations or ("?",))
        _moult.log_write("m", f"import {name} from {where}: {self._reason} {self._place}\n")


def install(spec):
    sys.meta_path.insert(0, ImportLog(spec))
