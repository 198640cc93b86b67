"""Films to measure with, made by the demo room."""

from pathlib import Path

import av

from omote.demo import make_film, portraits


def demo_film(folder: Path, seconds: float, size: tuple[int, int] = (1280, 720)) -> Path:
    """A talking head, 25 frames a second."""
    path = folder / f"film-{seconds:g}s.mp4"
    make_film(portraits()[1], path, seconds, size)
    return path


def loop_film(film: Path, path: Path, times: int) -> None:
    """Write the pictures of a film several times in a row, without encoding them again."""
    shift = 0
    with av.open(str(path), "w") as made:
        for _ in range(times):
            with av.open(str(film)) as given:
                pictures = given.streams.video[0]
                if not made.streams.video:
                    stream = made.add_stream_from_template(pictures)
                for packet in given.demux(pictures):
                    if packet.size:
                        packet.stream = stream
                        packet.pts, packet.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
                        made.mux(packet)
                shift += pictures.duration or 0
