"""One person's face for any number of pictures: find, swap, compose, restore."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from omote.compose import blend, match_colour, paste, to_float
from omote.compose.restore import restore_face
from omote.engines.swapper import Source, Swapper
from omote.errors import InputError, NoFaceError
from omote.faces.align import align
from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
from omote.media import open_image, probe
from omote.pipelines.choose import (
    make_finder,
    make_masking,
    make_restorer,
    make_source_finder,
    make_swapper,
    open_networks,
)
from omote.pipelines.clock import StageClock
from omote.pipelines.settings import SwapSettings
from omote.pipelines.together import apart
from omote.zoo import Card, Networks


class Job:
    """One source person and one set of settings, ready to swap faces in any number of pictures.

    Args:
        sources: photos of the person; several are averaged.
        settings: see `SwapSettings`.
        swapper: the engine; the one that the settings name unless given.
        networks: where networks are opened; catalogue and store of this machine unless given.

    Raises:
        UsageError: the settings name a network that does not exist.
        ModelError: a network is not on this machine, or does not meet its contract.
        InputError: a source cannot be read.
        NoFaceError: a source shows no face, or not the one asked for.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        settings: SwapSettings,
        swapper: Swapper[Any] | None = None,
        networks: Networks | None = None,
    ) -> None:
        self.settings = settings
        self.networks = networks or open_networks(settings, settings.parallel)
        self.selection = Selection.parse(settings.face)
        self.finder = make_finder(settings, self.networks)
        self.swapper = swapper or make_swapper(settings, self.networks)
        self.masking, self.restored_masking = make_masking(settings, self.networks)
        self.restorer = make_restorer(settings, self.networks)
        self.clock = StageClock()
        chosen, finder = (
            Selection.parse(settings.source_face, "--source-face"),
            make_source_finder(settings, self.networks),
        )
        self.identity = self.swapper.identity([self._source(path, chosen, finder) for path in sources])

    @property
    def cards(self) -> tuple[Card, ...]:
        """The cards of its networks, each with the digest that the file was verified by."""
        networks = self.networks
        return tuple(replace(card, sha256=networks.store.expected(card)) for card in networks.opened)

    def _source(self, path: Path, selection: Selection, finder: FaceFinder) -> Source:
        info = probe(path, max_pixels=self.settings.max_pixels)
        if info.kind != "picture":
            raise InputError(f"{path}: a source must be a photo, this is a film")
        pixels = open_image(path, max_pixels=self.settings.max_pixels).pixels
        faces = finder.find(pixels, selection)
        if not faces:
            raise NoFaceError(
                f"{path}: no such face in the source photo (--source-face {self.settings.source_face})"
            )
        return Source(pixels, faces[0])

    def find(self, pixels: npt.NDArray[Any]) -> list[Face]:
        """Find the faces to swap in one picture, (H, W, 3) RGB uint8 or uint16."""
        with self.clock.stage("find"):
            return self.finder.find(pixels, self.selection)

    def find_rivals(self, pixels: npt.NDArray[Any]) -> list[Face]:
        """Find the faces that may be meant in one frame of a film; see `FaceFinder.find_rivals`."""
        with self.clock.stage("find"):
            return self.finder.find_rivals(pixels, self.selection)

    def swap(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> npt.NDArray[Any]:
        """Return the picture with each face swapped; the same array when there is none."""
        if not faces:
            return pixels
        result = pixels.copy()
        for group in apart(faces, self.swapper.crop_size):
            self._swap(result, group)
        if self.restorer is not None:
            with self.clock.stage("restore"):
                for face in faces:
                    restore_face(
                        result, face, self.restorer, self.settings.restore_blend, self.restored_masking
                    )
        return result

    def _swap(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> None:
        """Swap faces that lie apart, in place and in one batch."""
        settings, swapper = self.settings, self.swapper
        with self.clock.stage("swap"):
            crops = [align(pixels, face, swapper.template, swapper.crop_size(face)) for face in faces]
            swapped = swapper.swap(crops, self.identity)
        with self.clock.stage("compose"):
            news, vouched = [new.pixels for new in swapped], [new.mask for new in swapped]
            masks = self.masking.masks(crops, news, vouched)
            for crop, new, mask in zip(crops, news, masks, strict=True):
                target = to_float(crop.pixels)
                matched = match_colour(new, target, mask, settings.colour or swapper.colour)
                paste(pixels, crop, blend(matched, target, mask, settings.blend, settings.opacity))
