"""Imports ipykernel without what only people at a terminal, or the other end of a
connection, need: completion, the debugger, the terminal's own shell, clients and
managers of kernels. That is half of its start. All of it can still be imported by
a notebook that wants it."""

import importlib.util
import sys
import types

ABSENT = ("jedi", "debugpy")
TERMINAL = "IPython.terminal.embed"


def embed(*args, **kwargs):
    """IPython.embed, once somebody calls it."""
    from IPython.terminal.embed import embed as real

    return real(*args, **kwargs)


def later(name, *functions):
    """Puts a package into place that becomes the real one when somebody asks it
    for more than its modules and these functions, or calls one of them."""
    spec = importlib.util.find_spec(name)
    package = types.ModuleType(name)
    package.__spec__, package.__file__, package.__path__ = spec, spec.origin, spec.submodule_search_locations

    def real(attribute):
        if attribute.startswith("__") and attribute != "__all__":
            raise AttributeError(attribute)  # the machinery of import asks
        for own in ("__getattr__", *functions):
            vars(package).pop(own, None)
        spec.loader.exec_module(package)
        return getattr(package, attribute)

    package.__getattr__ = real
    for function in functions:
        setattr(package, function, lambda *args, _name=function, **kwargs: real(_name)(*args, **kwargs))
    sys.modules[name] = package


stub = types.ModuleType(TERMINAL)
stub.embed = embed
sys.modules[TERMINAL] = stub
sys.modules.update(dict.fromkeys(ABSENT))
later("jupyter_client", "write_connection_file")
later("psutil")

import ipykernel.debugger  # noqa: E402, F401
import ipykernel.ipkernel  # noqa: E402, F401

for name in (*ABSENT, TERMINAL):
    del sys.modules[name]
