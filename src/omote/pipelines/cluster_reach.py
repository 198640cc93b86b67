"""The way to a Ray cluster: found, asked whether it answers, joined, and left again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from importlib.util import find_spec

from omote.errors import InputError, UsageError
from omote.media.sniff import reason

_REACH = 5.0
"""Seconds in which a cluster answers."""
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4
"""The beginning of HTTP/2, which gRPC speaks, and the frame that answers it (RFC 9113, 3.4 and 6.5)."""


@contextlib.contextmanager
def reached(address: str | None) -> Iterator[None]:
    """Be connected to a cluster; to none if there is no address, or as the program is already.

    Args:
        address: `auto` for the cluster of which this machine is a node, or HOST:PORT of its head.

    Raises:
        UsageError: Ray is not installed, the address makes no sense, or the network is forbidden.
        InputError: the cluster cannot be reached, or has another version of Ray or Python.
    """
    if address is None:
        yield
        return
    if find_spec("ray") is None:
        raise UsageError("--cluster needs Ray, which is not installed: pip install 'omote[cluster]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read while it is imported
    import ray

    if ray.is_initialized():
        yield
        return
    found = _find(address)
    _knock(address, found)
    with _quiet():
        try:
            with _signals_kept():
                # Asked for by that name, it is joined with the token that lies here, if it wants one.
                join = "auto" if address == "auto" else found
                ray.init(join, log_to_driver=False, logging_level="critical")
        except (Exception, SystemExit) as error:  # whatever Ray says of versions and nodes
            ray.shutdown()
            raise InputError(f"--cluster {address}: cannot be joined ({first_line(error)})") from None
        try:
            yield
        finally:
            ray.shutdown()


def _find(address: str) -> str:
    """The cluster's HOST:PORT."""
    from ray._private.services import canonicalize_bootstrap_address

    if "://" not in address and address != "local":
        try:
            found = canonicalize_bootstrap_address(address)
        except ConnectionError:
            raise InputError("--cluster auto: this machine is no node of a running Ray cluster") from None
        except OSError as error:
            raise InputError(f"--cluster {address}: no such host ({reason(error)})") from None
        except ValueError:
            found = None
        if found is not None and found.rpartition(":")[2].isdecimal():
            return str(found)
    raise UsageError(f"--cluster {address}: give auto, or HOST:PORT of the cluster's head")


def _knock(address: str, found: str) -> None:
    """Raise InputError unless something answers that may be Ray: Ray itself asks for minutes."""
    host, _, port = found.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _REACH) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return
            connection.settimeout(_REACH)
            connection.sendall(_GREETING)
            answer = connection.recv(4)
    except PermissionError:
        raise UsageError(
            "--cluster needs the network, which is opened only if it stands on the command line"
        ) from None
    except (OSError, OverflowError) as error:
        raise InputError(f"--cluster {address}: cannot be reached ({first_line(error)})") from None
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise InputError(f"--cluster {address}: something answers there that is not Ray")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray from printing whatever happens to its nodes; what matters comes as errors, too."""
    from ray._private import worker

    before = worker.print_to_stdstream
    worker.print_to_stdstream = lambda data, ignore_prefix: None
    try:
        yield
    finally:
        worker.print_to_stdstream = before


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Undo what Ray does to SIGTERM: with its handlers the process would end in a page of addresses."""
    mine = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if mine and before is not None:
            signal.signal(signal.SIGTERM, before)


def first_line(error: BaseException) -> str:
    """What an error says, as far as it goes into one line."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
