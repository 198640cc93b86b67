"""Who of a film gets which face: what `--map`, `--only` and `--except` say, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omote.errors import NoFaceError, UsageError
from omote.faces.face import Array
from omote.pipelines.people import People

LIKE = 0.35
"""Least cosine of a reference photo and the person whom it names."""

Likeness = Callable[[Path], Array]
"""From a photo to the embedding of the face in it."""


@dataclass(frozen=True, slots=True)
class Part:
    """`SOURCE+SOURCE:PERSON`: whose face somebody gets."""

    sources: tuple[Path, ...]
    person: str

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read it. The last colon counts, for Windows has one in its paths.

        Raises:
            UsageError: there is no colon, or nothing on one side of it.
        """
        sources, colon, person = text.rpartition(":")
        names = [name.strip() for name in sources.split("+")]
        if not colon or not person.strip() or not all(names):
            raise UsageError(
                f"--map '{text}': write SOURCE:PERSON, where PERSON is a number of `omote people` or a photo"
            )
        return cls(tuple(map(Path, names)), person.strip())


@dataclass(frozen=True, slots=True)
class Casting:
    """Who gets which face.

    Attributes:
        parts: people who get a face of their own.
        only: of the others, those who get the face of SOURCE; all unless said.
        exclude: people who keep their faces.
    """

    parts: tuple[Part, ...] = ()
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.parts or self.only or self.exclude)

    @property
    def photos(self) -> list[Path]:
        """All photos that it names: sources first, then those of the people who are meant."""
        people = [*(part.person for part in self.parts), *self.only, *self.exclude]
        sources = [path for part in self.parts for path in part.sources]
        return list(dict.fromkeys([*sources, *(Path(person) for person in people if not person.isdecimal())]))

    def options(self) -> dict[str, list[str]]:
        """The same as options of `omote swap`, wherever it is called."""
        maps = ["+".join(str(path.absolute()) for path in part.sources) for part in self.parts]
        return {
            "map": [f"{m}:{_absolute(part.person)}" for m, part in zip(maps, self.parts, strict=True)],
            "only": [_absolute(person) for person in self.only],
            "exclude": [_absolute(person) for person in self.exclude],
        }

    def identities(self, sources: Sequence[Path]) -> list[tuple[Path, ...]]:
        """The photos of every identity of a job: SOURCE first, then the others, each once.

        Raises:
            UsageError: `only` or `exclude` speak of a SOURCE that is not given.
        """
        if not sources and (self.only or (self.exclude and not self.parts)):
            raise UsageError(
                "--only and --except say who gets the face of SOURCE: omote swap SOURCE... TARGET -o OUTPUT"
            )
        own = [] if not sources and self.parts else [tuple(sources)]
        return [*own, *dict.fromkeys(part.sources for part in self.parts if part.sources not in own)]

    def cast(self, people: People, sources: Sequence[Path], look: Likeness, film: Path | str) -> CastPeople:
        """Say which identity everybody gets.

        Args:
            people: of the film.
            sources: photos of SOURCE; there may be none.
            look: from a reference photo to its embedding.
            film: for messages.

        Raises:
            UsageError: a person does not exist, or is spoken of twice.
            NoFaceError: nobody looks like a reference photo, or the photo shows no face.
        """
        identities = self.identities(sources)
        given: dict[int, int] = {}

        def find(person: str, option: str) -> int:
            return find_person(people, person, option, look, film)

        for part in self.parts:
            number = find(part.person, "--map")
            identity = identities.index(part.sources)
            if given.setdefault(number, identity) != identity:
                raise UsageError(f"--map gives person {number} of {film} two faces")
        kept = {find(person, "--except") for person in self.exclude}
        if twice := sorted(kept & given.keys()):
            raise UsageError(f"person {twice[0]} of {film} is named by --map and by --except: choose one")
        if sources:
            meant = [find(person, "--only") for person in self.only] or range(len(people))
            for number in meant:
                if number not in kept:
                    given.setdefault(number, 0)
        return CastPeople(people, given)


@dataclass(frozen=True, eq=False)
class CastPeople:
    """The people of a film, and the number of the identity that some of them get."""

    people: People
    given: Mapping[int, int]

    def identity(self, track: int, frame: int) -> int | None:
        """See `omote.pipelines.meant.Cast`."""
        person = self.people.who(track, frame)
        return None if person is None else self.given.get(person)


def _absolute(person: str) -> str:
    return person if person.isdecimal() else str(Path(person).absolute())


def find_person(people: People, person: str, option: str, look: Likeness, film: Path | str) -> int:
    """Number of the person whom a number or a reference photo names.

    Raises:
        UsageError: there is no such number.
        NoFaceError: nobody looks like the photo, or it shows no face.
    """
    if person.isdecimal():
        if int(person) < len(people):
            return int(person)
        count = "nobody" if not len(people) else f"persons 0 to {len(people) - 1}"
        raise UsageError(f"{option} {person}: {film} shows {count}; list them with: omote people {film}")
    alike = people.likeness(look(Path(person)))
    best = max(range(len(alike)), key=alike.__getitem__, default=None)
    if best is None or alike[best] < LIKE:
        found = (
            ""
            if best is None
            else f" (person {best} comes nearest, likeness {alike[best]:.2f} of {LIKE:.2f})"
        )
        raise NoFaceError(f"{option} {person}: nobody in {film} looks like this photo{found}")
    return best
