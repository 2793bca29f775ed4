"""Puts back, before each test, what a submission changed of the tools tests rely on.

Tests share their process with the submission, so this keeps out tricks, not a
determined attacker: docs/grading.md says what remains. Everything is compared by
identity with what there was before the submission ran; what differs is put back
and told.
"""

import ast
import builtins
import gc
import linecache
import os
import secrets
import sys
import threading
import types

# The parts that run, show and check a test. Students' code has no business in them.
CLOSED = ("IPython.core", "ipykernel", "jupyter_client.session", "unittest", "lectern_driver")
WATCHED = CLOSED + ("builtins", "sys", "ast", "math", "operator", "functools", "itertools", "collections", "random", "json", "re", "inspect", "numpy")
SKIP = {"_", "__warningregistry__", "__abstractmethods__"}
FUNCTION = types.FunctionType


def within(name, roots):
    return any(name == root or name.startswith(root + ".") for root in roots)


class Watch:
    def __init__(self, kernel):
        self.kernel, self.shell = kernel, kernel.shell
        self.modules = {n: m for n, m in sys.modules.items() if within(n, WATCHED) and isinstance(m, types.ModuleType)}
        self.spaces = []  # (what, name, wanted attributes, closed)
        self.codes = []
        seen = set()
        for name, module in self.modules.items():
            self.spaces.append((module, name, self.wanted(vars(module)), False))
            for value in list(vars(module).values()):
                if id(value) in seen or getattr(value, "__module__", None) != name:
                    continue
                seen.add(id(value))
                if isinstance(value, type):
                    self.spaces.append((value, f"{name}.{value.__qualname__}", self.wanted(vars(value)), within(name, CLOSED)))
                    for method in vars(value).values():
                        self.code(method, f"{name}.{value.__qualname__}")
                else:
                    self.code(value, name)
        shell = self.shell
        plain = shell.display_formatter.formatters["text/plain"]
        self.tools = [(o, type(o), dict(vars(o))) for o in self.instances()]
        self.traits = [
            (o, {k: o._trait_values.get(k) for k in keys})
            for o, keys in (
                (shell, ("display_formatter", "display_pub", "displayhook", "display_trap", "builtin_trap", "payload_manager", "history_manager")),
                (shell.display_formatter, ("formatters", "active_types", "ipython_display_formatter", "mimebundle_formatter")),
                (plain, ("float_format", "pprint", "singleton_printers", "type_printers", "deferred_printers", "newline", "max_width", "verbose")),
                (shell.displayhook, ("session", "pub_socket")),
                (shell.display_pub, ("session", "pub_socket")),
            )
        ]
        self.printers = [(d, dict(d)) for d in (plain.singleton_printers, plain.type_printers, plain.deferred_printers, shell.display_formatter.formatters)]
        self.lists = [
            (shell.ast_transformers, list(shell.ast_transformers)),
            (shell.input_transformers_post, list(shell.input_transformers_post)),
        ]
        manager = shell.input_transformer_manager
        self.lists += [(l, list(l)) for l in (manager.cleanup_transforms, manager.line_transforms, manager.token_transformers)]
        self.hooks = {k: list(v) for k, v in shell.events.callbacks.items()}
        self.paths = list(sys.path)

    def began(self, stdout, stderr):
        self.stdout, self.stderr = stdout, stderr
        self.threads = threading.active_count()

    def instances(self):
        s = self.shell
        return [s, s.displayhook, s.display_pub, s.display_formatter, s.events, s.compile, s.input_transformer_manager, self.kernel, self.kernel.session, self]\
            + list(s.display_formatter.formatters.values())

    @staticmethod
    def wanted(space):
        return {
            k: v
            for k, v in space.items()
            if k not in SKIP and (callable(v) or isinstance(v, (types.ModuleType, property, classmethod, staticmethod)))
        }

    def code(self, value, where):
        value = getattr(value, "__func__", value)
        if isinstance(value, FUNCTION):
            self.codes.append((value, value.__code__, value.__defaults__, value.__kwdefaults__, where))

    def heal(self, order, flags):
        """Puts everything back and seals the test that comes next."""
        changed = []
        for module, kept in ((m, n) for n, m in self.modules.items() if sys.modules.get(n) is not m):
            sys.modules[kept] = module
            changed.append(kept)
        for owner, name, wanted, closed in self.spaces:
            now = vars(owner)
            for k, v in wanted.items():
                if now.get(k) is not v:
                    changed.append(f"{name}.{k}")
                    put(owner, k, v)
            if closed and len(now) != len(wanted):
                for k in [k for k, v in list(now.items()) if k not in wanted and callable(v) and k not in SKIP]:
                    changed.append(f"{name}.{k}")
                    take(owner, k)
        for function, code, defaults, kwdefaults, where in self.codes:
            if function.__code__ is not code or function.__defaults__ is not defaults or function.__kwdefaults__ is not kwdefaults:
                changed.append(f"{where}.{function.__name__}")
                function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, kwdefaults
        self.heal_tools(changed)
        self.heal_process(changed)
        flags += [f"The submission had changed {name}; it was put back before the test." for name in dict.fromkeys(changed)]
        return self.seal(order, flags)

    def heal_tools(self, changed):
        for tool, kind, kept in self.tools:
            if type(tool) is not kind:
                changed.append(kind.__name__)
                tool.__class__ = kind
            for k in [k for k in vars(tool) if k not in kept and callable(getattr(kind, k, None))]:
                changed.append(f"{kind.__name__}.{k}")
                del vars(tool)[k]
            for k, v in kept.items():
                if callable(v) and vars(tool).get(k) is not v:
                    changed.append(f"{kind.__name__}.{k}")
                    vars(tool)[k] = v
        for tool, kept in self.traits:
            for k, v in kept.items():
                if tool._trait_values.get(k) is not v and v is not None:
                    if not isinstance(v, (bool, int, str)):
                        changed.append(f"{type(tool).__name__}.{k}")
                    tool._trait_values[k] = v
        for now, kept in self.printers:
            if now != kept:
                now.clear()
                now.update(kept)
        for now, kept in self.lists:
            if now != kept:
                changed.append("how cells are read")
                now[:] = kept
        s = self.shell
        s._trait_values["ast_transformers"], s._trait_values["input_transformers_post"] = self.lists[0][0], self.lists[1][0]
        s.custom_exceptions = ()
        s.ast_node_interactivity = "last_expr"
        for name, callbacks in s.events.callbacks.items():
            kept = [c for c in callbacks if c in self.hooks.get(name, ()) or is_inline(c)]
            if len(kept) != len(callbacks):
                changed.append(f"what runs around cells ({name})")
                callbacks[:] = kept

    def heal_process(self, changed):
        if sys.gettrace() or sys.getprofile() or threading._trace_hook or threading._profile_hook:
            changed.append("tracing")
        sys.settrace(None)
        sys.setprofile(None)
        threading._trace_hook = threading._profile_hook = None
        for tool in range(6):
            if sys.monitoring.get_tool(tool) and sys.monitoring.get_events(tool):
                changed.append("monitoring")
                sys.monitoring.set_events(tool, 0)
        gc.callbacks.clear()
        # While the test computes, no thread of the submission gets a turn.
        sys.setswitchinterval(1e6)
        if sys.stdout is not self.stdout or sys.stderr is not self.stderr:
            changed.append("where output goes")
            sys.stdout, sys.stderr = self.stdout, self.stderr
        # The submission's own modules come last, so that none stands in for a library's.
        self.found = list(sys.path)
        sys.path[:] = self.paths + [p for p in sys.path if p not in self.paths]
        for name, module in list(sys.modules.items()):
            origin = getattr(module, "__file__", None)
            if name in sys.stdlib_module_names and isinstance(origin, str) and os.path.abspath(origin).startswith("/home/"):
                changed.append(f"the module {name}")
                del sys.modules[name]

    def seal(self, order, flags):
        """Adds a statement to the test that only its own execution can reach."""
        names = {n.id for n in ast.walk(parsed(order["code"])) if isinstance(n, ast.Name)}
        space = self.shell.user_ns
        flags += [f"The submission has a {n} of its own, which the test uses." for n in sorted(names) if n in space and n in vars(builtins) and callable(space[n]) and not n.startswith("_")]
        if not order["code"].strip():
            return Seal("", True)
        seal = Seal("_" + secrets.token_hex(8))
        setattr(builtins, seal.name, seal.reach)
        self.shell.ast_transformers.append(seal)
        self.lines = set(linecache.cache)
        return seal

    def unseal(self, seal, order, flags):
        """Takes the seal off; whether the test's end was reached."""
        sys.setswitchinterval(0.005)
        if seal.name:
            self.shell.ast_transformers[:] = [t for t in self.shell.ast_transformers if t is not seal]
            if hasattr(builtins, seal.name):
                delattr(builtins, seal.name)
        sys.path[:] = self.found + [p for p in sys.path if p not in self.found]
        if order["secret"]:
            self.forget()
        if threading.active_count() > self.threads:
            flags.append("A thread of the submission was running during the test.")
        return seal.reached

    def forget(self):
        """Leaves no text of a hidden test where a student's code would look first."""
        s, n = self.shell, self.shell.execution_count - 1
        for past in (s.history_manager.input_hist_parsed, s.history_manager.input_hist_raw):
            if len(past) > n:
                past[n] = ""
        for name in ("_i", "_ii", "_iii", f"_i{n}"):
            s.user_ns.pop(name, None)
        s.history_manager._i = s.history_manager._i00 = ""
        s.last_execution_result = None
        for name in ("last_traceback", "last_value", "last_exc", "last_type"):
            sys.__dict__.pop(name, None)
        for key in set(linecache.cache) - self.lines:
            linecache.cache.pop(key, None)


