"""Smoothing of live signals: still when they are slow, without lag when they are fast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class OneEuro:
    """The 1€ filter: a low-pass whose cut-off rises with the speed of the signal.

    For live films, where the future is not known; a film on disk is smoothed without lag, see
    `omote.pipelines.steady`. One filter serves one array, such as the points of one track. Casiez, Roussel &
    Vogel, 1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input, CHI 2012.

    Args:
        cutoff: of a signal at rest, in hertz: lower is stiller.
        beta: how much the cut-off rises with the speed, in hertz per unit of the signal and second: higher
            lags less.
        derivative: cut-off of the speed itself, in hertz.

    Raises:
        ValueError: a cut-off is not positive, or beta is negative.
    """

    def __init__(self, cutoff: float = 1.0, beta: float = 0.05, derivative: float = 1.0) -> None:
        if cutoff <= 0 or derivative <= 0 or beta < 0:
            raise ValueError("cut-offs must be positive, beta not negative")
        self._cutoff, self._beta, self._derivative = cutoff, beta, derivative
        self._time: float | None = None
        self._value: Array = np.zeros(0)
        self._speed: Array = np.zeros(0)

    def __call__(self, value: npt.ArrayLike, time: float) -> Array:
        """Take the next value, of any shape but always the same, and return it smoothed.

        Args:
            value: what was measured. Rows, the last axis, are points: their speed is one.
            time: in seconds; a time that is not later than the last returns the last result.

        Raises:
            ValueError: the shape has changed.
        """
        now = np.asarray(value, np.float64)
        if self._time is None:
            self._time, self._value, self._speed = time, now, np.zeros_like(now)
            return now
        if now.shape != self._value.shape:
            raise ValueError(f"the shape was {self._value.shape}, now it is {now.shape}")
        step = time - self._time
        if step <= 0:
            return self._value
        self._speed = _mixed(self._speed, (now - self._value) / step, self._derivative, step)
        pace = np.linalg.norm(self._speed, axis=-1, keepdims=True) if now.ndim > 1 else np.abs(self._speed)
        self._value = _mixed(self._value, now, self._cutoff + self._beta * pace, step)
        self._time = time
        return self._value

    def reset(self) -> None:
        """Forget everything: after a cut, or for another face."""
        self._time = None


def _mixed(old: Array, new: Array, cutoff: float | Array, step: float) -> Array:
    """One step of exponential smoothing with this cut-off."""
    share = 1 / (1 + 1 / (2 * np.pi * cutoff * step))
    return np.asarray(old + share * (new - old), np.float64)
