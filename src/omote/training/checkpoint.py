"""Checkpoints: all that a run needs to go on as if it had never stopped."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from omote.errors import InputError, UsageError

FORMAT = 1
NAME = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run.

    No random state is kept: the numbers of a step, and the place of the sampler, follow from seed and step.

    Attributes:
        recipe: name of the recipe.
        content: the recipe's content as TOML tables.
        step: steps done.
        seen: samples seen.
        networks: name → state.
        optimisers: name → state.
        average: state of the averaged network.
        facts: what else the export wants to know: digests of data and teachers.
    """

    recipe: str
    content: Mapping[str, Any]
    step: int
    seen: int
    networks: Mapping[str, Any]
    optimisers: Mapping[str, Any]
    average: Mapping[str, Any]
    facts: Mapping[str, Any]


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write beside, then rename: whatever happens, a whole checkpoint is there.

    Raises:
        InputError: it cannot be written; the one before stands.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    fields = {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}
    try:
        with part.open("wb") as file:
            torch.save({"format": FORMAT, **fields}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch's writer says RuntimeError when the disk is full
        part.unlink(missing_ok=True)
        kept = "the one before stands" if path.exists() else "there is none yet"
        raise InputError(
            f"{path}: the checkpoint cannot be written ({_first_line(error)}); {kept}"
        ) from error


def sweep(folder: Path) -> None:
    """Remove what killed runs have left half written."""
    for part in folder.glob(f"{NAME}.*.part"):
        part.unlink(missing_ok=True)


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint. Only numbers and text are read from it: no code runs.

    Raises:
        InputError: it is missing, truncated, or something else.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint") from error
    except Exception as error:  # what reads numbers and nothing else stumbles over garbage in many ways
        raise InputError(f"{path}: not a whole checkpoint ({_first_line(error)})") from error
    names = set(Checkpoint.__dataclass_fields__)
    if not isinstance(content, dict) or content.get("format") != FORMAT or not names <= content.keys():
        raise InputError(f"{path}: not a checkpoint of this training room (format {FORMAT})")
    return Checkpoint(**{name: content[name] for name in names})


def require_same_networks(
    checkpoint: Checkpoint, recipe: str, content: Mapping[str, Any], path: Path
) -> None:
    """Refuse the networks of another recipe; weights, guards and lengths may change.

    Raises:
        UsageError: it is of another recipe, other networks, or another size.
    """
    if checkpoint.content["system"] != content["system"]:
        raise UsageError(
            f"{path}: of recipe {checkpoint.recipe} ({checkpoint.content['system']}), not {recipe} "
            f"({content['system']}): give another output folder"
        )
    old, new = checkpoint.content.get("networks", {}), content.get("networks", {})
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        key = changed[0]
        raise UsageError(
            f"{path}: trained with networks.{key} = {old.get(key)!r}, the recipe now says {new.get(key)!r}: "
            "set it back, or give another output folder"
        )
    sides = [tables["data"]["size"] for tables in (checkpoint.content, content)]
    if sides[0] != sides[1]:
        raise UsageError(f"{path}: trained with data.size = {sides[0]}, the recipe now says {sides[1]}")


def require_same_teacher(checkpoint: Checkpoint, facts: Mapping[str, Any], path: Path) -> None:
    """Refuse to resume with other identities: they would mean something else to optimisers and schedule.

    Raises:
        UsageError: the identity teacher is another.
    """
    if checkpoint.facts.get("teacher") != facts.get("teacher"):
        raise UsageError(
            f"{path}: trained with another identity teacher: its identities mean something else; "
            "set teachers.identity back, or begin a new run --from it"
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
