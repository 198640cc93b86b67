"""Where the new face may show: what a user can ask of the mask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from omote.compose.areas import AREAS, Area
from omote.errors import UsageError

Padding = tuple[float, float, float, float]

OCCLUDER = PARSER = "omote-parse"
_PARTS = "box, face, occlusion[:NETWORK+...], area:NAME+..., region[:NAME+...]"


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """Settings of the mask. The new face shows where everything asked for lets it (element-wise minimum).

    Lengths are percent of the crop's side. The crop holds the face upright, so top is the forehead.

    Attributes:
        box: leave out `padding` and fade over `edge`. Without it only a thin rim of the crop is left out.
        face: the convex hull of the face's landmarks.
        occlusion: networks that find what lies before the target's face: hands, hair, glasses. A parser
            will do: what it does not take for a face is in the way.
        areas: areas by landmarks, one or several together: `face`, `upper-face`, `lower-face`, `mouth`,
            `eyes`.
        keep: areas that stay the target's, whatever else is asked for.
        regions: regions that `parser` finds in the swapped face, one or several together; empty for all that
            belong to a face, None for no parser.
        parser: network that finds regions.
        padding: of the box: top, right, bottom, left; 0..100.
        edge: width of the box's soft edge; 0..50.
        grow: moves the edge of what is asked for besides the box outwards, or inwards when negative; -50..50.
            It grows into neither the box's rim nor what the engine does not vouch for.
        blur: width of a soft edge on the inner side of the same; 0..50.

    Raises:
        UsageError: a setting is out of its range, has nothing to act on, or there is no such area.
    """

    box: bool = True
    face: bool = False
    occlusion: tuple[str, ...] = ()
    areas: tuple[Area, ...] = ()
    keep: tuple[Area, ...] = ()
    regions: tuple[str, ...] | None = None
    parser: str = PARSER
    padding: Padding = (0.0, 0.0, 0.0, 0.0)
    edge: float = 5.0
    grow: float = 0.0
    blur: float = 0.0

    def __post_init__(self) -> None:
        for area in (*self.areas, *self.keep):
            if area not in AREAS:
                raise UsageError(f"mask area '{area}': use {', '.join(AREAS)}")
        if len(self.padding) != 4:
            raise UsageError(f"mask padding {self.padding}: give top, right, bottom and left")
        for side in self.padding:
            _within("padding", side, 0, 100)
        _within("edge", self.edge, 0, 50)
        _within("grow", self.grow, -50, 50)
        _within("blur", self.blur, 0, 50)
        top, right, bottom, left = self.padding
        if top + bottom >= 100 or left + right >= 100:
            raise UsageError("mask padding: opposite sides together reach 100 %, so nothing would be left")
        if any(self.padding) and not self.box:
            raise UsageError("mask padding is that of the box: add box to the mask")
        if (self.grow or self.blur) and not self.shaped:
            raise UsageError("mask grow and blur have no edge to act on: add face, occlusion, area or region")

    @property
    def shaped(self) -> bool:
        """Whether anything is asked for besides the box."""
        return bool(self.face or self.occlusion or self.areas or self.regions is not None)

    @classmethod
    def parse(cls, text: str, **others: Any) -> "MaskSettings":
        """Read what is asked for from text, such as `box,occlusion,area:mouth,region:skin+nose`.

        Args:
            text: parts by commas: `box`, `face`, `occlusion` or `occlusion:xseg_1+xseg_2`, `area:NAME+NAME`,
                `region` or `region:NAME+NAME`.
            others: settings that have no place in the text: `keep`, `padding`, `grow`, `blur`, ...

        Raises:
            UsageError: a part is unknown or said twice.
        """
        asked: dict[str, tuple[str, ...]] = {}
        for part in text.split(","):
            kind, colon, names = part.strip().partition(":")
            listed = tuple(name.strip() for name in names.split("+")) if colon else ()
            wrong = (
                kind not in ("box", "face", "occlusion", "area", "region")
                or (colon and (kind in ("box", "face") or not all(listed)))
                or (kind == "area" and not colon)
            )
            if wrong:
                raise UsageError(f"mask '{part.strip()}': use {_PARTS}")
            if kind in asked:
                raise UsageError(f"mask '{text}': {kind} is said twice; join names with +")
            asked[kind] = listed
        return cls(
            box="box" in asked,
            face="face" in asked,
            occlusion=(asked["occlusion"] or (OCCLUDER,)) if "occlusion" in asked else (),
            areas=cast(tuple[Area, ...], asked.get("area", ())),
            regions=asked.get("region"),
            **others,
        )


def parse_areas(text: str) -> tuple[Area, ...]:
    """Read areas by commas: `eyes,mouth`; none if empty. `MaskSettings` refuses those that there are not."""
    return tuple(cast(Area, name.strip()) for name in text.split(",")) if text.strip() else ()


def parse_padding(text: str, what: str = "mask padding") -> Padding:
    """Read a padding in percent: one number for all sides, `vertical,horizontal`, or `top,right,bottom,left`.

    Args:
        text: what is read.
        what: it is, for the message.

    Raises:
        UsageError: it is none of these.
    """
    try:
        numbers: Sequence[float] = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2, 4):
        raise UsageError(f"{what} '{text}': give one, two or four numbers in percent, by commas")
    top, right, bottom, left = (list(numbers) * 4)[:4]
    return top, right, bottom, left


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"mask {name} {value:g} is outside {low}..{high} %")
