"""Live pictures in a browser: Motion JPEG over HTTP, on this machine unless another address is asked for.

The stream is `multipart/x-mixed-replace`, which every browser shows as a moving picture. A browser that is
slower than the pictures skips some: it is always given the newest.
"""

from __future__ import annotations

import ipaddress
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from omote.errors import InputError, UsageError
from omote.pipelines.live_source import Pixels

_BOUNDARY = "omote-frame"
_QUALITY = 85
_PATIENCE = 10.0
"""Seconds after which a browser that takes nothing is given up."""
_PAGE = b"""<!doctype html><meta charset="utf-8"><title>omote live</title>
<style>html{background:#111;height:100%}body{margin:0;height:100%}
img{width:100%;height:100%;object-fit:contain}</style><img src="/stream" alt="synthetic pictures">"""


def parse_address(text: str) -> tuple[str, int]:
    """Read `PORT` or `HOST:PORT`; without a host it is this machine alone.

    Raises:
        UsageError: it is no address.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise UsageError(f"--serve '{text}': give PORT, or HOST:PORT such as 127.0.0.1:8765")
    return host.strip("[]") or "127.0.0.1", int(port)


class Browser:
    """Serves the newest picture to any number of browsers.

    Args:
        address: host and port; port 0 takes a free one.

    Raises:
        InputError: the address is taken, or not of this machine.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self._changed = threading.Condition()
        self._jpeg, self._number, self._closed = b"", 0, False
        self._watched = 0
        try:
            self._server = _Server(address, self)
        except OSError as error:
            raise InputError(
                f"{address[0]}:{address[1]}: cannot be served ({error.strerror or error}); "
                "name another port with --serve"
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="omote-http", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where browsers find it."""
        host, port = str(self._server.server_address[0]), self._server.server_address[1]
        return f"http://{host}:{port}/"

    def show(self, pixels: Pixels, seconds: float) -> None:
        """Give browsers the next picture; costs nothing while nobody watches, but for the first."""
        if self._jpeg and not self._watched:
            return
        good, data = cv2.imencode(
            ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        )
        assert good
        with self._changed:
            self._jpeg, self._number = data.tobytes(), self._number + 1
            self._changed.notify_all()

    def newest(self, seen: int) -> tuple[bytes, int] | None:
        """Wait for a picture that is newer than number `seen`; None when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > seen or self._closed)
            return None if self._closed else (self._jpeg, self._number)

    def watched(self, more: int) -> None:
        """Count browsers that watch."""
        with self._changed:
            self._watched += more

    def close(self) -> None:
        """Hang up on all browsers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    abort = close


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], browser: Browser) -> None:
        self.browser = browser
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Browsers come and go; that is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE
    server_version, sys_version = "omote", ""

    def do_GET(self) -> None:
        """The page, or the stream."""
        if not self._asked_rightly():
            self.send_error(403)
        elif self.path == "/":
            self._head("text/html; charset=utf-8", len(_PAGE))
            self.wfile.write(_PAGE)
        elif self.path == "/stream":
            self._head(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self._stream()
        else:
            self.send_error(404)

    def _asked_rightly(self) -> bool:
        """Whether a server of this machine alone is asked for by its own name: a page of another site that
        has its name point here (DNS rebinding) must not read the camera.
        """
        if not _is_loopback(str(self.server.server_address[0])):
            return True
        return _is_loopback(self.headers.get("Host", "").rsplit(":", 1)[0].strip("[]"))

    def _head(self, kind: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _stream(self) -> None:
        browser, number = self.server.browser, 0
        browser.watched(+1)
        try:
            while (newest := browser.newest(number)) is not None:
                jpeg, number = newest
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
        except OSError:
            pass  # the browser has gone
        finally:
            browser.watched(-1)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal shows other things."""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
