"""Which faces of a picture may be swapped at the same time."""

from collections.abc import Sequence

from omote.faces.face import Face

MOST = 16
"""Faces in one batch; more would take memory and save no time."""
_REACH = 0.5
"""How far beyond its box a swap may change the picture, as a fraction of the box."""


def apart(faces: Sequence[Face]) -> list[list[Face]]:
    """Group faces so that those of one group lie apart: no swap sees what another of its group changes.

    Args:
        faces: of one picture.

    Returns:
        Groups of at most `MOST` faces, in the order of the faces.
    """
    groups: list[list[Face]] = []
    for face in faces:
        for group in groups:
            if len(group) < MOST and not any(_near(face, other) for other in group):
                group.append(face)
                break
        else:
            groups.append([face])
    return groups


def _near(one: Face, other: Face) -> bool:
    reach = _REACH * (one.box[2:] - one.box[:2] + other.box[2:] - other.box[:2])
    gaps = [one.box[:2] - other.box[2:], other.box[:2] - one.box[2:]]
    return all(bool((gap < reach)[axis]) for axis in range(2) for gap in gaps)
