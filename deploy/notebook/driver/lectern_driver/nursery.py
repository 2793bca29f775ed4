"""The nursery: a process that has imported what kernels need and forks them.

It never sees a test: orders reach it without code. What it forks goes on as the
student's user, without any capability, before it does anything else.
"""

import gc
import importlib
import json
import os
import re
import signal
import socket
import sys
import traceback

from . import wire

HOME = "/home/student"
FONTS = "/usr/lib/lectern/matplotlib"


def as_student(work):
    """Runs work in a process of the student's user; whether it went well."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            wire.become(wire.STUDENT)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def furnish():
    """The places that programs expect to write to, made by their later owner.

    Open to all, because the nursery looks whether it could write there.
    """
    os.umask(0)
    for name in ("security", "log", "startup", "pid", "db"):
        os.makedirs(f"{os.environ['IPYTHONDIR']}/profile_default/{name}", exist_ok=True)
    os.makedirs(os.environ["MPLCONFIGDIR"], exist_ok=True)
    for name in os.listdir(FONTS) if os.path.isdir(FONTS) else ():
        with open(f"{FONTS}/{name}", "rb") as old, open(f"{os.environ['MPLCONFIGDIR']}/{name}", "wb") as new:
            new.write(old.read())


def receive():
    """Reads the submission's files from the host and lays them below the home."""
    import struct

    while True:
        (n,) = struct.unpack(">I", wire.read_exact(0, 4))
        head = json.loads(wire.read_exact(0, n))
        if not head["path"]:
            return
        path = f"{HOME}/{head['path']}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        left = head["size"]
        while left:
            part = wire.read_exact(0, min(left, 1 << 18))
            wire.write_all(fd, part)
            left -= len(part)
        os.close(fd)


def serve(control, modules):
    """Forks what is asked for, one at a time, and tells when it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    as_student(furnish)
    # As Jupyter's own kernel does, and before matplotlib is imported, which looks
    # but once: figures are shown without being asked for.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    gc.disable()  # until all is imported, when kernel.prepare lets it go on
    from . import artists, kernel

    warm = []
    with artists.remembered(modules):
        for name in modules:
            if re.fullmatch(r"[\w.]+", name):
                try:
                    importlib.import_module(name)
                    warm.append(name)
                except Exception:
                    pass  # the notebook's own import will say what is wrong
    kernel.prepare()
    control.send(json.dumps({"python": sys.version.split()[0], "warm": warm}).encode())
    while True:
        data, fds, _, _ = socket.recv_fds(control, 1 << 16, 1)
        if not data:
            return
        order = json.loads(data)
        if order["op"] == "files":
            control.send(json.dumps({"ok": as_student(receive)}).encode())
            continue
        raise_kernel(control, order, fds[0])


def raise_kernel(control, order, sock):
    """Forks a kernel on this end of a socket and waits for its end."""
    ours = order["kernel"] in ("python3", "python") and not order["protocol"]
    if not ours:
        from . import foreign

        if why := foreign.missing(order["kernel"]):
            os.close(sock)
            control.send(json.dumps({"missing": why}).encode())
            return
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)  # these lead to the host
            os.dup2(nothing, 1)
            os.close(nothing)
            if ours:
                with open("/proc/self/oom_score_adj", "w") as f:
                    f.write("1000")  # when memory is short this goes first, not the driver
                wire.become(wire.STUDENT)
                wire.libc.prctl(wire.PR_SET_DUMPABLE, 1, 0, 0, 0)
                from . import kernel

                kernel.run(sock, f"{HOME}/{order['dir']}", order["env"])
            else:
                foreign.run(sock, f"{HOME}/{order['dir']}", order["env"], order["kernel"])
        except Exception:
            traceback.print_exc()  # for the operator
        finally:
            os._exit(1)
    os.close(sock)
    control.send(json.dumps({"pid": pid, "foreign": not ours}).encode())
    os.waitpid(pid, 0)
    control.send(b'{"ended":true}')
