"""Streams that really arrive: a reader in a process of its own listens on this machine."""

import socket
import subprocess
import sys
import time

import av
import numpy as np
import pytest

from omote.errors import InputError, UsageError
from omote.pipelines.live_sink import StreamOutput

SIZE, LEVEL, PATIENCE = (128, 96), 100, 60
_READER = """
import itertools, sys, av
url, *options = sys.argv[1:]
options = dict(option.split("=") for option in ("probesize=100000", "analyzeduration=200000", *options))
with av.open(url, options=options, timeout=50) as stream:
    # Whoever joins a stream that runs already waits for the next key frame.
    packets = itertools.dropwhile(lambda packet: not packet.is_keyframe, stream.demux(video=0))
    frames = (frame for packet in packets for frame in packet.decode())
    for frame in itertools.islice(frames, 5):
        print(stream.format.name, frame.width, frame.height, round(frame.to_ndarray(format="rgb24").mean()))
"""


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def opened(url: str) -> StreamOutput:
    """The stream, as soon as somebody listens there."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return StreamOutput(url, SIZE, 25)
        except InputError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@pytest.mark.parametrize(
    ("url", "kind", "options", "container"),
    [
        ("udp://127.0.0.1:{}", socket.SOCK_DGRAM, (), "mpegts"),
        ("rtmp://127.0.0.1:{}/live/name", socket.SOCK_STREAM, ("listen=1",), "flv"),
    ],
)
def test_what_is_streamed_arrives(
    url: str, kind: socket.SocketKind, options: tuple[str, ...], container: str
):
    url = url.format(free_port(kind))
    command = [sys.executable, "-c", _READER, url, *options]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        output, number, until = opened(url), 0, time.monotonic() + PATIENCE
        picture = np.full((*SIZE[::-1], 3), LEVEL, np.uint8)
        while reader.poll() is None and time.monotonic() < until:
            try:
                output.show(picture, number / 25)
            except InputError:  # the reader has seen enough and hung up
                break
            number += 1
            time.sleep(0.02)
        output.abort()
        lines, said = reader.communicate(timeout=PATIENCE)
    finally:
        reader.kill()
    assert lines.splitlines() == [f"{container} {SIZE[0]} {SIZE[1]} {LEVEL}"] * 5, said


def test_a_protocol_that_ffmpeg_was_built_without_is_said(monkeypatch: pytest.MonkeyPatch):
    def without(*_: object, **__: object) -> None:
        raise av.ProtocolNotFoundError(0, "Protocol not found")

    monkeypatch.setattr(av, "open", without)
    with pytest.raises(UsageError, match=r"^srt://127.0.0.1:9: this PyAV was built without that protocol"):
        StreamOutput("srt://127.0.0.1:9", SIZE, 25)
