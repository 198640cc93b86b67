"""Small pictures and films of every kind that Omote writes, and a statement about them."""

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

_CODECS = {".webm": "libvpx-vp9", ".avi": "mpeg4"}


def pixels(seed: int = 0) -> NDArray[np.uint8]:
    """A picture with something in it, (96, 128, 3)."""
    rows, columns = np.mgrid[:96, :128]
    waves = [127 + 100 * np.sin((rows * (k + 1) + columns * (3 - k) + 20 * seed) / 17) for k in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def make_media(path: Path, seed: int = 0) -> Path:
    """Write a small picture or film of the kind that the suffix names; `moving` and `deep` by the stem."""
    if path.suffix in (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts"):
        _film(path, seed)
    elif path.stem == "deep":
        Image.fromarray(pixels(seed)[..., 0].astype(np.uint16) * 257).save(path)
    else:
        first, *more = (Image.fromarray(pixels(seed + k)) for k in range(3))
        moving = {"save_all": True, "append_images": more} if path.stem == "moving" else {}
        first.save(path, **moving)
    return path


def _film(path: Path, seed: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(_CODECS.get(path.suffix, "libx264"), rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels(seed + number), format="rgb24")))
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
