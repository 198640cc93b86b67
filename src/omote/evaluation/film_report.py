"""How steady a swapped film is beside the untouched one, as `omote evaluate --film` tells it."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from omote._version import __version__
from omote.errors import NoFaceError
from omote.evaluation.film_pair import LEAST, Steadiness, TrackPair, compare_films
from omote.evaluation.judges import Used, used
from omote.evaluation.report import PROTOCOL
from omote.faces.identity import RECOGNISERS
from omote.media import VideoReader, VideoWriter, probe
from omote.media.atomic import AtomicFile
from omote.media.encoders import ENCODERS
from omote.pipelines import PeopleSettings, Progress, make_finder, open_networks
from omote.pipelines.report import Reporter
from omote.zoo import Networks

_MEASURES = tuple(entry.name for entry in fields(Steadiness))
_LOSSY = {entry.family: name for name, entry in reversed(ENCODERS.items()) if name != "ffv1"}
"""Codec of a file → the software encoder that films are given by default."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How the swapped film was encoded, as `omote swap` was told; its codec is read from the file.

    Attributes:
        quality: 0..100, or the default.
        preset: speed of the encoder, or the default.
    """

    quality: float | None = None
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class FilmReport:
    """Steadiness of all faces of a film.

    Attributes:
        untouched: the film as it was.
        swapped: what a swap made of it.
        tracks: every face, from its first frame to its last.
        networks: those that had a say.
    """

    untouched: Path
    swapped: Path
    tracks: Sequence[TrackPair]
    networks: Sequence[Used]

    def lines(self) -> list[str]:
        """A table for a terminal: ratios to the untouched film and, in brackets, to the same encoded anew."""
        head = f"{'frames':>11} {'still':>5} {'place':>11} {'face':<9}"
        rows = [f"{head} " + " ".join(f"{name:>13}" for name in _MEASURES)]
        for track in self.tracks:
            place = f"{track.place[0]:.0f}, {track.place[1]:.0f}"
            frames = f"{track.first}-{track.first + track.frames - 1}"
            cells = " ".join(f"{_ratio(track, name):>13}" for name in _MEASURES)
            rows.append(f"{frames:>11} {track.still:>5} {place:>11} {_kind(track):<9} {cells}")
        return rows

    def record(self) -> dict[str, Any]:
        """Everything, in plain types; a number that does not exist is None."""
        return {
            "omote": __version__,
            "protocol": PROTOCOL,
            "untouched": self.untouched.name,
            "swapped": self.swapped.name,
            "networks": [asdict(network) for network in self.networks],
            "tracks": [
                {
                    "first": track.first,
                    "frames": track.frames,
                    "still": track.still,
                    "place": track.place,
                    "changed": track.changed,
                    **{
                        film: None
                        if found is None
                        else {name: _finite(getattr(found, name)) for name in _MEASURES}
                        for film, found in _films(track)
                    },
                }
                for track in self.tracks
            ],
        }

    def write(self, folder: Path) -> None:
        """Write `report.json` into a folder. Raises InputError if it cannot be written."""
        with AtomicFile(folder / "report.json") as file:
            file.path.write_text(json.dumps(self.record(), indent=1, allow_nan=False) + "\n", "utf-8")


def evaluate_film(
    untouched: Path,
    swapped: Path,
    settings: PeopleSettings,
    coding: Coding | None = None,
    report: Reporter = lambda progress: None,
    networks: Networks | None = None,
) -> FilmReport:
    """Measure how steady a swapped film is, beside the untouched one and that one encoded anew.

    An encoder adds flicker of its own to any film: what a swap did shows beside the untouched film encoded in
    the same way. Animations and lossless films have no such third film.

    Args:
        untouched: the film as it was.
        swapped: what a swap made of it: the same frames.
        settings: detector, recogniser, device.
        coding: how the swapped film was encoded.
        report: called after every frame.
        networks: where networks are opened; catalogue and store of this machine unless given.

    Raises:
        InputError: a film cannot be read, or they have not the same frames.
        NoFaceError: no face is seen in both for a while.
        UsageError: a network of that name or such a preset does not exist, or the quality is outside 0..100.
        ModelError: a network is not on this machine, or does not meet its contract.
    """
    networks = networks or open_networks(settings, 1)
    network = networks.open(settings.recogniser, "identity")
    recogniser, finder = RECOGNISERS[network.card.adapter](network), make_finder(settings, networks)
    total = probe(untouched, max_pixels=settings.max_pixels).frames
    with _recoded(untouched, swapped, settings.max_pixels, coding or Coding()) as recoded:
        tracks = compare_films(
            untouched,
            swapped,
            finder,
            recogniser,
            recoded=recoded,
            progress=lambda frames: report(Progress(frames, total)),
        )
    if not tracks:
        raise NoFaceError(f"{swapped}: no face is seen for {LEAST} frames here and in {untouched}")
    return FilmReport(untouched, swapped, tracks, [used("recogniser", network)])


@contextmanager
def _recoded(untouched: Path, swapped: Path, max_pixels: int, coding: Coding) -> Iterator[Path | None]:
    """The untouched film encoded as the swapped one is, for as long as the `with` block lasts."""
    info = probe(swapped, max_pixels=max_pixels)
    codec = None if info.extra.get("animation") else _LOSSY.get(info.codec)
    if codec is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="omote-") as folder:
        path = Path(folder, f"untouched{swapped.suffix}")
        with (
            VideoReader(untouched, max_pixels=max_pixels) as reader,
            VideoWriter(path, reader, codec=codec, quality=coding.quality, preset=coding.preset) as writer,
        ):
            for frame in reader:
                writer.write(frame.with_pixels(frame.pixels, changed=(0, 0, 0, 0)))
        yield path


def _films(track: TrackPair) -> list[tuple[str, Steadiness | None]]:
    return [("untouched", track.untouched), ("swapped", track.swapped), ("recoded", track.recoded)]


def _kind(track: TrackPair) -> str:
    return "swapped" if track.changed else "untouched"


def _ratio(track: TrackPair, name: str) -> str:
    """Of the swapped film to the untouched one and, in brackets, to the same encoded anew."""
    made, given = getattr(track.swapped, name), getattr(track.untouched, name)
    if not given or not math.isfinite(made / given):
        return "-"
    coded = getattr(track.recoded, name, 0)
    return f"{made / given:.2f}" + (f" ({made / coded:.2f})" if coded else "")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
