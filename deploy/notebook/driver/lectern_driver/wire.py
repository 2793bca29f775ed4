"""Frames over a file descriptor, and who may do what in the container.

A frame is four bytes of length (big endian), one byte that says what it is, and
its payload, which is JSON. Towards the host, D frames are the driver's own word
and o frames are what a kernel said: outputs, forwarded unread.
"""

import ctypes
import json
import os
import struct

STUDENT = 1000  # runs the kernel
DRIVER = 990  # owns it, and may end it; nothing else in the image has this number
GROUP = 100

CAP_KILL = 5
PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 4, 8

MAX_FRAME = 32 << 20

libc = ctypes.CDLL(None, use_errno=True)


def read_exact(fd, n):
    """n bytes, or EOFError."""
    parts = []
    while n:
        part = os.read(fd, min(n, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def read_frame(fd):
    """The next tag and payload."""
    (n,) = struct.unpack(">I", read_exact(fd, 4))
    if not 0 < n <= MAX_FRAME:
        raise EOFError
    frame = read_exact(fd, n)
    return frame[:1], frame[1:]


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_frame(fd, tag, payload):
    write_all(fd, struct.pack(">I", len(payload) + 1) + tag + payload)


def write_json(fd, tag, value):
    write_frame(fd, tag, json.dumps(value).encode())


def become(uid, keep=()):
    """Goes on as another user, with these capabilities and no way back."""
    libc.prctl(PR_SET_KEEPCAPS, 1 if keep else 0, 0, 0, 0)
    os.setgroups([])
    os.setresgid(GROUP, GROUP, GROUP)
    os.setresuid(uid, uid, uid)
    bits = sum(1 << cap for cap in keep)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(bits, bits, 0, 0, 0, 0)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
