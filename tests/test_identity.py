"""Recognisers and converters: what they are fed, averages, likeness, and people who are told apart."""

import csv
import tarfile
from functools import cache

import cv2
import numpy as np
import pytest
from onnx import helper

from omote.errors import ModelError
from omote.faces.align import TEMPLATES
from omote.faces.detect import Detector
from omote.faces.face import Face
from omote.faces.identity import (
    CONVERTERS,
    RECOGNISERS,
    ArcFace,
    CrossFace,
    average,
    cosine,
    identify,
    unit_vectors,
)
from tests.networks import CATALOGUE, network, real
from tests.planted import planted
from tests.shared_data import SHARED, needs_shared

BATCHES = [1, "n"]
NORMS = {  # what each contract makes of red, green and blue in 0..255
    "arcface": ([127.5] * 3, [127.5] * 3),
    "arcface_imagenet": ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    "arcface_96": ([127.5] * 3, [128] * 3),
}


def mirror(contract: str, batch: int | str = 1) -> ArcFace:
    """A recogniser whose embedding is its crop, pixel by pixel."""
    settings = CATALOGUE.contracts[contract].settings
    height, width = settings.get("height", 112), settings.get("width", 112)
    nodes = [helper.make_node("Flatten", ["input"], ["output"])]
    ports = {"input": [batch, 3, height, width]}, {"output": [batch, 3 * height * width]}
    return ArcFace(network(planted(nodes, {}, *ports), contract))


def on_template(matrix: np.ndarray | None = None) -> Face:
    """A face whose points lie where the 112 px template has them, moved by a matrix."""
    points = TEMPLATES["arcface_112_v2"] * 112
    if matrix is not None:
        points = points @ matrix[:, :2].T + matrix[:, 2]
    return Face(np.array([0, 0, 112, 112]), 0.9, points)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("contract", NORMS)
