"""Omote finds and swaps faces in photos and films, offline.

>>> import omote
>>> omote.find_faces("photo.jpg")                     # [Face(box=..., points=..., mesh=..., pose=...)]
>>> omote.swap("me.jpg", "film.mp4", "swapped.mp4", rights="own")   # SwapReport(frames=..., swapped=...)

The rooms below (`omote.faces`, `omote.media`, `omote.engines`, `omote.compose`, `omote.pipelines`) are
public, too. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omote._version import __version__
from omote.errors import InputError, ModelError, NoFaceError, OmoteError, RefusedError, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from omote.faces.face import Face
    from omote.pipelines import SwapReport

__all__ = [
    "InputError",
    "ModelError",
    "NoFaceError",
    "OmoteError",
    "RefusedError",
    "UsageError",
    "__version__",
    "find_faces",
    "swap",
]


def find_faces(image: str | Path | npt.NDArray[Any]) -> list[Face]:
    """Find every face in a picture.

    Args:
        image: a file, or pixels as (H, W, 3) RGB uint8 or uint16.

    Returns:
        Faces from left to right, with box, five points, 478-point mesh and head pose, in pixels.

    Raises:
        InputError: the file cannot be read.
    """
    from omote.faces.finder import FaceFinder
    from omote.media import open_image

    pixels = open_image(Path(image)).pixels if isinstance(image, str | Path) else image
    return FaceFinder().find(pixels)


def swap(
    source: str | Path | Sequence[str | Path],
    target: str | Path,
    out: str | Path,
    *,
    rights: str | None = None,
    **settings: Any,
) -> SwapReport:
    """Put the face of the person in `source` into a photo or film.

    The output carries an invisible watermark and signed content credentials.

    Args:
        source: a photo, or several photos of the same person, which are averaged.
        target: photo or film.
        out: the file to make; its suffix says its kind.
        rights: why the source face may be used: `own`, `consent:FILE`, `synthetic`, ...; needed.
        **settings: fields of `omote.pipelines.SwapSettings`, such as `face="all"`.

    Raises:
        UsageError: a setting is wrong, or the output equals an input.
        InputError: a file cannot be read or written.
        NoFaceError: there is no face to take or to replace.
        RefusedError: no right to the face is stated, or it does not hold.
    """
    from omote.pipelines import SwapSettings, swap_file

    sources = [source] if isinstance(source, str | Path) else source
    chosen = SwapSettings(rights=rights, **settings)
    return swap_file([Path(path) for path in sources], Path(target), Path(out), chosen)
