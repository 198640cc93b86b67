"""From the faces that were found in a film to those that are meant, each with what becomes of it."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from omote.errors import InputError
from omote.faces.face import Face
from omote.media import Frame
from omote.pipelines.cuts import Moment, Seen, mark_cuts
from omote.pipelines.follow import follow_largest
from omote.pipelines.steady import steady
from omote.pipelines.tracks import filled, opacities, tracked

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Role:
    """What becomes of a face.

    Attributes:
        identity: number of the identity of the job that it gets.
        opacity: 0..1, as a share of the opacity that the settings say.
    """

    identity: int = 0
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Meant:
    """The faces of one frame that are swapped, and the role of each."""

    faces: list[Face] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)


class Cast(Protocol):
    """Who gets which identity."""

    def identity(self, track: int, frame: int) -> int | None:
        """Number of the identity that a track gets at a frame; None if its face is left as it is."""
        ...


def linked(
    items: Iterable[tuple[Item, Seen]], *, largest: bool = False
) -> Generator[tuple[Item, Moment], None, None]:
    """Find the cuts and number the faces; with `largest` one face a frame is left, see `follow_largest`."""
    marked = mark_cuts(items)
    if not largest:
        return tracked(marked)
    followed = follow_largest(((item, moment.cut), moment.faces) for item, moment in marked)
    return tracked((item, Moment(faces, cut)) for (item, cut), faces in followed)


def meant_faces(
    items: Iterable[tuple[Item, Seen]], *, largest: bool = False, cast: Cast | None = None
) -> Generator[tuple[Item, Meant], None, None]:
    """Say for every frame which faces are swapped, where exactly they are, and how opaque the new ones are.

    Tracks are followed, their short gaps filled, what trembles is smoothed, what would pop is faded. Items
    are held back by some frames and keep their order. The result is a function of the items alone, so it is
    the same however a film is cut and worked on.

    Args:
        items: the frames of a film in their order, with what was found in each.
        largest: whether the items hold rivals for the largest face, of which one is meant.
        cast: who is meant; all that were found unless given, with the first identity.
    """
    found = filled(linked(items, largest=largest))
    calm = steady(((item, moment.cut), moment.faces) for item, moment in found)
    faded = opacities((item, Moment(faces, cut)) for (item, cut), faces in calm)
    for number, (item, moment, shares) in enumerate(faded):
        meant = Meant()
        for face, share in zip(moment.faces, shares, strict=True):
            identity = 0 if cast is None else cast.identity(_number(face), number)
            if identity is not None:
                meant.faces.append(face)
                meant.roles.append(Role(identity, share))
        yield item, meant


def _number(face: Face) -> int:
    if face.track is None:
        raise ValueError("faces are followed before they are cast")
    return face.track


def beside(
    frames: Iterable[Frame], meant: Iterable[tuple[int, Meant]], film: Path
) -> Generator[tuple[Frame, Meant], None, None]:
    """Each frame with what is meant in it; raises InputError if other frames were searched."""
    waiting = iter(meant)
    for frame in frames:
        stamp, faces = next(waiting, (None, Meant()))
        if stamp != frame.pts:
            break
        yield frame, faces
    else:
        if next(waiting, None) is None:
            return
    raise InputError(f"{film}: has changed while it was worked on")
