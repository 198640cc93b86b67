"""The film of `omote demo`: a still portrait that turns, blinks and speaks, seen by a moving camera."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from omote.demo.motion import MovingPortrait, expression_at
from omote.errors import NoFaceError
from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
from omote.media import ColourTags, Frame, MediaInfo, VideoWriter, open_image
from omote.media.atomic import Publish
from omote.media.stamping import Stamp

FRAME_RATE = 25
SIZE = (1280, 720)
"""Width and height of its frames in pixels."""


def make_film(
    portrait: Path,
    output: Path,
    seconds: float = 4.0,
    size: tuple[int, int] = SIZE,
    stamp: Stamp | None = None,
    publish: Publish | None = None,
) -> None:
    """Make a film from one portrait.

    Args:
        portrait: photo with one face.
        output: film to make.
        seconds: its length.
        size: width and height of its frames.
        stamp: marks every frame.
        publish: gives the finished file its name, where more than a rename is asked for.

    Raises:
        NoFaceError: the photo shows no face.
    """
    pixels = open_image(portrait).pixels.astype(np.uint8)
    faces = FaceFinder().find(pixels, Selection("largest"))
    if not faces:
        raise NoFaceError(f"{portrait}: no face in the portrait")
    moving = MovingPortrait(pixels, faces[0])
    time_base = Fraction(1, FRAME_RATE)
    count = round(seconds * FRAME_RATE)
    info = MediaInfo(
        path=Path(),
        kind="film",
        format="mp4",
        codec="h264",
        width=size[0],
        height=size[1],
        frames=count,
        duration=seconds,
        frame_rate=Fraction(FRAME_RATE),
        time_base=time_base,
        start_pts=0,
        # What every player shows: 4:2:0 in the colours of high-definition television.
        pixel_format="yuv420p",
        colour=ColourTags(matrix=1, primaries=1, transfer=1, range=1),
    )
    with VideoWriter(output, info, stamp=stamp, publish=publish) as writer:
        for index in range(count):
            time = index / FRAME_RATE
            camera = camera_at(time, faces[0], pixels.shape[:2], size)
            frame = moving.render(expression_at(time), camera, size)
            writer.write(Frame(frame, pts=index, time_base=time_base, index=index, duration=1))


def camera_at(
    seconds: float, face: Face, shape: tuple[int, ...], size: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Where a slowly drifting, gently zooming camera looks: (2, 3), output (x, y, 1) to portrait (x, y)."""
    height, width = shape[:2]
    # As wide as the portrait allows, or a head and shoulders if that is less.
    widest = min(width / size[0], height / size[1])
    scale = min(widest, 11 * face.eye_distance / size[0]) * (0.97 - 0.05 * np.sin(2 * np.pi * seconds / 6))
    turn = np.deg2rad(1.5 * np.sin(2 * np.pi * seconds / 5))
    centre = (face.box[:2] + face.box[2:]) / 2 + face.eye_distance * np.array(
        [0.25 * np.sin(2 * np.pi * seconds / 3.7), 0.25 + 0.12 * np.sin(2 * np.pi * seconds / 2.3)]
    )
    half = np.array(size) * scale / 2
    centre = np.clip(centre, half, np.maximum(np.array([width, height]) - half, half))
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, centre - linear @ ((np.array(size) - 1) / 2)])
