"""A film of two people side by side who change places at a cut."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from omote.media import open_image

HALF, FRAMES, CUT = 240, 30, 15
"""Width of each half in pixels, frames of the film, and the frame in which the two have changed places."""
FACES = ((123, 107), (104, 66))
"""Middle of each face in its half: x, y."""


def two_people_film(one: Path, other: Path, path: Path, codec: str = "libx264") -> Path:
    """Write a film of two portraits, 25 frames a second, each moving a little."""
    photos = [cv2.resize(open_image(photo).pixels, (HALF, 320)) for photo in (one, other)]
    with av.open(str(path), "w") as made:
        stream = made.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 2 * HALF, 320, "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "14", "preset": "veryfast", "g": "10"}
        for number in range(FRAMES):
            halves = [np.roll(photo, round(3 * np.sin(number / 4)), 0) for photo in photos]
            picture = np.hstack(halves if number < CUT else halves[::-1])
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return path
