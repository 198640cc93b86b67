"""What omote-detect learns from: a teacher's dense maps, and labels where the teacher saw nothing."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from omote.training.detect.net import STRIDES

Array = npt.NDArray[np.float32]
# px: faces up to this extent belong to that stride (so the teacher does, measured)
LARGEST = {8: 50.0, 16: 110.0, 32: float("inf")}
_TRUST = 0.85  # the score that a labelled face gets where the teacher missed it


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Maps of one stride for a batch of B pictures with n cells each.

    Attributes:
        cls: (B, n) 0..1.
        obj: (B, n) 0..1.
        box: (B, n, 4) x0 y0 x1 y1 in pixels.
        points: (B, n, 10) in pixels.
    """

    cls: Array
    obj: Array
    box: Array
    points: Array


def cells(stride: int, size: int) -> Array:
    """Cell coordinates (n, 2) x y of a square picture of `size` px, in row order."""
    count = size // stride
    return np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1).reshape(-1, 2).astype(np.float32)


def teacher_targets(outputs: dict[str, Array], size: int) -> dict[int, Targets]:
    """Decode the teacher's raw maps (see `omote.faces.detect.YunetSettings`) for squares of `size` px."""
    targets = {}
    for stride in STRIDES:
        cell = cells(stride, size)
        box, kps = outputs[f"bbox_{stride}"], outputs[f"kps_{stride}"]
        centre = (cell + box[..., :2]) * stride
        half = np.exp(np.clip(box[..., 2:], -6, 6)) * (stride / 2)
        points = (cell[:, None] + kps.reshape(*kps.shape[:2], 5, 2)) * stride
        targets[stride] = Targets(
            outputs[f"cls_{stride}"][..., 0].copy(),
            outputs[f"obj_{stride}"][..., 0].copy(),
            np.concatenate([centre - half, centre + half], -1),
            points.reshape(*kps.shape),
        )
    return targets


def add_labels(targets: dict[int, Targets], index: int, boxes: Array, points: Array, size: int) -> int:
    """Write the labelled faces that the teacher missed into the maps of picture `index`; returns how many.

    Args:
        boxes: (m, 4) x0 y0 x1 y1 px.
        points: (m, 5, 2) px.
    """
    added = 0
    for box, xy in zip(boxes, points, strict=True):
        if any(_best(maps, index, box) >= 0.6 for maps in targets.values()):
            continue
        extent = float(np.sqrt(np.prod(box[2:] - box[:2])))
        stride = next(s for s in STRIDES if extent <= LARGEST[s])
        maps = targets[stride]
        centre = (box[:2] + box[2:]) / 2
        reach = min(1.1 * stride, max(0.3 * extent, stride / 2))
        near = np.abs(cells(stride, size) * stride - centre).max(axis=1) <= reach
        maps.cls[index, near] = np.maximum(maps.cls[index, near], _TRUST)
        maps.obj[index, near] = np.maximum(maps.obj[index, near], _TRUST)
        maps.box[index, near] = box
        maps.points[index, near] = xy.ravel()
        added += 1
    return added


