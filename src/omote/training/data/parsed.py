"""Masks for faces for which nobody has drawn any: a parser finds them, and a smaller one learns from both.

Lee, "Pseudo-Label", ICML workshop 2013; Xie et al., "Self-training with Noisy Student improves ImageNet
classification", CVPR 2020: the teacher sees the faces as they are, the student sees them made worse.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

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

_SHOWN = 0.003
"""Share of the picture from which on a region counts for how sure a parser is."""
_CHUNK = 16
_COLUMNS = np.array([list(MERGED.values()).index(region) for region in REGIONS], np.uint8)
"""Numbers of `REGIONS` → indices of the masks in a tar."""


def parse_faces(
    faces: FaceSet, parser: str, output: Path, count: int, report: Report = lambda *_: None
) -> dict[str, int]:
    """Write `parsingN.tar`, the split `train`, with masks that a parser finds, by picture and mirror image.

    Of twice as many faces, drawn at random but always the same, those are kept of which it is surest: a face
    counts as sure as the least sure region in it. What it takes for a hat on a bald head, or for a hand where
    nothing is, does not pass.

    Args:
        faces: whole squares are shown to the parser, enlarged to the side that it takes.
        parser: a network of the zoo or a file, with the regions of `omote-parse` in their order.
        output: the folder; N is the side of the squares.
        count: how many faces are wanted.
        report: told how far it is.

    Returns:
        How many faces were kept that show each of the regions.

    Raises:
        InputError: there are too few faces, or the file cannot be written.
        ModelError: the parser has other regions.
    """
    faces.require(faces=count, purpose=f"{count} masks")
    square = int(faces.pixels.shape[1])
    session, side = _opened(parser)
    order = np.random.default_rng(1).permutation(len(faces))[: 2 * count]
    faces = faces.subset(order)
    pixels = faces.pixels.numpy()
    masks, sure = np.empty(pixels.shape[:3], np.uint8), np.empty(len(pixels))
    for first in range(0, len(pixels), _CHUNK):
        part = slice(first, first + _CHUNK)
        masks[part], sure[part] = _found(session, side, pixels[part])
        report(min(part.stop, len(pixels)), len(pixels))
    chosen = np.sort(np.argsort(-sure, kind="stable")[:count])
    rows = ((str(faces.columns["name"][i]), pixels[i], masks[i]) for i in chosen)
    _write(output / f"parsing{square}.tar", rows)
    return {name: int((masks[chosen] == number).any((1, 2)).sum()) for number, name in enumerate(REGIONS)}


def _opened(parser: str) -> tuple[Session, int]:
    """The parser, and the side of what it takes."""
    network = Networks().open(parser, "mask")
    settings = network.card.settings
    if tuple(settings.get("regions", ())) != REGIONS:
        raise ModelError(f"{parser}: its regions are not {', '.join(REGIONS)}")
    return network.session, int(settings["side"])


def _found(session: Session, side: int, squares: Bytes) -> tuple[Bytes, npt.NDArray[np.float64]]:
    """Squares (B, N, N, 3) → numbers of `REGIONS`, (B, N, N), and how surely each is told, (B,) in 0..1."""
    pictures = [cv2.resize(square, (side, side), interpolation=cv2.INTER_CUBIC) for square in squares]
    planes = tensor(pictures, IMAGENET_MEAN, IMAGENET_STD)
    mirrored = np.ascontiguousarray(planes[..., ::-1])
    scores = torch.from_numpy(session.run_batch(planes)[0]).softmax(1)
    scores = scores + torch.from_numpy(session.run_batch(mirrored)[0]).softmax(1).flip(3)
    chance, mask = F.interpolate(scores / 2, size=squares.shape[1:3], mode="bilinear").max(1)
    where = F.one_hot(mask, len(REGIONS)).float()
    share = where.mean((1, 2))
    mean = (where * chance[..., None]).mean((1, 2)) / share.clamp(min=1e-9)
    sure = torch.where(share > _SHOWN, mean, 1.0).amin(1)
    return mask.to(torch.uint8).numpy(), sure.numpy().astype(np.float64)


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
