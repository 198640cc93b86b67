"""omote-mesh: distil MediaPipe's 478-point network into a smaller one of our own."""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.errors import InputError, UsageError
from omote.training.half import store_half
from omote.training.mesh.batches import Batch, Labelled, Sampler, plain_crops
from omote.training.mesh.data import load_aligned, load_scenes
from omote.training.mesh.losses import MeshLoss
from omote.training.mesh.net import MeshNet
from omote.training.mesh.teacher import label

TEACHER = "lmk_mediapipe478_v2.onnx"
_UNUSED_BATCH = 2**31 - 1  # a batch that training never reaches: the shapes of the basis come from it


@dataclass(frozen=True)
class Settings:
    """What determines a run.

    Attributes:
        samples: how many crops the network sees; the learning rate falls to zero over them.
        seed: of every random choice.
        batch: crops per step.
        rate: highest learning rate (AdamW).
        decay: weight decay.
        warmup: samples over which the learning rate rises.
        memory: how much of the averaged weights each step keeps.
    """

    samples: int = 500_000
    seed: int = 1
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.02
    warmup: int = 20_000
    memory: float = 0.998

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return self.samples // self.batch

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine down to zero."""
        seen = step * self.batch
        if seen < self.warmup:
            return self.rate * (seen + self.batch) / self.warmup
        return self.rate * 0.5 * (1 + math.cos(math.pi * (seen - self.warmup) / (self.samples - self.warmup)))


class Trainer:
    """A network in training; each step's batch is drawn from (seed, step) alone."""

    def __init__(self, settings: Settings, sampler: Sampler, make: Callable[[], MeshNet] = MeshNet) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.sampler = settings, sampler
        self.net = make().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        first = sampler.batch(_UNUSED_BATCH, min(2048, settings.samples))
        self.net.set_basis(torch.from_numpy(first.meshes[first.present]))
        self.average = torch.optim.swa_utils.AveragedModel(
            self.net,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.memory),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        heavy = [p for p in self.net.parameters() if p.dim() > 1]
        light = [p for p in self.net.parameters() if p.dim() <= 1]
        groups = [{"params": heavy, "weight_decay": settings.decay}, {"params": light, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.rate)
        self.loss = MeshLoss()
        self.step = 0

    def advance(self) -> tuple[float, float]:
        """Make one step; returns the loss and its share from the points (eye distances)."""
        batch = self.sampler.batch(self.step, self.settings.batch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate_at(self.step)
        crops = to_tensor(batch.crops)
        with torch.autocast("cpu", torch.bfloat16):
            points, logits = self.net(crops)
        total, shape = self.loss(
            points,
            logits,
            torch.from_numpy(batch.meshes),
            torch.from_numpy(batch.present),
            torch.from_numpy(batch.distances),
        )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.net)
        self.step += 1
        return float(total.detach()), float(shape.detach())

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {
            "settings": asdict(self.settings),
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.step = int(state["step"])
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def to_tensor(crops: npt.NDArray[np.uint8]) -> Tensor:
    """(N, S, S, 3) uint8 → (N, 3, S, S) float32 0..1, channels last."""
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(255)


@torch.no_grad()
def evaluate(net: torch.nn.Module, batch: Batch) -> npt.NDArray[np.float64]:
    """Mean distance of the points from the labels per crop, in % of the eye distance in the picture."""
    net.eval()
    points = torch.cat([net(to_tensor(batch.crops[i : i + 64]))[0] for i in range(0, len(batch.crops), 64)])
    net.train()
    difference = points.numpy()[..., :2] - batch.meshes[..., :2]
    errors = np.linalg.norm(difference, axis=-1).mean(1) / batch.distances * 100
    return np.asarray(errors, np.float64)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train mesh` and `export mesh`."""
    parser.add_argument("--data", type=Path, help="train: folder with faces160.csv, faces160-*.tar, scenes.*")
    parser.add_argument("--weights", type=Path, help=f"train: folder with the teacher {TEACHER}")
    parser.add_argument("--out", type=Path, help="train: folder for labels, checkpoints and the log")
    parser.add_argument("--samples", type=int, default=Settings.samples, help="crops to see")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--state", type=Path, help="export: the folder that train wrote")
    parser.add_argument("-o", "--onnx", type=Path, help="export: the ONNX file to write")


def run(args: argparse.Namespace) -> None:
    """Do what `args.command` says: train or export."""
    needed = ("data", "weights", "out") if args.command == "train" else ("state", "onnx")
    missing = [name for name in needed if getattr(args, name) is None]
    if missing:
        raise UsageError(f"{args.command} mesh: give --{missing[0]}")
    if args.command == "export":
        export(args.state / "state.pt", args.onnx)
        return
    for path in (args.data / "faces160.csv", args.data / "scenes.jsonl", args.weights / TEACHER):
        if not path.is_file():
            raise InputError(f"{path}: not there; give the folder that holds it")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(1)
    settings = Settings(samples=args.samples, seed=args.seed)
    teacher = args.weights / TEACHER
    aligned = load_aligned(args.data)
    scenes, backgrounds = load_scenes(args.data)
    sets = [
        Labelled(aligned, *label(aligned, teacher, args.out / "labels_aligned.npz")),
        Labelled(scenes, *label(scenes, teacher, args.out / "labels_scenes.npz")),
    ]
    trainer = Trainer(settings, Sampler(sets, backgrounds, MeshNet().size, settings.seed))
    train(trainer, sets, args.out, resume=args.resume)


def train(trainer: Trainer, sets: list[Labelled], out: Path, *, resume: bool, every: int = 500) -> None:
    """Train to the end; every `every` steps write `state.pt` and a line of `log.jsonl` into `out`."""
    file = out / "state.pt"
    if resume:
        if not file.is_file():
            raise InputError(f"{file}: no checkpoint to go on from; train without --resume")
        trainer.restore(torch.load(file, weights_only=True))
    held = [np.flatnonzero(s.faces.val & (s.logits > 0)) for s in sets]
    batches = [plain_crops(s, chosen, trainer.net.size) for s, chosen in zip(sets, held, strict=True)]
    turned = np.abs(sets[0].faces.pose[held[0], 0]) > 30
    start, first, sums, summed = time.monotonic(), trainer.step, np.zeros(2), 0
    while trainer.step < trainer.settings.steps:
        sums += trainer.advance()
        summed += 1
        if trainer.step % every and trainer.step < trainer.settings.steps:
            continue
        errors = [evaluate(trainer.average.module, batch) for batch in batches]
        line = {
            "samples": trainer.step * trainer.settings.batch,
            "loss": round(sums[0] / summed, 5),
            "points": round(sums[1] / summed, 5),
            "val_aligned": round(float(errors[0].mean()), 3),
            "val_scenes": round(float(errors[1].mean()), 3),
            "val_turned": round(float(errors[0][turned].mean()), 3),
            "ms_per_sample": round(
                (time.monotonic() - start) * 1000 / ((trainer.step - first) * trainer.settings.batch), 3
            ),
        }
        sums[:], summed = 0, 0
        part = file.with_suffix(".part")
        torch.save(trainer.state(), part)
        part.replace(file)
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def export(state: Path, file: Path) -> None:
    """Write the averaged network of checkpoint `state` as the ONNX file `file`, its weights as float16."""
    if not state.is_file():
        raise InputError(f"{state}: no checkpoint; train first")
    net = MeshNet()
    average = torch.optim.swa_utils.AveragedModel(net, use_buffers=True)
    average.load_state_dict(torch.load(state, weights_only=True)["average"])
    torch.onnx.export(
        average.module.eval(),
        (torch.zeros(2, 3, net.size, net.size),),
        file,
        input_names=["crops"],
        output_names=["points", "presence"],
        dynamic_shapes={"crops": {0: torch.export.Dim("n")}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    store_half(file)
