"""Marks of other packages (TrustMark, Video Seal, ...): entry points of the group `omote.watermarks`.

An entry point leads to a callable `make() -> Scheme`. No package is imported before its mark is asked for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from omote.errors import ModelError, OmoteError, UsageError
from omote.trust.watermark.whiten import Pixels

GROUP = "omote.watermarks"
_MEMBERS = ("algorithm", "mark", "find")


@dataclass(frozen=True, slots=True)
class Finding:
    """A mark that a scheme found.

    Attributes:
        identifier: 48 bits.
        false_alarm: the probability, or an upper bound of it, that an unmarked picture gives this.
    """

    identifier: int
    false_alarm: float


class Scheme(Protocol):
    """A way to mark pictures and to find the mark again. Stateless, safe for threads."""

    algorithm: str
    """Its name in the list of C2PA soft-binding algorithms, or a reverse domain name."""

    def mark(self, pixels: Pixels, identifier: int) -> Pixels:
        """A marked copy of RGB (H, W, 3), uint8 or uint16, of the same shape and dtype.

        Args:
            pixels: the picture, or one frame of a film: the result must depend on it and the identifier
                alone.
            identifier: 48 bits.

        Raises:
            UsageError: the picture cannot be marked, for instance because it is too small.
        """
        ...

    def find(self, frames: Iterable[Pixels]) -> Finding | None:
        """What is found in a picture, or in frames of one film, RGB (H, W, 3); None where nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class OfferedScheme:
    """A scheme that another package offers.

    Attributes:
        name: by which it is chosen.
        package: the distribution that brings it, with its version.
    """

    name: str
    package: str
    _point: EntryPoint

    def make(self) -> Scheme:
        """Load the scheme.

        Raises:
            ModelError: the package is broken: it cannot be imported, fails, or makes something else.
        """
        maker: Callable[[], Any] = self._guarded("cannot be loaded", self._point.load)
        scheme = self._guarded("cannot be made", maker)
        missing = [member for member in _MEMBERS if not hasattr(scheme, member)]
        if missing:
            raise ModelError(f"{self}: makes no watermark, {', '.join(missing)} missing; tell its authors")
        return scheme  # type: ignore[no-any-return]

    def _guarded(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except OmoteError:
            raise
        except Exception as error:  # whatever a foreign package may raise
            detail = " ".join(str(error).split())
            raise ModelError(
                f"{self}: {what} ({type(error).__name__}: {detail}); update or remove it"
            ) from error

    def __str__(self) -> str:
        return f"watermark '{self.name}' of {self.package}"


def schemes() -> tuple[OfferedScheme, ...]:
    """All schemes that installed packages offer, by name."""
    found = {_offered(point) for point in entry_points(group=GROUP)}
    return tuple(sorted(found, key=lambda offered: (offered.name, offered.package)))


def find_scheme(name: str) -> OfferedScheme:
    """Return a scheme by name.

    Raises:
        UsageError: no installed package offers it; near names are suggested.
        ModelError: several packages offer it.
    """
    known = schemes()
    found = [offered for offered in known if offered.name == name]
    if len(found) > 1:
        packages = " and ".join(offered.package for offered in found)
        raise ModelError(f"watermark '{name}' is offered by {packages}: remove all but one")
    if found:
        return found[0]
    near = get_close_matches(name, [offered.name for offered in known], n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"packages offer them as entry points {GROUP}"
    raise UsageError(f"no watermark is called '{name}': {hint}")


def _offered(point: EntryPoint) -> OfferedScheme:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
    return OfferedScheme(point.name, package, point)
