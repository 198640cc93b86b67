"""Measure the right person and the steadiness of swapped films.

    python benchmarks/people.py --shared ../shared [--part likeness|people|mapping|steady] [--keep FOLDER]

likeness: how alike photos and groups of photos of one person and of two are to the recogniser (held-out
    people, photos of real people; as benchmarks/identity.py). FMR: share of different pairs that pass, FNMR:
    share of same pairs that do not.
people: a film of seven people in four short shots each; B-cubed precision and recall over its frames.
mapping: films with several people, some mapped; who stands where was seen by eye. Every face of every frame:
    whether it changed, and which of the two sources it is more alike.
steady: the same films against the untouched ones: jerk, warped-frame difference, flicker.

Output films are FFV1, so that the coder has no say in the figures; steady measures H.264 as it is by default,
too, beside the untouched film and (in brackets) that film coded in the same way.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from machine import describe
from shots import film_of_shots

from omote.evaluation.film_report import evaluate_film
from omote.faces.finder import FaceFinder
from omote.faces.identity import ArcFace, cosine, unit_vectors
from omote.media import VideoReader, open_image
from omote.pipelines import PeopleSettings, SwapSettings, make_finder, open_networks, swap_file
from omote.pipelines.choose import make_recogniser
from omote.pipelines.clock import StageClock
from omote.pipelines.people import Person, people_of, see
from omote.pipelines.search import see_film

SOURCES = ("fakerjs_male_74.jpg", "fakerjs_female_3.jpg")
FILMS: dict[str, dict[int, int]] = {
    "four_faces_noaudio.mp4": {0: 0, 3: 1},
    "two_faces_audio.mp4": {0: 0},
    "scene_cut_two_people.mp4": {1: 0},
}
"""Person → source. In the last two one of two is mapped, so that the other must stay as he is."""
PLACES: dict[str, Callable[[int, float, float], int]] = {
    "four_faces_noaudio.mp4": lambda frame, x, y: 2 * int(x > 360) + int(y > 360),
    "two_faces_audio.mp4": lambda frame, x, y: int(x > 640),
    "scene_cut_two_people.mp4": lambda frame, x, y: int(frame >= 75),
}
"""Who stands where, seen by eye: number of the frame and place of the face in pixels → person."""
CHANGED = 4.0
"""Mean change of a face's middle, of 255, from which on it counts as swapped; a watermark leaves less."""
CLIPS = (*(f"liveportrait_d{number}.mp4" for number in (10, 12, 14, 18, 19, 20)), "intel_asl_walk.mkv")
LEVELS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


class Room:
    """Finder and recogniser, opened once."""

    def __init__(self) -> None:
        self.settings = PeopleSettings()
        networks = open_networks(self.settings, 2)
        self.finder: FaceFinder = make_finder(self.settings, networks)
        self.recogniser = make_recogniser(self.settings, networks)

    def look(self, photo: Path) -> np.ndarray:
        """The embedding of the largest face."""
        pixels = open_image(photo).pixels
        face = max(self.finder.find(pixels), key=lambda face: face.area)
        return unit_vectors(self.recogniser.embed(pixels, [face])[0])


def likeness(shared: Path, room: Room) -> None:
    """FMR and FNMR of single photos, and of groups of two to four photos of one person."""
    from identity import embeddings

    from omote.training.data.faces import FaceSet

    assert isinstance(room.recogniser, ArcFace)
    faces = FaceSet.open(shared / "data", split="val")
    real = ~np.isin(faces.columns["source"].astype(str), ("generated", "faker"))
    rows = embeddings(room.recogniser, faces, lambda pixels: pixels)[real]
    people = faces.columns["person"][real]
    print(
        f"{'':<18} {'same':>6} {'different':>9} " + " ".join(f"  FMR/FNMR at {level:.2f}" for level in LEVELS)
    )
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 4):
        groups, who = [], []
        for person in np.unique(people):
            own = rng.permutation(np.flatnonzero(people == person))
            for first in range(0, len(own) - size + 1, size):
                groups.append(unit_vectors(rows[own[first : first + size]].sum(0)))
                who.append(person)
        alike, same = np.array(groups) @ np.array(groups).T, np.equal.outer(who, who)
        pairs = np.triu(np.ones_like(same), 1)
        one, two = alike[pairs & same], alike[pairs & ~same]
        cells = [f"{(two >= level).mean():8.3%} / {(one < level).mean():6.1%}" for level in LEVELS]
        print(
            f"means of {size} photos {len(one):>7} {len(two):>9} " + " ".join(f"{cell:>19}" for cell in cells)
        )


