"""The driver: takes orders on stdin, owns the kernel, answers on stdout.

It is process 1 of the container, under a user of its own whose one capability
is to end the kernel's processes. Tests pass through it one at a time. Nothing a
kernel sends is interpreted here except the small answer at a cell's end, and
that only if it names the cell's nonce.
"""

import json
import os
import select
import signal
import socket
import struct
import sys
import time

from . import nursery, wire

ORDERS, ANSWERS = 0, 1
GRACE = 3.0  # seconds from the interrupt of a cell to the kernel's end


class Ended(Exception):
    """The kernel is gone, or was ended; the text says by what."""


class Kernel:
    """One notebook's kernel, as its owner sees it."""

    def __init__(self, sock, pid, limits):
        self.sock, self.pid = sock, pid
        self.buffer = bytearray()
        self.heard = 0  # bytes, over all cells
        self.limit = limits["output"]
        self.oom = out_of_memory()
        self.dead = ""
        sock.setblocking(False)

    def frames(self):
        """What has arrived, without waiting."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise Ended("death")
        self.heard += len(data)
        if self.heard > self.limit:
            raise Ended("output")
        self.buffer += data
        while len(self.buffer) >= 4:
            (n,) = struct.unpack_from(">I", self.buffer)
            if not 0 < n <= wire.MAX_FRAME:
                raise Ended("output")
            if len(self.buffer) < 4 + n:
                return
            frame = bytes(self.buffer[4 : 4 + n])
            del self.buffer[: 4 + n]
            yield frame[:1], frame[1:]

    def tell(self, payload, until):
        """Sends an order. A kernel that takes none in time is as good as dead."""
        data = memoryview(struct.pack(">I", len(payload) + 1) + b"c" + payload)
        poll = select.poll()
        poll.register(self.sock, select.POLLOUT)
        while data:
            try:
                data = data[self.sock.send(data) :]
            except BlockingIOError:
                if time.monotonic() > until or not poll.poll(100) and time.monotonic() > until:
                    raise Ended("time") from None
            except OSError:
                raise Ended("death") from None


class Driver:
    def __init__(self, control, nursery_pid):
        self.control, self.nursery = control, nursery_pid
        self.kernel = None

    def say(self, **answer):
        wire.write_json(ANSWERS, b"D", answer)

    def ask(self, order, *fds):
        socket.send_fds(self.control, [json.dumps(order).encode()], fds)
        return json.loads(self.control.recv(1 << 16))

    def serve(self):
        self.say(op="ready", **json.loads(self.control.recv(1 << 16)))
        while True:
            _, payload = wire.read_frame(ORDERS)
            order = json.loads(payload)
            getattr(self, order["op"])(order, payload)

    def files(self, order, _):
        """The submission's files; a process of the student's user reads them."""
        self.say(op="files", **self.ask(order))

    def open(self, order, _):
        """A kernel for one notebook."""
        ours, theirs = socket.socketpair()
        reply = self.ask(order, theirs.fileno())
        theirs.close()
        if "pid" in reply:
            self.kernel = Kernel(ours, reply["pid"], order)
            if reply["foreign"] and not self.started():
                reply = {"missing": f"the kernel {order['kernel'][:60]} did not start"}
        self.say(op="opened", **reply)

    def started(self):
        """Whether a foreign kernel came up: its keeper says so, or ends."""
        poll = select.poll()
        for fd in (self.kernel.sock, self.control, ORDERS):
            poll.register(fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll()]
        if ORDERS in ready:
            sys.exit(0)
        try:
            return self.kernel.sock.fileno() in ready and bool(list(self.kernel.frames()))
        except Ended:
            return False

    def cell(self, order, payload):
        """Runs one cell and says how it ended, whatever the kernel does."""
        k = self.kernel
        self.forged = False
        try:
            if k.dead:
                raise Ended(k.dead)
            done = self.run(k, order, payload)
        except Ended as e:
            k.dead = str(e)
            self.end()
            if out_of_memory() > k.oom and k.dead == "death":
                k.dead = "memory"
            done = {"status": "dead", "cause": k.dead}
        self.say(op="done", nonce=order["nonce"], forged=self.forged, **done)

    def run(self, k, order, payload):
        deadline = time.monotonic() + order["timeout"]
        k.tell(payload, deadline)
        poll = select.poll()
        for fd in (k.sock, self.control, ORDERS):
            poll.register(fd, select.POLLIN)
        stopped = False
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                if stopped:
                    raise Ended("time")
                stopped, deadline = True, time.monotonic() + GRACE
                signal_quietly(-k.pid, signal.SIGINT)  # the whole group, as Jupyter does
                continue
            ready = dict(poll.poll(left * 1000 + 1))
            if ORDERS in ready:
                sys.exit(0)  # the host has gone: nobody sends orders during a cell
            if k.sock.fileno() in ready:
                for tag, body in k.frames():
                    if tag == b"o":
                        wire.write_frame(ANSWERS, b"o", body)
                    elif done := self.answer(order, body):
                        return {**done, "status": "timeout"} if stopped else done
            elif self.control.fileno() in ready:
                self.control.recv(1 << 16)  # the nursery tells that the kernel's process has ended
                raise Ended("death")

    def answer(self, order, body):
        """A kernel's word that a cell is done, if it is about this cell."""
        try:
            got = json.loads(body)
            if got["nonce"] == order["nonce"] and got["status"] in ("ok", "error"):
                return {
                    "status": got["status"],
                    "count": int(got["count"]),
                    "reached": bool(got["reached"]),
                    "flags": [str(f)[:200] for f in got["flags"][:20]],
                }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        self.forged = True
        return None

    def close(self, _order, _payload):
        """The end of a notebook: nothing that it started stays."""
        clean = self.end() and not self.kernel.dead
        if clean:
            self.control.recv(1 << 16)  # the nursery's word that the kernel has ended
        self.say(op="closed", clean=clean, cpu=cpu_seconds())

    def end(self):
        """Kills everything but the driver's own two processes."""
        for _ in range(50):
            others = [p for p in map(int, filter(str.isdigit, os.listdir("/proc"))) if p not in (os.getpid(), self.nursery)]
            if not others:
                return True
            for pid in others:
                signal_quietly(pid, signal.SIGKILL)
            time.sleep(0.002)
        return False


def signal_quietly(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def out_of_memory():
    """How often the machine killed something here for want of memory."""
    for name in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(name) as f:
                return next(int(line.split()[1]) for line in f if line.startswith("oom_kill "))
        except (OSError, StopIteration):
            continue
    return 0


def cpu_seconds():
    """What the container has computed since it was made."""
    try:
        with open("/sys/fs/cgroup/cpuacct/cpuacct.usage") as f:
            return int(f.read()) / 1e9
    except OSError:
        pass
    try:
        with open("/sys/fs/cgroup/cpu.stat") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("usage_usec ")) / 1e6
    except (OSError, StopIteration):
        return 0.0


def main():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        nursery.serve(theirs, sys.argv[1:])
        os._exit(0)
    theirs.close()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans come to process 1 and are reaped by this
    wire.become(wire.DRIVER, [wire.CAP_KILL])
    try:
        Driver(ours, pid).serve()
    except EOFError:
        pass


main()
