"""From a checkpoint to an ONNX file with its card: what `omote swap --swapper PATH` takes as it is."""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from omote.errors import InputError, ModelError, UsageError
from omote.training import checkpoint
from omote.training.checkpoint import Checkpoint
from omote.training.data.crops import canonical
from omote.training.data.shards import TEMPLATE
from omote.training.eight_bits import Example, examples, store_int8
from omote.training.embeddings import embeddings_of
from omote.training.exported import Exported
from omote.training.half import store_half
from omote.training.recipe import Recipe
from omote.training.shown import Shown
from omote.training.system import Settling, System
from omote.training.systems import build, strangers
from omote.training.systems.oneshot import Identities, Task
from omote.training.teachers.identity import IdentityTeacher, identity_teacher
from omote.training.toml import as_toml

PARITY = 1e-3
"""Largest difference allowed between torch and the written file, on pictures in -1..1 or 0..1.

Of scores that go beyond 1, relative to the largest.
"""
_CHUNK = 64
_HALF, _INT8 = 10, 200
"""How many times as much it may be of weights in half precision, and in 8-bit integers."""


@dataclass(frozen=True, slots=True)
class Written:
    """What an export has left.

    Attributes:
        files: the network, its card, and those of the identity network if it had to be written too.
        difference: largest between torch and ONNX Runtime.
        samples: that the network had seen.
    """

    files: tuple[Path, ...]
    difference: float
    samples: int


def export(
    path: Path,
    output: Path,
    *,
    half: bool = False,
    int8: Shown | None = None,
    settle: Shown | None = None,
) -> Written:
    """Write the averaged network of a checkpoint.

    Beside `NAME.onnx` comes its card `NAME.toml`; and, unless the identity network is one of the zoo by name,
    `NAME.identity.onnx` with a card of its own, so that the folder is complete.

    Args:
        path: the checkpoint, or the folder of a run.
        output: the file to write.
        half: whether to store the weights in half precision; they are computed with in float32 all the same.
        int8: whether convolutions compute with 8-bit integers, and whence their ranges are taken.
        settle: whether the last layer is solved for first, and for which faces.

    Raises:
        InputError: the checkpoint is damaged, the faces cannot be read, or a file cannot be written.
        UsageError: the output is no .onnx file, both precisions are asked for, or a network of this kind
            cannot be stored in 8 bits or has no last layer to solve for.
        ModelError: the file does not give what torch gives.
    """
    if output.suffix != ".onnx":
        raise UsageError(f"{output}: the network is written as an .onnx file")
    if half and int8:
        raise UsageError("--half and --int8: a network has one precision; leave one of them out")
    state = checkpoint.load(path / checkpoint.NAME if path.is_dir() else path)
    recipe = Recipe.of(state.recipe, state.content)
    reference = str(recipe.table("teachers").get("identity"))
    nobody = strangers(recipe)
    teacher = nobody.teacher if nobody else identity_teacher(reference)
    if not nobody and state.facts.get("teacher") not in (None, teacher.digest):
        raise ModelError(
            f"{reference}: not the identity network that {path} was trained with "
            f"(sha256 {str(state.facts['teacher'])[:12]}...): put that file back"
        )
    empty = nobody or Identities(teacher, torch.zeros(0, teacher.width))
    cpu = torch.device("cpu")
    system = build(recipe, Task(empty, recipe.data.size, 0.5, cpu, teachers=recipe.table("teachers")))
    try:
        system.average.load_state_dict(state.average)
    except RuntimeError as error:
        raise InputError(f"{path}: its networks are not those of its recipe {state.recipe}") from error
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if settle:
            _settle(system, recipe, settle, teacher)
        exported = system.export()
        given = list(examples(exported, recipe, int8)) if int8 else None
        identity, files = _identity(reference, teacher, output) if exported.identity else (None, ())
        difference = write_graph(exported, output, half, given)
        card = output.with_suffix(".toml")
        known = None if nobody else teacher
        _write(
            card,
            as_toml(_card(exported, state, recipe, known, identity, getattr(system, "looks_through", ())))
            + "\n",
        )
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror or error})") from error
    return Written((output, card, *files), difference, state.seen)


def _settle(system: System, recipe: Recipe, shown: Shown, teacher: IdentityTeacher) -> None:
    if not isinstance(system, Settling):
        raise UsageError(f"recipe {recipe.name}: has no last layer to solve for; leave --settle out")
    faces = shown.faces(recipe)
    wanted = embeddings_of(faces, teacher, torch.device("cpu"), shown.cache)
    parts = torch.split(torch.arange(len(faces)), _CHUNK)
    system.settle(
        (canonical(faces.gather(part), faces.border, recipe.data.size), wanted[part]) for part in parts
    )


