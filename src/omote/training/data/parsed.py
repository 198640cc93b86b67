"""Masks for faces for which nobody has drawn any: a parser finds them, and a smaller one learns from both.

Lee, "Pseudo-Label", ICML workshop 2013; Xie et al., "Self-training with Noisy Student improves ImageNet
classification", CVPR 2020: the teacher sees the faces as they are, the student sees them made worse.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError, ModelError
from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD, tensor
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason
from omote.training.data.faces import FaceSet
from omote.training.data.regions import MERGED, REGIONS
from omote.zoo import Networks, Session

Bytes = npt.NDArray[np.uint8]
Report = Callable[[int, int], None]
"""Told how many faces have been looked at, and how many are to be."""
Pictures = list[npt.NDArray[Any]]

_RARE = {"hat": 0.03, "glasses": 0.01, "occluder": 0.01}
"""What few people wear or hold before their face, and from which share of the picture on it counts."""
_CHUNK = 16
_COLUMNS = np.array([list(MERGED.values()).index(region) for region in REGIONS], np.uint8)
"""Numbers of `REGIONS` → indices of the masks in a tar."""


def parse_faces(
    faces: FaceSet, parser: str, output: Path, count: int, report: Report = lambda *_: None
) -> dict[str, int]:
    """Write `parsingN.tar`, the split `train`, with masks that a parser finds, by picture and mirror image.

    Of twice as many faces that are looked at, in a random but fixed order, those with a hat, with glasses or
    with something before them come first, up to half of what is kept.

    Args:
        faces: whole squares are shown to the parser.
        parser: a network of the zoo or a file, with the regions of `omote-parse` in their order.
        output: the folder; N is the side of the squares.
        count: how many faces are wanted.
        report: told how far it is.

    Returns:
        How many faces were kept that show each of the regions.

    Raises:
        InputError: there are too few faces, or the file cannot be written.
        ModelError: the parser has other regions, or another side than the squares.
    """
    faces.require(faces=count, purpose=f"{count} masks")
    square = int(faces.pixels.shape[1])
    session = _session(parser, square)
    order = np.random.default_rng(1).permutation(len(faces))[: 2 * count]
    faces = faces.subset(order)
    pixels = faces.pixels.numpy()
    masks = np.empty(pixels.shape[:3], np.uint8)
    for first in range(0, len(pixels), _CHUNK):
        part = slice(first, first + _CHUNK)
        masks[part] = _found(session, list(pixels[part]))
        report(min(part.stop, len(pixels)), len(pixels))
    shown = np.stack([(masks == number).mean((1, 2)) for number in range(len(REGIONS))], 1)
    rare = np.any([shown[:, REGIONS.index(name)] > least for name, least in _RARE.items()], 0)
    chosen = np.flatnonzero(rare)[: count // 2]
    chosen = np.sort(np.concatenate([chosen, np.flatnonzero(~rare)[: count - len(chosen)]]))
    rows = ((str(faces.columns["name"][i]), pixels[i], masks[i]) for i in chosen)
    _write(output / f"parsing{square}.tar", rows)
    return {name: int((shown[chosen, number] > 0).sum()) for number, name in enumerate(REGIONS)}


def _session(parser: str, square: int) -> Session:
    network = Networks().open(parser, "mask")
    if tuple(network.card.settings.get("regions", ())) != REGIONS:
        raise ModelError(f"{parser}: its regions are not {', '.join(REGIONS)}")
    side = network.card.settings.get("side")
    if side != square:
        raise ModelError(f"{parser}: takes pictures of {side} px, the squares have {square}")
    return network.session


def _found(session: Session, pictures: Pictures) -> Bytes:
    """(B, H, W), numbers of `REGIONS`."""
    planes = tensor(pictures, IMAGENET_MEAN, IMAGENET_STD)
    mirrored = np.ascontiguousarray(planes[..., ::-1])
    scores = session.run_batch(planes)[0] + session.run_batch(mirrored)[0][..., ::-1]
    return np.asarray(scores.argmax(1), np.uint8)


def _write(tar: Path, rows: Iterator[tuple[str, Bytes, Bytes]]) -> None:
    try:
        tar.parent.mkdir(parents=True, exist_ok=True)
        with AtomicFile(tar) as whole, tarfile.open(whole.path, "w") as archive:
            for name, picture, mask in rows:
                _add(archive, f"train/{name}.webp", np.ascontiguousarray(picture[..., ::-1]))
                _add(archive, f"train/{name}.png", _COLUMNS[mask])
    except OSError as error:
        raise InputError(f"{tar}: cannot be written ({reason(error)})") from None


def _add(archive: tarfile.TarFile, name: str, picture: Bytes) -> None:
    quality = [cv2.IMWRITE_WEBP_QUALITY, 95] if name.endswith(".webp") else []
    coded = cv2.imencode(Path(name).suffix, picture, quality)[1].tobytes()
    member = tarfile.TarInfo(name)
    member.size = len(coded)
    archive.addfile(member, io.BytesIO(coded))
