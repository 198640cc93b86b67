"""Colour transfer: give the new face the light and colour of the picture that it enters."""

from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
ColourMethod = Literal["none", "reinhard", "transport", "light"]
COLOUR_METHODS: tuple[ColourMethod, ...] = get_args(ColourMethod)


LIGHT = 0.09
"""Standard deviation of the blur that tells light from face, as a fraction of the crop size."""
_FEW = 1e-4
"""How many pixels of brightness 1, as a share of all, hold a tint at none where brightness hardly varies."""


def match_colour(
    new: Array, target: Array, mask: Array, method: ColourMethod = "light", width: float = LIGHT
) -> Array:
    """Shift the colours of `new` towards those of `target`, as seen through a mask.

    Args:
        new: (N, N, 3) float32 RGB in 0..1, the new face.
        target: (N, N, 3) float32 RGB in 0..1, the same place in the picture.
        mask: (N, N) float32 in 0..1, where the statistics are taken.
        method: `reinhard` (mean and spread of each Lab channel), `transport` (linear optimal transport
            between the two RGB distributions), `light` (the light that falls on the target, with its
            shadows and highlights), or `none`.
        width: of `light`, see `relight`.

    Returns:
        (N, N, 3) float32 in 0..1.
    """
    if method == "none" or mask.sum() < 16:
        return new
    if method == "reinhard":
        return reinhard(new, target, mask)
    if method == "transport":
        return transport(new, target, mask)
    return relight(new, target, mask, width)


def reinhard(new: Array, target: Array, mask: Array) -> Array:
    """Match mean and standard deviation per Lab channel (Reinhard et al. 2001)."""
    a, b = cv2.cvtColor(new, cv2.COLOR_RGB2Lab), cv2.cvtColor(target, cv2.COLOR_RGB2Lab)
    weight = (mask / mask.sum())[..., None]
    a_mean, b_mean = (weight * a).sum((0, 1)), (weight * b).sum((0, 1))
    a_std = np.sqrt((weight * (a - a_mean) ** 2).sum((0, 1)))
    b_std = np.sqrt((weight * (b - b_mean) ** 2).sum((0, 1)))
    moved = (a - a_mean) * _limited_gain(b_std, a_std) + b_mean
    return np.asarray(cv2.cvtColor(moved, cv2.COLOR_Lab2RGB).clip(0, 1), np.float32)


def transport(new: Array, target: Array, mask: Array, most: float = 1.6) -> Array:
    """Linear Monge-Kantorovich map between the two colour distributions (Pitié & Kokaram 2007).

    Args:
        most: how far contrast may be stretched or squeezed; a flat source must not become noise.
    """
    a_mean, a_cov = _moments(new, mask)
    b_mean, b_cov = _moments(target, mask)
    root, inverse_root = _square_roots(a_cov)
    middle, _ = _square_roots(root @ b_cov @ root)
    linear = inverse_root @ middle @ inverse_root
    gains, axes = np.linalg.eigh(linear)
    linear = axes @ np.diag(np.clip(gains, 1 / most, most)) @ axes.T
    matrix = np.column_stack([linear, b_mean - linear @ a_mean]).astype(np.float32)
    return np.asarray(cv2.transform(new, matrix).clip(0, 1), np.float32)


def relight(new: Array, target: Array, mask: Array, width: float = LIGHT) -> Array:
    """Give the new face the light of the target: what changes slowly over the face comes from there.

    Half of the change multiplies (black stays black, as under another lamp) and half adds (contrast stays
    as it is, where a multiplication would bleach or harden the features). The new face is no more colourful
    than the target: grey photos stay grey. What is darker or brighter than its surroundings then takes the
    tint that the target has at that brightness: shadows of light skin are red, not grey as dark skin is.

    Args:
        width: standard deviation of the blur that tells light from face, as a fraction of the crop size.
    """
    size = new.shape[0]
    # Slow changes need few pixels: work on small copies, then enlarge.
    small = min(64, size)
    weight, old, wanted = (
        cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA) for image in (mask, new, target)
    )
    before, after = (_colourfulness(image, weight) for image in (old, wanted))
    if after < before:
        new, old = (_toned(image, after / before) for image in (new, old))
    total = cv2.GaussianBlur(weight, (0, 0), width * small)[..., None] + 1e-3
    old_light, new_light = (
        cv2.GaussianBlur(image * weight[..., None], (0, 0), width * small) / total for image in (old, wanted)
    )
    ratio = np.clip((new_light + 0.05) / (old_light + 0.05), 0.25, 4)
    changes = (ratio + 1) / 2, (new_light - old_light) / 2
    tint = _tint(wanted, weight) - _tint(old * changes[0] + changes[1], weight)
    gain, offset = (
        np.asarray(cv2.resize(change, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
        for change in changes
    )
    return np.asarray(_tinted(new * gain + offset, tint).clip(0, 1), np.float32)


def _tint(pixels: npt.NDArray[Any], mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What brightness tells of the colour: (3, 2), of brightness and its square to RGB less brightness."""
    brightness = _brightness(pixels)
    colour = (pixels - brightness[..., None]).reshape(-1, 3)
    powers = np.stack([brightness.ravel(), brightness.ravel() ** 2], 1)
    weighted = powers * mask.reshape(-1, 1)
    return np.linalg.solve(weighted.T @ powers + _FEW * mask.sum() * np.eye(2), weighted.T @ colour).T


def _tinted(pixels: Array, tint: npt.NDArray[Any]) -> Array:
    brightness = _brightness(pixels)
    powers = cv2.merge([brightness, brightness * brightness])
    return pixels + np.asarray(cv2.transform(powers, tint.astype(np.float32)), np.float32)


def _brightness(pixels: npt.NDArray[Any]) -> Array:
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2GRAY), np.float32)


def _colourfulness(pixels: npt.NDArray[Any], mask: npt.NDArray[Any]) -> float:
    """How far colours are from grey, beside their brightness."""
    brightness = float((pixels.mean(2) * mask).sum())
    return float((np.ptp(pixels, axis=2) * mask).sum() / max(brightness, 1e-6))


def _toned(pixels: npt.NDArray[Any], share: float) -> Array:
    """With so much of their colour."""
    mixing = np.full((3, 3), (1 - share) / 3) + share * np.eye(3)
    return np.asarray(cv2.transform(pixels, mixing.astype(np.float32)), np.float32)


def _moments(pixels: Array, mask: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weighted mean (3,) and covariance (3, 3); every other pixel is plenty."""
    values = pixels[::2, ::2].reshape(-1, 3).astype(np.float64)
    weights = mask[::2, ::2].reshape(-1).astype(np.float64)
    weights /= max(weights.sum(), 1e-9)
    mean = weights @ values
    centred = values - mean
    return mean, (centred * weights[:, None]).T @ centred + 1e-5 * np.eye(3)


def _square_roots(matrix: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Square root of a symmetric positive matrix, and the inverse of that root."""
    values, vectors = np.linalg.eigh(matrix)
    roots = np.sqrt(np.maximum(values, 1e-12))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def _limited_gain(wanted: Array, present: Array) -> Array:
    return np.clip(wanted / np.maximum(present, 1e-4), 0.5, 1.6).astype(np.float32)
