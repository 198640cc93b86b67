"""A child process with limits, for work on files that nobody vouches for.

Decoders are large and have defects. What a hostile file makes of them shall end with the child: its memory,
its time and what it may write are limited, and it has no network. Only Linux; elsewhere nothing is limited.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from omote.confinement.guards import die_with_parent, forbid_network, forbid_writing
from omote.errors import InputError

_LEAST_MEMORY = 4 << 30
_CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGTRAP"})
_SENT_ON = frozenset({"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"})
"""Signals for the parent that are meant for the child."""

_BY_SOMEBODY = 0
"""`si_code` of a signal that a process sent (SI_USER); the terminal's own reach the child by themselves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use; each limit holds for every process that it starts, too.

    Attributes:
        memory: bytes of data and stacks (RLIMIT_DATA), what devices map left out; None: no limit.
        seconds: of processor time; None: no limit.
        file_size: bytes of one file; None: no limit.
        network: whether it may open connections.
        writable: files and folders that it may write; None: all.
        alone: whether it may start no programs and talk to no other process.
    """

    memory: int | None = None
    seconds: int | None = None
    file_size: int | None = None
    network: bool = False
    writable: tuple[Path, ...] | None = None
    alone: bool = False


def half_of_memory() -> int:
    """Half of this machine's memory in bytes, at least 4 GiB: with more, one file could stop the machine."""
    return max(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2, _LEAST_MEMORY)


def confine(limits: Limits) -> tuple[str, ...]:
    """Put limits on this process, for good. To be called before it has threads.

    Returns:
        The attributes of `Limits` that this system cannot enforce.
    """
    if sys.platform == "win32":
        return ("memory", "seconds", "file_size", "network", "writable")
    import resource

    wanted = {
        "memory": (resource.RLIMIT_DATA, limits.memory),
        "seconds": (resource.RLIMIT_CPU, limits.seconds),
        "file_size": (resource.RLIMIT_FSIZE, limits.file_size),
        "": (resource.RLIMIT_CORE, 0),  # a core file would hold the pictures
    }
    missed = [name for name, (kind, value) in wanted.items() if not _limit(kind, value)]
    if limits.writable is not None and not forbid_writing((Path(os.devnull), *limits.writable)):
        missed.append("writable")
    if not limits.network and not forbid_network(alone=limits.alone):
        missed.append("network")
    return tuple(name for name in missed if name)


def _limit(kind: int, value: int | None) -> bool:
    import resource

    if value is None:
        return True
    hard = resource.getrlimit(kind)[1]
    lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (lowest, lowest))
    except (OSError, ValueError):
        return False
    return True


def go_on_confined(limits: Limits) -> int | None:
    """Fork: the child goes on with limits, this process waits for its end. Before there are other threads.

    Signals that are sent to this process are sent on; if it is killed, the child is, too.

    Returns:
        None in the child, and where processes cannot be limited; in the parent the child's exit code.

    Raises:
        InputError: in the parent, if the child crashed or went beyond its limits.
    """
    if sys.platform != "linux":
        return None  # a forked process may not use the system's libraries there
    parent = os.getpid()
    waited = {getattr(signal, name) for name in _SENT_ON} | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    child = os.fork()
    if child == 0:
        die_with_parent(parent, signal.SIGKILL)
        confine(limits)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    try:
        status = _wait(child, waited)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return _exit_code(status, limits)


def _wait(child: int, signals: set[signal.Signals]) -> int:
    """The status with which the child ended."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        received = signal.sigwaitinfo(signals)
        if received.si_signo != signal.SIGCHLD and received.si_code == _BY_SOMEBODY:
            os.kill(child, received.si_signo)


def _exit_code(status: int, limits: Limits) -> int:
    if not os.WIFSIGNALED(status):
        return os.waitstatus_to_exitcode(status)
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name
    blame = "an input is damaged, or made to do harm; no output was written"
    if name in _CRASHES:
        raise InputError(f"reading crashed ({signal.strsignal(number)}): {blame}")
    if name == "SIGXCPU" or (name == "SIGKILL" and _used_up(limits)):
        raise InputError(f"reading took more than {limits.seconds} s of processor time: {blame}")
    if name == "SIGXFSZ":
        raise InputError(f"a file of more than {limits.file_size} bytes was to be written: {blame}")
    if name == "SIGKILL":
        raise InputError("the process was killed (is there enough memory?); no output was written")
    signal.signal(number, signal.SIG_DFL)  # it was sent to end this process
    os.kill(os.getpid(), number)
    return 128 + number


def _used_up(limits: Limits) -> bool:
    """Whether the children of this process have used their processor time, as far as it is counted."""
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return limits.seconds is not None and usage.ru_utime + usage.ru_stime >= 0.9 * limits.seconds
