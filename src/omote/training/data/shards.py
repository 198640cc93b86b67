"""Face shards: tar files of small square pictures, `facesN.tar` or `facesN-K.tar`, and one table beside them.

N is the side of the squares in pixels; a tenth of it on each side is border for augmentation, and the middle
is the crop that is aligned to the template. `dataset.json` names the template where it is not `TEMPLATE`.
Squares of another size that are named alike may share one table: its points are scaled.
"""

import contextlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.media.sniff import reason
from omote.training.data.table import Columns, read_table, take

Bytes = npt.NDArray[np.uint8]

TEMPLATE = "arcface_112_v2"
"""Template of alignment of a canonical crop."""

_TAR = re.compile(r"faces(\d+)(?:-\d+)?\.tar")
_BLOCK = tarfile.BLOCKSIZE
_PICTURES = (".webp", ".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class Member:
    """Where a coded picture lies: `size` bytes from `offset` on in a tar."""

    tar: Path
    file: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Shards:
    """The faces of a folder, not yet decoded.

    Attributes:
        folder: where they lie.
        square: side of a picture in pixels, border included.
        template: template of alignment of the crop inside the border.
        members: one per face.
        columns: their facts, in the same order; see `omote.training.data.table`.
    """

    folder: Path
    square: int
    template: str
    members: tuple[Member, ...]
    columns: Columns

    def __len__(self) -> int:
        return len(self.members)

    @property
    def border(self) -> int:
        """Width of the border in pixels, on each side."""
        return border_of(self.square)

    def take(self, index: npt.NDArray[np.int64]) -> "Shards":
        """Only the faces of these numbers, in their order."""
        members = tuple(self.members[number] for number in index)
        return replace(self, members=members, columns=take(self.columns, index))

    def decode(self, out: Bytes, threads: int | None = None) -> None:
        """Decode all faces into `out`, (N, square, square, 3) uint8 RGB.

        Raises:
            InputError: a picture is damaged or of another size.
        """
        files = {path: np.memmap(path, np.uint8, "r") for path in {member.tar for member in self.members}}

        def decode(first: int) -> None:
            for number in range(first, min(first + 64, len(self))):
                member = self.members[number]
                coded = files[member.tar][member.offset : member.offset + member.size]
                out[number] = decode_picture(coded, self.square, f"{member.tar}: {member.file}")

        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            try:
                list(pool.map(decode, range(0, len(self), 64)))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def border_of(square: int) -> int:
    """Border of a square in pixels, on each side."""
    return square // 10


def decode_picture(coded: Bytes, square: int, label: str) -> Bytes:
    """Decode one picture, (square, square, 3) uint8 RGB; `label` names it in messages.

    Raises:
        InputError: it is damaged or of another size.
    """
    try:
        pixels = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise InputError(f"{label}: is damaged and cannot be decoded: fetch or build the data set again")
    if pixels.shape[:2] != (square, square):
        height, width = pixels.shape[:2]
        raise InputError(f"{label}: is {width} x {height} pixels, {square} x {square} are expected")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def open_shards(folder: Path, square: int | None = None) -> Shards:
    """Find the faces of a folder; only tables and the heads of tars are read.

    Args:
        folder: with `facesN.tar` or `facesN-K.tar`, and `facesN.csv`; those tars that are there are used.
        square: N, the side of the pictures with border; the smallest that is there unless said.

    Raises:
        InputError: no such folder, no shards, a tar that is truncated or no tar, a picture without a row in
            the table, or a table that is not as it should be.
    """
    tars = _tars(folder)
    if square is None:
        square = min(tars)
    elif square not in tars:
        sizes = " and ".join(str(size) for size in sorted(tars))
        raise InputError(f"{folder}: has no shards faces{square}*.tar, only of {sizes} pixels")
    members = [member for tar in tars[square] for member in _index(tar)]
    table, side = _table(folder, square)
    columns = read_table(table, square / side)
    rows = {name: row for row, name in enumerate(columns["name"])}
    strays = [member for member in members if _name(member) not in rows]
    if strays:
        raise InputError(
            f"{strays[0].tar}: {strays[0].file} has no row in {table.name}, nor have {len(strays) - 1} "
            "others: the table belongs to other shards"
        )
    index = np.array([rows[_name(member)] for member in members], np.int64)
    return Shards(folder, square, _template(folder), tuple(members), take(columns, index))


def write_shards(
    folder: Path, square: int, names: Sequence[str], coded: Iterable[bytes], limit: int
) -> npt.NDArray[np.int64]:
    """Write coded pictures as tars of at most `limit` bytes each (or one picture), `faces{square}-K.tar`.

    Args:
        folder: where to.
        square: side of the pictures.
        names: of the faces, one per picture.
        coded: WebP.
        limit: bytes.

    Returns:
        (N,) K of each picture. The same input gives the same bytes.
    """
    shards: list[int] = []
    with contextlib.ExitStack() as stack:
        tar, size, shard = None, 0, -1
        for name, data in zip(names, coded, strict=True):
            room = _BLOCK + -(-len(data) // _BLOCK) * _BLOCK
            if tar is None or size + room > limit:
                stack.close()
                shard, size = shard + 1, tarfile.RECORDSIZE
                tar = stack.enter_context(tarfile.open(folder / f"faces{square}-{shard}.tar", "w"))
            head = tarfile.TarInfo(f"{name}.webp")
            head.size = len(data)
            tar.addfile(head, io.BytesIO(data))
            size += room
            shards.append(shard)
    return np.array(shards, np.int64)


def _tars(folder: Path) -> dict[int, list[Path]]:
    """The tars of a folder by the side of their pictures."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read as a folder of face shards ({reason(error)})") from None
    found: dict[int, list[Path]] = {}
    for name in names:
        if match := _TAR.fullmatch(name):
            found.setdefault(int(match[1]), []).append(folder / name)
    if not found:
        raise InputError(
            f"{folder}: has no face shards (facesN.tar or facesN-K.tar): make some with omote dataset build"
        )
    return found


def _table(folder: Path, square: int) -> tuple[Path, int]:
    """The table of shards, and the side of the squares that its points are for."""
    own = folder / f"faces{square}.csv"
    if own.is_file():
        return own, square
    sides = sorted(int(path.stem[5:]) for path in folder.glob("faces*.csv") if path.stem[5:].isdecimal())
    if not sides:
        raise InputError(f"{folder}: has shards but no table {own.name}")
    return folder / f"faces{sides[0]}.csv", sides[0]


def _template(folder: Path) -> str:
    path = folder / "dataset.json"
    if not path.is_file():
        return TEMPLATE
    try:
        facts: Any = json.loads(path.read_text("utf-8"))
        return str(facts["template"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: does not say which template the faces have ({reason(error)})") from None


def _name(member: Member) -> str:
    return member.file.rpartition(".")[0]


def _index(path: Path) -> Sequence[Member]:
    """The pictures of a tar, by their heads alone."""
    fault = f"{path}: is truncated or damaged: fetch or build the data set again"
    try:
        with tarfile.open(path, "r:") as tar:
            heads = tar.getmembers()
        size = path.stat().st_size
    except tarfile.TarError:
        raise InputError(fault) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    end = max((head.offset_data + -(-head.size // _BLOCK) * _BLOCK for head in heads), default=0)
    if end + _BLOCK > size:  # a whole tar ends with empty blocks
        raise InputError(fault)
    return [
        Member(path, Path(head.name).name, head.offset_data, head.size)
        for head in heads
        if head.isfile() and head.name.lower().endswith(_PICTURES)
    ]
