"""Which of the faces in a picture is meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from omote.errors import UsageError
from omote.faces.face import Array, Face

Rule = Literal["largest", "all", "left", "right", "index", "near"]


def left_to_right(faces: Sequence[Face]) -> list[Face]:
    """Order faces by the middle of their boxes: the order in which Omote numbers them."""
    return sorted(faces, key=lambda face: float(face.box[0] + face.box[2]))


@dataclass(frozen=True, slots=True)
class Selection:
    """A rule that picks faces.

    Attributes:
        rule: `largest`, `all`, `left`, `right`, `index` (numbered from 0, left to right) or `near` a place.
        index: for `index`.
        place: x, y in picture pixels, for `near`.
    """

    rule: Rule = "largest"
    index: int = 0
    place: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def parse(cls, text: str, option: str = "--face") -> "Selection":
        """Read `largest`, `all`, `left`, `right`, a number, or `near X,Y`.

        Args:
            text: what is read.
            option: where it was given, for the message.

        Raises:
            UsageError: the text is none of these.
        """
        words = text.strip().lower()
        for rule in ("largest", "all", "left", "right"):
            if words == rule:
                return cls(rule)
        if words.isdecimal():
            return cls("index", index=int(words))
        if words.startswith("near"):
            try:
                x, y = (float(part) for part in words.removeprefix("near").replace(",", " ").split())
            except ValueError:
                pass
            else:
                return cls("near", place=(x, y))
        raise UsageError(f"{option} '{text}': use largest, all, left, right, a number, or 'near X,Y'")

    def pick(self, faces: Sequence[Face]) -> list[Face]:
        """Return the chosen faces, left to right; empty when none fits."""
        ordered = left_to_right(faces)
        if not ordered or self.rule == "all":
            return ordered
        match self.rule:
            case "largest":
                return [max(ordered, key=lambda face: face.area)]
            case "left":
                return ordered[:1]
            case "right":
                return ordered[-1:]
            case "index":
                return ordered[self.index : self.index + 1]
            case "near":
                place = np.array(self.place)
                return [min(ordered, key=lambda face: float(np.linalg.norm(_middle(face) - place)))]


def _middle(face: Face) -> Array:
    return np.asarray((face.box[:2] + face.box[2:]) / 2, np.float32)
