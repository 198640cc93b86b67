"""How steady a film is: jerk of the landmarks, warped-frame difference, flicker of identity and colour.

Every number is one of a film by itself; what a swap did shows beside the same number of the untouched film.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.identity import cosine

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STILL = 0.01
"""Movement from frame to frame, in eye distances, below which a head stands still."""
SHORTEST = 5
"""Frames that a still stretch has at least."""


def jerk(points: npt.ArrayLike, units: npt.ArrayLike) -> float:
    """Mean third difference of landmarks in eye distances per frame cubed; NaN for fewer than four frames.

    Third derivatives tell trembling from movement: a head that turns has little of it. After the smoothness
    measure of Flash & Hogan, The Coordination of Arm Movements, 1985.

    Args:
        points: (T, N, 2) landmarks in pixels, of frames that follow each other.
        units: (T,) eye distances in pixels.
    """
    places = np.asarray(points, np.float64)
    if len(places) < 4:
        return float("nan")
    thirds = np.diff(places, n=3, axis=0)
    unit = float(np.median(np.asarray(units, np.float64)))
    return float(np.linalg.norm(thirds, axis=2).mean() / unit)


def still_steps(points: npt.ArrayLike, units: npt.ArrayLike) -> Mask:
    """Which steps from a frame to the next belong to a stretch in which the head stands still, (T - 1,) bool.

    Args:
        points: as for `jerk`.
        units: likewise.
    """
    places, unit = np.asarray(points, np.float64), np.asarray(units, np.float64)
    if len(places) < 2:
        return np.zeros(0, bool)
    moved = np.linalg.norm(np.diff(places, axis=0), axis=2).mean(1) / unit[1:]
    still = np.asarray(moved < STILL, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(np.int8)))
    for first, end in edges.reshape(-1, 2):
        if end - first < SHORTEST - 1:
            still[first:end] = False
    return still


def identity_flicker(embeddings: npt.ArrayLike, still: Mask) -> float:
    """Mean cosine distance of embeddings of neighbouring frames over the still steps; NaN without any.

    Args:
        embeddings: (T, D).
        still: (T - 1,) see `still_steps`.
    """
    rows = np.asarray(embeddings, np.float64)
    return _mean(1 - cosine(rows[1:], rows[:-1]), still)


def colour_flicker(colours: npt.ArrayLike, still: Mask) -> float:
    """Mean difference of a face's mean colour from frame to frame over the still steps; NaN without any.

    Args:
        colours: (T, 3) mean CIE Lab of the face, see `face_colour`.
        still: (T - 1,) see `still_steps`.
    """
    return _mean(np.linalg.norm(np.diff(np.asarray(colours, np.float64), axis=0), axis=1), still)


def face_colour(pixels: npt.NDArray[np.uint8], hull: npt.ArrayLike) -> Array:
    """Mean CIE Lab, (3,), inside a polygon of a picture (H, W, 3) RGB uint8."""
    (x0, y0), inside = _inside(pixels.shape, hull)
    part = pixels[y0 : y0 + inside.shape[0], x0 : x0 + inside.shape[1]]
    lab = cv2.cvtColor(part.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.asarray(lab[inside].mean(0), np.float64)


def contrast(pixels: npt.NDArray[np.uint8], hull: npt.ArrayLike) -> float:
    """Mean gradient of the luma inside a polygon, in levels of 255 per pixel, of (H, W, 3) RGB uint8.

    Two faces that slide alike have warped-frame differences in proportion to it.
    """
    (x0, y0), inside = _inside(pixels.shape, hull, margin=1)
    part = np.ascontiguousarray(pixels[y0 : y0 + inside.shape[0], x0 : x0 + inside.shape[1]])
    luma = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    across, down = (cv2.Sobel(luma, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return float(np.hypot(across, down)[inside].mean())


def warped_difference(
    before: npt.NDArray[np.uint8],
    after: npt.NDArray[np.uint8],
    guide: Sequence[npt.NDArray[np.uint8]],
    hull: npt.ArrayLike,
) -> float:
    """Mean difference, 0..255, of a frame and the frame before it, moved as the guide moves.

    The optical flow is that of the untouched film, so that what a swap adds to the movement counts (Lai et
    al., Learning Blind Video Temporal Consistency, 2018; flow: Kroeger et al., Fast Optical Flow using Dense
    Inverse Search, 2016).

    Args:
        before: (H, W, 3) RGB uint8, a frame,
        after: and the next.
        guide: the same two frames of the untouched film.
        hull: (N, 2) polygon around the face in the later frame: only there it is measured.
    """
    (x0, y0), inside = _inside(after.shape, hull, margin=16)
    place = np.s_[y0 : y0 + inside.shape[0], x0 : x0 + inside.shape[1]]
    grey = [cv2.cvtColor(np.ascontiguousarray(frame[place]), cv2.COLOR_RGB2GRAY) for frame in guide]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(grey[1], grey[0], np.zeros((*inside.shape, 2), np.float32))
    rows, columns = np.mgrid[: inside.shape[0], : inside.shape[1]].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    moved = cv2.remap(
        np.ascontiguousarray(before[place]), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return float(np.abs(moved[inside].astype(np.float64) - after[place][inside]).mean())


def _inside(shape: tuple[int, ...], hull: npt.ArrayLike, margin: int = 0) -> tuple[tuple[int, int], Mask]:
    """Corner of the box around a polygon, with a margin, and which pixels of that box lie inside of it."""
    corners = np.round(np.asarray(hull, np.float64)).astype(np.int32)
    x0, y0 = np.maximum(corners.min(0) - margin, 0)
    x1, y1 = np.minimum(corners.max(0) + margin + 1, (shape[1], shape[0]))
    canvas = np.zeros((max(y1 - y0, 1), max(x1 - x0, 1)), np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(corners - (x0, y0)).astype(np.int32), 1)
    return (int(x0), int(y0)), canvas.astype(bool)


def _mean(values: npt.NDArray[np.float64], still: Mask) -> float:
    return float(values[still].mean()) if still.any() else float("nan")
