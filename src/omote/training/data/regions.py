"""Faces with an index mask of their regions: which regions there are, and reading them from a tar.

Tars `parsingN.tar` hold pictures `SPLIT/NAME.webp` of N x N pixels and masks `SPLIT/NAME.png` of the same
size, one of the 19 indices of CelebAMask-HQ per pixel, that of an occluder (`MERGED`), or `UNKNOWN`.
"""

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.errors import InputError
from omote.faces.align import similarity, template, warp
from omote.faces.detect import Detector
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason
from omote.training.data.faces import FaceSet
from omote.training.data.shards import TEMPLATE
from omote.training.losses.segmentation import UNKNOWN

Bytes = npt.NDArray[np.uint8]

REGIONS = (
    "background", "skin", "brow", "eye", "glasses", "nose", "lip", "mouth", "hair", "hat", "ear", "neck",
    "occluder",
)  # fmt: skip
"""Regions in the order of the classes. Left and right are one; `mouth` is what open lips show; an `occluder`
is anything before the face that is not worn on it as glasses and hats are: a hand, a microphone, a mask."""
FACE = ("skin", "brow", "eye", "glasses", "nose", "lip", "mouth")
"""Those of them where a new face may show."""
OCCLUDER = REGIONS.index("occluder")

MERGED = {
    "background": "background", "skin": "skin", "nose": "nose", "glasses": "glasses",
    "left eye": "eye", "right eye": "eye", "left brow": "brow", "right brow": "brow",
    "left ear": "ear", "right ear": "ear", "inner mouth": "mouth", "upper lip": "lip", "lower lip": "lip",
    "hair": "hair", "hat": "hat", "earring": "ear", "necklace": "neck", "neck": "neck",
    "clothes": "background", "occluder": "occluder",
}  # fmt: skip
"""Index of the masks, in their order → region. An earring goes with the ear, a necklace with the neck;
clothes are background: no face shows there. The last is not of CelebAMask-HQ."""

SQUARE, SIDE = 256, 174
"""Side of the squares in pixels, and of the crop in their middle.

The mask room shows a parser the crops of all swappers and restorers, from `arcface_112_v2` (eyes 0.315 of the
side apart) to `ffhq_512` (0.246). The crop is framed between them, 0.276, so that augmentation by a factor
of 1.15 either way covers both."""
_ARCFACE = 152
"""Side of the `arcface_112_v2` crop in the middle of a square."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionFaces(FaceSet):
    """A face set with masks.

    Attributes:
        masks: (N, H, W) uint8, for each pixel of `pixels` which of `REGIONS` it shows, or `UNKNOWN`.
    """

    masks: Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0, dtype=torch.uint8), repr=False)


def open_regions(folder: Path, split: str, cache: Path | None = None) -> RegionFaces:
    """Read the tars `parsingN.tar` of a folder, aligned to `SQUARE` pixels.

    Args:
        folder: where they lie.
        split: `train` or `val`.
        cache: a folder in which the aligned squares are kept.

    Raises:
        InputError: there is no such tar, one is damaged, or none has anything in this split.
    """
    tars = sorted(folder.glob("parsing*.tar"))
    if not tars:
        raise InputError(f"{folder}: has no faces with masks of their regions (parsingN.tar)")
    parts = [part for tar in tars if (part := _open(tar, split, cache))]
    if not parts:
        raise InputError(f"{folder}: its masked faces have nothing in the split {split}")
    return _set(split, parts, str(folder))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The aligned pictures of one tar."""

    source: str
    names: list[str]
    pixels: Bytes
    masks: Bytes


def _open(tar: Path, split: str, cache: Path | None) -> _Part | None:
    key = hashlib.sha256(f"{tar.name} {tar.stat().st_size} {split} {SQUARE} {_ARCFACE}".encode()).hexdigest()
    kept = None if cache is None else cache / f"regions-{key[:32]}.npz"
    if kept is not None and kept.is_file():
        with np.load(kept, allow_pickle=False) as file:
            return _Part(tar.stem, file["names"].tolist(), file["pixels"], file["masks"])
    if not (read := read_regions(tar, split)):
        return None
    names, pixels, masks = _aligned(read, tar)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with AtomicFile(kept) as whole, whole.path.open("wb") as out:
            np.savez(out, names=np.array(names), pixels=pixels, masks=masks)
    return _Part(tar.stem, names, pixels, masks)


