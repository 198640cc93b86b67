"""What makes photos of one person differ counts less: the last layer of omote-identity, set in closed form.

    python -m omote.training.calibration RUN --data FOLDER -o CALIBRATED.pt [--cache FOLDER]

Within-class covariance normalisation (Hatch et al., "Within-Class Covariance Normalization for SVM-based
Speaker Recognition", Interspeech 2006): embeddings are multiplied by the root of the inverse of their
covariance within people. It is symmetric, so they stay as near to the teacher's as can be, and linear, so it
goes into the last layer. Training goes on from RUN, not from what is written here.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.errors import InputError, OmoteError, UsageError
from omote.training import checkpoint
from omote.training.data.crops import canonical
from omote.training.data.faces import FaceSet
from omote.training.networks.slim import SlimIdentity
from omote.training.recipe import Recipe
from omote.training.systems import build
from omote.training.systems.identity import IdentitySystem
from omote.training.systems.oneshot import Identities, Task
from omote.training.teachers.identity import identity_teacher

_CHUNK = 64
FLOOR = 0.3
"""Added to the covariance, as a part of its mean variance: what hardly varies by chance stays calm."""


def within_person_root(embeddings: Tensor, person: npt.NDArray[np.int64], floor: float = FLOOR) -> Tensor:
    """The symmetric matrix (D, D) that makes the covariance within people about even.

    Its mean eigenvalue is 1.

    Args:
        embeddings: (N, D).
        person: (N,) who each is; people of one photo do not count.
        floor: see `FLOOR`.

    Raises:
        InputError: there are too few photos to know.
    """
    _, which, count = np.unique(person, return_inverse=True, return_counts=True)
    several = count[which] > 1
    freedom = int(several.sum() - (count > 1).sum())
    values = embeddings.double()
    if freedom < 2 * values.shape[1]:
        raise InputError(
            f"{int(several.sum())} photos of {int((count > 1).sum())} people with several are too few to "
            f"calibrate {values.shape[1]} numbers"
        )
    index = torch.from_numpy(which)
    means = torch.zeros(len(count), values.shape[1], dtype=torch.float64)
    means.index_add_(0, index, values)
    means /= torch.from_numpy(count)[:, None]
    rest = (values - means[index])[torch.from_numpy(several)]
    variance, axes = torch.linalg.eigh(rest.T @ rest / freedom)
    gain = (variance + floor * variance.mean()).rsqrt()
    return (axes * (gain / gain.mean())) @ axes.T


@torch.no_grad()
def calibrate(encoder: SlimIdentity, faces: FaceSet, floor: float = FLOOR) -> None:
    """Set the last layer of an encoder by the people of a face set of whom there are several photos.

    Raises:
        InputError: there are too few.
    """
    person = faces.columns["person"]
    count = np.bincount(person)
    chosen = np.flatnonzero(count[person] > 1)
    last = encoder.head[-1]
    assert isinstance(last, torch.nn.Linear)
    found = [
        encoder.head(encoder.maps(canonical(faces.gather(index), faces.border, encoder.size))[-1])
        for index in torch.split(torch.from_numpy(chosen), _CHUNK)
    ]
    raw = torch.cat(found) if found else torch.zeros(0, last.out_features)
    root = within_person_root(raw, person[chosen], floor)
    middle = raw.double().mean(0)
    weight, bias = root @ last.weight.double(), root @ (last.bias.double() - middle)
    last.weight.copy_(weight)
    last.bias.copy_(bias)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m omote.training.calibration",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="a checkpoint of omote-identity, or the folder of its run")
    parser.add_argument("--data", type=Path, required=True, help="the face set that it was trained on")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the checkpoint to write")
    parser.add_argument("--cache", type=Path, help="where decoded faces are kept")
    given = parser.parse_args(arguments)
    try:
        _run(given.run, given.data, given.output, given.cache)
    except OmoteError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _run(path: Path, data: Path, output: Path, cache: Path | None) -> None:
    state = checkpoint.load(path / checkpoint.NAME if path.is_dir() else path)
    recipe = Recipe.of(state.recipe, state.content)
    teacher = identity_teacher(str(recipe.table("teachers").get("identity")))
    nobody = Identities(teacher, torch.zeros(0, teacher.width))
    system = build(recipe, Task(nobody, recipe.data.size, 1.0, torch.device("cpu")))
    if not isinstance(system, IdentitySystem):
        raise UsageError(f"{path}: of recipe {state.recipe}, which trains no identity network")
    system.average.load_state_dict(state.average)
    faces = FaceSet.open(data, split="train", where=recipe.data.where, cache=cache)
    calibrate(system.average, faces)
    checkpoint.save(replace(state, average=system.average.state_dict()), output)


if __name__ == "__main__":
    sys.exit(main())
