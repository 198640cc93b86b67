"""Compose training pictures: faces of any size and turn, alone, in crowds or absent; then spoil them."""

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from omote.training.detect.data import Scene

Pixels = npt.NDArray[np.uint8]
SMALLEST = 12.0  # px: below this a face counts as background
_SWAP = [1, 0, 2, 4, 3]  # left and right points after a flip
_SHOWN = 0.6  # the part of a face's box that must lie inside the picture for it to count


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training picture.

    Attributes:
        clean: (S, S, 3) uint8 RGB, what the teacher sees.
        spoilt: the same picture, what the student sees.
        boxes: (n, 4) float32 labels of the faces that are known to be in it.
        points: (n, 5, 2) float32.
    """

    clean: Pixels
    spoilt: Pixels
    boxes: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]


class Composer:
    """Makes samples from scenes and crops; the same generator state gives the same sample."""

    def __init__(self, scenes: list[Scene], crops: list[Scene]) -> None:
        self.scenes = scenes
        self.crops = crops

    def sample(self, rng: np.random.Generator, size: int) -> Sample:
        """Compose a square picture of `size` px."""
        canvas = self._scenery(rng, size) if rng.random() < 0.5 else _background(rng, size)
        boxes: list[npt.NDArray[np.float32]] = []
        points: list[npt.NDArray[np.float32]] = []
        kind = rng.random()
        if kind < 0.5:
            self._place(rng, canvas, (0, 0, size, size), self._scene(rng), boxes, points)
        elif kind < 0.82:
            split = [int(v) for v in rng.choice([1, 2, 2, 3, 4], 2)]
            xs, ys = (_cuts(rng, size, count) for count in split)
            for x0, x1 in pairwise(xs):
                for y0, y1 in pairwise(ys):
                    source = self._crop(rng) if rng.random() < 0.45 else self._scene(rng)
                    self._place(rng, canvas, (x0, y0, x1, y1), source, boxes, points)
        else:
            count = int(rng.integers(1, 5))
            rows = [
                np.hstack([self._piece(rng, -(-size // count)) for _ in range(count)]) for _ in range(count)
            ]
            canvas = np.ascontiguousarray(np.vstack(rows)[:size, :size])
        box = np.concatenate(boxes) if boxes else np.zeros((0, 4), np.float32)
        xy = np.concatenate(points) if points else np.zeros((0, 5, 2), np.float32)
        spoilt = spoil(rng, canvas, box) if rng.random() < 0.55 else canvas
        return Sample(canvas, spoilt, box, xy)

    def _scene(self, rng: np.random.Generator) -> Scene:
        return self.scenes[int(rng.integers(len(self.scenes)))]

    def _crop(self, rng: np.random.Generator) -> Scene:
        return self.crops[int(rng.integers(len(self.crops)))] if self.crops else self._scene(rng)

    def _place(
        self,
        rng: np.random.Generator,
        canvas: Pixels,
        cell: tuple[int, int, int, int],
        scene: Scene,
        boxes: list[npt.NDArray[np.float32]],
        points: list[npt.NDArray[np.float32]],
    ) -> None:
        """Draw a scene into a cell of the canvas, turned, scaled and shifted about one of its faces."""
        x0, y0, x1, y1 = cell
        side = min(x1 - x0, y1 - y0)
        if side < 8 or not len(scene.boxes):
            return
        focus = scene.boxes[int(rng.integers(len(scene.boxes)))]
        extent = float(np.sqrt((focus[2] - focus[0]) * (focus[3] - focus[1])))
        smallest, largest = 12.0, max(14.0, 1.1 * side)
        target = smallest * (largest / smallest) ** (rng.random() ** 0.7)
        factor = min(target / extent, 4.0)
        angle = math.radians(rng.normal(0, 12) if rng.random() < 0.7 else rng.uniform(-45, 45))
        flip = rng.random() < 0.5
        pixels, level = scene.pixels, 1.0
        while factor / level < 0.55 and min(pixels.shape[:2]) > 16:
            pixels = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)
            level *= 0.5
        stretch = math.exp(rng.normal(0, 0.06))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        linear = factor * turn @ np.diag([(-1.0 if flip else 1.0) * stretch, 1 / stretch])
        room = np.array([x1 - x0, y1 - y0], np.float64)
        middle = (focus[:2] + focus[2:]) / 2
        margin = min(0.5, 0.45 * target / side)
        goal = room * (margin + rng.random(2) * (1 - 2 * margin)) + rng.normal(0, 0.06, 2) * target
        shift = goal - linear @ middle
        small = linear / level
        offset = shift + linear @ np.full(2, 0.5 / level - 0.5)  # pixel centres of the shrunk picture
        border = cv2.BORDER_REFLECT_101 if rng.random() < 0.3 else cv2.BORDER_TRANSPARENT
        drawn = cv2.warpAffine(
            pixels,
            np.column_stack([small, offset]),
            (x1 - x0, y1 - y0),
            dst=np.ascontiguousarray(canvas[y0:y1, x0:x1]),
            flags=cv2.INTER_LINEAR,
            borderMode=border,
        )
        canvas[y0:y1, x0:x1] = drawn
        centre = (scene.boxes[:, :2] + scene.boxes[:, 2:]) / 2 @ linear.T + shift
        half = (scene.boxes[:, 2:] - scene.boxes[:, :2]) / 2 * factor
        seen = np.minimum(centre + half, room) - np.maximum(centre - half, 0)
        part = np.prod(np.maximum(seen, 0) / (2 * half), axis=1)
        kept = (part > _SHOWN) & (np.sqrt(np.prod(2 * half, axis=1)) >= SMALLEST) & (scene.scores > 0.7)
        xy = scene.points[kept] @ linear.T + shift
        corner = np.array([x0, y0])
        boxes.append(np.hstack([centre - half, centre + half])[kept].astype(np.float32) + np.tile(corner, 2))
        points.append((xy[:, _SWAP] if flip else xy).astype(np.float32) + corner)

    def _scenery(self, rng: np.random.Generator, size: int) -> Pixels:
        """A piece of a scene that fills the picture; its own faces are left to the teacher."""
        pixels = self._scene(rng).pixels
        side = int(min(pixels.shape[:2]) * rng.uniform(0.4, 1.0))
        x, y = (int(rng.integers(length - side + 1)) for length in pixels.shape[1::-1])
        return cv2.resize(pixels[y : y + side, x : x + side], (size, size)).astype(np.uint8)

    def _piece(self, rng: np.random.Generator, size: int) -> Pixels:
        """What is no face but may look like one: a scene cut up and shuffled, or a piece of it enlarged.

        Most pieces lie beside the faces; the others lie anywhere (an ear, an eye, half a face), and the
        teacher says what they are.
        """
        scene = self._scene(rng)
        height, width = scene.pixels.shape[:2]
        kind = rng.random()
        if kind < 0.12:
            step = int(rng.integers(8, 24))
            rows, columns = height // step, width // step
            tiles = scene.pixels[: rows * step, : columns * step].reshape(rows, step, columns, step, 3)
            tiles = tiles.transpose(0, 2, 1, 3, 4).reshape(-1, step, step, 3)
            tiles = tiles[rng.permutation(len(tiles))].reshape(rows, columns, step, step, 3)
            pixels = tiles.transpose(0, 2, 1, 3, 4).reshape(rows * step, columns * step, 3)
            return cv2.resize(pixels, (size, size)).astype(np.uint8)
        for _ in range(12):
            side = int(rng.uniform(0.12, 0.6) * min(height, width))
            x, y = int(rng.integers(width - side)), int(rng.integers(height - side))
            gap = np.maximum(scene.boxes[:, :2] - (x + side, y + side), (x, y) - scene.boxes[:, 2:])
            if kind > 0.65 or np.all(gap.max(axis=1) > -0.15 * side):
                piece = scene.pixels[y : y + side, x : x + side]
                turned = np.rot90(cv2.resize(piece, (size, size)), int(rng.integers(4)))
                return np.ascontiguousarray(turned, np.uint8)
        return _background(rng, size)


def _cuts(rng: np.random.Generator, size: int, count: int) -> list[int]:
    """Uneven cuts of a length into `count` pieces."""
    inner = (np.arange(1, count) + rng.uniform(-0.3, 0.3, count - 1)) / count
    return [0, *(int(v * size) for v in inner), size]


def _background(rng: np.random.Generator, size: int) -> Pixels:
    """Black (as the runtime pads), a plain colour, a gradient or noise."""
    kind = rng.random()
    if kind < 0.35:
        return np.zeros((size, size, 3), np.uint8)
    first, second = rng.uniform(0, 255, (2, 3))
    canvas = np.broadcast_to(first, (size, size, 3)).astype(np.float32)
    if kind < 0.75:
        ramp = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
        canvas = canvas + ramp * (second - first).astype(np.float32)
    if kind > 0.85:
        coarse = size // int(rng.integers(1, 9))
        grain = rng.standard_normal((coarse, coarse, 3), np.float32) * np.float32(rng.uniform(5, 90))
        canvas = canvas + cv2.resize(grain, (size, size))
    return np.clip(canvas, 0, 255).astype(np.uint8)


def spoil(rng: np.random.Generator, pixels: Pixels, boxes: npt.NDArray[np.float32]) -> Pixels:
    """Light, colour, occlusion, blur, noise, compression: (S, S, 3) uint8 to the same.

    Blur is bounded by the smallest face, so that a face stays one.
    """
    extent = np.sqrt(np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1.0))
    finest = float(extent.min()) if len(extent) else 40.0
    out = np.ascontiguousarray(pixels, np.float32)
    if rng.random() < 0.35:
        for box, side in zip(boxes, extent, strict=True):
            if side > 24 and rng.random() < 0.5:
                _cover(rng, out, box)
    if rng.random() < 0.6:
        out *= rng.uniform(0.6, 1.4)
        mean = float(out.mean())
        out = (out - mean) * rng.uniform(0.6, 1.4) + mean
    if rng.random() < 0.4:
        out *= rng.uniform(0.75, 1.25, 3).astype(np.float32)
    grey = rng.random()
    if grey < 0.2:
        light = out @ np.array([0.299, 0.587, 0.114], np.float32)
        share = 1.0 if grey < 0.1 else rng.uniform(0, 1)
        out = out + (light[..., None] - out) * np.float32(share)
    if rng.random() < 0.15:
        out *= rng.uniform(0.12, 0.5)
        out += rng.standard_normal(out.shape[:2], np.float32)[..., None] * np.float32(rng.uniform(0, 6))
    if rng.random() < 0.3:
        sigma = float(rng.uniform(0.3, max(0.5, min(4.0, 0.035 * finest))))
        out = cv2.GaussianBlur(out, (0, 0), sigma).astype(np.float32)
    if rng.random() < 0.2:
        scale = float(rng.uniform(max(0.3, min(0.9, 16 / finest)), 1.0))
        shrunk = cv2.resize(out, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        out = cv2.resize(shrunk, pixels.shape[1::-1]).astype(np.float32)
    if rng.random() < 0.2:
        out += rng.standard_normal(out.shape, np.float32) * np.float32(rng.uniform(1, 12))
    spoilt = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = int(rng.uniform(20 if finest > 24 else 50, 96))
        _, data = cv2.imencode(".jpg", spoilt, [cv2.IMWRITE_JPEG_QUALITY, quality])
        spoilt = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return spoilt


def _cover(rng: np.random.Generator, out: npt.NDArray[np.float32], box: npt.NDArray[np.float32]) -> None:
    """Lay a plain or grainy shape over at most about two fifths of a face: a mask, a hand, a pole."""
    size = box[2:] - box[:2]
    kind = rng.random()
    if kind < 0.35:  # below the nose, as a mask
        centre, half = box[:2] + size * (0.5, rng.uniform(0.75, 0.95)), size * (0.55, rng.uniform(0.15, 0.3))
    elif kind < 0.55:  # over the eyes, as dark glasses
        centre, half = box[:2] + size * (0.5, 0.35), size * (0.45, rng.uniform(0.06, 0.13))
    else:
        centre, half = box[:2] + size * rng.random(2), size * rng.uniform(0.08, 0.3, 2)
    colour = rng.uniform(0, 255, 3)
    if rng.random() < 0.5:
        colour = np.full(3, rng.uniform(0, 255))
    angle = float(rng.uniform(-20, 20) if kind < 0.55 else rng.uniform(0, 180))
    centre_xy, axes = (float(centre[0]), float(centre[1])), (float(half[0]), float(half[1]))
    if rng.random() < 0.5:
        corners = cv2.boxPoints((centre_xy, (2 * axes[0], 2 * axes[1]), angle))
        cv2.fillConvexPoly(out, corners.astype(np.int32), colour.tolist())
    else:
        cv2.ellipse(out, (centre_xy, (2 * axes[0], 2 * axes[1]), angle), colour.tolist(), -1)
