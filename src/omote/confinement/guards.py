"""What Linux can forbid a process for good: new sockets (seccomp) and writing files (Landlock).

Both need no privileges, and processes that are started later inherit them. They hold for the calling thread
and for what it starts, so they are to be called before there are other threads. Sources: the kernel's
userspace-api/seccomp_filter.rst and userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_EACCES, _ENOSYS = 13, 38
_AF_UNIX: Final = 1

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Byte offsets in `struct seccomp_data`; both known machines are little-endian."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """Its AUDIT_ARCH, the first number that no call of its own has, and the numbers of some calls."""

    architecture: int
    foreign: int
    socket: int
    reaching: tuple[int, ...]
    """ptrace, process_vm_readv, process_vm_writev: into other processes."""
    starting: tuple[int, ...]
    """execve, execveat."""


_IO_URING_SETUP: Final = 425  # everywhere; its requests, sockets among them, pass no filter
_MACHINES: Final = {
    "x86_64": _Machine(0xC000003E, 0x40000000, 41, (101, 310, 311), (59, 322)),
    "aarch64": _Machine(0xC00000B7, 0x40000000, 198, (117, 270, 271), (221, 281)),
}

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION: Final = 1
_BENEATH: Final = 1
_WRITING: Final = (1 << 1) | sum(1 << bit for bit in range(4, 13))
"""WRITE_FILE, REMOVE_DIR, REMOVE_FILE and all of MAKE_*: the rights of the first version."""
_TRUNCATE: Final = 1 << 14  # since version 3


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def die_with_parent(parent: int, number: int) -> None:
    """Have the kernel send this process a signal when its parent ends; at once if that is gone already."""
    if sys.platform == "linux":
        _library().prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def forbid_network(*, alone: bool = False) -> bool:
    """Forbid sockets of every family but AF_UNIX, and reaching into other processes; False if it cannot be.

    Args:
        alone: forbid AF_UNIX sockets and starting programs as well.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None or sys.byteorder != "little":
        return False
    code = _program(machine, alone)
    program = _Filter(len(code) // 8, code)
    return _no_new_privileges() and (
        _library().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0
    )


def forbid_writing(except_below: Iterable[Path] = ()) -> bool:
    """Forbid to make, change or remove files, but those that are open already; False if it cannot be.

    Args:
        except_below: files and folders that may be written; those that do not exist are passed over.
    """
    if sys.platform != "linux":
        return False
    library = _library()
    version = library.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < 1:
        return False
    rights = _WRITING | (_TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("<Q", rights)
    rules = library.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        for path in except_below:
            _allow_below(library, rules, path, rights)
        return _no_new_privileges() and library.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0
    finally:
        os.close(rules)


def _allow_below(library: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= (1 << 1) | _TRUNCATE  # the kernel refuses the rights of folders for a file
        library.syscall(_LANDLOCK_ADD, rules, _BENEATH, struct.pack("<Qi", rights, place), 0)
    finally:
        os.close(place)


def _program(machine: _Machine, alone: bool) -> bytes:
    """The filter in classic BPF: sockets and some calls are refused, all others allowed."""
    refused = (*machine.reaching, *(machine.starting if alone else ()))
    family = [] if alone else [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 0, 1, _AF_UNIX), _returned(_ALLOW)]
    steps: list[Sequence[int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.architecture),
        _returned(_ERRNO | _ENOSYS),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, machine.foreign),
        _returned(_ERRNO | _ENOSYS),
        (_EQUAL, 0, 1, _IO_URING_SETUP),
        _returned(_ERRNO | _ENOSYS),
    ]
    for number in refused:
        steps += [(_EQUAL, 0, 1, number), _returned(_ERRNO | _EACCES)]
    steps += [
        (_EQUAL, 0, len(family) + 1, machine.socket),
        *family,
        _returned(_ERRNO | _EACCES),
        _returned(_ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def _returned(action: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, action)


def _no_new_privileges() -> bool:
    """Give up ever gaining rights by starting programs: the kernel asks for that before either guard."""
    return bool(_library().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
