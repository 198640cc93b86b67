"""Which faces of a picture may be swapped at the same time."""

from collections.abc import Callable, Sequence

from omote.faces.face import Face

ROOM = 16 * 512 * 512
"""Pixels of all crops in one batch; more would take memory and save no time."""
_REACH = 0.5
"""How far beyond its box a swap may change the picture, as a fraction of the box."""


def apart(faces: Sequence[Face], crop_size: Callable[[Face], int]) -> list[list[Face]]:
    """Group faces so that those of one group lie apart: no swap sees what another of its group changes.

    Args:
        faces: of one picture.
        crop_size: side in pixels of the crop that a face is cut to.

    Returns:
        Groups, in the order of the faces; the crops of each have at most `ROOM` pixels, or it is one face.
    """
    groups: list[list[Face]] = []
    left: list[int] = []
    for face in faces:
        pixels = crop_size(face) ** 2
        for number, group in enumerate(groups):
            if pixels <= left[number] and not any(_near(face, other) for other in group):
                group.append(face)
                left[number] -= pixels
                break
        else:
            groups.append([face])
            left.append(ROOM - pixels)
    return groups


def _near(one: Face, other: Face) -> bool:
    reach = _REACH * (one.box[2:] - one.box[:2] + other.box[2:] - other.box[:2])
    gaps = [one.box[:2] - other.box[2:], other.box[:2] - one.box[2:]]
    return all(bool((gap < reach)[axis]) for axis in range(2) for gap in gaps)
