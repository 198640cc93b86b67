"""Engines as the evaluation calls them: on aligned faces alone, or through the whole pipeline."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from omote.compose import Masking, blend, match_colour, paste, to_float
from omote.engines.swapper import Source, Swapper
from omote.evaluation.films import frames_at
from omote.evaluation.folders import eight_bits
from omote.evaluation.pairs import Indices
from omote.evaluation.photos import Origin, Photos, Pixels, aligned_face
from omote.faces.align import align, warp
from omote.faces.face import Face
from omote.faces.mesh import FaceMesh
from omote.media import Picture, open_image, save_image
from omote.pipelines import SwapSettings
from omote.pipelines.job import Job
from omote.pipelines.swap import swap_picture
from omote.zoo import Networks

_FILMS = 2
"""Films whose frames are kept, in memory and as files: pairs are swapped film by film, each between two."""


class CropSwap:
    """An engine on aligned faces: no detector, no film; mask, colour and pasting as in the pipeline.

    Args:
        swapper: the engine.
        mesh: finds the meshes that engines want.
        masking: where the new face shows.
    """

    def __init__(self, swapper: Swapper[Any], mesh: FaceMesh, masking: Masking | None = None) -> None:
        self.swapper = swapper
        self.mesh = mesh
        self.masking = masking or Masking()

    def __call__(self, targets: Pixels, sources: Pixels) -> Pixels:
        """Give each target the face of its source; (n, S, S, 3) uint8 RGB each, and so the result."""
        result = targets.copy()
        for picture, source in zip(result, sources, strict=True):
            self._swap(picture, self.swapper.identity([Source(source, self._face(source))]))
        return result

    def _swap(self, picture: Pixels, identity: Any) -> None:
        swapper, face = self.swapper, self._face(picture)
        crop = align(picture, face, swapper.template, swapper.crop_size(face))
        (new,) = swapper.swap([crop], identity)
        mask, target = self.masking.mask(crop, new.pixels, new.mask), to_float(crop.pixels)
        matched = match_colour(new.pixels, target, mask, swapper.colour or "none")
        paste(picture, crop, blend(matched, target, mask))

    def _face(self, pixels: Pixels) -> Face:
        return self.mesh.refine(pixels, [aligned_face(len(pixels))])[0]


class PipelineSwap:
    """The whole pipeline, as `omote swap` runs it on a photo: detector, engine, mask, colour, restorer.

    To be used as a context manager: frames of films that are sources lie in a temporary folder meanwhile,
    those of two films at a time.

    Args:
        photos: with their origins.
        settings: of the swap.
        networks: where networks are opened.
        swapper: the engine; the one that the settings name unless given.
    """

    def __init__(
        self, photos: Photos, settings: SwapSettings, networks: Networks, swapper: Swapper[Any] | None = None
    ) -> None:
        if not photos.origins:
            raise ValueError("the whole pipeline needs to know where the faces were cut from")
        self.photos = photos
        self.settings = settings
        self.networks = networks
        self.swapper = swapper
        self._films: dict[Path, Mapping[int, Pixels]] = {}

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="omote-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def __call__(self, targets: Indices, sources: Indices) -> Pixels:
        """Swap whole pictures and cut the faces out where the targets' were; by numbers of photos."""
        return np.stack([self._swap(int(t), int(s)) for t, s in zip(targets, sources, strict=True)])

    def _swap(self, target: int, source: int) -> Pixels:
        origin = self.photos.origins[target]
        picture = self._picture(origin)  # before the source: to open a film may remove files of another
        job = Job([self._source_file(source)], self.settings, self.swapper, self.networks)
        made, _ = swap_picture(job, picture)
        side = self.photos.side
        return eight_bits(warp(made.pixels, origin.matrix, (side, side)))

    def _source_file(self, number: int) -> Path:
        origin = self.photos.origins[number]
        if origin.frame is None:
            return origin.path
        file = self._file(number)
        if not file.exists():
            save_image(file, self._picture(origin))
        return file

    def _picture(self, origin: Origin) -> Picture:
        if origin.frame is None:
            return open_image(origin.path, max_pixels=self.settings.max_pixels)
        if origin.path not in self._films:
            wanted = [other.frame for other in self.photos.origins if other.path == origin.path]
            frames = frames_at(origin.path, [n for n in wanted if n is not None], self.settings.max_pixels)
            if len(self._films) == _FILMS:
                self._close(next(iter(self._films)))
            self._films[origin.path] = frames
        return Picture(self._films[origin.path][origin.frame])

    def _file(self, number: int) -> Path:
        return Path(self._folder.name) / f"{number}.png"

    def _close(self, film: Path) -> None:
        """Forget the frames of a film and remove their files."""
        del self._films[film]
        for number, origin in enumerate(self.photos.origins):
            if origin.path == film:
                self._file(number).unlink(missing_ok=True)
