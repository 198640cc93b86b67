"""Frames per second and latency of live pictures: a film of 30 fps and 640 x 480 stands in for the camera.

    python benchmarks/live.py [--seconds 10] [--max-latency 200] [--film FILE]

Latency is glass to glass without the glass: from the moment at which a frame is due to the moment at which
its picture, marked, is handed to the output. The output encodes a JPEG, as for a browser that watches, and
keeps nothing. Processor time is that of the whole process while the camera runs, all threads together.
"""

import argparse
import os
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from machine import describe

from omote.demo import make_film, portraits
from omote.pipelines.choose import open_networks
from omote.pipelines.live import Live
from omote.pipelines.live_faces import Follower, Lookout
from omote.pipelines.live_people import Person, detectors
from omote.pipelines.live_settings import Controls, LiveSettings
from omote.pipelines.live_source import FilmCamera
from omote.pipelines.settings import SwapSettings
from omote.trust.watermark import Watermark, new_identifier

RATE, SIZE = 30, (640, 480)


class Jpeg:
    """An output that costs what a browser's does."""

    def show(self, pixels: np.ndarray, seconds: float) -> None:
        cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])

    def close(self) -> None: ...

    abort = close


def camera_film(path: Path, seconds: float) -> Path:
    """The demo film with its frames at 30 a second instead of 25."""
    slow = path.with_name("slow.mp4")
    make_film(portraits()[1], slow, seconds * RATE / 25, SIZE)
    with av.open(str(slow)) as given, av.open(str(path), "w") as made:
        track = given.streams.video[0]
        copy = made.add_stream_from_template(track)
        base = track.time_base or Fraction(1, 25)
        for packet in given.demux(track):
            if packet.size:
                # One tick is a 25th of a second in the one, a 30th in the other.
                packet.time_base = base * Fraction(25, RATE)
                packet.stream = copy
                made.mux(packet)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the film")
    parser.add_argument("--max-latency", type=float, default=200.0, help="milliseconds; older frames go")
    parser.add_argument("--film", type=Path, help="another film than the demo's")
    parser.add_argument("--swapper", default="mesh", help="engine or network; as `omote live` has it")
    options = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    settings = SwapSettings(rights="own", swapper=options.swapper, detector_size=320)
    networks = open_networks(settings, 2)
    person = Person([portraits()[0]], settings, networks, lambda path, source: None)
    looking = detectors(settings, networks)
    output = Jpeg()
    with tempfile.TemporaryDirectory() as name:
        camera = FilmCamera(options.film or camera_film(Path(name) / "camera.mp4", options.seconds))
        began = time.process_time()
        live = Live(
            camera,
            [person],
            Lookout(lambda shot, level: looking[level].find(shot.pixels)),
            Follower(person.full.finder.mesh, person.full.selection),
            output,
            Watermark(new_identifier()),
            LiveSettings(serve="0", max_latency=options.max_latency),
            Controls(),
        )
        status = live.run()
        spent = time.process_time() - began
    print(f"{describe()}; load before: {load:.1f}")
    print(f"camera: {camera.width} x {camera.height}, {camera.rate:.0f} fps, {status.captured} frames")
    late = f"{status.missed} missed, {status.late} too late"
    print(f"out: {status.shown} frames ({late}), {status.rate:.1f} fps, {status.swapped} faces swapped")
    if status.median is not None and status.high is not None:
        print(f"latency: median {1000 * status.median:.0f} ms, 95 % {1000 * status.high:.0f} ms")
    print(f"quality at the end: -{status.level}")
    print(f"processor time: {1000 * spent / max(status.shown, 1):.1f} ms a frame that came out")


if __name__ == "__main__":
    main()
