"""Whose face is put into live pictures, and at which quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from omote.engines.swapper import Source
from omote.faces.face import Array, Face
from omote.faces.protocols import FaceDetector
from omote.pipelines.choose import make_finder
from omote.pipelines.job import Job
from omote.pipelines.live_quality import LADDER, Level
from omote.pipelines.live_source import Pixels
from omote.pipelines.settings import SwapSettings
from omote.zoo import Networks

_SMALLEST = 64
"""Pixels at which a detector may look at the least."""
_STEP = 32


class Person:
    """One person whose face is given.

    Args:
        photos: of the person; several are averaged.
        settings: of the swap.
        networks: where networks are opened.
        watch: called with every photo; may raise.

    Raises:
        UsageError, ModelError, InputError, NoFaceError: as `Job`.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        settings: SwapSettings,
        networks: Networks,
        watch: Callable[[Path, Source], None],
    ) -> None:
        seen: list[Source] = []

        def look(path: Path, source: Source) -> None:
            watch(path, source)
            seen.append(source)

        self.full = Job(photos, settings, networks=networks, watch=look)
        plain = replace(settings, mask=quick_mask(settings.mask), mask_adapt=False)
        self.quick = Job(photos, plain, self.full.swapper, networks)
        for job in (self.full, self.quick):  # the first run of a network takes much longer than the others
            job.swap(seen[0].pixels, [seen[0].face])

    def swap(self, pixels: Pixels, faces: Sequence[Face], level: Level, mask: bool = True) -> Pixels:
        """Give the faces of a picture this person's.

        Args:
            pixels: (H, W, 3) RGB uint8; stays as it is.
            faces: with meshes.
            level: of quality.
            mask: False leaves out what networks say of the mask, whatever the level.
        """
        if not faces:
            return pixels
        job = self.full if mask and level.occlusion else self.quick
        if level.scale == 1:
            return np.asarray(job.swap(pixels, faces), np.uint8)
        height, width = pixels.shape[:2]
        size = (round(width * level.scale), round(height * level.scale))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        share = size[0] / width
        made = job.swap(small, [scaled(face, share) for face in faces])
        return cv2.resize(made, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def quick_mask(mask: str) -> str:
    """The parts of a mask that ask no network; see `MaskSettings.parse`."""
    parts = [part for part in mask.split(",") if part.strip().split(":")[0] not in ("occlusion", "region")]
    return ",".join(parts) or "box"


def detectors(settings: SwapSettings, networks: Networks) -> list[FaceDetector]:
    """The detector for every level of quality: the same network at other sizes.

    Raises:
        UsageError, ModelError: as `make_finder`.
    """
    sizes = [
        max(round(level.detector * settings.detector_size / _STEP) * _STEP, _SMALLEST) for level in LADDER
    ]
    made = {
        size: make_finder(replace(settings, detector_size=size), networks).detector for size in set(sizes)
    }
    return [made[size] for size in sizes]


def scaled(face: Face, share: float) -> Face:
    """The same face in a picture that was made smaller; pixel centres stay pixel centres."""

    def moved(values: Array) -> Array:
        return ((values + 0.5) * share - 0.5).astype(np.float32)

    mesh = face.mesh
    if mesh is not None:
        mesh = np.column_stack([moved(mesh[:, :2]), mesh[:, 2] * share]).astype(np.float32)
    return replace(face, box=moved(face.box), points=moved(face.points), mesh=mesh)
