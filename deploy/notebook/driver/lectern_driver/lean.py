"""Imports ipykernel without what only people at a terminal need: completion, the
debugger, the terminal's own shell. That is a third of its start. All of it can
still be imported by a notebook that wants it."""

import sys
import types

ABSENT = ("jedi", "debugpy")
TERMINAL = "IPython.terminal.embed"


def embed(*args, **kwargs):
    """IPython.embed, once somebody calls it."""
    from IPython.terminal.embed import embed as real

    return real(*args, **kwargs)


stub = types.ModuleType(TERMINAL)
stub.embed = embed
sys.modules[TERMINAL] = stub
sys.modules.update(dict.fromkeys(ABSENT))

import ipykernel.debugger  # noqa: E402, F401
import ipykernel.ipkernel  # noqa: E402, F401

for name in (*ABSENT, TERMINAL):
    del sys.modules[name]
