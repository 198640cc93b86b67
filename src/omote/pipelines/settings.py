"""What a swap can be told."""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from omote.compose import BLEND_METHODS, COLOUR_METHODS, BlendMethod, ColourMethod
from omote.errors import UsageError
from omote.faces.select import Selection


@dataclass(frozen=True, slots=True)
class SwapSettings:
    """Settings of a swap. Every command-line option of `omote swap` is one of these.

    Attributes:
        face: which target faces are swapped: `largest`, `all`, `left`, `right`, a number, or `near X,Y`.
        source_face: which face of a source photo is used; the same rules.
        detector: ONNX file with YuNet's outputs, instead of the native detector.
        detector_size: longest side in pixels at which faces are sought.
        score: least detector score, 0..1; the network's own unless said.
        colour: colour transfer, one of `none`, `reinhard`, `transport`, `light`.
        blend: blending, one of `feather`, `multiband`, `poisson`.
        opacity: 0 (the target as it was) to 1 (the new face in full).
        allow_no_face: copy a target through in which no face is found, instead of refusing it.
        codec: video encoder (`x264`, `x265`, `vp9`, `av1`, `prores`, ...); the source's family unless said.
        quality: 0..100; visually lossless unless said.
        preset: speed of the encoder, in the encoder's own words.
        start: seconds of the film to begin at.
        end: seconds of the film to end at.
        max_pixels: largest picture or frame that is accepted, in pixels.
        workers: frames in work at a time; as many as there are processors unless said.
    """

    face: str = "largest"
    source_face: str = "largest"
    detector: Path | None = None
    detector_size: int = 640
    score: float | None = None
    colour: ColourMethod = "light"
    blend: BlendMethod = "feather"
    opacity: float = 1.0
    allow_no_face: bool = False
    codec: str | None = None
    quality: float | None = None
    preset: str | None = None
    start: float | None = None
    end: float | None = None
    max_pixels: int = 100_000_000
    workers: int | None = None

    def __post_init__(self) -> None:
        Selection.parse(self.face)
        Selection.parse(self.source_face)
        _one_of("colour", self.colour, COLOUR_METHODS)
        _one_of("blend", self.blend, BLEND_METHODS)
        _within("opacity", self.opacity, 0, 1)
        _within("detector-size", self.detector_size, 64, 4096)
        if self.workers is not None:
            _within("workers", self.workers, 1, 256)
        _within("max-pixels", self.max_pixels, 1, 10**10)
        if self.score is not None:
            _within("score", self.score, 0, 1)
        if self.quality is not None:
            _within("quality", self.quality, 0, 100)
        if self.start is not None:
            _within("start", self.start, 0, float("inf"))
        if self.end is not None and self.end <= (self.start or 0):
            raise UsageError(f"--end {self.end:g} is not after --start {self.start or 0:g}")

    @property
    def parallel(self) -> int:
        """Frames in work at a time."""
        return self.workers or min(16, os.cpu_count() or 1)


SETTING_NAMES: tuple[str, ...] = tuple(setting.name for setting in fields(SwapSettings))


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"--{name} '{value}': use {', '.join(choices)}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"--{name} {value:g} is outside {low:g}..{high:g}")
