"""File operations of another process, held at the kernel until this one has decided what becomes of them.

A process hands over a listener of seccomp (`seccomp(2)`, `SECCOMP_RET_USER_NOTIF`): from then on each of its system
calls that read or write files, and those of the threads and processes it starts, wait for an answer: go on, fail with
an error, or never return. So what fails, fails below every library (Arrow, safetensors, SQLite, FAISS, Pillow) as it
does on a real disk. No compiler and no rights are needed, but Linux 5.5 on x86-64.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import struct
import sys
from dataclasses import dataclass
from typing import Literal

Sort = Literal["open", "create", "read", "write", "flush", "rename", "mkdir", "unlink", "mode"]

FAILS_WITH: dict[Sort, int] = {
    "open": errno.EACCES,
    "create": errno.ENOSPC,
    "read": errno.EIO,
    "write": errno.ENOSPC,
    "flush": errno.EIO,
    "rename": errno.EIO,
    "mkdir": errno.EACCES,
    "unlink": errno.EACCES,
    "mode": errno.EACCES,
}
"""The error that an operation of each sort fails with, where no other is asked for."""

SUPPORTED = sys.platform == "linux" and platform.machine() == "x86_64"

_AT_FDCWD = -100
_FILTER, _NEW_LISTENER, _NO_NEW_PRIVS, _SECCOMP = 1, 8, 38, 317
_ALLOW, _NOTIFY, _ARCH = 0x7FFF0000, 0x7FC00000, 0xC000003E
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_NOTICE, _ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")


@dataclass(frozen=True)
class _Call:
    """A system call: how its path is told from its arguments.

    Attributes:
        sort: of the operation.
        fd: which argument is the file, or the folder that a path is relative to; None for the working folder.
        path: which argument is the path; None where a file is told by its number alone.
    """

    sort: Sort
    fd: int | None = None
    path: int | None = None


_CALLS = {
    0: _Call("read", 0),  # read
    1: _Call("write", 0),  # write
    2: _Call("open", None, 0),  # open
    17: _Call("read", 0),  # pread64
    18: _Call("write", 0),  # pwrite64
    19: _Call("read", 0),  # readv
    20: _Call("write", 0),  # writev
    40: _Call("write", 0),  # sendfile, by its target
    74: _Call("flush", 0),  # fsync
    75: _Call("flush", 0),  # fdatasync
    76: _Call("write", None, 0),  # truncate
    77: _Call("write", 0),  # ftruncate
    82: _Call("rename", None, 1),  # rename, by its target, as all that follow
    83: _Call("mkdir", None, 0),  # mkdir
    84: _Call("unlink", None, 0),  # rmdir
    85: _Call("create", None, 0),  # creat
    86: _Call("rename", None, 1),  # link
    87: _Call("unlink", None, 0),  # unlink
    90: _Call("mode", None, 0),  # chmod
    91: _Call("mode", 0),  # fchmod
    257: _Call("open", 0, 1),  # openat
    258: _Call("mkdir", 0, 1),  # mkdirat
    263: _Call("unlink", 0, 1),  # unlinkat
    264: _Call("rename", 2, 3),  # renameat
    265: _Call("rename", 2, 3),  # linkat
    268: _Call("mode", 0, 1),  # fchmodat
    285: _Call("write", 0),  # fallocate
    295: _Call("read", 0),  # preadv
    296: _Call("write", 0),  # pwritev
    316: _Call("rename", 2, 3),  # renameat2
    326: _Call("write", 2),  # copy_file_range, by its target
}
"""By their numbers on x86-64."""

_FLAGS = {2: 1, 257: 2}
"""Which argument of the calls that open a file are the flags."""


@dataclass(frozen=True)
class Operation:
    """An operation on a file that waits to be answered.

    Attributes:
        key: of the notice.
        pid: of the thread that asks.
        sort: of the operation.
        path: absolute; empty where it is no file.
    """

    key: int
    pid: int
    sort: Sort
    path: str


def hand_over() -> int:
    """From now on let this process wait for the answer to each file operation; the listener that hears of them.

    Raises:
        OSError: this system has no such notices.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    count = len(_CALLS)
    lines = [_bpf(0x20, 4), _bpf(0x15, _ARCH, 0, count + 1), _bpf(0x20, 0)]
    lines += [_bpf(0x15, number, count - at) for at, number in enumerate(_CALLS)]
    code = b"".join([*lines, _bpf(0x06, _ALLOW), _bpf(0x06, _NOTIFY)])
    buffer = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer)))
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    found = libc.syscall(_SECCOMP, _FILTER, _NEW_LISTENER, program)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(found)


def _bpf(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def next_operation(listener: int) -> Operation | None:
    """The operation that waits longest; None where whoever asked is gone."""
    buffer = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    key, pid, _, number, _, _, *arguments = _NOTICE.unpack(buffer)
    call = _CALLS[number]
    sort = call.sort
    if number in _FLAGS and arguments[_FLAGS[number]] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        sort = "create"
    return Operation(key, pid, sort, _path(pid, call, arguments))


def answer(listener: int, operation: Operation, error: int = 0) -> None:
    """Let an operation go on, or fail with an error; nothing happens where whoever asked is gone."""
    reply = _ANSWER.pack(operation.key, 0, -error, 0 if error else _CONTINUE)
    with contextlib.suppress(FileNotFoundError):
        fcntl.ioctl(listener, _SEND, reply)


def _path(pid: int, call: _Call, arguments: list[int]) -> str:
    """Where a call leads; empty where that cannot be said, as of a pipe or of a process that is gone."""
    try:
        base = "cwd"
        if call.fd is not None and (number := ctypes.c_int(arguments[call.fd] & 0xFFFFFFFF).value) != _AT_FDCWD:
            base = f"fd/{number}"
        if call.path is None:
            return os.readlink(f"/proc/{pid}/{base}")
        text = os.fsdecode(_text(pid, arguments[call.path]))
        return text if text.startswith("/") else os.path.join(os.readlink(f"/proc/{pid}/{base}"), text)
    except OSError:
        return ""


def _text(pid: int, address: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        content = memory.read(min(4096, 4096 - address % 4096))
        if b"\0" not in content:
            content += memory.read(4096)
    return content.partition(b"\0")[0]
