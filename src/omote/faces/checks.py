"""Settings that the cards of several rooms have, checked alike: scaling of pixels, templates."""

import math
from collections.abc import Sequence

from omote.errors import ModelError
from omote.faces.align import TEMPLATES


def check_scaling(label: str, mean: Sequence[float], std: Sequence[float], prefix: str = "") -> None:
    """Check what a card says of the scaling of red, green and blue.

    Args:
        label: name of the card.
        mean: the setting `mean`.
        std: the setting `std`, by which pixels are divided.
        prefix: of both settings' names.

    Raises:
        ModelError: they are not three numbers each, or one of `std` is 0.
    """
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != 3 or not all(map(math.isfinite, values)):
            raise ModelError(f"{label}: setting '{prefix}{name}' is {list(values)}, expected three numbers")
    if 0 in std:
        raise ModelError(f"{label}: setting '{prefix}std' is {list(std)}: pixels cannot be divided by 0")


def check_template(label: str, name: str, setting: str = "template") -> None:
    """Check what a card says of alignment.

    Raises:
        ModelError: there is no such template.
    """
    if name not in TEMPLATES:
        raise ModelError(f"{label}: setting '{setting}' is '{name}': use {', '.join(TEMPLATES)}")