def merge(mask: Bytes, label: str = "mask") -> Bytes:
    """Indices of the masks (H, W) as numbers of `REGIONS`; what is unknown stays so.

    Raises:
        InputError: there is an index that is none of `MERGED`; `label` names the mask in messages.
    """
    strange = mask[(mask >= len(MERGED)) & (mask != UNKNOWN)]
    if strange.size:
        raise InputError(f"{label}: has index {strange.max()}, the masks go from 0 to {len(MERGED) - 1}")
    return np.asarray(_TABLE[mask], np.uint8)


_TABLE = np.full(256, UNKNOWN, np.uint8)
_TABLE[: len(MERGED)] = [REGIONS.index(region) for region in MERGED.values()]


def as_region_faces(
    names: list[str],
    pixels: Bytes,
    masks: Bytes,
    border: int,
    split: str,
    source: str | npt.NDArray[Any],
    label: str,
) -> RegionFaces:
    """A set of pictures of one person each."""
    count, square = len(names), pixels.shape[1]
    empty = np.full(count, "", object)
    named = np.array(names, object)
    # A crop of this set is wider than that of its template: the points say where the eyes are.
    inner = (square - 2 * border) * _ARCFACE / SIDE
    points = (template(TEMPLATE) * inner + (square - inner) / 2).astype(np.float32)
    columns: Mapping[str, npt.NDArray[Any]] = {
        "name": named,
        "identity": named,
        "person": np.arange(count),
        "split": np.full(count, split, object),
        "source": np.full(count, source, object),
        "sex": empty,
        "licence": empty,
        "valid": np.ones(count, np.float32),
        "points": np.tile(points, (count, 1, 1)),
        "bytes": np.zeros(count, np.int64),
    }
    return RegionFaces(
        torch.from_numpy(pixels), border, dict(columns), label=label, masks=torch.from_numpy(masks)
    )


def _set(split: str, parts: list[_Part], label: str) -> RegionFaces:
    sources = np.repeat(
        np.array([part.source for part in parts], object), [len(part.names) for part in parts]
    )
    pixels, masks = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pixels", "masks"))
    names = [name for part in parts for name in part.names]
    return as_region_faces(names, pixels, masks, (SQUARE - SIDE) // 2, split, sources, label)


def read_regions(tar: Path, split: str) -> dict[str, tuple[Bytes, Bytes]]:
    """Read a split of one tar as it is: name → picture (H, W, 3) RGB and mask (H, W) of `REGIONS`.

    Raises:
        InputError: the tar is damaged.
    """
    coded: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(tar) as archive:
            for member in archive:
                path = Path(member.name)
                if member.isfile() and path.parent.name == split:
                    file = archive.extractfile(member)
                    assert file is not None
                    coded.setdefault(path.stem, {})[path.suffix] = file.read()
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{tar}: cannot be read ({reason(error)})") from None
    return {name: _decoded(files, f"{tar}: {split}/{name}") for name, files in sorted(coded.items())}


def _decoded(files: Mapping[str, bytes], label: str) -> tuple[Bytes, Bytes]:
    if set(files) != {".webp", ".png"}:
        raise InputError(f"{label}: a picture .webp and a mask .png belong together")
    picture = cv2.imdecode(np.frombuffer(files[".webp"], np.uint8), cv2.IMREAD_COLOR)
    mask = cv2.imdecode(np.frombuffer(files[".png"], np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None or mask is None or picture.shape[:2] != mask.shape:
        raise InputError(f"{label}: is damaged, or picture and mask differ in size")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), merge(
        np.asarray(mask, np.uint8), label
    )


def _aligned(read: Mapping[str, tuple[Bytes, Bytes]], tar: Path) -> tuple[list[str], Bytes, Bytes]:
    """Squares of all pictures; one whose face is not found is placed as the others are on average."""
    detector = Detector()
    points = {}
    for name, (picture, _) in read.items():
        if found := detector.find(picture):
            points[name] = max(found, key=lambda face: face.area).points
    if not points:
        raise InputError(f"{tar}: no face is found in its pictures")
    usual = np.median(np.stack(list(points.values())), 0)
    wanted = template(TEMPLATE) * _ARCFACE + (SQUARE - _ARCFACE) / 2
    pixels = np.empty((len(read), SQUARE, SQUARE, 3), np.uint8)
    masks = np.empty((len(read), SQUARE, SQUARE), np.uint8)
    for number, (name, (picture, mask)) in enumerate(read.items()):
        matrix = similarity(points.get(name, usual), wanted)
        pixels[number] = warp(picture, matrix, (SQUARE, SQUARE), cv2.BORDER_REFLECT_101)
        masks[number] = cv2.warpAffine(
            mask, matrix, (SQUARE, SQUARE), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
        )
    return list(read), pixels, masks
