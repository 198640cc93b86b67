"""Fetch a file over https: resumed after a cut, tried again after a failure, through the user's proxy.

Nothing here knows networks or digests. urllib3 does the talking; it is imported only when a socket is wanted.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin, urlsplit

from omote.errors import ModelError, OmoteError
from omote.zoo.admission import MOST_BYTES
from omote.zoo.folder import require_room, writing
from omote.zoo.part import Beginning, beginning_of, discard, note, size_of

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

Report = Callable[[int, int | None], None]
"""Told bytes that are here, and bytes of the whole file if known."""

_CHUNK = 1 << 18
_REDIRECTS = 10
_LONGEST_WAIT = 60.0
_MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOCAL = ("localhost", "127.0.0.1", "::1")


class TransferError(OmoteError):
    """An address does not give the file: its message is a reason, to be told with the address's host."""

    exit_code = 6


class _Passing(TransferError):
    """Likewise, but another try may help.

    Args:
        reason: what went wrong.
        wait: seconds that the server asked to wait.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says of a file.

    Attributes:
        status: of the last response.
        headers: of all responses on the way, lower-case names; where several have one, the first counts.
        body: the text, where it was asked for.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


class Transfer:
    """Fetches files. Holds connections; safe for one thread at a time.

    Args:
        proxies: address of the proxy by scheme (`http`, `https`, `all`), and `no`: hosts that need none.
        timeout: seconds that a server may be silent.
        retries: how often in a row a try may fail without a single new byte.
        pause: seconds before the second try, doubled before each further one.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        proxies: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        pause: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.proxies = dict(proxies or {})
        self.timeout = timeout
        self.retries = retries
        self.pause = pause
        self._sleep = sleep
        self._pools: dict[str | None, PoolManager] = {}

    @classmethod
    def from_environment(cls) -> "Transfer":
        """With the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or of the system.

        Raises:
            ModelError: urllib3 is not installed.
        """
        from urllib.request import getproxies

        try:
            import urllib3  # noqa: F401
        except ImportError as error:
            raise ModelError(
                "fetching networks needs the package urllib3: pip install 'omote[models]', or fetch the file "
                "yourself and omote models import it"
            ) from error
        return cls(getproxies())

    def fetch(
        self,
        url: str,
        part: Path,
        size: int | None = None,
        report: Report | None = None,
        proven: bool = False,
    ) -> bool:
        """Fetch a file into `part`; what is there already is gone on with.

        If this fails, `part` stays for a later call, with a little file beside it that says what it is of.

        Args:
            url: https; http only on this machine.
            part: where to write.
            size: bytes that the file must have, if known.
            report: told how far it is.
            proven: the caller knows the file's digest, which proves that parts belong together. Only then
                is a part gone on with that another address began, or one whose server named no version.

        Returns:
            Whether the file was put together from several parts.

        Raises:
            TransferError: this address does not give the file; its message is the reason only.
            InputError: the file cannot be written; a full disk leaves nothing behind.
        """
        start = beginning_of(part)
        if not proven and start and not (start.validator and start.url == url):
            discard(part)
        most, failures = size_of(part), 0
        while True:
            try:
                return self._attempt(url, part, size, report or _silent)
            except _Passing as trouble:
                failures = 0 if size_of(part) > most else failures + 1
                most = max(most, size_of(part))
                if failures > self.retries:
                    raise TransferError(str(trouble)) from trouble
                self._sleep(min(max(trouble.wait, self.pause * 2 ** max(failures - 1, 0)), _LONGEST_WAIT))

    def ask(self, method: str, url: str, limit: int = 1 << 24) -> Answer:
        """Ask for headers (HEAD), or for a small text (GET), once.

        Raises:
            TransferError: there is no answer.
        """
        with self._open(method, url, {}) as (response, headers), _reasons(url):
            body = response.read(limit, decode_content=True) if method == "GET" else b""
            return Answer(response.status, headers, body)

    def _attempt(self, url: str, part: Path, size: int | None, report: Report) -> bool:
        """Try once. Returns whether it went on with a part."""
        start = beginning_of(part)
        offset = size_of(part) if start else 0
        wanted = {}
        if start and offset:
            wanted["Range"] = f"bytes={offset}-"
            if start.validator and start.url == url:
                wanted["If-Range"] = start.validator
        with self._open("GET", url, wanted) as (response, _):
            status, headers = response.status, response.headers
            if status == 416 and start and offset == start.total == _range_total(headers):
                return True  # the whole file is here
            if status == 416 or (status == 206 and not _continues(headers, start, offset)):
                discard(part)
                raise _Passing("the file changed on the server")
            if status not in (200, 206):
                _refuse(status, headers)
            if status == 200:
                offset = 0
                discard(part)
            total = start.total if start and offset else _total(headers)
            _judge_size(total, size)
            require_room(part.parent, total - offset)
            if offset == 0:
                note(part, Beginning(url, total, _validator(headers)))
            with writing(part, lambda: discard(part)):
                file = part.open("ab")
            try:
                self._receive(url, response, part, file, offset, total, report)
            finally:
                with writing(part, lambda: discard(part)):
                    file.close()
            return offset > 0

    def _receive(
        self,
        url: str,
        response: "BaseHTTPResponse",
        part: Path,
        file: BinaryIO,
        offset: int,
        total: int,
        report: Report,
    ) -> None:
        report(offset, total)
        with _reasons(url):
            for chunk in response.stream(_CHUNK, decode_content=False):
                offset += len(chunk)
                if offset > total:
                    raise TransferError(f"sends more than the {total} bytes that it announced")
                with writing(part, lambda: discard(part)):
                    file.write(chunk)
                report(offset, total)
        if offset < total:
            raise _Passing(f"the connection broke off after {offset} of {total} bytes")

    @contextlib.contextmanager
    def _open(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> "Iterator[tuple[BaseHTTPResponse, dict[str, str]]]":
        """The last response after all redirects, and the headers of all of them."""
        seen: dict[str, str] = {}
        # Nothing but an origin on this machine may lead to plain http, and only to this machine.
        local = urlsplit(url).hostname in _LOCAL
        for _ in range(_REDIRECTS):
            parts = urlsplit(url)
            if parts.scheme != "https" and not (
                local and parts.scheme == "http" and parts.hostname in _LOCAL
            ):
                raise TransferError(f"leads to {url.split('?', maxsplit=1)[0]}, which is not https")
            with _reasons(url):
                response = self._pool(url).request(
                    method,
                    url,
                    headers={"User-Agent": "omote", "Accept-Encoding": "identity", **headers},
                    preload_content=False,
                    redirect=False,
                    retries=False,
                )
            for name, value in response.headers.items():
                seen.setdefault(name.lower(), value)
            target = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or target is None:
                try:
                    yield response, seen
                finally:
                    response.close()
                return
            response.close()
            url = urljoin(url, target)
        raise TransferError(f"more than {_REDIRECTS} redirects")

    def _pool(self, url: str) -> "PoolManager":
        import urllib3

        proxy = self._proxy(url)
        if proxy not in self._pools:
            timeout = urllib3.Timeout(connect=self.timeout, read=self.timeout)
            if proxy is None:
                self._pools[proxy] = urllib3.PoolManager(timeout=timeout)
            else:
                parsed = urllib3.util.parse_url(proxy)
                if parsed.scheme not in ("http", "https"):
                    raise TransferError(f"the proxy {parsed.scheme}://{parsed.host} is not an http proxy")
                login = urllib3.make_headers(proxy_basic_auth=parsed.auth) if parsed.auth else None
                self._pools[proxy] = urllib3.ProxyManager(proxy, proxy_headers=login, timeout=timeout)
        return self._pools[proxy]

    def _proxy(self, url: str) -> str | None:
        """The proxy for an address; None if it is reached directly."""
        parts = urlsplit(url)
        proxy = self.proxies.get(parts.scheme) or self.proxies.get("all")
        if not proxy or _needs_no_proxy(parts.hostname or "", self.proxies.get("no", "")):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


def _needs_no_proxy(host: str, exceptions: str) -> bool:
    """Whether a host is one of the comma-separated hosts and domains of `NO_PROXY`; `*` is all."""
    for entry in exceptions.split(","):
        name = entry.strip().rsplit(":", 1)[0].lstrip(".").lower()
        if name == "*" or (name and (host == name or host.endswith(f".{name}"))):
            return True
    return False


# --- headers ---


def _total(headers: Mapping[str, str]) -> int:
    """Bytes of the whole file. Without them a cut could not be told from the end."""
    length = headers.get("Content-Length", "")
    if not length.isdecimal():
        raise TransferError("does not say how long the file is")
    return int(length)


def _judge_size(total: int, size: int | None) -> None:
    if total > MOST_BYTES:
        raise TransferError(f"the file has {total} bytes; above {MOST_BYTES >> 30} GiB nothing is fetched")
    if size is not None and total != size:
        raise TransferError(f"the file has {total} bytes, expected {size}")


def _range_total(headers: Mapping[str, str]) -> int | None:
    match = re.fullmatch(r"bytes (?:\*|\d+-\d+)/(\d+)", headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _continues(headers: Mapping[str, str], start: Beginning | None, offset: int) -> bool:
    """Whether a partial response goes on where the part ends, with a file of the same size."""
    begins = headers.get("Content-Range", "").startswith(f"bytes {offset}-")
    return begins and start is not None and _range_total(headers) == start.total


def _validator(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")


def _refuse(status: int, headers: Mapping[str, str]) -> None:
    reason = f"answers {status}" + {401: " (login needed)", 403: " (forbidden)", 404: " (not found)"}.get(
        status, ""
    )
    if status in _MAY_PASS:
        wait = headers.get("Retry-After", "")
        raise _Passing(reason, float(wait) if wait.isdecimal() else 0.0)
    raise TransferError(reason)


@contextlib.contextmanager
def _reasons(url: str) -> Iterator[None]:
    """Make errors of the connection reasons, and tell those that may pass."""
    from urllib3 import exceptions as trouble

    host = urlsplit(url).hostname
    try:
        yield
    except trouble.NameResolutionError as error:
        raise TransferError(f"the name {host} is not known here; is there a network?") from error
    except trouble.SSLError as error:
        raise TransferError(f"the certificate of {host} is not accepted ({error})") from error
    except trouble.ProxyError as error:
        raise _Passing("the proxy does not let through") from error
    except trouble.NewConnectionError as error:  # before timeouts, of which it is a kind
        raise _Passing(f"{host} cannot be reached") from error
    except (trouble.TimeoutError, TimeoutError) as error:
        raise _Passing(f"{host} does not answer") from error
    except (trouble.HTTPError, ConnectionError) as error:
        raise _Passing("the connection broke off") from error


def _silent(done: int, total: int | None) -> None:
    pass