def write_graph(
    exported: Exported, output: Path, half: bool = False, given: Sequence[Example] | None = None
) -> float:
    """Write a network as an ONNX file, compare it with torch, and return the largest difference.

    Args:
        exported: the network.
        output: the file.
        half: whether its weights are stored in half precision.
        given: examples of its inputs; with them its convolutions compute with 8-bit integers.

    Raises:
        ModelError: they differ by more than `PARITY`, or a multiple of it for the smaller precisions.
    """
    part = output.with_name(f"{output.stem}.{os.getpid()}.part.onnx")
    axis = {0: torch.export.Dim("batch")}
    talk = logging.getLogger("torch.onnx")
    level = talk.level
    talk.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                exported.module.eval(),
                tuple(exported.inputs.values()),
                part,
                input_names=list(exported.inputs),
                output_names=list(exported.outputs),
                dynamic_shapes=tuple(axis for _ in exported.inputs),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        if half:
            store_half(part)
        if given:
            store_int8(part, given)
            exported = replace(exported, inputs=_stacked(given))
        difference = _difference(exported, part)
        allowed = PARITY * (_INT8 if given else _HALF if half else 1)
        if difference > allowed:
            raise ModelError(
                f"{output}: differs from torch by {difference:.2g} ({allowed:g} is allowed): not written"
            )
        part.replace(output)
    finally:
        talk.setLevel(level)
        part.unlink(missing_ok=True)
    return difference


def _stacked(given: Sequence[Example]) -> dict[str, Tensor]:
    """Some of the examples in one batch."""
    return {name: torch.from_numpy(np.concatenate([one[name] for one in given[:8]])) for name in given[0]}


@torch.no_grad()
def _difference(exported: Exported, file: Path) -> float:
    """On a batch of another size than the one that was exported."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    inputs: dict[str, Tensor] = {
        name: torch.cat([value, value.flip(0)[:1] * 0.5]) for name, value in exported.inputs.items()
    }
    found = session.run(list(exported.outputs), {name: value.numpy() for name, value in inputs.items()})
    wanted = exported.module(*inputs.values())
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    pairs = [(made, asked.numpy()) for made, asked in zip(found, wanted, strict=True)]
    return max(float(np.abs(made - asked).max() / max(np.abs(asked).max(), 1.0)) for made, asked in pairs)


def _identity(reference: str, teacher: IdentityTeacher, output: Path) -> tuple[str, tuple[Path, ...]]:
    """What the card says of its identity network, and the files that had to be written for it."""
    if teacher.network is not None and not teacher.from_file:
        return reference, ()
    file = output.with_name(f"{output.stem}.identity.onnx")
    card = file.with_suffix(".toml")
    if teacher.network is None:
        example = {"pictures": torch.rand(2, 3, 112, 112) * 2 - 1}
        made = Exported(teacher, example, ("embedding",), "arcface", {})  # type: ignore[arg-type]
        write_graph(made, file)
        _write(card, 'contract = "arcface"\nnote = "A stand-in that knows nothing of faces."\n')
        return file.name, (file, card)
    _write(file, teacher.network.read())
    known = teacher.network.card
    facts = {"contract": known.contract, "licence": known.licence, "terms": known.terms, "note": known.note}
    stated = {key: value for key, value in facts.items() if value}
    _write(card, as_toml(stated | dict(known.settings)) + "\n")
    return file.name, (file, card)


def _card(
    exported: Exported,
    state: Checkpoint,
    recipe: Recipe,
    teacher: IdentityTeacher | None,
    identity: str | None,
    seen_through: tuple[str, ...],
) -> Mapping[str, Any]:
    facts = state.facts
    faces, people = facts.get("face_count", 0), facts.get("people", 0)
    sources = ", ".join(facts.get("sources", ())) or "not stated"
    before = f" (after {facts['before']:,} of the run it began from)" if facts.get("before") else ""
    note = (
        f"Trained by the recipe {recipe.name} on {state.seen:,} samples{before} of {faces:,} faces "
        f"({people:,} people; sources: {sources}), seed {recipe.run.seed}"
        + (f", with {teacher.name} as the identity teacher." if teacher else ".")
        + (f" Its losses look through {', '.join(seen_through)}." if seen_through else "")
    )
    return {
        "contract": exported.contract,
        **({"template": TEMPLATE} if exported.framed else {}),
        **exported.settings,
        "note": note,
        **recipe.table("card"),
        **({"needs": {"identity": identity}} if identity else {}),
    }


def _write(path: Path, content: str | bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content if isinstance(content, bytes) else content.encode())
    part.replace(path)
