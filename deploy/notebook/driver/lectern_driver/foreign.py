"""Any other kernel that Jupyter knows, by its kernelspec, over its own protocol.

The messages are handled by a process of the driver's user; the kernel runs as
the student's. An answer counts only with a valid signature and for the request
that was sent.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import KernelManager

from . import wire

OUTPUTS = ("stream", "display_data", "update_display_data", "execute_result", "error", "clear_output")


def specs():
    """The kernels of the image; none that a submission could have written."""
    dirs = [f"{top}/share/jupyter/kernels" for top in (sys.prefix, "/usr/local", "/usr")]
    dirs += [f"{top}/kernels" for top in os.environ.get("JUPYTER_PATH", "").split(":") if top]
    return KernelSpecManager(ensure_native_kernel=False, kernel_dirs=dirs)


def missing(name):
    """Why there is no such kernel, or nothing."""
    try:
        specs().get_kernel_spec(name)
    except NoSuchKernel:
        return f"the image has no kernel named {name[:60]}"
    return ""


def run(sock, directory, env, name):
    os.umask(0o022)
    manager = KernelManager(kernel_name=name, kernel_spec_manager=specs(), connection_file=f"/tmp/connection-{os.getpid()}.json")
    write = manager.write_connection_file

    def readable(**kwargs):
        write(**kwargs)
        os.chmod(manager.connection_file, 0o644)

    manager.write_connection_file = readable
    inner = {**os.environ, **env, "JUPYTER_RUNTIME_DIR": "/tmp/jupyter/runtime"}

    from .nursery import HOME, as_student

    def enter():
        os.makedirs(directory, exist_ok=True)
        os.chmod(HOME, 0o755)  # or whoever starts the kernel could not do it there

    as_student(enter)
    manager.start_kernel(cwd=directory, env=inner, user=wire.STUDENT, group=wire.GROUP, extra_groups=[], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels(hb=False)
    client.wait_for_ready(timeout=45)
    wire.become(wire.DRIVER, [wire.CAP_KILL])
    interrupt = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: interrupt.set())
    wire.write_json(sock, b"h", "started")
    while True:
        try:
            _, payload = wire.read_frame(sock)
        except EOFError:
            os._exit(0)
        order = json.loads(payload)
        answer = perform(manager, client, order, sock, interrupt)
        wire.write_json(sock, b"d", answer)


def perform(manager, client, order, sock, interrupt):
    interrupt.clear()
    request = client.execute(order["code"], silent=False, store_history=True, allow_stdin=False, stop_on_error=False)
    reply, idle, last = None, False, time.monotonic()
    while reply is None or not idle:
        if interrupt.is_set():
            interrupt.clear()
            os.kill(manager.provisioner.pid, signal.SIGINT)
        if not idle:
            try:
                idle = heard(client.get_iopub_msg(timeout=0.05 if reply is None else 0.5), request, sock)
                last = time.monotonic()
            except queue.Empty:
                idle = reply is not None and time.monotonic() - last > 3
        if reply is None:
            try:
                message = client.get_shell_msg(timeout=0 if not idle else 0.05)
                if message["parent_header"].get("msg_id") == request:
                    reply = message["content"]
            except queue.Empty:
                if manager.provisioner.process.poll() is not None:
                    os._exit(1)
    return {
        "nonce": order["nonce"],
        "status": "ok" if reply["status"] == "ok" else "error",
        "count": reply.get("execution_count") or 0,
        "reached": True,
        "flags": [],
    }


def heard(message, request, sock):
    """Forwards an output of this request; whether the kernel has nothing more to say about it."""
    if message["parent_header"].get("msg_id") != request:
        return False
    kind, content = message["msg_type"], message["content"]
    if kind in OUTPUTS:
        payload = json.dumps({"type": kind, "content": content}, default=str).encode()
        if len(payload) < wire.MAX_FRAME:
            wire.write_frame(sock, b"o", payload)
    return kind == "status" and content["execution_state"] == "idle"
