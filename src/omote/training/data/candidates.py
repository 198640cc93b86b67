"""From a picture to the faces in it that are worth keeping, each with what a data set says of it."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.faces.face import Face
from omote.faces.finder import ALL, FaceFinder
from omote.faces.identity import unit_vectors
from omote.faces.protocols import Recogniser
from omote.faces.select import Selection
from omote.training.data.cut import Framing, cut_out
from omote.training.data.duplicates import picture_hash
from omote.training.data.gather import View
from omote.training.data.quality import Limits, sharpness
from omote.training.data.spool import Place

LARGEST = Selection("largest")


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A face that meets the limits.

    Attributes:
        name: of the face in the set; the same whenever the same file is looked at.
        file: where it was found, below the folder; printable, see `printable`.
        time: in a film, in seconds; NaN in a photo.
        place: where the square lies as WebP; what `Looker.keep` said.
        facts: numbers for the table: scale, valid, quality, yaw, pitch, roll.
        points: (5, 2) in pixels of the square.
        look: hash of the crop, (32,) uint8.
        embedding: (D,) of unit length, where there is an identity network.
    """

    name: str
    file: str
    time: float
    place: Place
    facts: dict[str, float]
    points: npt.NDArray[np.float32]
    look: npt.NDArray[np.uint8]
    embedding: npt.NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was found in one view: its file, faces kept, why others were not, or why it could not be read."""

    file: str
    candidates: tuple[Candidate, ...] = ()
    faults: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at pictures. Safe for threads.

    Attributes:
        finder: finds faces, with mesh and pose.
        recogniser: for embeddings; none are made without it.
        framing: how faces are cut.
        limits: what they must meet.
        one_in_photos: only the largest face of a photo is taken.
        one_in_films: likewise of a film's frames.
        coding: quality of WebP, 1..100; 101 loses nothing.
        keep: takes a coded square and says where it lies; safe for threads.
    """

    finder: FaceFinder
    recogniser: Recogniser | None
    framing: Framing
    limits: Limits
    one_in_photos: bool
    one_in_films: bool
    coding: int
    keep: Callable[[bytes], Place]

    def look(self, view: View) -> Seen:
        """Find the faces of a picture; a picture that cannot be read is reported, not raised."""
        try:
            pixels = view.load()
        except InputError as error:
            return Seen(view.file, error=str(error))
        one = self.one_in_photos if view.time is None else self.one_in_films
        faces = self.finder.find(pixels, LARGEST if one else ALL)
        found = [self._judge(view, number, pixels, face) for number, face in enumerate(faces)]
        return Seen(
            view.file,
            tuple(result for result in found if isinstance(result, Candidate)),
            tuple(result for result in found if isinstance(result, str)),
        )

    def _judge(self, view: View, number: int, pixels: npt.NDArray[Any], face: Face) -> Candidate | str:
        """The face as a candidate, or the reason why it is none."""
        cut = cut_out(pixels, face, self.framing)
        border, end = self.framing.border, self.framing.square - self.framing.border
        crop = np.ascontiguousarray(cut.pixels[border:end, border:end])
        yaw, pitch, roll = cut.pose
        sharp = sharpness(crop)
        fault = self.limits.fault(
            presence=1.0 if face.presence is None else face.presence,
            scale=cut.scale,
            valid=cut.valid,
            yaw=yaw,
            pitch=pitch,
            sharp=sharp,
        )
        if fault is not None:
            return fault
        embedding = None
        if self.recogniser is not None:
            embedding = unit_vectors(self.recogniser.embed(pixels, [face])[0])
        facts = {"scale": cut.scale, "valid": cut.valid, "quality": sharp}
        facts |= {"yaw": yaw, "pitch": pitch, "roll": roll}
        return Candidate(
            _name(view, number),
            printable(view.file),
            np.nan if view.time is None else view.time,
            self.keep(_coded(cut.pixels, self.coding)),
            facts,
            cut.points,
            picture_hash(crop),
            embedding,
        )


def _name(view: View, number: int) -> str:
    """A name that follows from file, time and number of the face alone."""
    digest = hashlib.sha256(os.fsencode(view.file)).hexdigest()[:12]
    moment = "" if view.time is None else f"_{round(view.time * 1000):07}"
    return f"{digest}{moment}_{number}"


def printable(name: str) -> str:
    r"""A file's name as text that UTF-8 can hold; bytes that are no UTF-8 appear as `\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _coded(pixels: npt.NDArray[np.uint8], quality: int) -> bytes:
    flags = [cv2.IMWRITE_WEBP_QUALITY, quality]
    return bytes(cv2.imencode(".webp", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), flags)[1])
