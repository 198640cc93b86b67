"""What was found in many frames as one block of bytes, exactly as it was found."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from omote.errors import InputError
from omote.faces.face import Face
from omote.pipelines.cuts import Seen

_OPTIONAL = ("mesh", "presence", "pose", "landmarks", "embedding", "track")


def pack_seen(frames: Sequence[Seen]) -> bytes:
    """The faces and thumbnails of frames as NumPy arrays in one block, without pickled objects."""
    faces = [face for frame in frames for face in frame.faces]
    arrays: dict[str, Any] = {
        "counts": np.array([len(frame.faces) for frame in frames], np.int64),
        "thumbnails": np.array([frame.thumbnail for frame in frames], np.uint8),
        "box": np.array([face.box for face in faces], np.float32),
        "score": np.array([face.score for face in faces], np.float64),
        "points": np.array([face.points for face in faces], np.float32),
    }
    for name in _OPTIONAL:
        values = [getattr(face, name) for face in faces]
        arrays[f"{name}.of"] = np.array([value is not None for value in values], bool)
        # Landmarks of two networks differ in number, those of one do not.
        arrays[name] = np.array([value for value in values if value is not None])
    block = io.BytesIO()
    np.savez(block, allow_pickle=False, **arrays)
    return block.getvalue()


def unpack_seen(block: bytes) -> list[Seen]:
    """What `pack_seen` was given. Raises InputError if the block is not what that makes."""
    try:
        with np.load(io.BytesIO(block), allow_pickle=False) as stored:
            arrays = dict(stored)
        basics = zip(arrays["box"], arrays["score"], arrays["points"], strict=True)
        faces = [Face(box=box, score=float(score), points=points) for box, score, points in basics]
        for name in _OPTIONAL:
            rows = iter(arrays[name])
            has = arrays[f"{name}.of"]
            faces = [
                replace(face, **{name: _plain(name, next(rows))}) if there else face
                for face, there in zip(faces, has, strict=True)
            ]
        ends = np.cumsum(arrays["counts"])
        rows = zip(arrays["counts"], ends, arrays["thumbnails"], strict=True)
        return [Seen(faces[end - count : end], thumbnail) for count, end, thumbnail in rows]
    except (ValueError, KeyError, OSError, StopIteration, EOFError) as error:
        raise InputError(f"found faces cannot be read back ({error})") from None


def _plain(name: str, value: Any) -> Any:
    """A field in the type that Face has it in."""
    if name == "presence":
        return float(value)
    if name == "track":
        return int(value)
    return tuple(float(angle) for angle in value) if name == "pose" else value
