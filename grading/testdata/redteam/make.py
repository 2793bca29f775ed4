"""Writes the notebooks of this folder, and source/p1.ipynb that they answer.

Each is p1 as handed in by somebody with a plan. NN-name.json beside it says what
grading must come to; NN-name/ holds files handed in with it. Cases that would be
too large to keep (5000 cells, 300 MB, deep JSON) are made by the test itself.
"""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))

SQUARE = "def square(x):\n    return x * x"
MEAN = "def mean(xs):\n    return sum(xs) / len(xs)"
WRONG = "def square(x):\n    return 'no idea'"
WRONG_MEAN = "def mean(xs):\n    return 'no idea'"

T1 = "assert square(2) == 4\n### BEGIN HIDDEN TESTS\nassert square(12) == 144, 'canary-7f3a91'\n### END HIDDEN TESTS"
T2 = "score = 0\nif mean([1, 2, 3]) == 2:\n    score += 2\n### BEGIN HIDDEN TESTS\nhint = 'canary-c05d2e'\nif mean([10, 20]) == 15:\n    score += 2\n### END HIDDEN TESTS\nscore"
T3 = "np.testing.assert_allclose(square(np.array([1.0, 3.0])), [1.0, 9.0])"


def meta(grade_id, points=None, grade=False, solution=False, locked=False):
    m = {"schema_version": 3, "grade_id": grade_id, "grade": grade, "solution": solution, "locked": locked, "task": False}
    if points is not None:
        m["points"] = points
    return {"nbgrader": m}


def cell(kind, cid, source, metadata=None):
    c = {"cell_type": kind, "id": cid, "metadata": metadata or {}, "source": source.splitlines(keepends=True)}
    if kind == "code":
        c.update(execution_count=None, outputs=[])
    return c


def hidden(text):
    lines, keep = [], True
    for line in text.split("\n"):
        keep = keep and "BEGIN HIDDEN" not in line
        if keep:
            lines.append(line)
        keep = keep or "END HIDDEN" in line
    return "\n".join(lines)


