"""The faces of one or more people for any number of pictures: find, swap, compose, restore."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from omote.compose import blend, match_colour, match_grain, paste, to_float, visibility
from omote.compose.restore import restore_face
from omote.engines.swapper import Source, Swapper
from omote.errors import InputError, NoFaceError
from omote.faces.align import align
from omote.faces.face import Array, Face
from omote.faces.finder import FaceFinder
from omote.faces.identity import identify, unit_vectors
from omote.faces.select import Selection
from omote.media import Frame, open_image, probe
from omote.pipelines.badge import add_badge
from omote.pipelines.casting import CastPeople
from omote.pipelines.choose import (
    make_finder,
    make_masking,
    make_recogniser,
    make_restorer,
    make_source_finder,
    make_swapper,
    open_networks,
)
from omote.pipelines.clock import StageClock
from omote.pipelines.cuts import Seen, thumbnail
from omote.pipelines.meant import Meant, Role
from omote.pipelines.people import faces_as_people, people_of, see
from omote.pipelines.search import see_film
from omote.pipelines.settings import SwapSettings
from omote.pipelines.together import apart
from omote.zoo import Card, Networks


class Job:
    """Source people and one set of settings, ready to swap faces in any number of pictures.

    Args:
        sources: photos of a person; several are averaged. May be none if `settings.map` names sources.
        settings: see `SwapSettings`.
        swapper: the engine; the one that the settings name unless given.
        networks: where networks are opened; catalogue and store of this machine unless given.
        watch: called with every photo whose face is used, as it is opened; may raise.

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
        watch: Callable[[Path, Source], None] | None = None,
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
        self.sources, self.casting = tuple(sources), settings.casting
        self.identities = []
        for paths in self.casting.identities(sources):
            photos = [self._source(path, chosen, finder) for path in paths]
            for path, photo in zip(paths, photos, strict=True):
                if watch is not None:
                    watch(path, photo)
            self.identities.append(self.swapper.identity(photos))
        self.recogniser = make_recogniser(settings, self.networks) if self.casting else None

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

    def see(self, frame: Frame) -> Seen:
        """Find the faces that may be meant in one frame of a film; with people to tell apart, all of them."""
        with self.clock.stage("find"):
            if self.recogniser is None:
                return Seen(self.finder.find_rivals(frame.pixels, self.selection), thumbnail(frame.pixels))
            return see(frame, self.finder, self.recogniser)

    @property
    def largest(self) -> bool:
        """Whether one face a frame is meant, the largest."""
        return self.recogniser is None and self.selection.rule == "largest"

    def cast(self, seen: Iterable[tuple[object, Seen]], film: Path) -> CastPeople | None:
        """Say who of a film gets which identity; None if all that were found get the first.

        Args:
            seen: all its frames in their order, each with what `see` found; or those of the span that is
                swapped: then the film is searched, for the numbers of people are those of the whole.
            film: for messages.

        Raises:
            UsageError: the settings name a person whom the film does not show.
            NoFaceError: nobody looks like a reference photo, or the photo shows no face.
        """
        if self.recogniser is None:
            return None
        settings, people = self.settings, people_of(seen, self.settings.likeness)
        whole = None
        if self.casting.numbered and (settings.start is not None or settings.end is not None):
            all_of_it = replace(settings, start=None, end=None)
            found = see_film(film, all_of_it, self.see, settings.parallel, self.clock)
            with closing(found):
                whole = people_of(found, settings.likeness)
        return self.casting.cast(people, self.sources, self._look, film, whole)

    def meant(self, pixels: npt.NDArray[Any], path: Path | str) -> Meant:
        """Find the faces to swap in one picture, and the role of each; raises as `cast` does.

        Args:
            pixels: (H, W, 3) RGB uint8 or uint16.
            path: of the picture, for messages.
        """
        if self.recogniser is None:
            found = self.find(pixels)
            return Meant(found, [Role()] * len(found))
        with self.clock.stage("find"):
            found = identify(self.recogniser, pixels, self.finder.find(pixels))
        given = self.casting.cast(faces_as_people(found), self.sources, self._look, path).given
        return Meant(
            [face for number, face in enumerate(found) if number in given],
            [Role(given[number]) for number in range(len(found)) if number in given],
        )

    def _look(self, path: Path) -> Array:
        """The embedding of the largest face of a reference photo."""
        assert self.recogniser is not None
        source = self._source(path, Selection("largest"), make_source_finder(self.settings, self.networks))
        return unit_vectors(self.recogniser.embed(source.pixels, [source.face])[0])

    def swap(
        self, pixels: npt.NDArray[Any], faces: Sequence[Face], roles: Sequence[Role] = ()
    ) -> npt.NDArray[Any]:
        """Return the picture with each face swapped; the same array when nothing is changed.

        Args:
            pixels: (H, W, 3) RGB uint8 or uint16.
            faces: those to swap.
            roles: what becomes of each; the first identity in full unless given.
        """
        if not faces and not self.settings.visible_label:
            return pixels
        result = pixels.copy()
        self._swap_all(result, faces, roles or [Role()] * len(faces))
        if self.settings.visible_label:
            add_badge(result)
        return result

    def _swap_all(self, result: npt.NDArray[Any], faces: Sequence[Face], roles: Sequence[Role]) -> None:
        """Swap and restore, in place."""
        for identity in sorted({role.identity for role in roles}):
            mine = [number for number, role in enumerate(roles) if role.identity == identity]
            for group in apart([faces[number] for number in mine], self.swapper.crop_size):
                shares = [roles[place].opacity for face in group for place in mine if faces[place] is face]
                self._swap(result, group, shares, identity)
        if self.restorer is not None:
            with self.clock.stage("restore"):
                for face, role in zip(faces, roles, strict=True):
                    share = self.settings.restore_blend * role.opacity
                    restore_face(result, face, self.restorer, share, self.restored_masking)

    def _swap(
        self, pixels: npt.NDArray[Any], faces: Sequence[Face], shares: Sequence[float], identity: int
    ) -> None:
        """Swap faces that lie apart, in place and in one batch."""
        settings, swapper = self.settings, self.swapper
        method = "none" if swapper.colour is None else settings.colour or swapper.colour
        with self.clock.stage("swap"):
            cut = [align(pixels, face, swapper.template, swapper.crop_size(face)) for face in faces]
            crops = self.masking.looked_at(cut)
            swapped = swapper.swap(crops, self.identities[identity])
        with self.clock.stage("compose"):
            news, vouched = [new.pixels for new in swapped], [new.mask for new in swapped]
            masks = self.masking.masks(crops, news, vouched)
            for crop, new, mask, share in zip(crops, news, masks, shares, strict=True):
                target = to_float(crop.pixels)
                matched = match_colour(new, target, mask, method)
                matched = match_grain(matched, target, mask, settings.grain)
                opacity = share * self._opacity(crop.face)
                paste(pixels, crop, blend(matched, target, mask, settings.blend, opacity))

    def _opacity(self, face: Face) -> float:
        return self.settings.opacity * (visibility(face) if self.settings.fade else 1.0)
