"""How a data set is built."""

from dataclasses import dataclass, field
from typing import Literal

from omote.errors import UsageError
from omote.media import MAX_PIXELS
from omote.training.data.cut import Framing
from omote.training.data.identities import LIKENESS
from omote.training.data.quality import Limits
from omote.training.data.shards import TEMPLATE

Identities = Literal["folders", "cluster", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """How a data set is built.

    Attributes:
        square: side of the aligned squares in pixels, border of a tenth on each side included.
        template: of alignment of the crop inside the border.
        source: what the photos are called in the table; the folder's name if empty.
        licence: terms of the photos, for the table and for the cards of what is trained on them.
        identities: who is who: `folders` takes the largest face of each photo for the person that the first
            folder below the root is named after, however deep the photo lies in it, and photos and films that
            lie in no sub-folder for people of their own; `cluster` takes all
            faces and compares them by an identity network; `none` takes all faces of photos for different
            people, and the largest ones of a film for one. Splits go by people so found: where `cluster` sees
            two people in one, or `none` one in many photos, somebody may be in both splits; and a person of
            `cluster` is named after one of his faces, so he may change splits when the set grows.
        likeness: for `cluster`, least cosine of a face and the mean of its person.
        limits: what faces must meet.
        keep_duplicates: whether several copies of a picture stay.
        every: seconds between the frames of a film that are looked at.
        held_out: share of the people that are for validation, 0..1; chosen by their names.
        shard_bytes: greatest size of a tar.
        coding: quality of WebP, 1..100; 101 loses nothing.
        max_pixels: greatest size of a photo or frame.

    Raises:
        UsageError: a setting is out of its range.
    """

    square: int = 160
    template: str = TEMPLATE
    source: str = ""
    licence: str = ""
    identities: Identities = "folders"
    likeness: float = LIKENESS
    limits: Limits = field(default_factory=Limits)
    keep_duplicates: bool = False
    every: float = 1.0
    held_out: float = 0.05
    shard_bytes: int = 64 * 2**20
    coding: int = 95
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        _ = self.framing
        if self.identities not in ("folders", "cluster", "none"):
            raise UsageError(f"identities '{self.identities}': use folders, cluster or none")
        if not 0 < self.likeness < 1:
            raise UsageError(f"likeness {self.likeness:g}: give a cosine between 0 and 1")
        if not 0 < self.every < float("inf"):
            raise UsageError(f"a frame every {self.every:g} s: give more than 0 seconds")
        if not 0 <= self.held_out < 1:
            raise UsageError(f"{self.held_out:.0%} of the people held out: give 0 % or more, less than 100 %")
        if self.shard_bytes < 2**16:
            raise UsageError(f"shards of {self.shard_bytes} bytes: give 65536 at least")
        if not 1 <= self.coding <= 101:
            raise UsageError(f"WebP quality {self.coding}: give 1 to 100, or 101 to lose nothing")

    @property
    def framing(self) -> Framing:
        """How faces are cut."""
        return Framing(self.template, self.square)
