"""A Python kernel in the process that was forked for it.

It is ipykernel's own kernel and shell, so outputs are what Jupyter would show;
only the transport differs: a session that writes to the driver's socket instead
of ZeroMQ.
"""

import asyncio
import gc
import json
import logging
import os
import select
import signal
import struct
import sys
import threading

from . import lean  # noqa: F401, I001   before anything of ipykernel
from ipykernel.ipkernel import IPythonKernel
from jupyter_client.session import Session as JupyterSession
from tornado.ioloop import IOLoop
from traitlets.config import Application, Config

from . import guard, wire

kernel = None  # made by prepare, before the fork
watch = None

OUTPUTS = ("stream", "display_data", "update_display_data", "execute_result", "error", "clear_output")


class Session(JupyterSession):
    """Sends outputs to the driver and nothing else anywhere."""

    fd = -1

    def send(self, stream, msg_or_type, content=None, *args, **kwargs):
        if isinstance(msg_or_type, dict):
            kind, content = msg_or_type["msg_type"], msg_or_type["content"]
        else:
            kind = msg_or_type
        if kind in OUTPUTS:
            self.put(b"o", {"type": kind, "content": content})

    def put(self, tag, value):
        payload = json.dumps(value, default=str).encode("utf-8", "backslashreplace")
        if len(payload) >= wire.MAX_FRAME:
            payload = json.dumps({"type": "stream", "content": {"name": "stderr", "text": "An output was too large.\n"}}).encode()
        with self.lock:
            wire.write_frame(self.fd, tag, payload)


class Stream:
    """stdout or stderr of a cell: gathers text, and sends it before anything else is shown."""

    encoding, errors, newlines, mode, closed = "UTF-8", "strict", None, "w", False
    pipe = None

    def __init__(self, session, name, fd):
        self.session, self.name, self._fd = session, name, fd
        self._parts, self._size, self._lock = [], 0, threading.RLock()

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        with self._lock:
            self._parts.append(text)
            self._size += len(text)
            if self._size > 1 << 16:
                self.send()
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        if self.pipe:
            self.pipe.drain()
        self.send()

    def send(self):
        with self._lock:
            text, self._parts, self._size = "".join(self._parts), [], 0
        if text:
            self.session.send(None, "stream", {"name": self.name, "text": text})

    def fileno(self):
        return self._fd

    def isatty(self):
        return False

    def writable(self):
        return True

    def readable(self):
        return False

    seekable = readable

    def close(self):
        pass


class Pipe:
    """What programs and C code write to the file descriptors themselves."""

    def __init__(self, fd, stream):
        self.end, into = os.pipe()
        os.dup2(into, fd)
        os.close(into)
        os.set_blocking(self.end, False)
        self.stream, self.lock = stream, threading.Lock()
        stream.pipe = self

    def drain(self):
        if not self.lock.acquire(blocking=False):
            return  # another thread does it
        try:
            while data := os.read(self.end, 1 << 16):
                self.stream.write(data.decode("utf-8", "replace"))
                self.stream.send()
        except BlockingIOError:
            pass
        finally:
            self.lock.release()


class Kernel(IPythonKernel):
    """ipykernel's kernel without its sockets."""

    io_loop = None


def prepare():
    """Makes kernel and shell, once for all that will be forked."""
    global kernel, watch
    config = Config()
    config.HistoryManager.enabled = False  # a database that nobody reads
    Session.lock = threading.Lock()
    log = logging.getLogger("lectern.kernel")
    log.disabled = True
    kernel = Kernel(session=Session(), config=config, log=log)
    Application.instance().kernel = kernel  # where %matplotlib and %gui look for it
    # What every fork would import for itself.
    import tornado.platform.asyncio  # noqa: F401

    if "matplotlib.pyplot" in sys.modules:
        import matplotlib_inline.backend_inline  # noqa: F401  enables itself for this shell, as at a notebook's first figure
        import PIL.Image

        PIL.Image.preinit()
    import unittest  # noqa: F401  tests rely on these, so they must be known as they were

    if "numpy" in sys.modules:
        import numpy.random
        import numpy.testing  # noqa: F401
    watch = guard.Watch(kernel)
    gc.enable()
    gc.freeze()  # what is shared with every fork stays shared


def run(sock, directory, env):
    """The life of a kernel: cells in, outputs and answers out."""
    os.setsid()
    os.environ.update(env)
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    # Where Jupyter has it: behind the standard library, before what is installed.
    sys.path.insert(next((i for i, p in enumerate(sys.path) if p.endswith("-packages")), 0), "")
    sys.argv = ["ipykernel_launcher.py"]
    session = kernel.session
    session.fd = sock
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # forks share the state that was drawn at import

    sys.stdout, sys.stderr = Stream(session, "stdout", 1), Stream(session, "stderr", 2)
    sys.__stdout__ = sys.__stderr__ = None
    pipes = [Pipe(1, sys.stdout), Pipe(2, sys.stderr)]
    threading.Thread(target=pump, args=(pipes,), daemon=True, name="IOPub").start()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    kernel.io_loop = IOLoop.current()
    watch.began(sys.stdout, sys.stderr)
    os.register_at_fork(after_in_child=lambda: orphan(sock))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            _, payload = wire.read_frame(sock)
        except EOFError:
            os._exit(0)
        session.put(b"d", perform(json.loads(payload), loop))
        if kernel.shell.exit_now:
            os._exit(0)


def orphan(sock):
    """A process that the submission forked is no kernel: it may print, and that is all."""
    os.dup2(os.open(os.devnull, os.O_RDWR), sock)
    sys.stdout, sys.stderr = (open(fd, "w", buffering=1, closefd=False) for fd in (1, 2))


def perform(order, loop):
    """Runs one cell; the answer says whether its end was reached."""
    test, flags = order["test"], []
    seal = watch.heal(order, flags) if test else None
    failed = True
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        reply = loop.run_until_complete(kernel.do_execute(order["code"], False, True, {}, False))
        failed = reply["status"] != "ok"
    except KeyboardInterrupt:
        kernel.shell.showtraceback()
    except BaseException:
        kernel.shell.showtraceback()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch.stdout.flush()
    watch.stderr.flush()
    reached = True if seal is None else watch.unseal(seal, order, flags)
    return {
        "nonce": order["nonce"],
        "status": "error" if failed else "ok",
        "count": kernel.shell.execution_count - 1,
        "reached": reached,
        "flags": flags,
    }


def pump(pipes):
    poll = select.poll()
    for pipe in pipes:
        poll.register(pipe.end, select.POLLIN)
    while True:
        poll.poll()
        for pipe in pipes:
            pipe.drain()
