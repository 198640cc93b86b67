"""From a table of a TOML file to the frozen dataclass that says what it may hold."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from omote.errors import OmoteError

Settings = TypeVar("Settings")


def from_table(
    kind: type[Settings], table: Mapping[str, Any], name: str, scheme: str, error: type[OmoteError]
) -> Settings:
    """Make `kind` of a table. Lists become tuples, whole numbers floats where wanted; nothing else changes.

    Args:
        kind: a dataclass whose fields are bool, int, float, str, Literal, tuples of these, or optional.
        table: key → value.
        name: of the thing that is described, for the message of an error.
        scheme: what says which keys there are: `contract 'ghost'`.
        error: the kind of error to raise.

    Raises:
        OmoteError: of the given kind: a key is unknown, missing, or its value of the wrong type.
    """
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    for key, value in table.items():
        if key not in hints:
            raise error(f"{name}: {scheme} has no setting '{key}' (it has {', '.join(sorted(hints))})")
        try:
            given[key] = _converted(value, hints[key])
        except _Unfit as unfit:
            raise error(f"{name}: setting '{key}' is {unfit.value!r}, expected {unfit.wanted}") from None
    for entry in fields(kind):  # type: ignore[arg-type]
        required = entry.default is MISSING and entry.default_factory is MISSING
        if required and entry.name not in given:
            raise error(f"{name}: {scheme} needs the setting '{entry.name}'")
    return kind(**given)


class _Unfit(Exception):
    def __init__(self, value: Any, wanted: str) -> None:
        self.value, self.wanted = value, wanted


def _converted(value: Any, hint: Any) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool):
        if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
            raise _Unfit(value, hint.__name__)
        return value
    options = get_args(hint)
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise _Unfit(value, "tuple")
        return tuple(_converted(entry, options[0]) for entry in value)
    if get_origin(hint) is Literal:
        if value not in options:
            raise _Unfit(value, " or ".join(repr(option) for option in options))
        return value
    return _converted(value, next(option for option in options if option is not type(None)))  # optional
