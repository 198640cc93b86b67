"""How fast training data is, and what share of a training step it takes.

    python benchmarks/training_data.py --data ../shared/data [--faces 3000] [--batch 64] [--threads 1]
        [--recipe simswap-128] [--set teachers.features=random] [--steps 4] [--device cpu]

Opening: shards decoded into memory, and mapped from a cache. Batches: pairs drawn, both pictures gathered,
targets augmented, for the whole batch, on the device; then the same with drafts by the mesh engine. Share:
the time of a batch, with drafts if the recipe has them, against that of a step of the recipe with the same
batch (identity network replaced by a stand-in that costs nothing), and what the loop itself waits for the
prefetching thread.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from machine import describe

from omote.training.assembly import Where, assemble, fabric_for
from omote.training.data.augment import Augmentation, draw
from omote.training.data.batches import Batches
from omote.training.data.drafted import DraftedBatches
from omote.training.data.faces import FaceSet
from omote.training.data.framed import FramedBatches
from omote.training.data.sampler import Sampler
from omote.training.drafter import open_drafter
from omote.training.journal import read_log
from omote.training.loop import Trainer
from omote.training.recipe import load_recipe

EVERYTHING = Augmentation(
    hue=0.05, grey=0.05, source_colour=0.5, blur=0.3, shrink=0.3, noise=0.3, jpeg=0.3
)  # fmt: skip


def seconds(work: Callable[[int], object], device: torch.device, times: int = 20) -> float:
    """Median time of a call."""
    work(0)
    found = []
    for number in range(times):
        began = time.perf_counter()
        work(number)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - began)
    return sorted(found)[times // 2]


def opening(data: Path, limit: int, threads: int) -> FaceSet:
    """Open a set in all ways; returns it, mapped pixels read once."""
    with tempfile.TemporaryDirectory() as cache:
        for way, folder in (("decoded", None), ("into the cache", Path(cache)), ("mapped", Path(cache))):
            began = time.perf_counter()
            faces = FaceSet.open(data, limit=limit, cache=folder, threads=threads)
            taken = time.perf_counter() - began
            print(f"| opened, {way} | {taken:.2f} s | {len(faces) / taken:,.0f} faces/s |")
        return replace(faces, pixels=faces.pixels.clone())


def trainer_of(options: argparse.Namespace, faces: FaceSet, folder: Path) -> Trainer:
    """A run of the recipe, of a few steps."""
    samples = options.batch * options.steps
    settings = [f"run.batch={options.batch}", f"run.samples={samples}", f"run.log={samples}"]
    settings += [f"run.grid={2 * samples}", "run.precision=fp32", "teachers.identity=pixels", *options.set]
    chosen = load_recipe(options.recipe, settings)
    where = Where(folder, options.device)
    return assemble(chosen, faces, where, fabric_for(chosen, where))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--recipe", default="simswap-128")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    print(f"{describe()}, {options.threads} thread(s), {device}, batch {options.batch}\n")
    print("| what | time | rate |\n|---|---|---|")
    faces = opening(options.data, options.faces, options.threads)
    sampler = Sampler(faces.columns["person"], same_photo=0.2, other_photo=0.2, seed=1)
    n = options.batch
    pairs = seconds(lambda step: sampler.draw(step, n), device)
    numbers = seconds(lambda step: draw(EVERYTHING, 1, step, n), device)
    print(f"| pairs drawn | {1e3 * pairs:.2f} ms | |\n| augmentation drawn | {1e3 * numbers:.2f} ms | |")
    kinds = {"none": None, "default": Augmentation(), "all kinds": EVERYTHING}
    makers = {
        f"augmentation {kind}": Batches(faces, sampler, kinds[kind], n, device=device) for kind in kinds
    }
    plain = makers["augmentation default"]
    makers["augmentation default, framed"] = FramedBatches(plain)
    makers["augmentation default, drafted"] = DraftedBatches(plain, open_drafter(device))
    for title, batches in makers.items():
        taken = seconds(batches.batch, device, 10)
        print(
            f"| batch of {batches.side} px, {title} | {1e3 * taken:.1f} ms | {2 * n / taken:,.0f} faces/s |"
        )
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(options, faces, Path(folder))
        batch = seconds(trainer.batches.batch, device, 3)
        trainer.run()
        (line,) = read_log(Path(folder))
    step, waiting = line["seconds_per_step"], line["waiting"]
    print(f"\nA step of {options.recipe} takes {step:.2f} s: a batch is {batch / step:.1%} of it;")
    print(f"the loop waits for data {waiting:.1%} of its time.")


if __name__ == "__main__":
    main()
