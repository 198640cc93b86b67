"""Draw a strip of a film: frames evenly taken from it, in rows.

omote swap SOURCE FILM -o swapped.mp4 --rights synthetic
python benchmarks/film_strip.py swapped.mp4 -o docs/img/film-strip.jpg
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from omote.evaluation.films import evenly, frames_at
from omote.media import Picture, probe, save_image


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--side", type=int, default=224, help="width of a frame in pixels")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    length = probe(options.film).frames
    if not length or length < options.frames or options.frames % options.columns:
        parser.error(f"{options.film} has {length} frames: {options.frames} in full rows are wanted")
    numbers = evenly(length, options.frames)
    found = frames_at(options.film, numbers)
    cells = [reduced(found[number], options.side) for number in numbers]
    rows = [np.hstack(cells[at : at + options.columns]) for at in range(0, len(cells), options.columns)]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_image(options.output, Picture(np.vstack(rows)), quality=85)
    print(f"{len(cells)} frames of {length}: {options.output}")


def reduced(frame: np.ndarray, width: int) -> np.ndarray:
    """The frame at this width."""
    height = round(frame.shape[0] * width / frame.shape[1])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main()
