"""Reconstruction: what is left of a face when it is swapped with itself."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.evaluation.metric import Metric, Scene
from omote.evaluation.photos import Pixels, inner
from omote.evaluation.statistics import mean

Array = npt.NDArray[np.float64]

_BEST = 100.0
"""PSNR of equal pictures: infinite, but a mean needs a number."""


def psnr(first: Pixels, second: Pixels) -> Array:
    """Peak signal to noise ratio in dB of (N, H, W, 3) uint8 pictures, (N,); at most 100."""
    error = (first.astype(np.float64) - second) ** 2
    mean_error = error.reshape(len(error), -1).mean(1)
    return np.asarray(np.minimum(10 * np.log10(255**2 / np.maximum(mean_error, 1e-12)), _BEST))


def ssim(first: Pixels, second: Pixels) -> Array:
    """Structural similarity of the luma of (N, H, W, 3) uint8 RGB pictures, (N,): 1 is equal.

    Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004: Gaussian
    window of 11 pixels, σ = 1.5, K = 0.01, 0.03; places whose window leaves the picture do not count.
    """
    return np.array([_ssim(_luma(a), _luma(b)) for a, b in zip(first, second, strict=True)])


def _ssim(a: Array, b: Array) -> float:
    def blurred(field: Array) -> Array:
        return np.asarray(cv2.GaussianBlur(field, (11, 11), 1.5)[5:-5, 5:-5])

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    both = blurred(a * b) - mean_a * mean_b
    map_ = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float((map_ / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def _luma(pixels: Pixels) -> Array:
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114]), np.float64)


def _psnr(scene: Scene) -> Array | None:
    same = scene.same_pixels
    return None if same is None else psnr(inner(same), inner(scene.target_pixels))[:, None]


def _ssim_rows(scene: Scene) -> Array | None:
    same = scene.same_pixels
    return None if same is None else ssim(inner(same), inner(scene.target_pixels))[:, None]


METRICS = (
    Metric("same_psnr", "swapped with itself, PSNR", "dB", "higher", "target", _psnr, mean),
    Metric("same_ssim", "swapped with itself, SSIM", "", "higher", "target", _ssim_rows, mean),
)
