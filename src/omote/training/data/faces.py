"""A set of aligned faces in memory (or mapped from disk) with what is known of each."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.errors import InputError
from omote.training.data.kept import keep, read_kept
from omote.training.data.shards import TEMPLATE, Shards, open_shards
from omote.training.data.table import Columns, numbered, take
from omote.training.data.where import Mask, matching

_CHUNK = 1024
"""Faces that are decoded before they are written."""

Where = Sequence[str] | Callable[[Columns], Mask]


@dataclass(frozen=True, slots=True, eq=False)
class FaceSet:
    """Aligned faces: what a recipe is trained on or judged by.

    Attributes:
        pixels: (N, H, W, 3) uint8 RGB squares with border, H = W; may be a map of a file: read only.
        border: width of the border in pixels, on each side.
        columns: by title, N rows each: `name`, `identity`, `split`, `source`, `sex`, `licence` (text, empty
            where not known), `person` (int64, 0 .. people - 1, by identity), `age`, `scale`, `valid`,
            `quality`, `yaw`, `pitch`, `roll` (float32, NaN where not known; units in
            `omote.training.data.table`), `points` (N, 5, 2) float32 in pixels of the square, and `bytes`, the
            size of the coded picture.
        template: of alignment of the crop inside the border.
        label: what to call the set in messages.
    """

    pixels: Tensor = field(repr=False)
    border: int
    columns: Columns = field(repr=False)
    template: str = TEMPLATE
    label: str = "faces"

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def side(self) -> int:
        """Side of the crop in pixels, without border."""
        return int(self.pixels.shape[1]) - 2 * self.border

    @property
    def people(self) -> int:
        """Number of different people."""
        return len(np.unique(self.columns["person"]))

    @property
    def digest(self) -> str:
        """Hexadecimal digest of which faces these are, in which order; a key for what is computed of them."""
        return _digest(self.columns, int(self.pixels.shape[1]), self.template)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        square: int | None = None,
        split: str | None = None,
        where: Where = (),
        limit: int | None = None,
        cache: Path | None = None,
        threads: int | None = None,
    ) -> "FaceSet":
        """Read the faces of a folder of shards, as `omote dataset build` makes them.

        Args:
            folder: with `facesN.tar` or `facesN-K.tar`, and `facesN.csv`; those tars that are there are used.
            square: N, side of the pictures with border; the smallest that is there unless said.
            split: only faces of `train` or of `val`.
            where: conditions as of `omote.training.data.where`, or a function of columns that returns (N,)
                which rows are wanted.
            limit: only the first so many of them.
            cache: a folder in which the decoded pixels are kept as a file, and mapped, which takes
                3 N² bytes a face; all is decoded into memory unless said.
            threads: for decoding; as many as there are processors unless said.

        Raises:
            InputError: there are no shards, none of the faces is wanted, a picture is damaged, a tar is
                truncated, the table lacks a column, or the cache cannot be written.
            UsageError: a condition cannot be read.
        """
        shards = open_shards(Path(folder), square)
        wanted = where(shards.columns) if callable(where) else matching(shards.columns, where)
        if split is not None:
            wanted = wanted & (shards.columns["split"] == split)
        index = np.flatnonzero(wanted)[:limit]
        if not len(index):
            of = "" if split is None else f" of the split {split}"
            met = " that meets the conditions" if where else ""
            raise InputError(
                f"{folder}: none of its {len(shards)} faces{of}{met} is left: one is needed at least"
            )
        shards = shards.take(index)
        columns = shards.columns | {
            "person": numbered(shards.columns["identity"]),
            "bytes": np.array([member.size for member in shards.members], np.int64),
        }
        pixels = _pixels(shards, columns, cache, threads)
        return cls(pixels, shards.border, columns, shards.template, str(folder))

    def require(self, *, faces: int = 1, people: int = 1, purpose: str) -> None:
        """Raise InputError unless there are enough faces and people; `purpose` says for what: 'a gallery'."""
        if len(self) < faces or self.people < people:
            raise InputError(
                f"{self.label}: {len(self)} faces of {self.people} people are too few: "
                f"{purpose} needs {faces} faces of {people} people at least"
            )

    def subset(self, index: npt.NDArray[Any]) -> "FaceSet":
        """Only some faces, by number or by mask; people are numbered anew. The pixels are copied."""
        numbers = np.flatnonzero(index) if index.dtype == bool else np.asarray(index, np.int64)
        columns = take(self.columns, numbers)
        columns["person"] = numbered(columns["identity"])
        return replace(self, pixels=self.gather(torch.from_numpy(numbers)), columns=columns)

    def gather(self, index: Tensor) -> Tensor:
        """Squares of these numbers (B,), as (B, H, W, 3) uint8 on the device of the pixels."""
        return self.pixels.index_select(0, index.to(self.pixels.device))

    def to(self, device: torch.device | str) -> "FaceSet":
        """The same set with its pixels on a device, from which batches are then gathered."""
        return replace(self, pixels=self.pixels.to(device))


def _digest(columns: Columns, square: int, template: str) -> str:
    digest = hashlib.sha256(f"{square} {template}\n".encode())
    for name, size in zip(columns["name"], columns["bytes"], strict=True):
        digest.update(f"{name} {size}\n".encode())
    return digest.hexdigest()[:32]


def _pixels(shards: Shards, columns: Columns, cache: Path | None, threads: int | None) -> Tensor:
    shape = (len(shards), shards.square, shards.square, 3)
    if cache is None:
        pixels = np.empty(shape, np.uint8)
        shards.decode(pixels, threads)
        return torch.from_numpy(pixels)
    path = cache / f"faces{shards.square}-{_digest(columns, shards.square, shards.template)}.npy"
    if (kept := read_kept(path, shape, np.uint8)) is None:
        keep(path, shape, np.uint8, lambda file: _decode_into(file, shards, threads))
        if (kept := read_kept(path, shape, np.uint8)) is None:
            raise InputError(f"{path}: the cached pixels cannot be read back: give another cache folder")
    return torch.from_numpy(kept)


def _decode_into(file: BinaryIO, shards: Shards, threads: int | None) -> None:
    for first in range(0, len(shards), _CHUNK):
        part = shards.take(np.arange(first, min(first + _CHUNK, len(shards))))
        pixels = np.empty((len(part), part.square, part.square, 3), np.uint8)
        part.decode(pixels, threads)
        file.write(pixels.data)
