"""A film of several people in short shots, made of clips that show one person each."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def film_of_shots(
    clips: Sequence[Path], path: Path, frames: int, rounds: int, size: tuple[int, int] = (480, 480)
) -> list[int]:
    """Write `rounds` shots of each clip in turn, hard cuts between them.

    Args:
        clips: films of one person each.
        path: film to make, 25 frames a second.
        frames: of a shot.
        rounds: shots of each clip; they come from different parts of it.
        size: width and height.

    Returns:
        For each frame the number of its clip.
    """
    shots = [_parts(clip, frames, rounds, size) for clip in clips]
    shown = []
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=25, options={"crf": "16", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for turn in range(rounds):
            for number, parts in enumerate(shots):
                for picture in parts[turn]:
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    frame.pts, frame.time_base = len(shown), Fraction(1, 25)
                    made.mux(stream.encode(frame))
                    shown.append(number)
        made.mux(stream.encode(None))
    return shown


def _parts(clip: Path, frames: int, rounds: int, size: tuple[int, int]) -> list[list[np.ndarray]]:
    """Stretches of a clip, evenly from its beginning to its end."""
    with av.open(str(clip)) as container:
        length = sum(1 for _ in container.decode(video=0))
    starts = [round(turn * (length - frames) / max(rounds - 1, 1)) for turn in range(rounds)]
    parts: list[list[np.ndarray]] = [[] for _ in starts]
    with av.open(str(clip)) as container:
        for place, frame in enumerate(container.decode(video=0)):
            for part, start in zip(parts, starts, strict=True):
                if start <= place < start + frames:
                    part.append(cv2.resize(frame.to_ndarray(format="rgb24"), size))
    return parts