def grouping(shared: Path, room: Room, folder: Path) -> None:
    """B-cubed of a film of short shots (Bagga & Baldwin 1998), at several values of --likeness."""
    clips = [shared / "media" / "video" / name for name in CLIPS]
    film = folder / "shots.mp4"
    truth = np.array(film_of_shots(clips, film, 20, 4))
    look = partial(see, finder=room.finder, recogniser=room.recogniser)
    seen = list(see_film(film, room.settings, look, 2, StageClock()))
    print(f"{len(truth)} frames, {len(clips)} people in {4 * len(clips)} shots; by --likeness:")
    for level in LEVELS:
        found = people_of(seen, level).people
        labels = _alone(found, len(truth))
        known = labels >= 0
        same, joined = (
            np.equal.outer(truth[known], truth[known]),
            np.equal.outer(labels[known], labels[known]),
        )
        both = (same & joined).sum(1)
        precision, recall = float((both / joined.sum(1)).mean()), float((both / same.sum(1)).mean())
        print(
            f"  {level:.2f}: {len(found)} people, B-cubed precision {precision:.4f}, recall {recall:.4f}; "
            f"frames unassigned {(~known).mean():.1%}"
        )


def _alone(people: Sequence[Person], frames: int) -> np.ndarray:
    """Who is alone in each frame; -1 where nobody is, or several."""
    shown: list[set[int]] = [set() for _ in range(frames)]
    for number, person in enumerate(people):
        for part in person.stretches:
            for frame in range(part.first, part.last + 1):
                shown[frame].add(number)
    return np.array([next(iter(there)) if len(there) == 1 else -1 for there in shown])


def swapped(shared: Path, name: str, folder: Path, **settings: str) -> Path:
    """A film with some of its people mapped."""
    sources = [shared / "media" / "eval" / "synthetic_sources" / source for source in SOURCES]
    out = folder / f"{Path(name).stem}-{settings.get('codec', 'h264')}.mkv"
    maps = tuple(f"{sources[source]}:{person}" for person, source in FILMS[name].items())
    film = shared / "media" / "video" / "edge" / name
    report = swap_file([], film, out, SwapSettings(swapper="mesh", map=maps, rights="synthetic", **settings))
    print(
        f"{name}: {report.swapped} faces swapped in {report.frames} frames, {report.frame_rate:.1f} frames/s"
    )
    return out


def mapping(shared: Path, room: Room, folder: Path) -> None:
    """Who got which face, counted over every face of every frame."""
    sources = [room.look(shared / "media" / "eval" / "synthetic_sources" / source) for source in SOURCES]
    for name, chosen in FILMS.items():
        film, out = shared / "media" / "video" / "edge" / name, swapped(shared, name, folder, codec="ffv1")
        counts = dict.fromkeys(("meant", "changed", "right", "wrong", "others", "touched"), 0)
        with VideoReader(film) as before, VideoReader(out) as after:
            for one, other in zip(before, after, strict=True):
                for face in room.finder.find(one.pixels):
                    if min(face.score, face.presence or 1.0) < 0.7:
                        continue  # hardly a face
                    changed = _changed(one.pixels, other.pixels, face) > CHANGED
                    person = PLACES[name](one.index, *face.points.mean(0))
                    if person not in chosen:
                        counts["others"] += 1
                        counts["touched"] += changed
                        continue
                    counts["meant"] += 1
                    counts["changed"] += changed
                    made = room.recogniser.embed(other.pixels, [face])[0]
                    near = int(np.argmax([float(cosine(made, source)) for source in sources]))
                    counts["right"] += changed and near == chosen[person]
                    counts["wrong"] += changed and near != chosen[person]
        print("  faces: " + ", ".join(f"{kind} {count}" for kind, count in counts.items()), flush=True)


def _changed(before: np.ndarray, after: np.ndarray, face) -> float:
    """Mean change of the middle of a face, 0..255."""
    x, y = face.points.mean(0)
    reach = face.eye_distance * 0.6
    place = np.s_[int(y - reach) : int(y + reach), int(x - reach) : int(x + reach)]
    return float(np.abs(before[place].astype(int) - after[place]).mean())


def steady(shared: Path, room: Room, folder: Path) -> None:
    """Steadiness of the swapped films against the untouched ones: lossless, and as H.264 by default."""
    for codec in ("ffv1", "h264"):
        for name in FILMS:
            out = folder / f"{Path(name).stem}-{codec}.mkv"
            if not out.exists():
                swapped(shared, name, folder, codec=codec)
            made = evaluate_film(shared / "media" / "video" / "edge" / name, out, room.settings)
            print(f"{name}, {codec}", *made.lines(), sep="\n", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--part", choices=("likeness", "people", "mapping", "steady"))
    parser.add_argument("--keep", type=Path, help="leave the films in this folder")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(describe())
    room = Room()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.part in (None, "likeness"):
            likeness(options.shared, room)
        if options.part in (None, "people"):
            grouping(options.shared, room, folder)
        if options.part in (None, "mapping"):
            mapping(options.shared, room, folder)
        if options.part in (None, "steady"):
            steady(options.shared, room, folder)


if __name__ == "__main__":
    main()
