"""The safety gate: sexual content on source or target is refused before any frame is made.

Classifiers look at pictures; one rule decides. Photos are looked at whole and mirrored, films twice a second
and wherever the picture jumps. What the gate did stands in the record of the output.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import ModelError, RefusedError

Pixels = npt.NDArray[Any]
State = Literal["passed", "refused", "unavailable", "off"]


@dataclass(frozen=True, slots=True)
class Rule:
    """When what a classifier saw is too much. Every classifier brings its own, as scores differ.

    Attributes:
        certain: a score that refuses at once.
        likely: a score that refuses when it comes twice in a row.
        hint: a score that refuses where a face looks younger than `adult`.
        adult: years; estimates of age err by about five, so the line is drawn far above eighteen.
    """

    certain: float = 0.6
    likely: float = 0.35
    hint: float = 0.2
    adult: float = 25.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a classifier saw in a picture.

    Attributes:
        exposed: 0..1, how sure it is of sexual content.
        youngest: apparent age in years of the youngest face; None where it does not tell ages.
    """

    exposed: float
    youngest: float | None = None


class Classifier(Protocol):
    """Looks for sexual content. Stateless, safe for threads.

    Attributes:
        name: what the record calls it.
        sha256: digest of its network.
        rule: when what it saw is too much.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def sha256(self) -> str: ...  # noqa: D102

    @property
    def rule(self) -> Rule: ...  # noqa: D102

    def look(self, pixels: Pixels) -> Look:
        """Look at (H, W, 3) RGB pixels, uint8 or uint16."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate did, for the record of the output and for the log.

    Attributes:
        state: `passed`, `refused`, `unavailable` (no classifier is installed) or `off` (by the user).
        reason: in words, where the state is not `passed`.
        classifiers: name and SHA-256 of each.
        pictures: how many were looked at.
        highest: largest score that was seen, percent.
        young: whether an apparent minor was seen with it: then nothing of the inputs is kept in the log.
    """

    state: State
    reason: str = ""
    classifiers: tuple[tuple[str, str], ...] = ()
    pictures: int = 0
    highest: int = 0
    young: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Its facts as JSON has them."""
        facts: dict[str, Any] = {"state": self.state}
        if self.reason:
            facts["reason"] = self.reason
        if self.classifiers:
            facts["classifiers"] = [list(pair) for pair in self.classifiers]
            facts |= {"pictures": self.pictures, "highest_percent": self.highest}
        return facts


class SafetyRefusedError(RefusedError):
    """The gate refuses the job (exit 5).

    Attributes:
        verdict: for the log.
    """

    def __init__(self, message: str, verdict: Verdict) -> None:
        super().__init__(message)
        self.verdict = verdict


class Gate:
    """The gate of one job. Not for several threads at once.

    Args:
        classifiers: all must let a picture pass.
        off: why there are none, if the user turned the gate off.
    """

    def __init__(self, classifiers: Sequence[Classifier], off: str | None = None) -> None:
        self._classifiers = () if off else tuple(classifiers)
        if off:
            self._verdict = Verdict("off", off)
        elif not classifiers:
            self._verdict = Verdict("unavailable", "no classifier is installed")
        else:
            names = tuple((each.name, each.sha256) for each in classifiers)
            self._verdict = Verdict("passed", classifiers=names)

    @property
    def looks(self) -> bool:
        """Whether there is anybody to look; if not, films need not be read for it."""
        return bool(self._classifiers)

    @property
    def verdict(self) -> Verdict:
        """What the gate did so far."""
        return self._verdict

    def photo(self, pixels: Pixels, label: str) -> None:
        """Look at a photo: whole, and mirrored, which counts as a second look.

        Args:
            pixels: (H, W, 3) RGB, uint8 or uint16.
            label: what to call it in messages.

        Raises:
            SafetyRefusedError: it shows what must not be used.
            ModelError: a classifier cannot look.
        """
        see = self.sequence(label)
        see(pixels, "")
        see(np.ascontiguousarray(cv2.flip(pixels, 1)), "")

    def sequence(self, label: str) -> Callable[[Pixels, str], None]:
        """Begin a series of pictures, such as the sampled frames of a film.

        Args:
            label: what to call it in messages.

        Returns:
            A function of a picture and of where it is in the series, such as ` at 12 s`. It raises
            SafetyRefusedError if the picture, with those before, is too much.
        """
        likely = [0] * len(self._classifiers)

        def see(pixels: Pixels, where: str) -> None:
            for number, classifier in enumerate(self._classifiers):
                look, rule = classifier.look(pixels), classifier.rule
                if not look.exposed >= 0:  # not a number is no answer, and no answer is no passing
                    raise ModelError(f"{classifier.name}: gives {look.exposed} as its score, expected 0 to 1")
                likely[number] = likely[number] + 1 if look.exposed >= rule.likely else 0
                young = look.youngest is not None and look.youngest < rule.adult
                highest = max(self._verdict.highest, round(100 * look.exposed))
                self._verdict = replace(
                    self._verdict, pictures=self._verdict.pictures + (number == 0), highest=highest
                )
                if young and look.exposed >= rule.hint:
                    raise self._refused(
                        f"{label}: refused{where}: sexual content and an apparent minor", True
                    )
                if look.exposed >= rule.certain or likely[number] >= 2:
                    raise self._refused(f"{label}: refused{where}: sexual content ({classifier.name})", False)

        return see

    def _refused(self, message: str, young: bool) -> SafetyRefusedError:
        reason = "sexual content and an apparent minor" if young else "sexual content"
        self._verdict = replace(self._verdict, state="refused", reason=reason, young=young)
        return SafetyRefusedError(f"{message}; nothing was made", self._verdict)
