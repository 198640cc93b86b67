"""An HTTP server on this machine that serves files, and misbehaves as it is told."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """A file on the server.

    Attributes:
        data: what it holds.
        etag: its version; None if the server names none.
        ranges: whether parts may be asked for.
        length: whether its length is told.
        headers: further headers of every answer.
        script: what happens at the next requests instead of serving it: ("cut", bytes), ("status", number,
            headers) or ("wait", event).
    """

    data: bytes = b""
    etag: str | None = '"1"'
    ranges: bool = True
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    script: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]


class FileServer(ThreadingHTTPServer):
    """`files` by path; `requests` as they came; `sent`: bytes of all bodies."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Served] = {}
        self.requests: list[Request] = []
        self.sent = 0

    def url(self, path: str = "") -> str:
        return f"http://localhost:{self.server_address[1]}{path}"

    def serve(self, path: str, data: bytes, **options: Any) -> str:
        """Put a file on the server; returns its address."""
        self.files[path] = Served(data, **options)
        return self.url(path)

    def paths(self, method: str = "GET") -> list[str]:
        return [request.path for request in self.requests if request.method == method]


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers))
        path = re.sub(r"^http://[^/]+", "", self.path)  # as a proxy is asked
        file = self.server.files.get(path)
        if file is None:
            self._answer(404, {}, b"")
            return
        match file.script.pop(0) if file.script else ("serve",):
            case ("cut", count):
                self._serve(file, headers, count)
                self.close_connection = True
            case ("status", status, extra):
                self._answer(status, extra, b"")
            case ("wait", event):
                event.wait(20)
                self._serve(file, headers, None)
            case _:
                self._serve(file, headers, None)

    do_HEAD = do_GET

    def _serve(self, file: Served, headers: dict[str, str], count: int | None) -> None:
        extra = dict(file.headers)
        if file.etag:
            extra["ETag"] = file.etag
        asked = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        same = headers.get("if-range") in (None, file.etag)
        if not (asked and file.ranges and same):
            self._answer(200, extra, file.data, count, file.length)
            return
        start, total = int(asked[1]), len(file.data)
        if start >= total:
            self._answer(416, {"Content-Range": f"bytes */{total}"}, b"")
            return
        extra["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        self._answer(206, extra, file.data[start:], count)

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, count: int | None = None, length: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            body = body if count is None else body[:count]
            self.server.sent += len(body)
            self.wfile.write(body)

    def handle(self) -> None:
        with suppress(ConnectionError):  # clients may go away
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def file_server() -> Iterator[FileServer]:
    """A server in a thread of its own."""
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
