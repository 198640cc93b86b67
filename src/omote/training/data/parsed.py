"""Masks for faces for which nobody has drawn any: a parser finds them, and a smaller one learns from both.

Lee, "Pseudo-Label", ICML workshop 2013; Xie et al., "Self-training with Noisy Student improves ImageNet
classification", CVPR 2020: the teacher sees the faces as they are, the student sees them made worse.
"""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from omote.compose.parsers import PARSERS
from omote.errors import InputError, ModelError, UsageError
from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD, tensor
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason
from omote.training.data.faces import FaceSet
from omote.training.data.regions import MERGED, OCCLUDER, REGIONS
from omote.training.losses.segmentation import UNKNOWN
from omote.zoo import Networks, Session

Bytes = npt.NDArray[np.uint8]
Report = Callable[[int, int], None]
"""Told how many faces have been looked at, and how many are to be."""

_SURE = 0.55
"""Chance of a pixel's region from which on it is believed."""
_CHUNK = 16
_COLUMNS = np.full(256, UNKNOWN, np.uint8)
"""Numbers of `REGIONS` → indices of the masks in a tar."""
_COLUMNS[: len(REGIONS)] = [list(MERGED.values()).index(region) for region in REGIONS]
_HAIR, _HAT, _SKIN, _NOSE = (REGIONS.index(name) for name in ("hair", "hat", "skin", "nose"))


def parse_faces(
    faces: FaceSet,
    parser: str,
    output: Path,
    count: int,
    report: Report = lambda *_: None,
    witness: str | None = None,
) -> dict[str, int]:
    """Write `parsingN.tar`, the split `train`, with masks that a parser finds, by picture and mirror image.

    What it is not sure of is written as unknown, and so is all that it takes for an occluder: it has seen
    drawn ones only. With a witness, what is worn must be clothes, and what is hair or skin must not be.

    Args:
        faces: drawn from at random, always the same ones; whole squares are shown to the parser, enlarged to
            the side that it takes.
        parser: a network of the zoo or a file, with the regions of `omote-parse` in their order.
        output: the folder; N is the side of the squares.
        count: how many faces are wanted.
        report: told how far it is.
        witness: a network of the zoo or a file that knows `clothes`.

    Returns:
        How many faces show each of the regions.

    Raises:
        InputError: there are too few faces, or the file cannot be written.
        UsageError: the witness knows no clothes.
        ModelError: the parser has other regions.
    """
    faces.require(faces=count, purpose=f"{count} masks")
    found, clothes = _parser(parser), _clothes(witness)
    faces = faces.subset(np.sort(np.random.default_rng(1).permutation(len(faces))[:count]))
    shown = np.zeros(len(REGIONS), np.int64)
    tar = output / f"parsing{faces.pixels.shape[1]}.tar"
    try:
        output.mkdir(parents=True, exist_ok=True)
        with AtomicFile(tar) as whole, tarfile.open(whole.path, "w") as archive:
            for first in range(0, count, _CHUNK):
                squares = faces.pixels[first : first + _CHUNK].numpy()
                masks = found(squares)
                doubt(masks, clothes(squares))
                shown += [(masks == number).any((1, 2)).sum() for number in range(len(REGIONS))]
                for name, square, mask in zip(faces.columns["name"][first:], squares, masks, strict=False):
                    _add(archive, f"train/{name}.webp", np.ascontiguousarray(square[..., ::-1]))
                    _add(archive, f"train/{name}.png", _COLUMNS[mask])
                report(first + len(squares), count)
    except OSError as error:
        raise InputError(f"{tar}: cannot be written ({reason(error)})") from None
    return dict(zip(REGIONS, shown.tolist(), strict=True))


def doubt(masks: Bytes, clothes: npt.NDArray[np.bool_] | None) -> None:
    """Make unknown, in place, what a parser of one's own is known to be wrong about.

    Args:
        masks: (B, N, N), numbers of `REGIONS` or `UNKNOWN`.
        clothes: (B, N, N), where a witness sees clothes; without it the parser is believed.
    """
    masks[masks == OCCLUDER] = UNKNOWN
    if clothes is not None:
        masks[(masks == _HAT) & ~clothes] = UNKNOWN
        masks[np.isin(masks, (_HAIR, _SKIN, _NOSE)) & clothes] = UNKNOWN


def _parser(reference: str) -> Callable[[Bytes], Bytes]:
    """Squares (B, N, N, 3) → numbers of `REGIONS` or `UNKNOWN`, (B, N, N)."""
    session, side = _opened(reference)

    def find(squares: Bytes) -> Bytes:
        pictures = [cv2.resize(square, (side, side), interpolation=cv2.INTER_CUBIC) for square in squares]
        planes = tensor(pictures, IMAGENET_MEAN, IMAGENET_STD)
        mirrored = np.ascontiguousarray(planes[..., ::-1])
        scores = torch.from_numpy(session.run_batch(planes)[0]).softmax(1)
        scores = scores + torch.from_numpy(session.run_batch(mirrored)[0]).softmax(1).flip(3)
        chance, mask = F.interpolate(scores / 2, size=squares.shape[1:3], mode="bilinear").max(1)
        return mask.where(chance >= _SURE, UNKNOWN).to(torch.uint8).numpy()

    return find


def _opened(reference: str) -> tuple[Session, int]:
    """The parser, and the side of what it takes."""
    network = Networks().open(reference, "mask")
    settings = network.card.settings
    if tuple(settings.get("regions", ())) != REGIONS:
        raise ModelError(f"{reference}: its regions are not {', '.join(REGIONS)}")
    return network.session, int(settings["side"])


def _clothes(reference: str | None) -> Callable[[Bytes], npt.NDArray[np.bool_] | None]:
    """Squares (B, N, N, 3) → where clothes are, (B, N, N)."""
    if reference is None:
        return lambda _: None
    network = Networks().open(reference, "mask")
    if network.card.adapter not in PARSERS:
        raise UsageError(f"{reference} finds no regions: give a witness that knows clothes")
    witness = PARSERS[network.card.adapter](network, ("clothes",))
    return lambda squares: np.stack(witness.mask([s.astype(np.float32) / 255 for s in squares])) > 0.5


def _add(archive: tarfile.TarFile, name: str, picture: Bytes) -> None:
    quality = [cv2.IMWRITE_WEBP_QUALITY, 95] if name.endswith(".webp") else []
    coded = cv2.imencode(Path(name).suffix, picture, quality)[1].tobytes()
    member = tarfile.TarInfo(name)
    member.size = len(coded)
    archive.addfile(member, io.BytesIO(coded))
