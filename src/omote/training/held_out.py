"""omote-parse and omote-restore on held-out people: the numbers by which they are judged.

They are kept over the samples seen while a network is trained, and `benchmarks/regions.py` and
`benchmarks/restore.py` print them for a file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.errors import InputError, UsageError
from omote.evaluation.segmentation import confusion, intersection_over_union
from omote.tables import from_table
from omote.training.data.augment import Augmentation
from omote.training.data.faces import FaceSet
from omote.training.data.region_batches import judged as faces_with_regions
from omote.training.data.regions import OCCLUDER, REGIONS, RegionFaces
from omote.training.data.repairs import judged as faces_to_restore
from omote.training.recipe import Recipe
from omote.training.system import System
from omote.training.systems import open_faces
from omote.training.systems.regions import RegionSystem
from omote.training.systems.restore import RestoreSystem, bicubic
from omote.training.watch import Watching

_CHUNK = 10
"""Faces that are looked at together."""

Find = Callable[[Tensor], Tensor]
"""Pictures (B, 3, S, S) in -1..1 → (B, S, S) numbers of `REGIONS`."""
Restore = Callable[[Tensor], Tensor]
"""Pictures (B, 3, S, S) in -1..1 → (B, 3, 2S, 2S) in -1..1."""
Distance = Callable[[Tensor, Tensor], Tensor]
"""Pictures (B, 3, S, S) twice → how far apart (B,)."""


def region_numbers(find: Find, faces: RegionFaces, side: int) -> dict[str, float]:
    """Intersection over union of all pixels of a set.

    Returns:
        `iou` (mean over the regions that the set shows) and `iou/REGION` of each, of the faces as they are;
        `occluder_iou`, and `covered_iou` (the same mean) where something is drawn before every face.
    """
    bare = _counted(find, faces, side, covered=False)
    covered = _counted(find, faces, side, covered=True)
    numbers = {"iou": float(np.nanmean(bare)), "covered_iou": float(np.nanmean(covered))}
    numbers["occluder_iou"] = float(covered[OCCLUDER])
    each = zip(REGIONS, bare, strict=True)
    return numbers | {f"iou/{region}": float(value) for region, value in each if not np.isnan(value)}


@torch.no_grad()
def restore_numbers(
    restore: Restore, distance: Distance, faces: FaceSet, side: int, augment: Augmentation
) -> dict[str, float]:
    """Perceptual distance to the true faces, relative to that of bicubic enlargement: means over the set.

    Returns:
        `distance_ratio` and `psnr_gain` (dB) for faces that are halved and made worse as the recipe says;
        `plain_distance_ratio` and `plain_psnr_gain` for faces that are halved only; and the `distance` and
        `bicubic_distance` behind the first.
    """
    numbers: dict[str, float] = {}
    for prefix, worse in (("", augment), ("plain_", None)):
        sums = np.zeros(4)
        for index in torch.split(torch.arange(len(faces)), _CHUNK):
            batch = faces_to_restore(faces, side, worse, index)
            for column, made in enumerate((restore(batch.poor), bicubic(batch.poor))):
                error = (made - batch.good).square().mean((1, 2, 3))
                sums[2 * column] += float(distance(made, batch.good).sum())
                sums[2 * column + 1] += float(-10 * torch.log10(error / 4).sum())
        ours, our_psnr, plain, plain_psnr = sums / len(faces)
        numbers |= {f"{prefix}distance_ratio": ours / plain, f"{prefix}psnr_gain": our_psnr - plain_psnr}
        if worse:
            numbers |= {"distance": ours, "bicubic_distance": plain}
    return numbers


class RegionWatch(Watching):
    """Judges omote-parse on held-out faces with masks."""

    def __init__(self, faces: RegionFaces, side: int) -> None:
        self._faces, self._side = faces, side

    def of(self, system: System) -> Mapping[str, float]:
        """See `region_numbers`."""
        assert isinstance(system, RegionSystem)
        device = system.task.device
        return region_numbers(lambda x: system.find(x.to(device)).cpu(), self._faces, self._side)


class RestoreWatch(Watching):
    """Judges omote-restore on held-out people."""

    def __init__(self, faces: FaceSet, side: int, augment: Augmentation) -> None:
        self._faces, self._side, self._augment = faces, side, augment

    def of(self, system: System) -> Mapping[str, float]:
        """See `restore_numbers`; the distance is that of the system's perceptual teacher."""
        assert isinstance(system, RestoreSystem)
        device = system.task.device
        return restore_numbers(
            lambda x: system.restore(x.to(device)).cpu(),
            lambda a, b: system.distance(a.to(device), b.to(device)).cpu(),
            self._faces,
            self._side,
            self._augment,
        )


def watch_for(recipe: Recipe, data: Path, cache: Path | None) -> Watching | None:
    """What judges a system that needs no judge from outside; None for others, or if nobody is held out."""
    if recipe.system not in ("regions", "restore"):
        return None
    try:
        faces = open_faces(recipe, data, "val", cache)
    except InputError:
        return None
    if isinstance(faces, RegionFaces):
        return RegionWatch(faces, recipe.data.size)
    return RestoreWatch(faces, recipe.data.size, augmentation_of(recipe))


def augmentation_of(recipe: Recipe) -> Augmentation:
    """The table `[augment]` of a recipe.

    Raises:
        UsageError: it does not fit.
    """
    what = f"recipe {recipe.name}"
    return from_table(Augmentation, recipe.table("augment"), what, "[augment]", UsageError)


@torch.no_grad()
def _counted(find: Find, faces: RegionFaces, side: int, *, covered: bool) -> npt.NDArray[np.float64]:
    counts = np.zeros((len(REGIONS), len(REGIONS)), np.int64)
    batch = faces_with_regions(faces, side, covered=covered)
    for first in range(0, len(batch), _CHUNK):
        part = batch[first : first + _CHUNK]
        counts += confusion(part.mask.numpy(), find(part.picture).numpy(), len(REGIONS))
    return intersection_over_union(counts)
