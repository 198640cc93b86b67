"""omote-detect: distil YuNet-n's dense maps, and the labels that it misses, into a network of our own."""

import argparse
import json
import math
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.errors import InputError, UsageError
from omote.training.detect.augment import Composer
from omote.training.detect.data import load_crops, load_scenes
from omote.training.detect.loss import Targets, add_labels, detection_loss, teacher_targets
from omote.training.detect.net import DetectNet, ExportNet
from omote.training.half import store_half
from omote.zoo import Session

# Side of the pictures in px: (batch, how often). Every batch costs about the same.
SIZES = {256: (12, 0.4), 320: (8, 0.4), 448: (4, 0.2)}


@dataclass(frozen=True)
class Settings:
    """What determines a run; a run of the same settings on the same machine gives the same network.

    Attributes:
        samples: how many pictures the network sees; the learning rate falls to zero over them.
        seed: of every random choice.
        rate: highest learning rate (AdamW).
        decay: weight decay.
        warmup: samples over which the learning rate rises.
        crops: how many aligned crops enter the mosaics.
    """

    samples: int = 200_000
    seed: int = 1
    rate: float = 3e-3
    decay: float = 0.02
    warmup: int = 3_000
    crops: int = 8_000


class Trainer:
    """A network in training: one step at a time, each step's data drawn from (seed, step) alone."""

    def __init__(self, settings: Settings, composer: Composer, teacher: Session) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.composer = composer
        self.teacher = teacher
        self.net = DetectNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = DetectNet()
        self.average.load_state_dict(self.net.state_dict())
        heavy = [p for p in self.net.parameters() if p.dim() > 1]
        light = [p for p in self.net.parameters() if p.dim() <= 1]
        groups = [{"params": heavy, "weight_decay": settings.decay}, {"params": light, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.rate)
        self.step_count = 0
        self.seen = 0

    def batch(self) -> tuple[Tensor, dict[int, Targets], int]:
        """The next pictures (B, 3, S, S), their targets, and how many labels the teacher had missed."""
        rng = np.random.default_rng((self.settings.seed, self.step_count))
        size = int(rng.choice(list(SIZES), p=[share for _, share in SIZES.values()]))
        samples = [self.composer.sample(rng, size) for _ in range(SIZES[size][0])]
        share = rng.random()  # now and then the teacher, too, looks at the spoilt pictures
        looked = [s.spoilt if share < 0.25 else s.clean for s in samples]
        maps = self.teacher.run(_blob(looked)[:, ::-1].copy())
        targets = teacher_targets(dict(zip(self.teacher.outputs, maps, strict=True)), size)
        missed = sum(add_labels(targets, k, s.boxes, s.points, size) for k, s in enumerate(samples))
        pictures = torch.from_numpy(_blob([sample.spoilt for sample in samples]))
        return pictures.contiguous(memory_format=torch.channels_last), targets, missed

    def step(self) -> dict[str, float]:
        """Train on one batch; returns the terms of the loss."""
        pictures, targets, missed = self.batch()
        rise = min(1.0, (self.seen + 1) / self.settings.warmup)
        left = max(0.0, 1 - self.seen / self.settings.samples)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * rise * (0.5 - 0.5 * math.cos(math.pi * left))
        self.net.train()
        terms = detection_loss(self.net(pictures), targets)
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.optimizer.step()
        self.step_count += 1
        self.seen += len(pictures)
        self._follow(min(0.999, self.step_count / (self.step_count + 20)))
        report = {name: float(value.detach()) for name, value in terms.items()}
        return report | {"missed": missed / len(pictures)}

    @torch.no_grad()
    def _follow(self, keep: float) -> None:
        """Move the averaged network towards the trained one."""
        for mine, theirs in zip(
            self.average.state_dict().values(), self.net.state_dict().values(), strict=True
        ):
            if mine.is_floating_point():
                mine.lerp_(theirs.contiguous(), 1 - keep)
            else:
                mine.copy_(theirs)

    def save(self, path: Path) -> None:
        """Write the whole state, so that `load` and going on equals an unbroken run."""
        state = {
            "settings": asdict(self.settings),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step_count,
            "seen": self.seen,
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a state that `save` wrote; the settings given now hold."""
        state = load_state(path)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step_count, self.seen = state["step"], state["seen"]


def _blob(pictures: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    return np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)


def load_state(path: Path) -> dict[str, Any]:
    """Read a training state.

    Raises:
        InputError: there is none.
    """
    if not path.is_file():
        raise InputError(f"{path}: no training state; run 'train detect' first")
    return dict(torch.load(path, weights_only=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train detect` and `export detect`."""
    parser.add_argument("--data", type=Path, help="folder with scenes.tar, scenes.jsonl and faces160-*.tar")
    parser.add_argument("--weights", type=Path, help="folder with the teacher det_yunet_n.onnx")
    parser.add_argument("--out", type=Path, help="folder for state.pt and log.jsonl")
    parser.add_argument("--samples", type=int, default=Settings.samples, help="pictures to see")
    parser.add_argument("--minutes", type=float, help="instead of --samples: as many as fit, measured first")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--rate", type=float, default=Settings.rate, help="highest learning rate")
    parser.add_argument("--crops", type=int, default=Settings.crops, help="aligned crops to use")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from state.pt in --out")
    parser.add_argument("--state", type=Path, help="export: the folder that train wrote")
    parser.add_argument("-o", "--onnx", type=Path, help="export: the ONNX file to write")


def run(args: argparse.Namespace) -> None:
    """Do what `args.command` says: train or export."""
    needed = ("data", "weights", "out") if args.command == "train" else ("state", "onnx")
    for name in needed:
        if getattr(args, name) is None:
            raise UsageError(f"{args.command} detect needs --{name}")
    if args.command == "train":
        train(args)
    else:
        export(args.state / "state.pt", args.onnx)


def train(args: argparse.Namespace) -> None:
    """Train, writing the state every three minutes and a line of the log every hundred steps."""
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(1)
    composer = Composer(list(load_scenes(args.data, "train").values()), load_crops(args.data, args.crops))
    teacher = Session(args.weights / "det_yunet_n.onnx")
    settings = Settings(samples=args.samples, seed=args.seed, rate=args.rate, crops=args.crops)
    if args.minutes:
        trial = Trainer(settings, composer, teacher)
        for _ in range(5):
            trial.step()
        begin, before = time.monotonic(), trial.seen
        for _ in range(40):
            trial.step()
        pace = (trial.seen - before) / (time.monotonic() - begin)
        settings = Settings(int(args.minutes * 60 * pace), args.seed, args.rate, crops=args.crops)
    trainer = Trainer(settings, composer, teacher)
    args.out.mkdir(parents=True, exist_ok=True)
    state, log = args.out / "state.pt", args.out / "log.jsonl"
    if args.resume:
        trainer.load(state)
    begin = saved = time.monotonic()
    sums: dict[str, float] = {}
    while trainer.seen < settings.samples:
        for name, value in trainer.step().items():
            sums[name] = sums.get(name, 0.0) + value / 100
        if trainer.step_count % 100 == 0:
            line = {"step": trainer.step_count, "seen": trainer.seen, "of": settings.samples}
            line |= {name: round(value, 4) for name, value in sums.items()}  # type: ignore[misc]
            line["seconds"] = round(time.monotonic() - begin)
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            sums = {}
        if time.monotonic() - saved > 180:
            trainer.save(state)
            saved = time.monotonic()
    trainer.save(state)


def export(state: Path, file: Path) -> None:
    """Write the averaged network as an ONNX file with the runtime's contract, its weights as float16."""
    net = DetectNet()
    net.load_state_dict(load_state(state)["average"])
    wrapped = ExportNet(net).eval()
    axes = {"rgb": {0: "batch", 2: "height", 3: "width"}}
    axes |= {name: {0: "batch", 1: f"cells_{name.split('_')[1]}"} for name in wrapped.names}
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # torch calls this exporter old, but its graph is as fast, a third smaller, and free of its own notes
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            wrapped,
            (torch.zeros(1, 3, 64, 96),),
            str(file),
            input_names=["rgb"],
            output_names=list(wrapped.names),
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    store_half(file)
