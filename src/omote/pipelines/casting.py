"""Who of a film gets which face: what `--map`, `--only` and `--except` say, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omote.errors import NoFaceError, UsageError
from omote.faces.face import Array
from omote.pipelines.people import LIKE, People

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
    """Who gets which face. Raises UsageError if somebody is to get two.

    Attributes:
        parts: people who get a face of their own.
        only: of the others, those who get the face of SOURCE; all unless said.
        exclude: people who keep their faces.
    """

    parts: tuple[Part, ...] = ()
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named: dict[str, Part] = {}
        for part in self.parts:
            if named.setdefault(part.person, part).sources != part.sources:
                raise UsageError(f"--map gives person {part.person} two faces: choose one")
            if part.person in self.exclude:
                raise UsageError(f"person {part.person} is named by --map and by --except: choose one")

    def __bool__(self) -> bool:
        return bool(self.parts or self.only or self.exclude)

    @property
    def photos(self) -> list[Path]:
        """All photos that it names: sources first, then those of the people who are meant."""
        people = [*(part.person for part in self.parts), *self.only, *self.exclude]
        sources = [path for part in self.parts for path in part.sources]
        return list(dict.fromkeys([*sources, *(Path(person) for person in people if not person.isdecimal())]))

    def options(self, folder: Path | None = None) -> dict[str, list[str]]:
        """The same as options of `omote swap`, wherever it is called; photos are sought from a folder."""
        here = Path() if folder is None else folder

        def named(person: str) -> str:
            return person if person.isdecimal() else str((here / person).absolute())

        def said(part: Part) -> str:
            sources = "+".join(str((here / path).absolute()) for path in part.sources)
            return f"{sources}:{named(part.person)}"

        return {
            "map": [said(part) for part in self.parts],
            "only": [named(person) for person in self.only],
            "exclude": [named(person) for person in self.exclude],
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

    @property
    def numbered(self) -> bool:
        """Whether it names people by number."""
        names = [*(part.person for part in self.parts), *self.only, *self.exclude]
        return any(name.isdecimal() for name in names)

    def cast(
        self,
        people: People,
        sources: Sequence[Path],
        look: Likeness,
        film: Path | str,
        whole: People | None = None,
    ) -> CastPeople:
        """Say which identity everybody gets.

        Args:
            people: of the film, or of a span of it.
            sources: photos of SOURCE; there may be none.
            look: from a reference photo to its embedding.
            film: for messages.
            whole: people of the whole film, whose numbers count, where `people` are those of a span.

        Raises:
            UsageError: a person does not exist, or is spoken of twice.
            NoFaceError: nobody looks like a reference photo, or the photo shows no face.
        """
        identities = self.identities(sources)
        numbers = list(range(len(people))) if whole is None else people.numbers_in(whole)
        count = len(people if whole is None else whole)
        given: dict[int, int] = {}

        def find(person: str, option: str) -> list[int]:
            if person.isdecimal():
                if int(person) >= count:
                    shown = f"persons 0 to {count - 1}" if count else "nobody"
                    raise UsageError(
                        f"{option} {person}: {film} shows {shown}; list them with: omote people {film}"
                    )
                return [place for place, number in enumerate(numbers) if number == int(person)]
            return [_most_like(people, Path(person), option, look, film)]

        for part in self.parts:
            identity = identities.index(part.sources)
            for place in find(part.person, "--map"):
                if given.setdefault(place, identity) != identity:
                    raise UsageError(f"--map gives person {numbers[place]} of {film} two faces")
        kept = {place for person in self.exclude for place in find(person, "--except")}
        if twice := sorted(kept & given.keys()):
            raise UsageError(
                f"person {numbers[twice[0]]} of {film} is named by --map and by --except: choose one"
            )
        if sources:
            meant = [place for person in self.only for place in find(person, "--only")]
            for place in meant if self.only else range(len(people)):
                if place not in kept:
                    given.setdefault(place, 0)
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


def _most_like(people: People, photo: Path, option: str, look: Likeness, film: Path | str) -> int:
    """The person whom a reference photo shows.

    Raises:
        NoFaceError: nobody looks like it, or it shows no face.
    """
    alike = people.likeness(look(photo))
    best = max(range(len(alike)), key=alike.__getitem__, default=None)
    if best is None or alike[best] < LIKE:
        nearest = "" if best is None else f" (nearest: person {best}, likeness {alike[best]:.2f} of {LIKE})"
        raise NoFaceError(f"{option} {photo}: nobody in {film} looks like this photo{nearest}")
    return best
