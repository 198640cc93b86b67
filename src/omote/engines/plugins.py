"""Engines of other packages: entry points of the group `omote.engines`.

An entry point leads to a callable `make(runtime: Runtime) -> Swapper`. No package is imported before
one of its engines is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from omote.engines.swapper import Swapper
from omote.errors import ModelError, OmoteError, UsageError
from omote.zoo.runtime import Runtime

GROUP = "omote.engines"
_MEMBERS = ("template", "colour", "crop_size", "identity", "swap")


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that another package offers.

    Attributes:
        name: by which it is chosen.
        package: the distribution that brings it, with its version.
    """

    name: str
    package: str
    _point: EntryPoint

    def make(self, runtime: Runtime) -> Swapper[Any]:
        """Load the engine.

        Args:
            runtime: where and how its networks should run.

        Raises:
            ModelError: the package is broken: it cannot be imported, fails, or makes something else.
        """
        maker: Callable[[Runtime], Any] = self._guarded("cannot be loaded", self._point.load)
        swapper = self._guarded("cannot be made", lambda: maker(runtime))
        missing = [member for member in _MEMBERS if not hasattr(swapper, member)]
        if missing:
            raise ModelError(f"{self}: makes no swapper, {', '.join(missing)} missing; tell its authors")
        return swapper  # type: ignore[no-any-return]

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
        return f"engine '{self.name}' of {self.package}"


def engines() -> tuple[Engine, ...]:
    """All engines that installed packages offer, by name."""
    found = {_engine(point) for point in entry_points(group=GROUP)}
    return tuple(sorted(found, key=lambda engine: (engine.name, engine.package)))


def find_engine(name: str) -> Engine:
    """Return an engine by name.

    Raises:
        UsageError: no installed package offers it; near names are suggested.
        ModelError: several packages offer it.
    """
    known = engines()
    found = [engine for engine in known if engine.name == name]
    if len(found) > 1:
        packages = " and ".join(engine.package for engine in found)
        raise ModelError(f"engine '{name}' is offered by {packages}: remove all but one")
    if found:
        return found[0]
    near = get_close_matches(name, [engine.name for engine in known], n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"packages offer them as entry points {GROUP}"
    raise UsageError(f"no engine is called '{name}': {hint}")


def _engine(point: EntryPoint) -> Engine:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
    return Engine(point.name, package, point)
