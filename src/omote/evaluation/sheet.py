"""The contact sheet: source, target and swap of some pairs, one below the other."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from omote.evaluation.pairs import Pairs
from omote.evaluation.photos import Pixels
from omote.media import Picture
from omote.pipelines.provenance import save_signed
from omote.trust.statement import SourceType

_ROWS = 3


def write_sheet(
    path: Path, pairs: Pairs, swaps: Pixels, sets: Collection[str] | None = None, columns: int = 12
) -> int:
    """Write pairs from the beginning on, three rows of them.

    Args:
        path: the picture to make.
        pairs: what was swapped.
        swaps: (P, S, S, 3) uint8.
        sets: both photos of a pair must be of one of these sets (label `set`); any unless said.
        columns: pairs in a row.

    Returns:
        How many pairs are shown; if there is none, the sheet says so by being grey.
    """
    shown = shown_pairs(pairs, sets)[: _ROWS * columns]
    side = pairs.photos.side
    rows = max(-(-len(shown) // columns), 1)
    width = min(max(len(shown), 1), columns)
    sheet = np.full((rows * 3 * side, width * side, 3), 128, np.uint8)
    faces = pairs.photos.pixels
    for place, number in enumerate(shown):
        row, column = divmod(place, columns)
        for line, picture in enumerate(
            (faces[pairs.sources[number]], faces[pairs.targets[number]], swaps[number])
        ):
            top, left = (3 * row + line) * side, column * side
            sheet[top : top + side, left : left + side] = picture
    save_signed(path, Picture(sheet), "sheet of swaps", None, SourceType.COMPOSITE, quality=90)
    return len(shown)


def shown_pairs(pairs: Pairs, sets: Collection[str] | None) -> npt.NDArray[np.intp]:
    """Numbers of the pairs that may be shown."""
    if sets is None:
        return np.arange(len(pairs))
    photos = pairs.photos
    known = photos.labels.get("set", np.full(len(photos), ""))
    allowed = np.isin(known, list(sets))
    return np.flatnonzero(allowed[pairs.sources] & allowed[pairs.targets])
