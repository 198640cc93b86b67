"""The plate's noise and sharpness: no clean new face may lie on a grainy film like a sticker."""

import zlib

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose.masks import shown_part

Array = npt.NDArray[np.float32]

OCTAVES = 2
"""Scales at which noise is measured and made: full and half resolution hold nearly all that cameras and
compression leave."""
_LEAST = 256
"""Wavelet coefficients below which nothing can be said of the noise."""
_NORMAL = 1.4826  # standard deviation over median absolute deviation
_CUBIC = np.float32(1.5)  # what enlarging takes from the diagonal details
_MOST = 0.1  # of full scale: what is above is structure
_FAINT = 0.001  # of full scale: less is lost in 8 bits
_TOLERANCE = 1.15  # a new face with other wrinkles and brows may have a little more detail
_BLURS = (0.35, 0.5, 0.7, 0.9)  # in pixels; more would take wrinkles, not sharpness


def match_grain(new: Array, target: Array, mask: Array, amount: float = 1.0) -> Array:
    """Soften `new` to the sharpness of `target` and give it as much noise, as seen through a mask.

    Nothing is sharpened, and no noise is taken away. The noise follows from the target's pixels, so that a
    frame gets the same whenever it is made, and another one than the frame before.

    Args:
        new: (N, N, 3) float32 RGB in 0..1, the new face.
        target: (N, N, 3) float32 RGB in 0..1, the same place in the picture.
        mask: (N, N) float32 in 0..1, where both are compared.
        amount: 0 (nothing changes) to 1.

    Returns:
        (N, N, 3) float32 in 0..1.
    """
    inside = mask > 0.5
    if amount == 0 or inside.sum() < 4 * _LEAST:
        return new
    part, result = shown_part(mask), new.copy()
    result[part] = _matched(new[part], target[part], inside[part], amount)
    return result


def _matched(new: Array, target: Array, inside: npt.NDArray[np.bool_], amount: float) -> Array:
    plate = _luma(target)
    wanted = noise_levels(plate, inside)
    soft = _as_sharp(new, plate, inside, float(wanted[0]))
    result = new + np.float32(amount) * (soft - new) if soft is not new else new
    missing = np.maximum(wanted**2 - noise_levels(_luma(soft), inside) ** 2, 0)
    missing[1] = max(missing[1] - missing[0] / 4, 0)  # white noise is half as strong an octave below
    if missing.max() < _FAINT**2:
        return result
    random = np.random.Generator(np.random.SFC64(zlib.crc32(plate.tobytes())))
    fine, coarse = (_noise(random, plate.shape, octave, missing[octave] ** 0.5) for octave in range(OCTAVES))
    return np.asarray(np.clip(result + np.float32(amount) * (fine + coarse)[..., None], 0, 1), np.float32)


def noise_levels(pixels: Array, inside: npt.NDArray[np.bool_]) -> Array:
    """Standard deviation of a picture's noise at each octave, (OCTAVES,); 0 where nothing can be said of it.

    The diagonal details of a Haar wavelet hold little of a picture and all of its noise; their median
    absolute value is the noise's (Donoho & Johnstone, Biometrika 1994).

    Args:
        pixels: (N, N) float32.
        inside: (N, N), where it is measured.
    """
    levels = np.zeros(OCTAVES, np.float32)
    picture, where = pixels, inside.astype(np.uint8)
    for octave in range(OCTAVES):
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        a, b = picture[0:height:2, 0:width:2], picture[0:height:2, 1:width:2]
        c, d = picture[1:height:2, 0:width:2], picture[1:height:2, 1:width:2]
        where = np.minimum.reduce([where[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)])
        if where.sum() < _LEAST:
            break
        diagonal = np.abs(a - b - c + d)[where > 0] / 2
        levels[octave] = min(float(np.median(diagonal)) * _NORMAL, _MOST)
        picture = np.asarray((a + b + c + d) / 4, np.float32)
    return levels


def _noise(random: np.random.Generator, shape: tuple[int, ...], octave: int, level: float) -> Array:
    height, width = shape
    noise = random.standard_normal((-(-height >> octave), -(-width >> octave)), np.float32)
    noise *= np.float32(level)
    if octave:
        fine = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        noise = _CUBIC * np.asarray(fine, np.float32)
    return noise


def _as_sharp(new: Array, plate: Array, inside: npt.NDArray[np.bool_], noise: float) -> Array:
    """`new`, blurred just so much that it has no more fine detail than the plate, noise apart."""
    wanted = _less(_detail(plate, inside), noise) * _TOLERANCE
    own = _luma(new)
    if _less(_detail(own, inside), float(noise_levels(own, inside)[0])) <= wanted:
        return new
    blurred = new
    for sigma in _BLURS:
        blurred = np.asarray(cv2.GaussianBlur(new, (0, 0), sigma), np.float32)
        if _detail(_luma(blurred), inside) <= wanted:
            break
    return blurred


def _less(detail: float, noise: float) -> float:
    return float(max(detail**2 - noise**2, 0.0) ** 0.5)


def _detail(luma: Array, inside: npt.NDArray[np.bool_]) -> float:
    """Root mean square of what a small blur takes from a picture."""
    fine = luma - cv2.GaussianBlur(luma, (0, 0), 1.0)
    return float(np.sqrt(np.square(fine[inside]).mean()))


def _luma(pixels: Array) -> Array:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)
