"""Embeddings and meshes of a face set: kept, and made anew when what is kept is spoilt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from torch import Tensor, nn  # noqa: E402

from omote.errors import InputError  # noqa: E402
from omote.training.data.drawn import drawn_faces  # noqa: E402
from omote.training.embeddings import embeddings_of  # noqa: E402
from omote.training.points import points_of  # noqa: E402
from omote.training.teachers.identity import NetworkIdentity, identity_teacher  # noqa: E402
from tests.kept_files import KEPT_SPOILT  # noqa: E402
from tests.networks import network  # noqa: E402
from tests.swap_networks import recogniser  # noqa: E402

CPU = torch.device("cpu")
SPOILT = KEPT_SPOILT | {"no numbers": lambda whole: whole[:-4] + np.float32(np.nan).tobytes()}


class Corners(nn.Module):
    """A teacher of meshes that needs no network: the brightness of a face, as all of its points."""

    digest = "c" * 64
    size = 8

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("framing", torch.eye(2, 3))

    def look(self, crops: Tensor, framing: Tensor) -> Tensor:
        return crops.mean((1, 2, 3))[:, None, None].expand(-1, 478, 3)


def embeddings(folder: Path | None) -> Tensor:
    return embeddings_of(drawn_faces(), identity_teacher("pixels"), CPU, folder)


def points(folder: Path | None) -> Tensor:
    return points_of(drawn_faces(), Corners(), CPU, folder)


KINDS = pytest.mark.parametrize("made", [embeddings, points])
Made = Callable[[Path | None], Tensor]


@KINDS
def test_what_is_kept_is_read_again(made: Made, tmp_path: Path):
    first = made(tmp_path / "a" / "b")
    (kept,) = (tmp_path / "a" / "b").iterdir()
    assert torch.equal(first, made(None))
    np.save(kept, np.full(first.shape, 7, np.float32))
    assert (made(tmp_path / "a" / "b") == 7).all()


@KINDS
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_is_spoilt_is_made_anew(made: Made, tmp_path: Path, spoil: Callable[[bytes], bytes]):
    first = made(tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(spoil(whole))
    assert torch.equal(made(tmp_path / "cache"), first)
    assert kept.read_bytes() == whole


@KINDS
def test_a_cache_that_cannot_be_made_is_told_in_one_line(made: Made, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"\.npy: cannot be kept \(.*\): make room, or give another") as told:
        made(tmp_path / "file" / "cache")
    assert "\n" not in str(told.value)


@KINDS
def test_a_full_disk_is_told_and_leaves_nothing(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(InputError, match=r"cannot be kept \(No space left on device\)"):
        made(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"template": "arcface_128"},
        {"mean": [0.4, 0.5, 0.5]},
        {"std": [0.25, 0.5, 0.5]},
        {"bgr": True},
    ],
)
def test_embeddings_are_those_of_the_card(changed: dict[str, object], tmp_path: Path):
    """The same file, used in another way, says something else."""
    data, faces = recogniser("arcface_w600k_r50"), drawn_faces()
    one, other = (NetworkIdentity(network(data, "arcface", **settings)) for settings in ({}, changed))
    assert one.digest == other.digest
    found = [embeddings_of(faces, teacher, CPU, tmp_path / "cache") for teacher in (one, other, one)]
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert torch.equal(found[1], embeddings_of(faces, other, CPU))
    assert not torch.allclose(found[0], found[1], rtol=1e-3)
    assert torch.equal(found[0], found[2])
