"""What omote-parse finds on held-out faces with masks, as a Markdown table, and how long it takes.

    python benchmarks/regions.py FILE --data FOLDER [--cache FOLDER]

FILE is an ONNX file with a card (`omote export`), or the folder or checkpoint of a run, which is exported.
FOLDER holds `parsingN.tar`, whose split `val` is used. Intersection over union is of all pixels of the set;
the occluder's where something drawn covers part of every face, the same things whenever asked. The file is
looked at through ONNX Runtime by the pixels that `omote swap` would give it.

Time is of one face on one thread, the median of 50 after 5 that do not count, and by processor time, which
other programs disturb less.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from runtime_costs import as_network_file, milliseconds, session_of
from torch import Tensor

from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD, tensor
from omote.training.data.regions import open_regions
from omote.training.held_out import region_numbers


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    with as_network_file(options.file) as file:
        session = session_of(file)
        (given,) = session.get_inputs()
        side = given.shape[-1]

        def find(pictures: Tensor) -> Tensor:
            pixels = ((pictures + 1) / 2).permute(0, 2, 3, 1).contiguous().numpy()
            planes = tensor(pixels, IMAGENET_MEAN, IMAGENET_STD)
            return torch.from_numpy(session.run(None, {given.name: planes})[0].argmax(1))

        numbers = region_numbers(find, open_regions(options.data, "val", options.cache), side)
        print(f"{file.stat().st_size / 1e6:.1f} MB, {side} px\n\n| region | IoU |\n|---|---|")
        for name, value in numbers.items():
            print(f"| {name.removeprefix('iou/')} | {value:.3f} |")
        one = np.zeros((1, 3, side, side), np.float32)
        print(f"\none thread: {milliseconds(session_of(file, 1), one)}")


if __name__ == "__main__":
    main()