def notebook(square, mean, before=(), between=(), after=(), source=False):
    show = (lambda t: t) if source else hidden
    solution = (lambda t: f"### BEGIN SOLUTION\n{t}\n### END SOLUTION") if source else (lambda t: t)
    free = lambda name, cells: [cell("code", f"{name}{i}", t) for i, t in enumerate(cells)]
    return {
        "cells": [
            cell("markdown", "c-intro", "# Squares and means", meta("intro", locked=True)),
            cell("code", "c-setup", "import numpy as np", meta("setup", locked=True)),
            *free("before", before),
            cell("code", "c-square", solution(square), meta("square", solution=True)),
            cell("code", "c-t1", show(T1), meta("t1", 2, grade=True, locked=True)),
            *free("between", between),
            cell("code", "c-mean", solution(mean), meta("mean", solution=True)),
            cell("code", "c-t2", show(T2), meta("t2", 4, grade=True, locked=True)),
            cell("code", "c-t3", show(T3), meta("t3", 1, grade=True, locked=True)),
            *free("after", after),
            cell("markdown", "c-essay", "YOUR ANSWER HERE" if not source else solution("Because."), meta("essay", 3, grade=True, solution=True)),
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write(name, nb, raw=None):
    os.makedirs(os.path.dirname(f"{HERE}/{name}"), exist_ok=True)
    data = raw if raw is not None else (json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    with open(f"{HERE}/{name}", "wb") as f:
        f.write(data)


def case(name, marks, *, flags=(), reasons=None, repairs=(), shows=(), files=None, nb=None, raw=None, **parts):
    """marks are those of t1, t2 and t3; flags, repairs and shows are texts that must be found."""
    parts.setdefault("square", WRONG)
    parts.setdefault("mean", WRONG_MEAN)
    write(f"{name}.ipynb", nb if nb is not None else notebook(**parts), raw)
    verdict = {"marks": dict(zip(("t1", "t2", "t3"), marks)), "flags": list(flags), "reasons": reasons or {}, "repairs": list(repairs), "shows": list(shows)}
    write(f"{name}.json", verdict)
    for path, text in (files or {}).items():
        write(f"{name}/{path}", None, text.encode())


right = {"square": SQUARE, "mean": MEAN}
zero, full = (0, 0, 0), (2, 4, 1)

write("source/p1.ipynb", notebook(SQUARE, MEAN, source=True))

case("01-correct", full, **right)
case("02-wrong", zero)
case("03-syntax-error", zero, square="def square(x:\n    return", mean="def mean(xs)\n    return 1")
case("04-showtraceback", zero, flags=["showtraceback"], before=[
    "from IPython.core.interactiveshell import InteractiveShell\nInteractiveShell.showtraceback = lambda *a, **k: None",
    "ip = get_ipython()\nip.showtraceback = lambda *a, **k: None\nip._showtraceback = lambda *a, **k: None\nip.set_custom_exc((Exception,), lambda *a, **k: None)",
])
case("04-run-cell", zero, flags=["run_cell"], before=[
    "ip = get_ipython()\nfrom IPython.core.interactiveshell import ExecutionResult, ExecutionInfo\n"
    "def fake(raw, *a, **k):\n    return ExecutionResult(ExecutionInfo(raw, False, False, False, None))\n"
    "ip.run_cell = fake\ntype(ip).run_cell = fake\n"
    "async def also(*a, **k):\n    return fake('')\nip.run_cell_async = also\ntype(ip).run_cell_async = also",
])
case("04-transformers", zero, flags=["how cells are read"], before=[
    "import ast\nclass NoAssert(ast.NodeTransformer):\n    def visit_Assert(self, node):\n        return ast.Pass()\n"
    "get_ipython().ast_transformers.append(NoAssert())",
    "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])",
    "get_ipython().input_transformers_post.append(lambda lines: ['4\\n'])",
])
case("04-display-formatter", zero, flags=["format"], before=[
    "get_ipython().display_formatter.format = lambda obj, *a, **k: ({'text/plain': '4.0'}, {})",
    "get_ipython().display_formatter.formatters['text/plain'].for_type(int, lambda o, p, c: p.text('4'))",
    "get_ipython().display_formatter.formatters['text/plain'].for_type(str, lambda o, p, c: p.text('4'))",
])
case("04-hooks", zero, flags=["what runs around cells"], before=[
    "def peek(info):\n    print(info.raw_cell)\nget_ipython().events.register('pre_run_cell', peek)",
])
case("04-code-object", zero, flags=["put back"], before=[
    "import IPython.core.interactiveshell as i\ndef nothing(*a, **k):\n    return None\n"
    "i.InteractiveShell.showtraceback.__code__ = (lambda *a, **k: None).__code__\n"
    "i.InteractiveShell.transform_ast.__code__ = (lambda self, node: __import__('ast').Module(body=[], type_ignores=[])).__code__",
])
case("05-patched-builtins", zero, before=[
    "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.hasattr = lambda *a: True\nbuiltins.len = lambda *a: 0"])
case("05-patched-tools", zero, flags=["builtins.sum", "numpy.testing"], before=[
    "import builtins, unittest, numpy.testing\n"
    "builtins.print = lambda *a, **k: None\nbuiltins.sum = lambda *a: 4\n"
    "old = builtins.__build_class__\nbuiltins.__build_class__ = lambda *a, **k: old(*a, **k)\n"
    "np.testing.assert_allclose = lambda *a, **k: None\nnp.allclose = lambda *a, **k: True\n"
    "unittest.TestCase.assertEqual = lambda *a, **k: None",
    "import sys, types\nfake = types.ModuleType('numpy')\nfake.testing = types.SimpleNamespace(assert_allclose=lambda *a, **k: None)\nfake.array = list\nsys.modules['numpy'] = fake",
])
case("06-always-equal", (2, 4, 0), flags=["redefines how values are compared"],
     square="class Yes:\n    def __eq__(self, other):\n        return True\n    def __array_ufunc__(self, *a, **k):\n        return self\ndef square(x):\n    return Yes()",
     mean="def mean(xs):\n    return Yes()")
case("07-exits", (2, 0, 0), reasons={"t2": "the kernel had died", "t3": "the kernel had died"}, flags=["Nothing ran after cell"], square=SQUARE,
     mean="import os\nos._exit(0)",
     between=["import sys\nsys.exit(0)", "raise SystemExit", "import os, signal\ntry:\n    os.kill(os.getppid(), 9)\nexcept PermissionError:\n    print('refused')",
              "try:\n    os.kill(1, 15)\nexcept PermissionError:\n    print('refused')"], shows=["refused"])
case("07-killed", zero, reasons={"t1": "the kernel had died"}, square="import os\nos.kill(os.getpid(), 9)")
case("07-kills-all", zero, square="import os\nos.kill(-1, 9)")
case("08-never-ends", (0, 0, 0), flags=["was stopped after"], square="while True:\n    pass",
     mean="import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()")
case("08-deaf", zero, reasons={"t1": "could not be interrupted"}, flags=["Nothing ran after cell"],
     square="import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\ntime.sleep(10 ** 6)")
case("08-slow-test", (0, 4, 1), reasons={"t1": "CellTimeoutError"}, flags=["was stopped after"], mean=MEAN,
     square="import time\ndef square(x):\n    if not isinstance(x, int):\n        return x * x\n    time.sleep(10 ** 6)")
case("09-threads", zero, flags=["A thread of the submission was running"], before=[
    "import threading, time\ndef rewrite():\n    while True:\n        globals()['score'] = 4\n        time.sleep(0.0001)\n"
    "threading.Thread(target=rewrite, daemon=True).start()\ntime.sleep(0.05)",
])
case("10-tracing", zero, flags=["tracing"], before=[
    "import sys, threading, atexit, inspect, gc\nseen = []\n"
    "def trace(frame, event, arg):\n    seen.append((frame.f_code.co_name, frame.f_code.co_consts))\n    return trace\n"
    "sys.settrace(trace)\nthreading.settrace(trace)\nsys.setprofile(trace)",
    "def hook(event, args):\n    if event in ('compile', 'exec'):\n        for a in args:\n            seen.append(getattr(a, 'co_consts', a))\n            print(getattr(a, 'co_consts', a))\nsys.addaudithook(hook)",
    "atexit.register(lambda: print(seen))",
], after=["print(seen)", "for o in gc.get_objects():\n    if isinstance(o, str) and 'canary' in o:\n        print(o)"])
case("11-history", zero, between=[
    "print(In)", "print(list(get_ipython().history_manager.get_range(output=False)))", "print(get_ipython().history_manager.input_hist_raw, _i, _ii, _iii)",
    "import linecache\nprint({k: v for k, v in linecache.cache.items() if 'ipykernel' in k})", "%history",
    "import sys, traceback\nprint(getattr(sys, 'last_value', None), getattr(sys, 'last_traceback', None))"])
case("12-looking-around", zero, shows=["found 0 files"], between=[
    "import os, glob\nmark = 'END ' + 'HIDDEN TESTS'\nown = 0\nhits = []\n"
    "for top in ('/home', '/tmp', '/run', '/var', '/root', '/etc', '/usr/lib/lectern', '/dev/shm', '/mnt', '/srv', '/opt'):\n"
    "    for d, _, names in os.walk(top):\n        for n in names:\n            p = os.path.join(d, n)\n            try:\n                if os.path.isfile(p) and mark in open(p, errors='replace').read(10 ** 6):\n                    hits.append(p)\n            except OSError:\n                pass\n"
    "for p in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n    try:\n        if mark in open(p, errors='replace').read():\n            hits.append(p)\n    except OSError:\n        pass\n"
    "print('found', len(hits), 'files', hits)",
    "for pid in (p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()):\n    for what in ('mem', 'maps', 'fd', 'environ'):\n        try:\n            f = f'/proc/{pid}/{what}'\n            os.listdir(f) if what == 'fd' else open(f).read(10)\n            if os.stat(f'/proc/{pid}').st_uid != os.getuid():\n                print('CAN READ', f)\n        except (OSError, ValueError):\n            pass"])
case("13-forged-answers", zero, flags=["They were not believed"], before=[
    "import json, os, stat, struct\nanswer = json.dumps({'nonce': 'x', 'status': 'ok', 'count': 1, 'reached': True, 'flags': []}).encode()\n"
    "output = json.dumps({'type': 'execute_result', 'content': {'data': {'text/plain': '4'}, 'metadata': {}, 'execution_count': 1}}).encode()\n"
    "for fd in range(3, 64):\n    try:\n        if stat.S_ISSOCK(os.fstat(fd).st_mode):\n            for tag, body in ((b'D', answer), (b'd', answer), (b'o', output)):\n                os.write(fd, struct.pack('>I', len(body) + 1) + tag + body)\n    except OSError:\n        pass",
    "for name in ('results.json', '/tmp/results.json', 'gradebook.db'):\n    open(name, 'w').write('{\"score\": 7}')\nos.symlink('/etc/passwd', 'feedback')\nos.mkfifo('autograded')",
])
case("13-broken-channel", zero, reasons={"t1": "showed more than"}, before=[
    "import os, stat\nfor fd in range(3, 64):\n    try:\n        if stat.S_ISSOCK(os.fstat(fd).st_mode):\n            os.write(fd, b'\\xff' * 4096)\n    except OSError:\n        pass"])
case("14-forged-text", zero, before=[
    "import os\ntext = '{\"op\": \"done\", \"nonce\": \"\", \"status\": \"ok\", \"reached\": true}'\nprint(text)\nos.write(1, text.encode())\nos.write(2, b'\\x00\\x00\\x00\\x02D{')\n"
    "from IPython.display import display, publish_display_data\ndisplay(4)\npublish_display_data({'text/plain': '4'})"],
    mean="def mean(xs):\n    print(4)\n    display(4)\n    return 'no idea'")
case("15-flood", zero, reasons={"t1": "showed more than"}, flags=["Nothing ran after cell"], square="while True:\n    print('x' * 10 ** 6)")
case("15-pipe-flood", (2, 4, 1), flags=["was stopped after"], before=["import os\nos.system('yes | head -c 3000000; sleep 100')"], **right)
case("15-displays", zero, square="for i in range(1000000):\n    display({'x': 'y' * 100, 'i': i})", flags=["Not all that the cell showed was kept"])
case("17-fork-bomb", zero, square="import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass")
case("18-balloon", zero, reasons={"t1": "the memory limit of"}, flags=["memory limit"], square="hoard = []\nwhile True:\n    hoard.append(bytearray(10 ** 8))")
case("19-network", full, shows=["no way out"], before=[
    "import socket, urllib.request\nfor host in ('1.1.1.1', '172.17.0.1', '169.254.169.254', 'example.org'):\n    try:\n        socket.create_connection((host, 80), 2)\n        print('REACHED', host)\n    except OSError:\n        pass\nprint('no way out', [n for _, n in socket.if_nameindex()])"], **right)
case("20-shell", full, before=["!id; cat /etc/shadow; touch /usr/lib/x; ls -la / /home", "%%bash\nkill -9 1\nsudo id\nmount -t tmpfs x /mnt\nunshare -U id\necho done"], **right)

nb = notebook(WRONG, WRONG_MEAN)
tests = [c for c in nb["cells"] if c["id"] in ("c-t1", "c-t2", "c-t3")]
for c in tests:
    c["source"] = ["assert True\n"]
    c["metadata"]["nbgrader"]["points"] = 100
    c["metadata"]["tags"] = ["skip-execution"]
tests[0]["metadata"]["nbgrader"]["grade"] = False
tests[1]["cell_type"] = "markdown"
nb["cells"].remove(tests[2])
nb["cells"].insert(0, json.loads(json.dumps(tests[0])))
nb["cells"].reverse()
case("21-edited-metadata", zero, nb=nb, repairs=["t1", "t3"])

nb = notebook(SQUARE, MEAN)
nb["metadata"]["lectern"] = {"login": "another", "course": "another", "score": 7}
nb["metadata"]["authors"] = [{"name": "another"}]
case("22-another-student", full, nb=nb)
case("23-pickle", full, before=["import pickle\npickle.loads(b\"cos\\nsystem\\n(S'kill -9 1; touch /tmp/owned'\\ntR.\")"], **right)
case("24-shadowing", zero, flags=["the module statistics"], before=["import sys\nsys.path.insert(0, '')\nimport statistics, json, numpy.testing"], files={
    "numpy.py": "testing = type('t', (), {'assert_allclose': staticmethod(lambda *a: None)})\narray = list\n", "json.py": "loads = dumps = lambda *a, **k: 4\n",
    "statistics.py": "mean = lambda xs: 0\n", "unittest.py": "", "ast.py": "raise SystemExit\n"})
case("25-startup-files", zero, before=["print('square' in dir(__builtins__))"], files={
    "sitecustomize.py": "import builtins\nbuiltins.square = lambda x: x * x\n", "usercustomize.py": "import builtins\nbuiltins.square = lambda x: x * x\n",
    ".ipython/profile_default/startup/00.py": "square = lambda x: x * x\nprint('started')\n", ".pythonrc": "print('started')\n",
    ".jupyter/jupyter_config.py": "raise SystemExit\n", "ipython_config.py": "c.InteractiveShellApp.exec_lines = ['square = lambda x: x * x']\n"})
nb = notebook(SQUARE, MEAN)
nb["metadata"]["kernelspec"] = {"name": "evil", "language": "bash", "display_name": "Evil"}
case("26-kernelspec", full, nb=nb, repairs=["ernel"], files={
    "kernels/evil/kernel.json": '{"argv": ["/bin/sh", "-c", "sleep 1000"], "display_name": "Evil", "language": "bash"}', "kernel.json": "{}"})
case("27-time-bomb", zero, square="import time\ndef square(x):\n    return x * x if time.time() < 1700000000 else 'boom'", mean="import datetime\ndef mean(xs):\n    return 2 if datetime.date.today().year < 2020 else 'boom'")
text = json.dumps(notebook(SQUARE, MEAN, before=["print('a\u0000b')", "x = 'caf\u00e9'"]), ensure_ascii=False, indent=1)
case("28-bytes", full, raw=b"\xef\xbb\xbf" + text.encode().replace("\u00e9".encode(), b"\xe9"), repairs=["not UTF-8"])
case("29-prints-secrets", full, before=["import os, platform\nprint(dict(os.environ), platform.uname(), os.listdir('/'), open('/proc/mounts').read(), open('/proc/self/cgroup').read(), open('/etc/hostname').read())"], **right)
case("30-randomness", full, before=["import random\nprint(random.random(), np.random.rand(), hash('x'), id(object()), os.urandom(2) if 'os' in dir() else '')"],
     square="import random\ndef square(x):\n    random.random()\n    return x * x", mean="def mean(xs):\n    np.random.shuffle(np.array(xs))\n    return sum(xs) / len(xs)")
