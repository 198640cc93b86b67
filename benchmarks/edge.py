"""How much of what lies before a face a swap changes.

    python benchmarks/edge.py --shared ../shared [--swapper NAME|FILE] [--frames 120]

Films: `moving_occluder`, whose bar of flat grey is found by its colour alone, and the talking heads of two
more, before which a bar of the same grey and a disc of cloth are drawn that sweep over the face, so that
their pixels are known. A pixel counts as changed where a channel differs by more than 3 of 255. Frames are
looked at as they leave the swap, before anything is marked or coded; those of `moving_occluder` in finished
films as well, where the pixels that mark and coder change are counted beside, in the same film written with
opacity 0. Most of an occluder lies beside the face, where nothing could change it, so what lies within the
face's oval (the hull of its mesh) is counted alone, too.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from machine import describe

from omote.demo import portraits
from omote.faces.face import Face
from omote.media import Frame, VideoReader
from omote.pipelines import Job, SwapSettings, swap_file
from omote.pipelines.meant import meant_faces

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Occluder = Callable[[int, Pixels], tuple[Pixels, Mask]]
"""Number of a frame and its pixels → the pixels with what lies before the face, and where that is."""

CHANGED = 3
"""Difference of a channel, of 255, above which a pixel counts as changed."""
GREY = 128
_FLAT = 4  # how far codecs move the grey
_SWEEP = 60  # frames for one way over the picture and back


def found_bar(number: int, pixels: Pixels) -> tuple[Pixels, Mask]:
    """The bar that `moving_occluder` has: every large area of its grey."""
    flat = (np.abs(pixels.astype(np.int16) - GREY) <= _FLAT).all(2)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(flat.astype(np.uint8), connectivity=4)
    large = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= 1000)
    return pixels, np.isin(labels, large[large > 0])


def swept_bar(number: int, pixels: Pixels) -> tuple[Pixels, Mask]:
    """A bar as wide as a sixth of the picture that goes to and fro over it."""
    height, width = pixels.shape[:2]
    left = round(_swing(number) * width * 5 / 6)
    mask = np.zeros((height, width), np.bool_)
    mask[:, left : left + width // 6] = True
    return np.where(mask[..., None], np.uint8(GREY), pixels), mask


def swept_disc(number: int, pixels: Pixels) -> tuple[Pixels, Mask]:
    """A disc of checked cloth that goes to and fro over the lower half of the face."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    centre = _swing(number) * width
    mask = (x - centre) ** 2 + (y - 0.55 * height) ** 2 <= (0.13 * height) ** 2
    checked = ((x - round(centre)) // 8 + y // 8) % 2
    cloth = np.where(checked[..., None], np.uint8((60, 90, 130)), np.uint8((170, 165, 150)))
    return np.where(mask[..., None], cloth, pixels), mask


def _swing(number: int) -> float:
    """0 to 1 and back."""
    return float(0.5 - 0.5 * np.cos(2 * np.pi * number / _SWEEP))


FILMS: dict[str, tuple[str, Occluder]] = {
    "moving_occluder": ("edge/moving_occluder.mp4", found_bar),
    "a bar, drawn": ("liveportrait_d10.mp4", swept_bar),
    "a disc of cloth, drawn": ("liveportrait_d12.mp4", swept_disc),
}


class Counted:
    """Changed pixels of an occluder over the frames of a film."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.changed = self.all = 0

    def add(self, before: Pixels, after: Pixels, where: Mask) -> None:
        """Count one frame; one without the occluder has no say."""
        if not where.any():
            return
        differs = (np.abs(before.astype(np.int16) - after) > CHANGED).any(2)
        changed, pixels = int(differs[where].sum()), int(where.sum())
        self.shares.append(changed / pixels)
        self.changed, self.all = self.changed + changed, self.all + pixels

    def __str__(self) -> str:
        if not self.all:
            return "– | – | –"
        return f"{self.changed / self.all:.2%} | {np.mean(self.shares):.2%} | {np.max(self.shares):.2%}"


def swapped_frames(
    job: Job, film: Path, occluder: Occluder, count: int
) -> Iterator[tuple[Pixels, Pixels, Mask, list[Face]]]:
    """Each frame with its occluder, before and after the swap; where that is; and the swapped faces."""
    with VideoReader(film) as reader:
        frames, masks = [], []
        for number, frame in enumerate(islice(reader, count)):
            pixels, mask = occluder(number, np.asarray(frame.pixels))
            frames.append(frame.with_pixels(pixels))
            masks.append(mask)
    seen: list[tuple[Frame, object]] = [(frame, job.see(frame)) for frame in frames]
    for (frame, meant), mask in zip(meant_faces(seen, largest=job.largest), masks, strict=True):
        yield frame.pixels, job.swap(frame.pixels, meant.faces, meant.roles), mask, meant.faces


def within(face: Face, shape: tuple[int, int]) -> Mask:
    """The hull of a face's mesh."""
    filled = np.zeros(shape, np.uint8)
    assert face.mesh is not None
    cv2.fillConvexPoly(filled, cv2.convexHull(np.round(face.mesh[:, :2]).astype(np.int32)), 1)
    return filled > 0


def in_the_swap(name: str, job: Job, film: Path, occluder: Occluder, count: int) -> None:
    """Print two rows: all of the occluder, and what of it lies before the face."""
    everywhere, before = Counted(), Counted()
    for old, new, mask, faces in swapped_frames(job, film, occluder, count):
        everywhere.add(old, new, mask)
        for face in faces:
            before.add(old, new, mask & within(face, mask.shape))
    print(f"| {name} | {everywhere} |\n| before the face | {before} |", flush=True)


def in_the_file(source: Path, film: Path, settings: SwapSettings) -> None:
    """Print two rows: the finished film, and one that shows no new face but is marked and coded alike."""
    with tempfile.TemporaryDirectory() as folder:
        for name, opacity in (("finished film", 1.0), ("with opacity 0", 0.0)):
            made = Path(folder) / f"{opacity:g}.mkv"
            swap_file([source], film, made, replace(settings, opacity=opacity, codec="ffv1"))
            counted = Counted()
            with VideoReader(film) as old, VideoReader(made) as new:
                for number, (one, other) in enumerate(zip(old, new, strict=True)):
                    pixels, mask = found_bar(number, np.asarray(one.pixels))
                    counted.add(pixels, np.asarray(other.pixels), mask)
            print(f"| {name} | {counted} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--swapper", default="mesh")
    parser.add_argument("--mask", default="box,occlusion")
    parser.add_argument("--source", type=Path, default=portraits()[0])
    parser.add_argument("--frames", type=int, default=120, help="of each film")
    options = parser.parse_args()
    settings = SwapSettings(swapper=options.swapper, mask=options.mask, rights="own")
    videos = options.shared / "media" / "video"
    job = Job([options.source], settings)
    print(describe())
    print("| occluder pixels changed | all | mean of frames | worst frame |\n|---|---|---|---|")
    for name, (film, occluder) in FILMS.items():
        in_the_swap(name, job, videos / film, occluder, options.frames)
    in_the_file(options.source, videos / FILMS["moving_occluder"][0], settings)


if __name__ == "__main__":
    main()
