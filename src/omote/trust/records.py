"""Reading content credentials, inside a file or beside it, with the C2PA library."""

from __future__ import annotations

import contextlib
import json
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from omote.media.sniff import reason
from omote.trust.media_types import UNKNOWN, media_type
from omote.trust.record_tree import Record, record_of

if TYPE_CHECKING:
    import c2pa  # type: ignore[import-untyped]

BUFFER: Final = 1 << 17
"""Bytes that are read and written at once; the library asks for 8 KiB each time."""

_MEMORY: Final = 32
"""Megabytes beyond which the library keeps working copies in temporary files; a film is copied in between."""

_JUMBF_STORE: Final = bytes.fromhex("6332706100110010800000aa00389b71")
"""The type of a JUMBF box that holds a C2PA manifest store (C2PA specification 2.2, "Manifest store")."""


class UnreadableRecord(Exception):
    """There is a record, but it or the file around it is too damaged to be read."""


class LostRecord(Exception):
    """There is none here, but there may have been: the file is damaged, or names an address for it."""


def sidecar_path(path: Path) -> Path:
    """Where the record of a file lies that cannot hold one: `film.mkv` has `film.mkv.c2pa` beside it."""
    return path.with_name(path.name + ".c2pa")


def find_sidecar(path: Path) -> Path | None:
    """The record beside a file: `film.mkv.c2pa`, or `film.c2pa`, as other tools name it."""
    candidates = (sidecar_path(path), path.with_suffix(".c2pa"))
    return next((beside for beside in candidates if beside != path and beside.is_file()), None)


@contextlib.contextmanager
def library_context(anchors: bytes, thumbnails: bool = False) -> Iterator[c2pa.Context]:
    """The C2PA library's settings: whom to trust (roots, PEM; b"": no one), and no connection to anywhere."""
    import c2pa

    settings = {
        "version": 1,
        "core": {"backing_store_memory_threshold_in_mb": _MEMORY},
        "verify": {
            "verify_after_sign": False,  # what lies on the disk is read back instead
            "verify_trust": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "trust": {"user_anchors": anchors.decode()} if anchors else {},
        "builder": {"thumbnail": {"enabled": thumbnails}},
    }
    with c2pa.Context.from_dict(settings) as context:
        yield context


def read_record(path: Path, sidecar: bytes | None, context: c2pa.Context) -> Record | None:
    """The record of a file, checked against it.

    Args:
        path: the file.
        sidecar: the record if it does not lie inside.
        context: the library's settings: whom to trust.

    Returns:
        The tree of records, or None where there is none.

    Raises:
        UnreadableRecord: there is one, but it cannot be read.
        LostRecord: there is none in the file, but a reason why.
        OSError: the file cannot be read.
    """
    import c2pa

    kind: str | None = media_type(path)
    if kind == UNKNOWN:
        kind = None  # the library knows more kinds than those that Omote writes
    try:
        with path.open("rb", BUFFER) as file, c2pa.Reader(kind, file, sidecar, context=context) as reader:
            report = json.loads(reader.json())
    except c2pa.C2paError as error:
        if sidecar is not None or _holds_store(path):
            raise UnreadableRecord(reason(error)) from None
        if isinstance(error, (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported)):
            return None
        raise LostRecord(_loss(reason(error))) from None
    return record_of(report)


def _loss(error: str) -> str:
    """Why a file has no record, by the library's error."""
    if error.startswith("Remote"):
        address = error.rpartition(" ")[2]
        return f"its record lies at {address}, and Omote fetches none: put it beside the file as .c2pa"
    return f"the file is damaged or cut short ({error}): a record may have been lost"


def _holds_store(path: Path) -> bool:
    """Whether the bytes of a manifest store's header stand somewhere in a file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(_JUMBF_STORE) >= 0
