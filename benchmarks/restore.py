"""How near omote-restore comes to the true faces of held-out people, beside bicubic enlargement.

    python benchmarks/restore.py FILE --data FOLDER --features SQUEEZENET.onnx [--recipe NAME]

FILE is an ONNX file with a card (`omote export`), or the folder or checkpoint of a run, which is exported.
The distance is that of SqueezeNet 1.1's maps (`omote.training.losses.perceptual_loss`), over the split `val`
of the set, once for faces that are halved and made worse as the recipe says, the same way whenever asked,
and once for faces that are halved only. A ratio below 0.75 is a quarter nearer than bicubic.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from runtime_costs import as_network_file, milliseconds, session_of
from torch import Tensor

from omote.training.data.repairs import SCALE
from omote.training.held_out import augmentation_of, restore_numbers
from omote.training.losses import perceptual_loss
from omote.training.recipe import load_recipe
from omote.training.systems import open_faces
from omote.training.systems.restore import LAYERS
from omote.training.teachers.features import feature_teacher


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", required=True)
    parser.add_argument("--recipe", default="omote-restore")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe)
    faces = open_faces(recipe, options.data, "val")
    features = feature_teacher(options.features)
    with as_network_file(options.file) as file:
        session = session_of(file, 2)
        (given,) = session.get_inputs()
        side = given.shape[-1]

        def restore(pictures: Tensor) -> Tensor:
            (made,) = session.run(None, {given.name: ((pictures + 1) / 2).numpy()})
            return torch.from_numpy(made.clip(0, 1)) * 2 - 1

        def distance(made: Tensor, good: Tensor) -> Tensor:
            return perceptual_loss(features, made, good, LAYERS)

        numbers = restore_numbers(restore, distance, faces, side * SCALE, augmentation_of(recipe))
        print(f"{file.stat().st_size / 1e6:.1f} MB, {side} px, {len(faces)} held-out faces\n")
        print("| number | value |\n|---|---|")
        for name, value in numbers.items():
            print(f"| {name} | {value:.3f} |")
        one = np.zeros((1, 3, side, side), np.float32)
        for threads in (1, 2):
            print(f"\n{threads} thread(s): {milliseconds(session_of(file, threads), one)}")


if __name__ == "__main__":
    main()