class Seal:
    """An AST transformer, the last one: the test's last statement, or the one before its value."""

    def __init__(self, name, reached=False):
        self.name, self.reached = name, reached

    def reach(self):
        self.reached = True

    def visit(self, node):
        call = ast.Call(func=ast.Name(id=self.name, ctx=ast.Load()), args=[], keywords=[])
        mark = ast.If(test=call, body=[ast.Pass()], orelse=[])
        at = len(node.body)
        if node.body and isinstance(node.body[-1], ast.Expr):
            at -= 1
        ast.copy_location(mark, node.body[min(at, len(node.body) - 1)] if node.body else mark)
        node.body.insert(at, ast.fix_missing_locations(mark))
        return node


def parsed(code):
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[], type_ignores=[])  # magics


def is_inline(callback):
    """Whether this is matplotlib showing its figures."""
    module = sys.modules.get("matplotlib_inline.backend_inline")
    return module is not None and callback is vars(module).get("flush_figures") and callback.__code__.co_filename.startswith("/usr/")


def put(owner, name, value):
    try:
        setattr(owner, name, value) if not isinstance(owner, type) else type.__setattr__(owner, name, value)
    except (AttributeError, TypeError):
        pass


def take(owner, name):
    try:
        type.__delattr__(owner, name)
    except (AttributeError, TypeError):
        pass
