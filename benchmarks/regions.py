"""What omote-parse finds on held-out faces with masks, as a Markdown table, and how long it takes.

    python benchmarks/regions.py FILE --data FOLDER [--cache FOLDER]

FILE is an ONNX file with a card (`omote export`), or the folder or checkpoint of a run, which is exported.
FOLDER holds `parsingN.tar`, whose split `val` is used. Intersection over union is of all pixels of the set.

The first column is of whole pictures: the network sees them at its own size, and its scores are enlarged to
that of the masks. The second is of what `omote swap` gives it, crops aligned by the eyes, at the network's
size; so is the occluder's number, where something drawn covers part of every face, the same things whenever
asked. The file is looked at through ONNX Runtime by the pixels that `omote swap` would give it.

Time is of one face on one thread, the median of 50 after 5 that do not count, and by processor time, which
other programs disturb less.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from runtime_costs import as_network_file, milliseconds, session_of
from torch import Tensor

from omote.evaluation.segmentation import confusion, intersection_over_union
from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD, tensor
from omote.training.data.regions import REGIONS, open_regions, read_regions
from omote.training.held_out import region_numbers


def whole_pictures(session: onnxruntime.InferenceSession, data: Path, side: int) -> dict[str, float]:
    """Intersection over union of the pictures as they are: `iou`, and `iou/REGION`."""
    counts = np.zeros((len(REGIONS), len(REGIONS)), np.int64)
    for tar in sorted(data.glob("parsing*.tar")):
        for picture, mask in read_regions(tar, "val").values():
            seen = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
            scores = session.run(None, {"picture": tensor([seen], IMAGENET_MEAN, IMAGENET_STD)})[0][0]
            large = cv2.resize(scores.transpose(1, 2, 0), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
            counts += confusion(mask, large.argmax(-1), len(REGIONS))
    values = intersection_over_union(counts)
    return {"iou": float(np.nanmean(values))} | {
        f"iou/{region}": float(value)
        for region, value in zip(REGIONS, values, strict=True)
        if not np.isnan(value)
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    with as_network_file(options.file) as file:
        session = session_of(file)
        side = session.get_inputs()[0].shape[-1]

        def find(pictures: Tensor) -> Tensor:
            pixels = ((pictures + 1) / 2).permute(0, 2, 3, 1).contiguous().numpy()
            planes = tensor(pixels, IMAGENET_MEAN, IMAGENET_STD)
            return torch.from_numpy(session.run(None, {"picture": planes})[0].argmax(1))

        whole = whole_pictures(session, options.data, side)
        crops = region_numbers(find, open_regions(options.data, "val", options.cache), side)
        print(f"{file.stat().st_size / 1e6:.1f} MB, {side} px\n")
        print("| region | whole pictures | aligned crops |\n|---|---|---|")
        for name, value in crops.items():
            seen = f"{whole[name]:.3f}" if name in whole else ""
            print(f"| {name.removeprefix('iou/')} | {seen} | {value:.3f} |")
        one = np.zeros((1, 3, side, side), np.float32)
        print(f"\none thread: {milliseconds(session_of(file, 1), one)}")


if __name__ == "__main__":
    main()
