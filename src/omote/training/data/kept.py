"""Arrays that were computed once and are kept in a file: read again only if they are as they should be."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason

Array = npt.NDArray[Any]


def read_kept(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array | None:
    """Map a `.npy` file, copy on write as torch asks for.

    Returns:
        None if there is no such file, it cannot be read, is truncated or longer than it should be, or holds
        anything else: then it is to be made anew.
    """
    mode: Literal["c"] = "c"
    # What a damaged head makes numpy raise depends on the damage.
    with suppress(OSError, ValueError, EOFError, SyntaxError, TypeError, TokenError, OverflowError):
        kept = np.lib.format.open_memmap(path, mode=mode)
        whole = path.stat().st_size == kept.offset + kept.nbytes
        if whole and kept.shape == shape and kept.dtype == np.dtype(dtype) and kept.flags.c_contiguous:
            return kept
    return None


def keep(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike, write: Callable[[BinaryIO], Any]) -> None:
    """Make a `.npy` file that appears whole or not at all, and its folder; `write` adds all after the head.

    Raises:
        InputError: the folder or file cannot be written.
    """
    head = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with AtomicFile(path) as whole, whole.path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, head)
            write(file)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be kept ({reason(error)}): make room, or give another cache folder"
        ) from None
