"""Find faces: box, score and five points, with any network that meets YuNet's output contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.boxes import INSIDE, Array, faces_of, overlaps, sound, suppress, vote
from omote.faces.canvas import MULTIPLE, Canvas, check_options, check_picture, enlarge, shrink
from omote.faces.crops import tensor
from omote.faces.face import Face
from omote.zoo import Catalogue, Network, Networks, Port, Session, read_settings, require
from omote.zoo.catalogue import card_of

STRIDES = (8, 16, 32)
_CONFIRM = 128  # px of the square picture in which a face of half that size is confirmed
_BATCH = 32  # faces confirmed at once
_BORDER = 32  # px around the picture at the second look
_LARGE = 192  # px of the shrunk picture: faces of at least this extent are looked for twice
_WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
_BYTES = (1 / 255,) * 3  # the networks want 0..255


@dataclass(frozen=True, slots=True)
class YunetSettings:
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


class Detector:
    """Finds faces in pictures. Settings do not change after construction; any thread may call `find`.

    Args:
        network: a network of the family, or None for Omote's own.
        size: pictures are shrunk so that their longer side is at most this many pixels, never enlarged.
        threshold: lowest score that counts, 0..1; None takes the network's own.
        nms: of two boxes that overlap by more than this (intersection over union) the better one stays.
        plain: decode as the authors of YuNet do: one look at the picture, and a face is its best cell. If
            not, large faces are looked for twice, a face is the mean of the cells that see it (`vote`), and
            the network may be asked to confirm it (`YunetSettings.confirm`).

    Raises:
        ModelError: the network does not meet the contract.
        UsageError: an option is out of its range.
    """

    def __init__(
        self,
        network: Network | None = None,
        *,
        size: int = 640,
        threshold: float | None = None,
        nms: float = 0.4,
        plain: bool = False,
    ) -> None:
        check_options(size, threshold=threshold, nms=nms)
        network = network or Networks().open("omote-detect", "detector")
        self.settings = read_settings(network.card, YunetSettings)
        self.session = network.session
        self._canvas = _checked(network.card.name, self.session, self.settings)
        self._outputs = {name: index for index, name in enumerate(self.session.outputs)}
        self.size = size
        self.threshold = self.settings.threshold if threshold is None else threshold
        self.nms = nms
        self.plain = plain

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        size: int = 640,
        threshold: float | None = None,
        nms: float = 0.4,
        plain: bool = False,
    ) -> "Detector":
        """Load any network of the family from an ONNX file; its input's name says which member it is.

        Raises:
            ModelError: the file is missing, is no network, or does not meet the contract.
        """
        network = _network_of(Path(path))
        return cls(network, size=size, threshold=threshold, nms=nms, plain=plain)

    def find(self, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> list[Face]:
        """Return the faces of a picture, largest first.

        Large faces are looked for a second time at half the size, with a border around: networks of this
        family lose faces that fill the picture.

        Args:
            pixels: (H, W, 3) RGB, uint8 or uint16 over its whole range.

        Raises:
            ValueError: pixels are not such an array.
        """
        check_picture(pixels)
        if not pixels.size:
            return []
        small = self._canvas.shrink(pixels, self.size)
        confirm = self.settings.confirm and not self.plain
        # a confirmed score is the geometric mean of two scores, so less than this cannot reach the threshold
        least = self.threshold**2 if confirm else self.threshold
        rows = self._look(small, least)
        if not self.plain and max(small.shape) >= _LARGE:
            half = shrink(small, 0.5)
            large = enlarge(self._look(half, least, _BORDER), half.shape, small.shape)
            extent = np.max(large[:, 3:5] - large[:, 1:3], axis=1)
            rows = np.concatenate([rows, large[extent >= _LARGE]])
        kept = suppress(rows[:, 1:5], rows[:, 0], self.nms, 1.0 if self.plain else INSIDE)
        rows = rows[kept] if self.plain else vote(rows, kept)
        if confirm:
            rows = self._confirm(small, rows)
        return faces_of(enlarge(rows, small.shape, pixels.shape))

    def _look(self, picture: npt.NDArray[np.uint8], least: float, border: int = 0) -> Array:
        """Run the network on a picture with a border; rows of score, box, points in pixels of the picture."""
        (rows,) = self._run([self._canvas.lay(picture, border)], least)
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
                near = again[overlaps(box, again[:, 1:5])[0] >= 0.4, 0]
                scores[start + index] = near.max(initial=0.0)
        out = rows.copy()
        out[:, 0] = np.sqrt(rows[:, 0] * scores)
        return out[out[:, 0] >= self.threshold]

    def _run(self, pictures: list[npt.NDArray[np.uint8]], least: float) -> list[Array]:
        """Run the network on pictures of one size; rows of score, box and points for each."""
        outputs = self.session.run(tensor(pictures, std=_BYTES, bgr=self.settings.bgr))
        found = []
        for index, picture in enumerate(pictures):
            rows = []
            for stride in STRIDES:
                maps = {kind: outputs[self._outputs[f"{kind}_{stride}"]][index] for kind in _WIDTHS}
                rows.append(decode(maps, stride, picture.shape[1] // stride, least))
            found.append(sound(np.concatenate(rows), picture.shape))
        return found


def decode(maps: Mapping[str, Array], stride: int, columns: int, threshold: float) -> Array:
    """Turn the maps of one stride into rows of score, x0 y0 x1 y1, and five points x y (15 values).

    Args:
        maps: `cls` and `obj` (n, 1), `bbox` (n, 4), `kps` (n, 10), as in `YunetSettings`.
        stride: pixels per cell.
        columns: cells per row.
        threshold: rows with a lower score are left out.
    """
    score = np.sqrt(np.clip(maps["cls"], 0, 1) * np.clip(maps["obj"], 0, 1)).ravel()
    kept = np.flatnonzero(score >= threshold)
    cell = np.stack([kept % columns, kept // columns], axis=1).astype(np.float32)
    centre = (cell + maps["bbox"][kept, :2]) * stride
    with np.errstate(over="ignore"):  # such boxes are dropped
        half = np.exp(maps["bbox"][kept, 2:]) * (stride / 2)
    points = (cell[:, None] + maps["kps"][kept].reshape(-1, 5, 2)) * stride
    return np.concatenate([score[kept, None], centre - half, centre + half, points.reshape(-1, 10)], axis=1)


def _checked(label: str, session: Session, settings: YunetSettings) -> Canvas:
    """Make sure that a network meets the contract."""
    require(session, label, [Port((None, 3, None, None), settings.input)])
    missing = [
        f"{kind}_{stride}"
        for kind in _WIDTHS
        for stride in STRIDES
        if f"{kind}_{stride}" not in session.outputs
    ]
    if missing:
        raise ModelError(f"{label}: not a face detector of YuNet's family: it has no output {missing[0]}")
    canvas = Canvas.of(session)
    fixed = [side for side in (canvas.height, canvas.width) if side is not None]
    if fixed and (settings.confirm or min(fixed) < 4 * _BORDER or any(side % MULTIPLE for side in fixed)):
        raise ModelError(
            f"{label}: takes pictures of {canvas.width} × {canvas.height} only, which is too odd"
        )
    return canvas


def _network_of(path: Path) -> Network:
    """Open a file under the contract of this family whose input it has."""
    session = Session(path)
    contracts = Catalogue.load().contracts
    family = {
        name: contract.settings.get("input")
        for name, contract in contracts.items()
        if contract.adapter == "yunet"
    }
    found = [name for name, entrance in family.items() if [entrance] == list(session.inputs)]
    if not found:
        entrances = " or ".join(f"'{entrance}'" for entrance in family.values())
        raise ModelError(
            f"{path}: not a face detector of YuNet's family: expected one input {entrances}, "
            f"found {', '.join(session.inputs)}"
        )
    return Network(card_of(str(path), {"contract": found[0]}, contracts), session, path.read_bytes)


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