def test_the_crop_of_every_contract(contract: str, depth: type) -> None:
    """Red first, on the template to the pixel, normalised; the 96 columns are the middle of the 112."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (112, 112, 3)).astype(depth)
    adapter = mirror(contract)
    (embedding,) = adapter.embed(pixels * (257 if depth == np.uint16 else 1), [on_template()])
    mean, std = NORMS[contract]
    wanted = (pixels - np.array(mean)) / np.array(std)
    if contract == "arcface_96":
        wanted = wanted[:, 8:104]
    assert np.abs(embedding.reshape(3, *wanted.shape[:2]).transpose(1, 2, 0) - wanted).max() < 1e-3


def test_a_blue_first_network_is_a_matter_of_settings() -> None:
    pixels = np.zeros((112, 112, 3), np.uint8)
    pixels[:] = (200, 100, 50)
    nodes = [helper.make_node("ReduceMean", ["input"], ["output"], axes=[2, 3], keepdims=0)]
    model = planted(nodes, {}, {"input": [1, 3, 112, 112]}, {"output": [1, 3]})
    seen = ArcFace(network(model, "arcface")).embed(pixels, [on_template()])
    assert seen[0] == pytest.approx((np.array([200, 100, 50]) - 127.5) / 127.5, abs=1e-5)
    seen = ArcFace(network(model, "arcface", bgr=True)).embed(pixels, [on_template()])
    assert seen[0] == pytest.approx((np.array([50, 100, 200]) - 127.5) / 127.5, abs=1e-5)


@pytest.mark.parametrize("batch", BATCHES)
def test_several_faces_keep_their_order(batch: int | str) -> None:
    rng = np.random.default_rng(2)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (400, 500, 3), np.uint8), (0, 0), 3)
    angle = np.radians(30)
    turn = 1.5 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    faces = [on_template(np.column_stack([turn, shift])) for shift in ((150, 40), (220, 90), (300, 10))]
    adapter = mirror("arcface", batch)
    together = adapter.embed(pixels, faces)
    for face, embedding in zip(faces, together, strict=True):
        assert np.array_equal(adapter.embed(pixels, [face])[0], embedding)
    assert not np.array_equal(together[0], together[1])
    found = identify(adapter, pixels, faces)
    assert np.allclose([np.linalg.norm(face.embedding) for face in found], 1, atol=1e-5)
    assert np.allclose(cosine([face.embedding for face in found], together), 1, atol=1e-5)
    assert identify(adapter, pixels, []) == []
    with pytest.raises(ValueError, match="no face"):
        adapter.embed(pixels, [])


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("contract", "unit"), [("crossface", True), ("crossface_raw", False)])
def test_converters_get_raw_embeddings(contract: str, unit: bool, batch: int | str) -> None:
    """With a constant added, the planted matrix gives another direction if its input were of unit length."""
    rng = np.random.default_rng(3)
    matrix, bias = rng.normal(size=(512, 512)).astype(np.float32), rng.normal(size=512).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["input", "matrix", "bias"], ["output"])]
    ports = {"input": [batch, 512]}, {"output": [batch, 512]}
    model = planted(nodes, {"matrix": matrix, "bias": bias * 20}, *ports)
    raw = rng.normal(size=(3, 512)).astype(np.float32)
    wanted = raw @ matrix + bias * 20
    converted = CrossFace(network(model, contract)).convert(raw)
    lengths = np.linalg.norm(wanted, axis=1)
    assert converted * (lengths[:, None] if unit else 1) == pytest.approx(wanted, abs=2e-3)
    assert np.linalg.norm(converted, axis=1) == pytest.approx(np.ones(3) if unit else lengths, rel=1e-4)


def test_which_converter_gives_what() -> None:
    units = {
        name: CATALOGUE.card(f"crossface_{name}").settings["unit"]
        for name in ("simswap", "ghost", "hififace")
    }
    assert units == {"simswap": True, "ghost": False, "hififace": True}


def test_both_conventions_for_simswaps_recogniser_can_be_had() -> None:
    default, other = (CATALOGUE.card(name) for name in ("arcface_simswap", "arcface_simswap_unit"))
    assert default.sha256 == other.sha256
    assert default.settings["mean"] == [0.485, 0.456, 0.406]
    assert other.settings["mean"] == [0.5, 0.5, 0.5]
    assert CATALOGUE.card("arcface_w600k_r50").settings["std"] == [0.5, 0.5, 0.5]
    assert CATALOGUE.card("arcface_ghost").settings["std"] == [0.5, 0.5, 0.5]


def test_an_average_is_a_mean_of_directions_of_unit_length() -> None:
    embeddings = np.array([[30, 0, 0], [0, 2, 0]], np.float32)
    assert average(embeddings) == pytest.approx([np.sqrt(0.5), np.sqrt(0.5), 0], abs=1e-6)
    assert average(embeddings, raw=True) == pytest.approx([16 * np.sqrt(0.5), 16 * np.sqrt(0.5), 0], rel=1e-5)
    assert average(embeddings[:1]) == pytest.approx([1, 0, 0])
    assert average(embeddings[0], raw=True) == pytest.approx([30, 0, 0])
    for hopeless in ([[1, 0], [-1, 0]], [[0, 0]], [[np.nan, 1]]):
        with pytest.raises(ModelError, match="no common direction"):
            average(hopeless)


def test_cosines() -> None:
    assert cosine([3, 0], [0, 2]) == pytest.approx(0)
    assert cosine([3, 0], [5, 0]) == pytest.approx(1)
    assert cosine([[3, 0], [1, 1]], [[-5, 0], [1, 0]]) == pytest.approx([-1, np.sqrt(0.5)], abs=1e-6)
    assert unit_vectors(np.zeros(3)).tolist() == [0, 0, 0]


def test_graphs_that_do_not_meet_the_contract_are_refused() -> None:
    nodes = [helper.make_node("Flatten", ["input"], ["output"])]
    small = planted(nodes, {}, {"input": [1, 3, 96, 96]}, {"output": [1, 3 * 96 * 96]})
    with pytest.raises(ModelError, match=r"input 0 should be \(any × 3 × 112 × 112\), found input"):
        ArcFace(network(small, "arcface"))
    narrow = planted(
        [helper.make_node("Identity", ["input"], ["output"])], {}, {"input": [1, 128]}, {"output": [1, 128]}
    )
    with pytest.raises(ModelError, match=r"input 0 should be \(any × 512\)"):
        CrossFace(network(narrow, "crossface"))


def test_every_contract_of_the_catalogue_has_an_adapter() -> None:
    adapters = {"identity": RECOGNISERS, "converter": CONVERTERS}
    for contract in CATALOGUE.contracts.values():
        if contract.task in adapters:
            assert contract.adapter in adapters[contract.task]


JUDGES = [
    ("id_mobilefacenet_ms1m_foamliu.onnx", "arcface_imagenet"),
    ("id_mobilefacenet_casia_xiaoccer_112x96.onnx", "arcface_96"),
]


@cache
def people(count: int) -> list[tuple[np.ndarray, Face, str]]:
    """Two faces each of people of LFW, with the points that came with them."""
    chosen: dict[str, list[dict[str, str]]] = {}
    with open(SHARED / "data" / "faces160.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["source"] == "lfw" and row["shard"] == "0":
                chosen.setdefault(row["identity"], []).append(row)
    rows = {
        row["name"]: row
        for pair in [rows for rows in chosen.values() if len(rows) >= 2][:count]
        for row in pair[:2]
    }
    found = []
    with tarfile.open(SHARED / "data" / "faces160-0.tar") as archive:
        for member in archive:
            row = rows.get(member.name.removesuffix(".webp"))
            if row is not None:
                data = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                points = np.array([[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(5)])
                face = Face(np.array([16, 16, 144, 144]), 1.0, points)
                found.append((cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), face, row["identity"]))
    return found


def likeness(adapter: ArcFace, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of all pairs of the same and of different people."""
    faces = people(count)
    embeddings = np.concatenate([adapter.embed(pixels, [face]) for pixels, face, _ in faces])
    names = np.array([name for *_, name in faces])
    cosines = cosine(embeddings[:, None], embeddings[None])
    upper = np.triu(np.ones_like(cosines, bool), 1)
    same = names[:, None] == names
    return cosines[same & upper], cosines[~same & upper]


