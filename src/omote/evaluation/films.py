"""Films as in the FaceForensics++ protocol: some frames of each, evenly, and films in pairs."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from omote.errors import InputError, NoFaceError
from omote.evaluation.folders import align_largest, eight_bits
from omote.evaluation.pairs import Indices, Pairs, derangement
from omote.evaluation.photos import Origin, Photos, Pixels
from omote.faces.finder import FaceFinder
from omote.media import FILM_SUFFIXES, MAX_PIXELS, VideoReader, probe
from omote.media.sniff import reason


def read_films(
    folder: Path, finder: FaceFinder, frames: int = 10, max_pixels: int = MAX_PIXELS
) -> tuple[Photos, tuple[str, ...]]:
    """Take frames of every film of a folder, evenly from its beginning to its end; a film is a person.

    Returns:
        The frames with a face, called FILM#FRAME, and notes on those without and on films that cannot be
        read.

    Raises:
        InputError: the folder cannot be read, or so many films that fewer than two are left.
        NoFaceError: fewer than two films show a face.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in FILM_SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: holds no films")
    faces, origins, notes = [], [], []
    unreadable: list[InputError] = []
    for path in paths:
        try:
            wanted = evenly(_length(path, max_pixels), frames)
            pictures = frames_at(path, wanted, max_pixels)
        except InputError as error:
            unreadable.append(error)
            notes.append(f"{error}; left out")
            continue
        seen = 0
        for number, pixels in pictures.items():
            found = align_largest(pixels, finder)
            if found is not None:
                faces.append(found[0])
                origins.append(Origin(path, number, found[1]))
                seen += 1
        if seen < len(wanted):
            notes.append(f"{path}: no face found in {len(wanted) - seen} of {len(wanted)} frames; left out")
    people = np.array([origin.path.stem for origin in origins])
    if len(np.unique(people)) < 2:
        if unreadable:
            raise unreadable[0]
        raise NoFaceError(f"{folder}: to swap faces between films it takes two with a face")
    names = tuple(f"{origin.path.name}#{origin.frame}" for origin in origins)
    return Photos(np.stack(faces), names, people, {}, tuple(origins)), tuple(notes)


def film_pairs(photos: Photos, listed: Sequence[tuple[str, str]] | None = None, seed: int = 1) -> Pairs:
    """Each frame of a target film with a frame of its source film; all frames of all sources are the gallery.

    Rössler et al., FaceForensics++, 2019; retrieval as Li et al., FaceShifter, 2019.

    Args:
        photos: as `read_films` gives them.
        listed: (target, source) by the films' names without suffix; a random derangement unless said.
        seed: of that.

    Raises:
        InputError: a listed film is not there or shows no face.
    """
    films = {str(film): np.flatnonzero(photos.people == film) for film in np.unique(photos.people)}
    if listed is None:
        names = list(films)
        order = derangement(len(names), np.random.default_rng(seed))
        listed = [(name, names[giver]) for name, giver in zip(names, order, strict=True)]
    missing = sorted({film for pair in listed for film in pair} - set(films))
    if missing:
        raise InputError(f"the list of pairs names '{missing[0]}', no readable film with a face here")
    sources: list[int] = []
    targets: list[int] = []
    for taker, giver in listed:
        for place, target in enumerate(films[taker]):
            targets.append(int(target))
            sources.append(int(films[giver][place % len(films[giver])]))
    gallery = np.concatenate([films[film] for film in sorted({giver for _, giver in listed})])
    return Pairs(
        photos,
        np.array(sources),
        np.array(targets),
        _half_a_film_on(photos, np.array(sources)),
        gallery,
        "FaceForensics++: frames evenly from each film, films in pairs, retrieval among all sources' frames",
    )


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read a list of film pairs as FaceForensics++ publishes them: JSON, [["000", "003"], ...].

    Each pair stands for both directions, as its films 000_003 and 003_000 do.

    Raises:
        InputError: it cannot be read, or is no such list.
    """
    try:
        rows = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    fits = (
        isinstance(rows, list)
        and rows
        and all(
            isinstance(row, list) and len(row) == 2 and all(isinstance(name, str) for name in row)
            for row in rows
        )
    )
    if not fits:
        raise InputError(f'{path}: not a list of pairs of films such as [["000", "003"], ["001", "870"]]')
    return [pair for first, second in rows for pair in ((first, second), (second, first))]


def frames_at(path: Path, numbers: Collection[int], max_pixels: int = MAX_PIXELS) -> Mapping[int, Pixels]:
    """Some frames of a film by their numbers, (H, W, 3) uint8 RGB."""
    wanted, found = set(numbers), {}
    with VideoReader(path, max_pixels=max_pixels) as reader:
        for frame in reader:
            if frame.index in wanted:
                found[frame.index] = eight_bits(frame.pixels)
            if len(found) == len(wanted):
                break
    return found


def evenly(length: int, count: int) -> list[int]:
    """At most `count` numbers below `length`, in the middles of equal parts."""
    return sorted({int((place + 0.5) * length / count) for place in range(count)})


def _length(path: Path, max_pixels: int) -> int:
    info = probe(path, max_pixels=max_pixels)
    if info.frames:
        return info.frames
    with VideoReader(path, max_pixels=max_pixels) as reader:
        return sum(1 for _ in reader)


def _half_a_film_on(photos: Photos, chosen: Indices) -> Indices:
    """For each chosen frame the frame of its film that lies farthest from it in the order, -1 if none."""
    found = []
    for number in chosen:
        own = np.flatnonzero(photos.people == photos.people[number])
        other = own[(int(np.searchsorted(own, number)) + len(own) // 2) % len(own)]
        found.append(int(other) if other != number else -1)
    return np.array(found)
