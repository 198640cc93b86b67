"""Sets of faces: read from shards, filtered, cached; and what is said of folders that cannot be read."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.errors import InputError, UsageError  # noqa: E402
from omote.training.data import faces as faces_module  # noqa: E402
from omote.training.data.faces import FaceSet  # noqa: E402
from omote.training.data.kept import keep, read_kept  # noqa: E402
from omote.training.data.shards import open_shards  # noqa: E402
from tests.face_shards import TITLES, add_file, drawn_square, face_rows, write_rows, write_shards  # noqa: E402
from tests.kept_files import KEPT_SPOILT  # noqa: E402
from tests.shared_data import SHARED, needs_shared  # noqa: E402

PEOPLE = (3, 1, 2, 1, 2, 1, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shards(tmp_path / "set", PEOPLE)
    return tmp_path / "set"


def test_a_set_holds_pixels_and_columns(folder: Path):
    faces = FaceSet.open(folder)
    rows = {row["name"]: (number, row) for number, row in enumerate(face_rows(PEOPLE))}
    assert (len(faces), faces.people, faces.side, faces.border) == (14, 7, 32, 4)
    assert faces.pixels.shape == (14, 40, 40, 3)
    assert faces.pixels.dtype == torch.uint8
    assert sorted(faces.columns["name"]) == sorted(rows)
    for place, name in enumerate(faces.columns["name"]):
        number, row = rows[name]
        assert np.array_equal(faces.pixels[place].numpy(), drawn_square(number))
        assert faces.columns["identity"][place] == row["identity"]
        assert faces.columns["yaw"][place] == row["yaw"]
        assert faces.columns["points"][place].tolist() == [[row[f"x{n}"], row[f"y{n}"]] for n in range(5)]
    person, identity = faces.columns["person"], faces.columns["identity"]
    assert sorted(set(person)) == list(range(7))
    assert len(set(zip(person, identity, strict=True))) == 7
    assert np.isnan(faces.columns["age"]).all()
    assert set(faces.columns["sex"]) == set(faces.columns["licence"]) == {""}


def test_only_the_tars_that_are_there_are_read(folder: Path):
    (folder / "faces40-1.tar").unlink()
    assert len(FaceSet.open(folder)) == 7


@pytest.mark.parametrize(
    ("where", "count"),
    [
        (["source = lab"], 11),
        (["source != lab"], 3),
        (["source = lab, street"], 14),
        (["valid >= 0.95"], 8),
        (["valid>0.75", "valid<0.95"], 6),
        (["yaw = -20"], 5),
        (["yaw != -20, 0"], 3),
        (["age > 0"], None),
        (lambda columns: columns["yaw"] < 0, 7),
    ],
)
def test_conditions_choose_faces(folder: Path, where: object, count: int | None):
    if count is None:
        with pytest.raises(InputError, match="none of its 14 faces that meets the conditions is left"):
            FaceSet.open(folder, where=where)
    else:
        assert len(FaceSet.open(folder, where=where)) == count


@pytest.mark.parametrize(
    "condition", ["valid", "valid = high", "source < a", "colour = red", "points > 1", "valid > 0.1, 0.2"]
)
def test_conditions_that_cannot_be_read(folder: Path, condition: str):
    with pytest.raises(UsageError, match="condition '"):
        FaceSet.open(folder, where=[condition])


def test_split_and_limit(folder: Path):
    train, held = FaceSet.open(folder, split="train"), FaceSet.open(folder, split="val")
    assert (len(train), len(held)) == (12, 2)
    assert not set(train.columns["identity"]) & set(held.columns["identity"])
    assert held.columns["person"].tolist() == [0, 0]
    few = FaceSet.open(folder, limit=3)
    assert few.columns["name"].tolist() == FaceSet.open(folder).columns["name"][:3].tolist()
    with pytest.raises(InputError, match="of the split test"):
        FaceSet.open(folder, split="test")


def test_subset(folder: Path):
    faces = FaceSet.open(folder)
    odd = faces.subset(np.array([5, 1]))
    assert torch.equal(odd.pixels, faces.pixels[[5, 1]])
    assert odd.columns["name"].tolist() == faces.columns["name"][[5, 1]].tolist()
    assert odd.columns["person"].tolist() == [0, 1]
    assert len(faces.subset(faces.columns["source"] == "lab")) == 11


def test_digest_tells_sets_apart(folder: Path):
    digest = FaceSet.open(folder).digest
    assert digest == FaceSet.open(folder).digest
    assert digest != FaceSet.open(folder, limit=5).digest
    assert digest != FaceSet.open(folder, where=["valid >= 0.95"]).digest


def test_cache_is_mapped_and_survives_the_shards(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(faces_module, "_CHUNK", 5)  # several writes
    plain = FaceSet.open(folder)
    cached = FaceSet.open(folder, cache=tmp_path / "cache")
    assert torch.equal(plain.pixels, cached.pixels)
    (kept,) = (tmp_path / "cache").iterdir()
    assert plain.digest in kept.name
    before = kept.stat().st_mtime_ns
    monkeypatch.setattr(type(open_shards(folder)), "decode", None)
    again = FaceSet.open(folder, cache=tmp_path / "cache")
    assert torch.equal(plain.pixels, again.pixels)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("spoil", KEPT_SPOILT.values(), ids=KEPT_SPOILT)
def test_a_spoilt_cache_is_made_anew(folder: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]):
    first = FaceSet.open(folder)
    FaceSet.open(folder, cache=tmp_path)
    kept = next(tmp_path.glob("*.npy"))
    whole = kept.read_bytes()
    kept.write_bytes(spoil(whole))
    assert torch.equal(FaceSet.open(folder, cache=tmp_path).pixels, first.pixels)
    assert kept.read_bytes() == whole


def test_kept_arrays(tmp_path: Path):
    """Made in a folder that is not there yet; anything of another shape or type is none."""
    path, values = tmp_path / "a" / "b" / "kept.npy", np.arange(6, dtype=np.float32).reshape(2, 3)
    assert read_kept(path, (2, 3), np.float32) is None
    keep(path, (2, 3), np.float32, lambda file: file.write(values.data))
    assert np.array_equal(np.load(path), values)
    assert np.array_equal(read_kept(path, (2, 3), np.float32), values)
    assert read_kept(path, (3, 2), np.float32) is None
    assert read_kept(path, (2, 3), np.int32) is None
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError, match=r"kept\.npy: cannot be kept \(File exists\): make room, or give another"
    ):
        keep(tmp_path / "file" / "kept.npy", (2, 3), np.float32, lambda file: file.write(values.data))


def test_a_cache_that_cannot_be_written_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(open_shards(folder)), "decode", full)
    with pytest.raises(InputError, match=r"faces40-.*npy: cannot be kept \(No space left on device\)"):
        FaceSet.open(folder, cache=tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []


def test_a_larger_set_shares_the_table(folder: Path, tmp_path: Path):
    write_shards(tmp_path / "large", (3, 1), side=80, tars=1)
    os.replace(tmp_path / "large" / "faces80-0.tar", folder / "faces80.tar")
    small, large = FaceSet.open(folder), FaceSet.open(folder, square=80)
    assert (small.side, large.side, len(large)) == (32, 64, 4)
    name = large.columns["name"][0]
    points = small.columns["points"][list(small.columns["name"]).index(name)]
    assert np.allclose(large.columns["points"][0], points * 2 + 0.5)


def test_a_size_that_begins_like_another(folder: Path, tmp_path: Path):
    """faces4.csv and faces4.tar beside faces40-K.tar: each table with its own pictures."""
    rows = write_shards(tmp_path / "tiny", (2, 2), side=4, tars=1)
    tiny = [row | {"name": f"tiny{number}"} for number, row in enumerate(rows)]
    write_rows(folder / "faces4.csv", tiny)
    assert len(FaceSet.open(folder)) == len(FaceSet.open(folder, square=40)) == 14
    with tarfile.open(folder / "faces4.tar", "w") as tar:
        for number in range(4):
            add_file(tar, f"tiny{number}.png", cv2.imencode(".png", drawn_square(number, 4))[1].tobytes())
    assert (len(FaceSet.open(folder)), len(FaceSet.open(folder, square=40))) == (4, 14)


def test_template(folder: Path, tmp_path: Path):
    assert FaceSet.open(folder).template == "arcface_112_v2"
    write_shards(tmp_path / "other", (1, 1), template="ffhq_512")
    assert FaceSet.open(tmp_path / "other").template == "ffhq_512"
    (tmp_path / "other" / "dataset.json").write_text("{}")
    with pytest.raises(InputError, match=r"dataset\.json: does not say which template"):
        FaceSet.open(tmp_path / "other")


def test_require(folder: Path):
    faces = FaceSet.open(folder)
    faces.require(faces=14, people=7, purpose="a gallery")
    with pytest.raises(InputError, match=r"14 faces of 7 people .* a gallery needs 20 faces of 8 people"):
        faces.require(faces=20, people=8, purpose="a gallery")


def _without(column: str, folder: Path) -> None:
    titles = [title for title in TITLES if title != column]
    write_rows(folder / "faces40.csv", face_rows(PEOPLE), titles)


def _damage(folder: Path) -> None:
    path = folder / "faces40-0.tar"
    data = bytearray(path.read_bytes())
    start = data.index(b"\x89PNG")
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)


def _wrong_size(folder: Path) -> None:
    with tarfile.open(folder / "faces40-0.tar", "w") as tar:
        add_file(tar, "p000_0.png", cv2.imencode(".png", drawn_square(0, 48))[1].tobytes())


def _cut(folder: Path, share: float) -> None:
    path = folder / "faces40-1.tar"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _cut_between(folder: Path) -> None:
    """Break off exactly where a picture begins, so that no picture is damaged."""
    path = folder / "faces40-1.tar"
    with tarfile.open(path) as tar:
        start = tar.getmembers()[3].offset
    path.write_bytes(path.read_bytes()[:start])


SPOIL = {
    "no picture": (lambda f: [p.unlink() for p in f.glob("*.tar")], "has no face shards"),
    "no table": (lambda f: (f / "faces40.csv").unlink(), r"has shards but no table faces40\.csv"),
    "no identity": (lambda f: _without("identity", f), "has no column identity: a table of faces needs"),
    "no point": (lambda f: _without("y3", f), "has no column y3"),
    "a word": (
        lambda f: write_rows(f / "faces40.csv", [r | {"valid": "most"} for r in face_rows(PEOPLE)]),
        "line 2: valid is 'most', not a number",
    ),
    "a name twice": (
        lambda f: write_rows(f / "faces40.csv", face_rows(PEOPLE) + face_rows((1,))),
        "p000_0 stands in it twice",
    ),
    "no CSV": (lambda f: (f / "faces40.csv").write_bytes(bytes(range(256))), "is no CSV table"),
    "other faces": (
        lambda f: write_rows(f / "faces40.csv", face_rows((1,))),
        "has no row in faces40.csv, nor have 12 others",
    ),
    "damaged": (_damage, r"faces40-0\.tar: p000_0\.png: is damaged"),
    "another size": (_wrong_size, r"p000_0\.png: is 48 x 48 pixels, 40 x 40 are expected"),
    "cut in a picture": (lambda f: _cut(f, 0.5), r"faces40-1\.tar: is truncated"),
    "cut between": (_cut_between, r"faces40-1\.tar: is truncated"),
    "no tar": (lambda f: (f / "faces40-1.tar").write_bytes(b"not a tar" * 200), r"faces40-1\.tar: is trunc"),
    "empty": (lambda f: (f / "faces40-1.tar").write_bytes(b""), r"faces40-1\.tar: is truncated"),
}


@pytest.mark.parametrize("fault", SPOIL)
def test_a_spoilt_folder_is_told_in_one_line(folder: Path, fault: str):
    spoil, message = SPOIL[fault]
    spoil(folder)
    with pytest.raises(InputError, match=message) as caught:
        FaceSet.open(folder)
    assert "\n" not in str(caught.value)


def test_folders_and_sizes_that_are_not_there(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match="nowhere: cannot be read"):
        FaceSet.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no shards faces320.*only of 40 pixels"):
        FaceSet.open(folder, square=320)


@needs_shared
def test_the_shared_faces():
    """Their five points lie where the template says; 128 px in the middle are the crop."""
    faces = FaceSet.open(SHARED / "data", square=160, limit=60, where=["valid >= 0.99"])
    assert (len(faces), faces.side, faces.border) == (60, 128, 16)
    assert faces.people > 40
    from omote.faces.align import template

    points = (faces.columns["points"] - faces.border) / faces.side
    assert np.abs(np.median(points, 0) - template("arcface_112_v2")).max() < 0.03
    large = FaceSet.open(SHARED / "data", square=320, limit=5)
    assert (large.side, large.border) == (256, 32)
    assert abs(float(large.columns["points"][:, 0, 0].mean()) - 119) < 8