@needs_shared
@pytest.mark.parametrize(("file", "contract"), JUDGES)
def test_people_are_told_apart(file: str, contract: str) -> None:
    """The manifest's figures for other pairs: same 0.63 and 0.62, different 0.03 and 0.05."""
    same, different = likeness(ArcFace(real(file, contract)), 60)
    assert len(same) == 60
    assert same.mean() > 0.55
    assert abs(different.mean()) < 0.1
    threshold = np.quantile(different, 0.99)
    assert (same > threshold).mean() > 0.93


@needs_shared
def test_other_pixels_tell_people_less_apart() -> None:
    """The published normalisation and colour order of the better network are its best."""
    file, contract = JUDGES[0]
    published = real(file, contract)

    def gap(**settings: object) -> float:
        adapter = ArcFace(network(published.read(), contract, **settings))
        same, different = likeness(adapter, 40)
        return float((same.mean() - different.mean()) / np.hypot(same.std(), different.std()))

    best = gap()
    assert best > gap(bgr=True)
    assert best > gap(template="arcface_112_v1")
    assert best > gap(template="ffhq_512")


@needs_shared
@pytest.mark.parametrize(("file", "contract"), JUDGES)
def test_one_person_in_several_photos(file: str, contract: str) -> None:
    """The eight expressions are of one person; the synthetic people are others."""
    detector, adapter = Detector(), ArcFace(real(file, contract))
    folder = SHARED / "media" / "eval"

    def embed(name: str) -> np.ndarray:
        rows = []
        for path in sorted((folder / name).iterdir())[:8]:
            pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
            rows.append(adapter.embed(pixels, detector.find(pixels)[:1])[0])
        return np.stack(rows)

    person, others = embed("expressions"), embed("synthetic_sources")
    mean = average(person)
    assert cosine(person, mean).min() > cosine(others, mean).max() + 0.2
