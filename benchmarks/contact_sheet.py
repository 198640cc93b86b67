"""Draw the contact sheet of a swapper: source, target and result of twelve swaps.

    python benchmarks/contact_sheet.py --media ../shared/media/eval -o docs/img/swaps.jpg

The faces are synthetic or in the public domain. `--pairs FILE` takes other pairs (SOURCE TARGET per line,
relative to --media), to look at what may not be shown: `benchmarks/contact_pairs.txt` are twenty-four of all
kinds. `--swapper` and `--restore` are those of `omote swap`.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from omote.demo import portraits
from omote.faces.align import similarity, template, warp
from omote.faces.face import Face
from omote.media import Picture, open_image, save_image
from omote.pipelines import Job, SwapSettings

HOPPER, COLLINS = portraits()
S = "synthetic_sources"
PAIRS = (
    (f"{S}/gen_male_white_fffe06da-47a9-4b0a-bb28-cce88e9d469b.jpg", f"{S}/fakerjs_male_88.jpg"),
    (f"{S}/gen_female_asian_fe1bf248-1826-4f91-8664-fca62cd2fb2b.jpg", f"{S}/fakerjs_female_63.jpg"),
    (f"{S}/gen_female_black_00c986fc-0e1d-4e84-a894-88b5b188a1b6.jpg", str(COLLINS)),
    (f"{S}/gen_female_white_00018297-32c8-4a5b-b0cc-273c06c9342f.jpg", str(HOPPER)),
    (str(HOPPER), f"{S}/gen_female_white_6582ad23-c0c6-4cd0-8d0b-c827c9a4e00d.jpg"),
    (
        f"{S}/gen_male_black_c7056ebb-c197-4a14-b73f-196a7fb05bae.jpg",
        f"{S}/gen_male_asian_013c729c-7f45-4b05-8670-18e0e3503af6.jpg",
    ),
    (
        f"{S}/gen_male_asian_931bbad1-a244-44d8-b6c4-a8c0716962de.jpg",
        f"{S}/gen_male_white_d0b46ff4-f54b-49ea-9483-a175756bab66.jpg",
    ),
    (
        f"{S}/gen_female_latino_0080fac3-ec67-4aa6-8e1e-b3fdaa8a3466.jpg",
        f"{S}/gen_female_black_c662dfac-7ce4-43af-a025-dba8254daca2.jpg",
    ),
    (f"{S}/fakerjs_male_74.jpg", f"{S}/gen_male_black_22be9af0-5e7f-4e45-9ab7-e61aa135d525.jpg"),
    (
        f"{S}/gen_female_asian_0151d729-b9ec-49ac-a272-5a33856ad85b.jpg",
        f"{S}/gen_female_white_30f78c23-f761-440f-bb90-9ac6cc80a27a.jpg",
    ),
    (f"{S}/gen_male_white_68e5ec2a-3757-4004-9b67-50a6052d87ac.jpg", f"{S}/fakerjs_male_63.jpg"),
    (f"{S}/gen_female_black_47f2f3a6-ed88-44e4-926e-80e4700f833e.jpg", f"{S}/fakerjs_female_3.jpg"),
)


def view(pixels: np.ndarray, face: Face, side: int) -> np.ndarray:
    """Cut the face out upright, with some surroundings."""
    points = (template("dfl_whole_face") * 0.8 + 0.1) * side
    return warp(pixels, similarity(face.points, points), (side, side), cv2.BORDER_CONSTANT)


def row(media: Path, source: str, target: str, side: int, settings: SwapSettings) -> np.ndarray:
    """Source, target and result side by side, (side, 3 side, 3)."""
    job = Job([media / source], settings)
    shown = open_image(media / source).pixels
    pixels = open_image(media / target).pixels
    faces = job.find(pixels)
    result = job.swap(pixels, faces)
    seen = [(shown, job.finder.find(shown)), (pixels, faces), (result, faces)]
    return np.hstack([view(picture, max(found, key=lambda face: face.area), side) for picture, found in seen])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--media", type=Path, default=Path("../shared/media/eval"))
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--swapper", default=SwapSettings().swapper)
    parser.add_argument("--restore")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    settings = SwapSettings(swapper=options.swapper, restore=options.restore)
    pairs = [line.split() for line in options.pairs.read_text().splitlines()] if options.pairs else PAIRS
    rows = [row(options.media, source, target, options.side, settings) for source, target in pairs]
    if len(rows) % 2:
        rows.append(np.zeros_like(rows[-1]))
    gap = np.full((options.side, 8, 3), 255, np.uint8)
    lines = [np.hstack([left, gap, right]) for left, right in zip(rows[::2], rows[1::2], strict=True)]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_image(options.output, Picture(np.vstack(lines)), quality=85)
    print(f"{len(pairs)} swaps: {options.output}")


if __name__ == "__main__":
    main()
