"""Small pictures and films of every kind that Omote writes, and a statement about them."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from omote.trust.statement import (
    BoundMark,
    GateState,
    SourceType,
    Statement,
    UsedNetwork,
)

EMBEDDED = (
    "a.jpg",
    "a.png",
    "deep.png",
    "moving.png",
    "a.webp",
    "moving.webp",
    "a.tiff",
    "a.avif",
    "a.gif",
    "a.mp4",
    "a.m4v",
    "a.mov",
    "a.avi",
)
BESIDE = ("a.mkv", "a.webm", "a.ts", "a.bmp", "a.jp2")
MARK = BoundMark("org.omote.watermark.1", 0x0123_4567_89AB)

_FILMS = dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv", ".ts"), "libx264") | {
    ".webm": "libvpx-vp9",
    ".avi": "mpeg4",
}


def pixels(seed: int = 0) -> NDArray[np.uint8]:
    """A picture with something in it, (96, 128, 3)."""
    rows, columns = np.mgrid[:96, :128]
    waves = [127 + 100 * np.sin((rows * (k + 1) + columns * (3 - k) + 20 * seed) / 17) for k in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def make_media(path: Path, seed: int = 0) -> Path:
    """Write a small picture or film of the kind that the suffix names; `moving` and `deep` by the stem."""
    if path.stem == "deep":
        Image.fromarray(pixels(seed)[..., 0].astype(np.uint16) * 257).save(path)
        return path
    count = 6 if path.suffix in _FILMS else 3 if path.stem == "moving" else 1
    return write_media(path, [pixels(seed + number) for number in range(count)])


def write_media(path: Path, frames: Sequence[NDArray[np.uint8]]) -> Path:
    """Write a film of these frames, or a picture of the first, or of all if the stem is `moving`."""
    if path.suffix in _FILMS:
        _film(path, frames)
    else:
        first, *more = (Image.fromarray(frame) for frame in frames)
        moving = {"save_all": True, "append_images": more} if path.stem == "moving" else {}
        first.save(path, **moving)
    return path


def _film(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(_FILMS[path.suffix], rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def statement(target: Path | None, *sources: Path, mark: BoundMark | None = MARK) -> Statement:
    """A statement with something in every field."""
    return Statement(
        operation="face swap",
        source_type=SourceType.SYNTHETIC if target is None else SourceType.COMPOSITE,
        engine="mesh",
        target=target,
        sources=sources,
        rights={"basis": "consent", "record": "ab" * 32},
        networks=(UsedNetwork("omote-mesh", "cd" * 32), UsedNetwork("unpinned", None)),
        gate=GateState("passed", ("nothing found",)),
        mark=mark,
    )
