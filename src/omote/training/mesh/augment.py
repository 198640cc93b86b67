"""What may happen to a face before the network sees it: framing, light, blur, compression, occluders."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.topology import MIRROR

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
_BORDERS = (cv2.BORDER_REFLECT, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)


def _spread(rng: np.random.Generator, limit: float) -> float:
    """Mostly small, never beyond ±limit: networks are used near the middle of what they are trained for."""
    return float(np.clip(rng.normal(0, limit / 2), -limit, limit))


def jitter(rng: np.random.Generator, size: int, *, off: bool = False) -> Floats:
    """Random similarity (2, 3) of a crop: shift ±8 %, scale 0.8..1.25, rotation ±25°.

    Args:
        off: instead, a framing so bad that the crop does not count as a face.
    """
    scale, angle = np.exp(_spread(rng, np.log(1.25))), np.radians(_spread(rng, 25))
    shift = np.array([_spread(rng, 0.08), _spread(rng, 0.08)])
    if off:
        kind = rng.integers(3)
        if kind == 0:
            direction = rng.uniform(0, 2 * np.pi)
            shift = rng.uniform(0.55, 0.9) * np.array([np.cos(direction), np.sin(direction)])
        elif kind == 1:
            scale = rng.uniform(0.2, 0.4)
        else:
            scale = rng.uniform(2.6, 5)
            shift = rng.uniform(-0.8, 0.8, 2)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    middle = (size - 1) / 2
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear, middle + shift * size - linear @ (middle, middle)])


def mirror(crop: Image, mesh: Floats) -> tuple[Image, Floats]:
    """Mirror a crop (S, S, 3) and its mesh (478, 3)."""
    mesh = mesh[MIRROR].copy()
    mesh[:, 0] = crop.shape[1] - 1 - mesh[:, 0]
    return np.ascontiguousarray(crop[:, ::-1]), mesh


def cut(rng: np.random.Generator, canvas: Image, matrix: Floats, size: int) -> Image:
    """Warp a crop out of a canvas; what lies outside is reflected, smeared or one colour."""
    border = int(rng.choice(_BORDERS, p=(0.5, 0.25, 0.25)))
    colour = tuple(int(v) for v in rng.integers(0, 256, 3)) if rng.random() < 0.5 else (0, 0, 0)
    crop = cv2.warpAffine(canvas, matrix, (size, size), borderMode=border, borderValue=colour)
    return np.asarray(crop, np.uint8)


def occlude(rng: np.random.Generator, crop: Image, texture: Image) -> Image:
    """Lay one or two ellipses or boxes, plain or textured, over the crop: up to a quarter of it each."""
    size = crop.shape[0]
    crop = crop.copy()
    for _ in range(int(rng.integers(1, 3))):
        mask = np.zeros((size, size), np.uint8)
        centre = tuple(int(v) for v in rng.integers(0, size, 2))
        axes = tuple(int(v) for v in rng.uniform(0.05, 0.28, 2) * size)
        angle = float(rng.uniform(0, 180))
        if rng.random() < 0.5:
            cv2.ellipse(mask, centre, axes, angle, 0, 360, 1, -1)
        else:
            corners = cv2.boxPoints((centre, (2.0 * axes[0], 2.0 * axes[1]), angle))
            cv2.fillConvexPoly(mask, corners.astype(np.int32), 1)
        if rng.random() < 0.5:
            filling = cv2.resize(texture, (size, size))
        else:
            filling = np.full_like(crop, rng.integers(0, 256, 3, np.uint8))
        crop[mask > 0] = filling[mask > 0]
    return crop


def relight(rng: np.random.Generator, crop: Image) -> Image:
    """Brightness, contrast, gamma, colour by one table per channel; at times grey or another saturation."""
    levels = np.linspace(0, 1, 256)
    tables = []
    gamma, gain = np.exp(_spread(rng, 0.7)), np.exp(_spread(rng, 0.5))
    offset = _spread(rng, 0.2)
    for _ in range(3):
        tint = np.exp(_spread(rng, 0.2))
        values = (levels**gamma - 0.5) * gain * tint + 0.5 + offset
        tables.append(np.clip(values * 255, 0, 255).astype(np.uint8))
    crop = np.asarray(cv2.LUT(crop, np.stack(tables, -1)[None]), np.uint8)
    if rng.random() < 0.3:
        grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        amount = 1.0 if rng.random() < 0.4 else float(rng.uniform(-0.5, 0.9))
        crop = np.asarray(cv2.addWeighted(grey, amount, crop, 1 - amount, 0), np.uint8)
    return crop


def degrade(rng: np.random.Generator, crop: Image) -> Image:
    """Blur, low resolution, noise, JPEG: each now and then."""
    size = crop.shape[0]
    if rng.random() < 0.12:
        crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.6, 2.2))), np.uint8)
    elif rng.random() < 0.08:
        length, angle = int(rng.integers(3, 9)), rng.uniform(0, np.pi)
        kernel = np.zeros((9, 9), np.float32)
        step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        cv2.line(kernel, tuple(map(int, 4.5 - step)), tuple(map(int, 4.5 + step)), 1.0)
        crop = np.asarray(cv2.filter2D(crop, -1, kernel / kernel.sum()), np.uint8)
    if rng.random() < 0.2:
        small = int(np.exp(rng.uniform(np.log(0.25), np.log(0.9))) * size)
        crop = cv2.resize(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA), (size, size))  # type: ignore[assignment]
    if rng.random() < 0.2:
        noise = rng.standard_normal(crop.shape, np.float32) * rng.uniform(2, 14)
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 90))])
        crop = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return crop
