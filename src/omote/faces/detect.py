"""Find faces: box, score and five points, with any network that meets YuNet's output contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import ModelError, UsageError
from omote.faces.face import Face
from omote.zoo import Session, native_weights

STRIDES = (8, 16, 32)
_MULTIPLE = 32
_CONFIRM = 128  # px of the square picture in which a face of half that size is confirmed
_BATCH = 32  # faces confirmed at once
_INSIDE = 0.8  # a box of which more lies in that of a better face is a part of that face
_BORDER = 32  # px around the picture at the second look
_LARGE = 192  # px of the shrunk picture: faces of at least this extent are looked for twice
_WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Contract:
    """What a network of this family wants at its entrance; the exit is the same for all.

    Exit, for every stride s of 8, 16, 32 and n = H/s * W/s cells in row order: `cls_s` and `obj_s`
    (1, n, 1) in 0..1, whose geometric mean is the score; `bbox_s` (1, n, 4): centre = (cell + xy) * s,
    size = exp(wh) * s; `kps_s` (1, n, 10): point = (cell + xy) * s. Cells count from 0, with no half added.
    Source: Wu et al., YuNet: A Tiny Millisecond-level Face Detector, 2023.

    Attributes:
        input: name of the only input, (B, 3, H, W) float32 in 0..255, H and W multiples of 32.
        bgr: whether the network wants blue first.
        threshold: the score from which on a detection is a face, unless the caller says otherwise.
        confirm: whether every face is looked at again, mirrored and at one size, before it counts: a texture
            seldom passes twice.
    """

    input: str
    bgr: bool
    threshold: float
    confirm: bool


CONTRACTS = (
    Contract(input="rgb", bgr=False, threshold=0.58, confirm=True),  # omote-detect
    Contract(input="input", bgr=True, threshold=0.5, confirm=False),  # YuNet-n and YuNet-s
)


class Detector:
    """Finds faces in pictures. Settings do not change after construction; any thread may call `find`.

    Args:
        model: a session, or None for Omote's own network.
        size: pictures are shrunk so that their longer side is at most this many pixels, never enlarged.
        threshold: lowest score that counts, 0..1; None takes the network's own.
        nms: of two boxes that overlap by more than this (intersection over union) the better one stays.
        plain: decode as the authors of YuNet do: one look at the picture, and a face is its best cell. If
            not, large faces are looked for twice, a face is the mean of the cells that see it (`vote`), and
            the network may be asked to confirm it (`Contract.confirm`).

    Raises:
        ModelError: the network does not meet the contract.
        UsageError: a setting is out of its range.
    """

    def __init__(
        self,
        model: Session | None = None,
        *,
        size: int = 640,
        threshold: float | None = None,
        nms: float = 0.4,
        plain: bool = False,
    ) -> None:
        if size < _MULTIPLE:
            raise UsageError(f"detector size {size} is too small: give at least {_MULTIPLE} pixels")
        for name, value in (("threshold", threshold), ("nms", nms)):
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"detector {name} {value} is out of range: give 0 to 1")
        self._session = Session(native_weights("detect")) if model is None else model
        self.contract = _contract_of(self._session, "the detector")
        self._outputs = {name: index for index, name in enumerate(self._session.outputs)}
        self.size = size
        self.threshold = self.contract.threshold if threshold is None else threshold
        self.nms = nms
        self.plain = plain

    @classmethod
    def from_file(cls, path: str | Path, **settings: Any) -> "Detector":
        """Load any network of the family from an ONNX file: omote-detect, YuNet-n, YuNet-s.

        Raises:
            ModelError: the file is missing, is no network, or does not meet the contract.
        """
        session = Session(path)
        _contract_of(session, str(path))
        return cls(session, **settings)

    def find(self, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> list[Face]:
        """Return the faces of a picture, largest first.

        Large faces are looked for a second time at half the size, with a border around: networks of this
        family lose faces that fill the picture.

        Args:
            pixels: (H, W, 3) RGB, uint8 or uint16 over its whole range.

        Raises:
            ValueError: pixels are not such an array.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"expected (H, W, 3) uint8 or uint16, got {pixels.shape} {pixels.dtype}")
        height, width = pixels.shape[:2]
        if not height or not width:
            return []
        small = _shrink(pixels, min(1.0, self.size / max(height, width)))
        confirm = self.contract.confirm and not self.plain
        # a confirmed score is the geometric mean of two scores, so less than this cannot reach the threshold
        least = self.threshold**2 if confirm else self.threshold
        rows = self._look(small, least)
        if not self.plain and max(small.shape) >= _LARGE:
            half = _shrink(small, 0.5)
            large = _enlarge(self._look(half, least, _BORDER), half.shape, small.shape)
            extent = np.max(large[:, 3:5] - large[:, 1:3], axis=1)
            rows = np.concatenate([rows, large[extent >= _LARGE]])
        kept = suppress(rows[:, 1:5], rows[:, 0], self.nms, 1.0 if self.plain else _INSIDE)
        rows = rows[kept] if self.plain else vote(rows, kept)
        if confirm:
            rows = self._confirm(small, rows)
        found = []
        for row in _enlarge(rows, small.shape, pixels.shape):
            xy = row[1:].reshape(7, 2)
            found.append(Face(box=xy[:2].ravel(), score=float(row[0]), points=xy[2:]))
        return sorted(found, key=lambda face: -face.width * face.height)

    def _look(self, picture: npt.NDArray[np.uint8], least: float, border: int = 0) -> Array:
        """Run the network on a picture with a border; rows of score, box, points in pixels of the picture."""
        height, width = (value + 2 * border for value in picture.shape[:2])
        padded = [-(-value // _MULTIPLE) * _MULTIPLE for value in (height, width)]
        canvas = np.zeros((*padded, 3), np.uint8)
        canvas[border : height - border, border : width - border] = picture
        (rows,) = self._run([canvas], least)
        rows[:, 1:] -= border
        return rows

    def _confirm(self, picture: npt.NDArray[np.uint8], rows: Array) -> Array:
        """Look at every face again, mirrored; its score becomes the geometric mean of both looks."""
        scores = np.zeros(len(rows), np.float32)
        for start in range(0, len(rows), _BATCH):
            windows, boxes = [], []
            for row in rows[start : start + _BATCH]:
                middle, side = (row[1:3] + row[3:5]) / 2, 2 * float(np.max(row[3:5] - row[1:3]))
                corner = np.floor(middle - side / 2).astype(int)
                windows.append(_window(picture, corner, 2 * round(side / 2 + 0.5)))
                box = (row[1:5] - np.tile(corner, 2)) * (_CONFIRM / side)
                boxes.append(np.array([_CONFIRM - box[2], box[1], _CONFIRM - box[0], box[3]], np.float32))
            for index, (again, box) in enumerate(zip(self._run(windows, 0.1), boxes, strict=True)):
                near = again[_overlap(box, again[:, 1:5])[0] >= 0.4, 0]
                scores[start + index] = near.max(initial=0.0)
        out = rows.copy()
        out[:, 0] = np.sqrt(rows[:, 0] * scores)
        return out[out[:, 0] >= self.threshold]

    def _run(self, pictures: list[npt.NDArray[np.uint8]], least: float) -> list[Array]:
        """Run the network on pictures of one size; rows of score, box and points for each."""
        blob = np.empty((len(pictures), 3, *pictures[0].shape[:2]), np.float32)
        for planes, picture in zip(blob, pictures, strict=True):
            split = cv2.split(picture)  # many times faster than cv2.dnn.blobFromImages
            for plane, values in zip(planes, split[::-1] if self.contract.bgr else split, strict=True):
                plane[:] = values
        outputs = self._session.run(blob)
        found = []
        for index, picture in enumerate(pictures):
            rows = []
            for stride in STRIDES:
                maps = {kind: outputs[self._outputs[f"{kind}_{stride}"]][index] for kind in _WIDTHS}
                rows.append(decode(maps, stride, picture.shape[1] // stride, least))
            found.append(np.concatenate(rows))
        return found


def decode(maps: Mapping[str, Array], stride: int, columns: int, threshold: float) -> Array:
    """Turn the maps of one stride into rows of score, x0 y0 x1 y1, and five points x y (15 values).

    Args:
        maps: `cls` and `obj` (n, 1), `bbox` (n, 4), `kps` (n, 10), as in `Contract`.
        stride: pixels per cell.
        columns: cells per row.
        threshold: rows with a lower score are left out.
    """
    score = np.sqrt(np.clip(maps["cls"], 0, 1) * np.clip(maps["obj"], 0, 1)).ravel()
    kept = np.flatnonzero(score >= threshold)
    cell = np.stack([kept % columns, kept // columns], axis=1).astype(np.float32)
    centre = (cell + maps["bbox"][kept, :2]) * stride
    half = np.exp(maps["bbox"][kept, 2:]) * (stride / 2)
    points = (cell[:, None] + maps["kps"][kept].reshape(-1, 5, 2)) * stride
    return np.concatenate([score[kept, None], centre - half, centre + half, points.reshape(-1, 10)], axis=1)


def suppress(boxes: Array, scores: Array, overlap: float, inside: float = 1.0) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (n, 4) x0 y0 x1 y1.
        scores: (n,).
        overlap: a box falls if its intersection over union with a better one is larger than this,
        inside: or if their intersection over the smaller of the two is.

    Returns:
        Indices of the boxes that stay, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        union, smaller = _overlap(boxes[best], boxes[rest])
        order = rest[(union <= overlap) & (smaller <= inside)]
    return np.array(kept, np.intp)


def vote(rows: Array, kept: npt.NDArray[np.intp], overlap: float = 0.5) -> Array:
    """Average every kept detection with those that it stands for, weighted by their scores.

    A face is seen from several cells, each a little wrong in its own way: the mean of their boxes and
    points is nearer the truth than the best of them (box voting, Gidaris & Komodakis 2015).

    Args:
        rows: (n, 15) score, box x0 y0 x1 y1, five points x y.
        kept: (k,) indices of the detections that stay.
        overlap: least intersection over union of those that count.

    Returns:
        (k, 15); the scores are those of the kept detections.
    """
    low, high = rows[:, 1:3], rows[:, 3:5]
    area = np.prod(high - low, axis=1)
    span = np.minimum(high[kept, None], high) - np.maximum(low[kept, None], low)
    shared = np.prod(np.maximum(span, 0), axis=2)
    weights = rows[:, 0] * (shared > overlap * (area[kept, None] + area - shared))
    voted = weights @ rows / np.maximum(weights.sum(1, keepdims=True), 1e-9)
    voted[:, 0] = rows[kept, 0]
    return np.asarray(voted, np.float32)


def _contract_of(session: Session, name: str) -> Contract:
    """Find the contract that a network meets; its input name tells the family members apart."""
    found = [contract for contract in CONTRACTS if [contract.input] == list(session.inputs)]
    wanted = {f"{kind}_{stride}" for kind in _WIDTHS for stride in STRIDES}
    if not found or not wanted <= set(session.outputs):
        raise ModelError(
            f"{name}: not a face detector that Omote can read; it needs one input ('rgb' or 'input') "
            "and outputs cls_, obj_, bbox_, kps_ for strides 8, 16, 32, as omote-detect and YuNet have"
        )
    return found[0]


def _overlap(box: Array, others: Array) -> tuple[Array, Array]:
    """Intersection of a box (4,) with others (n, 4): over the union, and over the smaller box."""
    span = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(span, 0), axis=1)
    mine, theirs = np.prod(box[2:] - box[:2]), np.prod(others[:, 2:] - others[:, :2], axis=1)
    union, smaller = np.maximum(mine + theirs - shared, 1e-9), np.maximum(np.minimum(mine, theirs), 1e-9)
    return np.asarray(shared / union, np.float32), np.asarray(shared / smaller, np.float32)


def _window(picture: npt.NDArray[np.uint8], corner: npt.NDArray[np.int_], side: int) -> npt.NDArray[np.uint8]:
    """A square piece of a picture of an even side, black outside, brought to `_CONFIRM` px and mirrored."""
    canvas = np.zeros((side, side, 3), np.uint8)
    low = np.clip(corner, 0, picture.shape[1::-1])
    high = np.clip(corner + side, 0, picture.shape[1::-1])
    (x0, y0), (x1, y1) = low - corner, high - corner
    canvas[y0:y1, x0:x1] = picture[low[1] : high[1], low[0] : high[0]]
    if side > 3 * _CONFIRM:  # halving is many times faster than the uneven shrinking of so many pixels
        canvas = cv2.resize(canvas, (side // 2, side // 2), interpolation=cv2.INTER_AREA).astype(np.uint8)
    way = cv2.INTER_AREA if side > _CONFIRM else cv2.INTER_LINEAR
    return cv2.flip(cv2.resize(canvas, (_CONFIRM, _CONFIRM), interpolation=way), 1).astype(np.uint8)


def _enlarge(rows: Array, shape: tuple[int, ...], goal: tuple[int, ...]) -> Array:
    """Carry rows from a picture of one shape to the same picture of another; pixel centres lie at .0."""
    out = rows.copy()
    out[:, 1::2] = (rows[:, 1::2] + 0.5) * np.float32(goal[1] / shape[1]) - 0.5
    out[:, 2::2] = (rows[:, 2::2] + 0.5) * np.float32(goal[0] / shape[0]) - 0.5
    return out


def _shrink(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], scale: float) -> npt.NDArray[np.uint8]:
    """Shrink to `scale` (at most 1) and to 8 bits."""
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return pixels.astype(np.uint8, copy=False)
