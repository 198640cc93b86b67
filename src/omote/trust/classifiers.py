"""Which classifiers the safety gate has: nudenet if it is installed, and those of other packages.

Other packages offer them as entry points of the group `omote.safety`, each a callable
`make(runtime: Runtime) -> Classifier`.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from omote.errors import ModelError, OmoteError, RefusedError
from omote.trust.nudenet import NudeNet
from omote.trust.safety import Classifier, Gate
from omote.zoo import Runtime

GROUP = "omote.safety"
_MEMBERS = ("name", "sha256", "rule", "look")


def open_gate(runtime: Runtime, *, off: bool = False) -> Gate:
    """The gate of a job, with all classifiers that are installed.

    Where none is, the gate is `unavailable`, and the record says so. One that is installed and cannot be
    loaded is a refusal: a damaged gate must not be an open one.

    Args:
        runtime: where and how networks run.
        off: whether the user turned it off.

    Raises:
        RefusedError: a classifier is installed and cannot be loaded.
    """
    if off:
        return Gate((), off="turned off by the user")
    try:
        own = NudeNet.installed(runtime)
        found: list[Classifier] = [] if own is None else [own]
        found += [_made(point, runtime) for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)]
    except ModelError as error:
        raise RefusedError(
            f"the safety gate cannot be opened: {error}; mend or remove that classifier"
        ) from error
    return Gate(found)


def _made(point: EntryPoint, runtime: Runtime) -> Classifier:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
    label = f"classifier '{point.name}' of {package}"
    try:
        maker: Callable[[Runtime], Any] = point.load()
        made = maker(runtime)
    except OmoteError as error:
        raise ModelError(f"{label}: {error}") from error
    except Exception as error:  # whatever a foreign package may raise
        detail = " ".join(str(error).split())
        raise ModelError(f"{label}: cannot be loaded ({type(error).__name__}: {detail})") from error
    missing = [member for member in _MEMBERS if not hasattr(made, member)]
    if missing:
        raise ModelError(f"{label}: is no classifier, {', '.join(missing)} missing")
    return made  # type: ignore[no-any-return]
