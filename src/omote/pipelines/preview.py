"""A few seconds of a film instead of all of it, to see whether the settings are right."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omote.errors import UsageError
from omote.media import probe
from omote.pipelines.settings import SwapSettings


def previews(
    target: Path, output: Path, settings: SwapSettings, seconds: float, times: Sequence[float] = ()
) -> list[tuple[Path, SwapSettings]]:
    """Settings and file for each preview of a film.

    Args:
        target: the film.
        output: what the whole would be written to; a preview is named after it and after its middle.
        settings: of the whole film; a span of them limits the previews.
        seconds: length of each preview.
        times: middles of the previews, in seconds of the film; the middle of the film if there are none.

    Raises:
        UsageError: the target is no film, or a time lies beyond it.
        InputError: the target cannot be read.
    """
    if not 0.1 <= seconds < float("inf"):
        raise UsageError(f"--preview {seconds:g}: give 0.1 seconds or more")
    info = probe(target, max_pixels=settings.max_pixels)
    if info.kind != "film":
        raise UsageError(f"{target}: is a picture, and a preview is a part of a film: leave --preview out")
    first, last = settings.start or 0.0, settings.end if settings.end is not None else info.duration
    if not times and last is None:
        raise UsageError(f"{target}: does not say how long it is: choose a time with --preview-at")
    made = []
    for time in times or [(first + (last or first)) / 2]:
        if time < first or (last is not None and time >= last):
            raise UsageError(f"--preview-at {time:g}: lies outside of {first:g}..{last or 0:g} s")
        start = max(first, time - seconds / 2)
        end = start + seconds if last is None else min(last, start + seconds)
        start = max(first, end - seconds)
        name = f"{output.stem}.preview-{time:g}s{output.suffix}"
        made.append((output.with_name(name), replace(settings, start=start, end=end)))
    return made
