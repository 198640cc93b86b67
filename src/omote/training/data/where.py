"""Which faces of a set are wanted, in words that a recipe or the command line can hold: `valid >= 0.9`."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import UsageError

Mask = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[Any]]

_CONDITION = re.compile(r"\s*([a-z]+)\s*(<=|>=|!=|<|>|=)\s*(.*?)\s*")
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip


def matching(columns: Columns, conditions: Sequence[str]) -> Mask:
    """Return (N,) which rows meet all conditions.

    A condition is a column, one of `< <= > >= = !=`, and a value: `valid >= 0.9`, `source = generated, faker`
    (any of them), `source != ytf`. A number that is not known (NaN) meets no comparison.

    Raises:
        UsageError: a condition cannot be read, or names no column.
    """
    mask = np.ones(len(columns["name"]), bool)
    for condition in conditions:
        mask &= _one(columns, condition)
    return mask


def _one(columns: Columns, condition: str) -> Mask:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise UsageError(f"condition '{condition}': write a column, <, <=, >, >=, = or !=, and a value")
    title, sign, text = match.groups()
    usable = [name for name, values in columns.items() if values.ndim == 1]
    if title not in usable:
        raise UsageError(f"condition '{condition}': there is no column {title}: use {', '.join(usable)}")
    values = columns[title]
    words = [word.strip() for word in text.split(",")]
    if values.dtype == object:
        if sign not in ("=", "!="):
            raise UsageError(f"condition '{condition}': {title} is text: compare it with = or !=")
        return np.asarray(np.isin(values.astype(str), words) == (sign == "="), bool)
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise UsageError(f"condition '{condition}': '{text}' is not a number") from None
    if sign in ("=", "!="):
        return np.asarray(np.isin(values, np.array(numbers, values.dtype)) == (sign == "="), bool)
    if len(numbers) > 1:
        raise UsageError(f"condition '{condition}': {sign} takes one number")
    return np.asarray(_COMPARE[sign](values, numbers[0]), bool)