def _best(maps: Targets, index: int, box: Array) -> float:
    """The best score among the teacher's boxes that overlap `box` by at least 0.4."""
    score = np.sqrt(maps.cls[index] * maps.obj[index])
    hot = score > 0.3
    other = maps.box[index, hot]
    span = np.maximum(np.minimum(other[:, 2:], box[2:]) - np.maximum(other[:, :2], box[:2]), 0).prod(axis=1)
    area = (other[:, 2:] - other[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    close = span > 0.4 * (area - span)
    return float(score[hot][close].max(initial=0.0))


def detection_loss(levels: list[Tensor], targets: dict[int, Targets]) -> dict[str, Tensor]:
    """The terms of the loss; their sum is to be minimised.

    With teacher scores c, o and s = sqrt(c o), student logits of c and o, and N = the sum of s where s > 0.1:
        obj   = sum BCE(o_hat, o) / N
        cls   = sum o * BCE(c_hat, c) / N                    (the teacher's cls means little off the faces)
        score = 2 sum |s_hat - s| * BCE(s_hat, s) / N        (quality focal loss, Li et al. 2020, beta = 1)
        box   = 4 sum s * k * (1 - DIoU) / N                 (Zheng et al. 2020)
        points= 30 sum s * k * mean |p_hat - p| / sqrt(w h) / N
    where k makes up for the few cells that the coarse strides have.

    Args:
        levels: the network's maps, (B, 16, H/s, W/s) for strides 8, 16, 32.
        targets: maps of the same cells.
    """
    names = ("logit", "raw", "cls", "obj", "box", "points", "cell")
    maps: dict[str, list[Tensor]] = {name: [] for name in names}
    for stride, level in zip(STRIDES, levels, strict=True):
        flat = level.flatten(2).transpose(1, 2)
        target = targets[stride]
        cell = torch.from_numpy(cells(stride, level.shape[-1] * stride)).expand(len(flat), -1, 2)
        maps["logit"].append(flat[..., :2].reshape(-1, 2))
        maps["raw"].append(flat[..., 2:].reshape(-1, 14))
        for name in ("cls", "obj", "box", "points"):
            value = torch.from_numpy(getattr(target, name))
            maps[name].append(value.flatten() if value.dim() == 2 else value.flatten(0, 1))
        maps["cell"].append(torch.cat([cell, torch.full_like(cell[..., :1], stride)], -1).reshape(-1, 3))
    joined = {name: torch.cat(parts) for name, parts in maps.items()}
    logit, cls, obj = joined["logit"].float(), joined["cls"], joined["obj"]
    score = (cls * obj).sqrt()
    faces = score > 0.1
    total = score[faces].sum().clamp_min(1.0)
    bce = F.binary_cross_entropy_with_logits
    guess_log = F.logsigmoid(logit).mean(dim=1)
    guess = guess_log.exp()
    quality = -(score * guess_log + (1 - score) * torch.log1p(-guess.clamp_max(1 - 1e-6)))
    terms = {
        "cls": (obj * bce(logit[:, 0], cls, reduction="none")).sum() / total,
        "obj": bce(logit[:, 1], obj, reduction="none").sum() / total,
        "score": 2 * ((guess - score).abs().detach() * quality).sum() / total,
    }
    raw = joined["raw"][faces].float()
    cell, stride_px = joined["cell"][faces, :2], joined["cell"][faces, 2:]
    weight = score[faces] * (stride_px[:, 0] / STRIDES[0]).sqrt()
    goal, goal_points = joined["box"][faces], joined["points"][faces]
    centre = (cell + raw[:, :2]) * stride_px
    half = raw[:, 2:4].clamp(-6, 6).exp() * stride_px / 2
    points = (cell[:, None] + raw[:, 4:].reshape(-1, 5, 2)) * stride_px[:, None]
    extent = (goal[:, 2:] - goal[:, :2]).prod(dim=1).sqrt().clamp_min(1.0)
    error = (points.flatten(1) - goal_points).abs().mean(dim=1) / extent
    overlap = distance_iou(torch.cat([centre - half, centre + half], 1), goal)
    terms["box"] = 4 * (weight * (1 - overlap)).sum() / total
    terms["points"] = 30 * (weight * error).sum() / total
    return terms


def distance_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """DIoU of pairs of boxes (n, 4) x0 y0 x1 y1, in -1..1: IoU - (centre distance / enclosing diagonal)²."""
    span = torch.minimum(boxes[:, 2:], others[:, 2:]) - torch.maximum(boxes[:, :2], others[:, :2])
    shared = span.clamp_min(0).prod(dim=1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) + (others[:, 2:] - others[:, :2]).prod(dim=1)
    hull = torch.maximum(boxes[:, 2:], others[:, 2:]) - torch.minimum(boxes[:, :2], others[:, :2])
    apart = (boxes[:, :2] + boxes[:, 2:] - others[:, :2] - others[:, 2:]) / 2
    distance = apart.square().sum(dim=1) / hull.square().sum(dim=1).clamp_min(1e-6)
    return shared / (area - shared).clamp_min(1e-6) - distance
