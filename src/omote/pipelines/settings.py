"""What finding faces and swapping them can be told."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from omote.compose import (
    BLEND_METHODS,
    COLOUR_METHODS,
    BlendMethod,
    ColourMethod,
    MaskSettings,
    parse_padding,
)
from omote.compose.mask_settings import PARSER, parse_areas
from omote.engines.native import DEFAULT_SWAPPER
from omote.errors import UsageError
from omote.faces.select import Selection
from omote.pipelines.casting import Casting, Part
from omote.pipelines.people import LIKENESS
from omote.zoo.devices import Device, cores


@dataclass(frozen=True, slots=True, kw_only=True)
class FindSettings:
    """Settings of finding faces. Every one is a command-line option of `omote faces` and `omote swap`.

    Attributes:
        detector: name of the catalogue, several joined by `+`, or an ONNX file.
        detector_size: longest side in pixels at which faces are sought.
        detector_angles: turns of the face that are looked for, clockwise in degrees: of 0, 90, 180, 270, by
            commas.
        detector_margin: black around the picture in percent of its sides: one number, or four by commas.
        score: least detector score, 0..1; the network's own unless said.
        smallest: faces smaller than this many pixels do not count.
        landmarks: network that finds the five points anew: a name of the catalogue, or a file.
        device: where networks run: `cpu`, `cuda`, `cuda:1`, ...; see `omote.zoo.Device`.
        precision: `fp32`, or `fp16` on devices that can halve a network themselves.
        max_pixels: largest picture or frame that is accepted, in pixels.
    """

    detector: str | Path = "omote-detect"
    detector_size: int = 640
    detector_angles: str = "0"
    detector_margin: str = "0"
    score: float | None = None
    smallest: float = 0
    landmarks: str | Path | None = None
    device: str = "cpu"
    precision: Literal["fp32", "fp16"] = "fp32"
    max_pixels: int = 100_000_000

    def __post_init__(self) -> None:
        _within("detector-size", self.detector_size, 64, 4096)
        _within("max-pixels", self.max_pixels, 1, 10**10)
        if not 0 <= self.smallest < float("inf"):
            raise UsageError(f"--smallest {self.smallest:g}: give 0 pixels or more")
        if self.score is not None:
            _within("score", self.score, 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSettings(FindSettings):
    """Settings of telling people apart. Every one is an option of `omote people` and `omote swap`.

    Attributes:
        recogniser: network that knows people again: a name of the catalogue, or a file.
        likeness: least cosine of two groups of faces that are one person.
        start: seconds of the film to begin at.
        end: seconds of the film to end at.
    """

    recogniser: str | Path = "omote-identity"
    likeness: float = LIKENESS
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        FindSettings.__post_init__(self)
        _within("likeness", self.likeness, 0, 1)
        if self.start is not None and not 0 <= self.start < float("inf"):
            raise UsageError(f"--start {self.start:g}: give 0 seconds or more")
        if self.end is not None and not (self.start or 0) < self.end < float("inf"):
            raise UsageError(f"--end {self.end:g} is not after --start {self.start or 0:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapSettings(PeopleSettings):
    """Settings of a swap. Every command-line option of `omote swap` is one of these.

    Attributes:
        face: which target faces are swapped: `largest`, `all`, `left`, `right`, a number, or `near X,Y`.
        source_face: which face of a source photo is used; the same rules.
        map: who gets whose face, each `SOURCE:PERSON`; see `omote.pipelines.casting`.
        only: of those whom `map` does not name, who gets the face of the job's sources.
        exclude: people who keep their faces.
        swapper: a swapper of the catalogue, `mesh` (the mesh engine), an ONNX or DFM file, or an engine of
            another package.
        contract: how a swapper's file is used, where no card beside it says so.
        strength: share of the source's identity, 0..1.5; 1 is the source.
        boost: side in pixels of the crops of a network, a multiple of its own.
        mask: what the mask is made of, by commas; see `omote.compose.MaskSettings.parse`.
        keep: areas of the face that stay the target's, by commas: `eyes`, `mouth`, ...
        mask_parser: network that finds the regions of the mask: a name of the catalogue, or a file.
        mask_edge: percent of the crop over which its box fades.
        mask_padding: percent left out of the box: one number, or top,right,bottom,left.
        mask_grow: percent of the crop by which the mask grows; shrinks when negative.
        mask_blur: percent of the crop over which the mask's edge is softened.
        mask_adapt: whether the edge follows the shape of the new face where a swapper changes it.
        restore: network that makes the new face sharp: a name of the catalogue, or a file.
        restore_blend: how much of the restored face is laid over, 0..1.
        restore_weight: fidelity of the restorer, 0..1, where it takes one.
        colour: colour transfer, one of `none`, `reinhard`, `transport`, `light`; what suits the engine unless
            said.
        grain: how much of the plate's softness and noise the new face takes on, 0..1.
        blend: blending, one of `feather`, `multiband`, `poisson`.
        opacity: 0 (the target as it was) to 1 (the new face in full).
        fade: whether faces in profile or looking far down fade to the target; see `omote.compose.visibility`.
        rights: why the source face may be used: `own`, `consent[:FILE]`, `synthetic`, `public-domain` or
            `licensed:REFERENCE`. No file is made without.
        project: name of the work, for consents that are given for one.
        visible_label: whether a word in the corner says that the picture is synthetic.
        allow_no_face: copy a target through in which no face is found, instead of refusing it.
        codec: video encoder (`x264`, `x265`, `vp9`, `av1`, `prores`, ...); the source's family unless said.
        quality: 0..100; visually lossless unless said.
        preset: speed of the encoder, one of x264's nine names from `ultrafast` to `veryslow`, of any encoder.
        threads: frames in work at a time in each process; as many as there are processors for it unless said.
        workers: processes that share the segments of a film; one, or on a cluster as many as it has places,
            unless said.
        cluster: the Ray cluster on which they run: `auto`, or HOST:PORT; this machine unless said.
        segment: seconds of film that are finished at a time and kept if the run breaks off; 0 never cuts.
    """

    face: str = "largest"
    source_face: str = "largest"
    map: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    swapper: str | Path = DEFAULT_SWAPPER
    contract: str | None = None
    strength: float = 1.0
    boost: int | None = None
    mask: str = "box,occlusion"
    keep: str = ""
    mask_parser: str = PARSER
    mask_edge: float = 5.0
    mask_padding: str = "0"
    mask_grow: float = 0.0
    mask_blur: float = 0.0
    mask_adapt: bool = False
    restore: str | Path | None = None
    restore_blend: float = 0.8
    restore_weight: float | None = None
    colour: ColourMethod | None = None
    grain: float = 1.0
    blend: BlendMethod = "feather"
    opacity: float = 1.0
    fade: bool = True
    rights: str | None = None
    project: str | None = None
    visible_label: bool = False
    allow_no_face: bool = False
    codec: str | None = None
    quality: float | None = None
    preset: str | None = None
    threads: int | None = None
    workers: int | None = None
    cluster: str | None = None
    segment: float = 10.0

    def __post_init__(self) -> None:
        PeopleSettings.__post_init__(self)
        for name in ("map", "only", "exclude"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        if self.casting and self.face not in ("largest", "all"):
            raise UsageError(
                f"--face {self.face} chooses by place, --map, --only and --except by person: leave one out"
            )
        Selection.parse(self.face)
        Selection.parse(self.source_face, "--source-face")
        if self.colour is not None:
            _one_of("colour", self.colour, COLOUR_METHODS)
        _one_of("blend", self.blend, BLEND_METHODS)
        _within("grain", self.grain, 0, 1)
        _within("opacity", self.opacity, 0, 1)
        _within("restore-blend", self.restore_blend, 0, 1)
        if self.restore is None and self.restore_weight is not None:
            raise UsageError("--restore-weight is for --restore: name a restorer")
        _ = self.masking
        if self.threads is not None:
            _within("threads", self.threads, 1, 256)
        if self.workers is not None:
            _within("workers", self.workers, 1, 4096 if self.cluster else 256)
        if not (self.segment == 0 or 0.1 <= self.segment < float("inf")):
            raise UsageError(f"--segment {self.segment:g}: give 0.1 seconds or more, or 0 for none")
        if self.cluster is not None and Device.parse(self.device).number:
            raise UsageError(f"--device {self.device}: on a cluster Ray chooses which: leave the number out")
        if self.shared and not self.segment:
            raise UsageError("--workers and --cluster share the segments of a film: do not set --segment 0")
        if self.quality is not None:
            _within("quality", self.quality, 0, 100)

    @property
    def casting(self) -> Casting:
        """Who gets which face."""
        return Casting(tuple(map(Part.parse, self.map)), self.only, self.exclude)

    @property
    def masking(self) -> MaskSettings:
        """What the mask is made of."""
        return MaskSettings.parse(
            self.mask,
            keep=parse_areas(self.keep),
            parser=self.mask_parser,
            padding=parse_padding(self.mask_padding),
            edge=self.mask_edge,
            grow=self.mask_grow,
            blur=self.mask_blur,
        )

    @property
    def parallel(self) -> int:
        """Frames in work at a time in each process."""
        return self.threads or max(1, min(16, cores() // (self.workers or 1)))

    @property
    def shared(self) -> bool:
        """Whether several processes are to share the segments of a film."""
        return self.cluster is not None or (self.workers or 1) > 1


FIND_NAMES: tuple[str, ...] = tuple(setting.name for setting in fields(FindSettings))
PEOPLE_NAMES: tuple[str, ...] = tuple(setting.name for setting in fields(PeopleSettings))
SETTING_NAMES: tuple[str, ...] = tuple(setting.name for setting in fields(SwapSettings))


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"--{name} '{value}': use {', '.join(choices)}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"--{name} {value:g} is outside {low:g}..{high:g}")
