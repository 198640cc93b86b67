"""From a recipe and a face set to a trainer that is ready to run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric

from omote.errors import InputError, UsageError
from omote.tables import from_table
from omote.training.data.augment import Augmentation
from omote.training.data.batches import Batches
from omote.training.data.faces import FaceSet
from omote.training.data.sampler import Sampler, balanced
from omote.training.data.shards import TEMPLATE
from omote.training.embeddings import embeddings_of
from omote.training.loop import Trainer
from omote.training.points import points_of
from omote.training.recipe import Recipe
from omote.training.system import System
from omote.training.systems import batches_for, build, strangers
from omote.training.systems.oneshot import Identities, Task
from omote.training.teachers.identity import identity_teacher

_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True, slots=True)
class Where:
    """Where a run happens.

    Attributes:
        folder: of the run: checkpoint, log, sheets.
        device: `auto`, `cpu`, `cuda`, `mps`.
        devices: how many of them.
        cache: where embeddings are kept.
    """

    folder: Path
    device: str = "auto"
    devices: int = 1
    cache: Path | None = None


def fabric_for(recipe: Recipe, where: Where) -> Fabric:
    """Open the devices. With several, this program is started once for each.

    Raises:
        UsageError: there is no such device, or the batch does not divide evenly.
    """
    if recipe.run.batch % where.devices:
        raise UsageError(
            f"run.batch = {recipe.run.batch} does not divide evenly over {where.devices} devices"
        )
    try:
        fabric = Fabric(
            accelerator=where.device,
            devices=where.devices,
            strategy="ddp" if where.devices > 1 else "auto",
            precision=_PRECISIONS[recipe.run.precision],  # type: ignore[arg-type]
        )
        fabric.launch()
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"device {where.device}: {str(error).splitlines()[0]}") from error
    return fabric


def assemble(recipe: Recipe, faces: FaceSet, where: Where, fabric: Fabric) -> Trainer:
    """Build networks, teachers and batches; nothing is written yet.

    Raises:
        UsageError: the recipe names something that there is not.
        InputError: the faces do not suffice.
        ModelError: a teacher is not on the machine.
    """
    what = f"recipe {recipe.name}"
    augment = from_table(Augmentation, recipe.table("augment"), what, "[augment]", UsageError)
    faces.require(faces=recipe.run.batch, people=2, purpose=f"{what} with run.batch = {recipe.run.batch}")
    if faces.template != TEMPLATE:
        raise InputError(
            f"{faces.label}: aligned to {faces.template}, networks are trained on {TEMPLATE}: "
            "build the set with that template"
        )
    data, device = recipe.data, fabric.device
    sampler = Sampler(
        faces.columns["person"],
        same_photo=data.same_photo,
        other_photo=data.other_photo,
        seed=recipe.run.seed,
        weights=_weights(faces, data.balance, what),
    )
    batches = Batches(faces, sampler, augment, recipe.run.batch, data.size, device)
    people = strangers(recipe) or _identities(recipe, faces, where, device, what)
    torch.manual_seed(recipe.run.seed)  # of the first weights
    person = torch.from_numpy(faces.columns["person"]).to(device)
    same_person = data.same_photo + data.other_photo
    task = Task(
        people,
        data.size,
        same_person,
        device,
        person,
        recipe.table("teachers"),
        recipe.table("hardships"),
        lambda teacher: embeddings_of(faces, teacher, device, where.cache),
        lambda teacher: points_of(faces, teacher, device, where.cache),
    )
    system = build(recipe, task)
    _require_weights(recipe, system)
    facts = {
        "faces": faces.digest,
        "face_count": len(faces),
        "people": faces.people,
        "sources": sorted(set(map(str, faces.columns["source"]))),
        "teacher": people.teacher.digest,
    }
    where.folder.mkdir(parents=True, exist_ok=True)
    return Trainer(recipe, system, batches_for(system, batches), where.folder, fabric, facts)


def _identities(recipe: Recipe, faces: FaceSet, where: Where, device: torch.device, what: str) -> Identities:
    reference = recipe.table("teachers").get("identity")
    if not isinstance(reference, str):
        raise UsageError(f"{what}: [teachers] needs 'identity': a network of the zoo, a path, or 'pixels'")
    teacher = identity_teacher(reference).to(device)
    return Identities(teacher, embeddings_of(faces, teacher, device, where.cache))


def _require_weights(recipe: Recipe, system: System) -> None:
    known, weighed = set(system.losses), set(recipe.weights)
    for name in sorted(weighed - known):
        raise UsageError(
            f"recipe {recipe.name}: weights.{name}: {recipe.system} has no such loss, only {', '.join(known)}"
        )
    for name in sorted(known - weighed):
        raise UsageError(f"recipe {recipe.name}: weights.{name} is missing; 0 leaves that loss out")


def _weights(faces: FaceSet, column: str | None, what: str) -> npt.NDArray[np.float64] | None:
    if column is None:
        return None
    if column not in faces.columns:
        raise InputError(f"{what}: data.balance = '{column}', but {faces.label} has no such column")
    return balanced(faces.columns[column])
