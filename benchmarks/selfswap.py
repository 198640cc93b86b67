"""Self-swap: a face put onto itself must change next to nothing, and nothing at all outside the mask.

    python benchmarks/selfswap.py PICTURE_OR_FOLDER... [--colour light] [--blend feather]

For every picture with a face: the largest face is both source and target. PSNR is over the pixels where the
engine's mask, laid back onto the picture, is above one half; "outside" are those that it does not reach.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from omote.errors import NoFaceError
from omote.faces.align import align, invert
from omote.media import PICTURE_SUFFIXES, open_image
from omote.pipelines import Job, SwapSettings


@dataclass(frozen=True)
class SelfSwap:
    """What a self-swap changed: PSNR in dB inside the mask (of `area` pixels), pixels changed outside."""

    psnr: float
    area: int
    changed_outside: int
    eye_distance: float


def self_swap(path: Path, settings: SwapSettings | None = None) -> SelfSwap:
    """Swap the largest face of a photo with itself. Raises NoFaceError if there is none."""
    pixels = open_image(path).pixels
    job = Job([path], settings or SwapSettings())
    (face,) = job.find(pixels)
    result = job.swap(pixels, [face])
    crop = align(pixels, face, job.swapper.template, job.swapper.crop_size(face))
    (new,) = job.swapper.swap([crop], job.identities[0])
    size = (pixels.shape[1], pixels.shape[0])
    reach = (new.mask > 0).astype(np.float32)
    weight, reached = (cv2.warpAffine(mask, invert(crop.matrix), size) for mask in (new.mask, reach))
    inside = weight > 0.5
    error = (pixels[inside].astype(np.float64) - result[inside]) / np.iinfo(pixels.dtype).max
    changed = (pixels != result).any(axis=2) & (reached == 0)
    return SelfSwap(
        psnr=float(-10 * np.log10(max((error**2).mean(), 1e-12))),
        area=int(inside.sum()),
        changed_outside=int(changed.sum()),
        eye_distance=face.eye_distance,
    )


def main() -> None:
    from machine import describe

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+", help="pictures, or folders of them")
    parser.add_argument("--colour", default="light")
    parser.add_argument("--blend", default="feather")
    parser.add_argument("--swapper", default="mesh", help="only the mesh engine aims at no change at all")
    options = parser.parse_args()
    settings = SwapSettings(swapper=options.swapper, colour=options.colour, blend=options.blend)
    paths = [
        file
        for given in options.pictures
        for file in (sorted(given.rglob("*")) if given.is_dir() else [given])
        if file.suffix.lower() in PICTURE_SUFFIXES
    ]
    print(describe())
    print("| picture | eye distance | PSNR inside | changed outside |\n|---|---|---|---|")
    results = []
    for path in paths:
        try:
            result = self_swap(path, settings)
        except NoFaceError:
            print(f"| {path.name} | no face found | | |")
            continue
        results.append(result)
        row = (path.name, f"{result.eye_distance:.0f} px", f"{result.psnr:.1f} dB", result.changed_outside)
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    values = [result.psnr for result in results]
    print(
        f"\n{len(values)} faces in {len(paths)} pictures: least {min(values):.1f} dB, "
        f"median {np.median(values):.1f} dB, {sum(value >= 38 for value in values)} at 38 dB or more; "
        f"pixels changed outside: {sum(result.changed_outside for result in results)}"
    )


if __name__ == "__main__":
    main()
