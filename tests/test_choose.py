"""Networks chosen by name or file do the work in a whole swap, and the record tells of them."""

import json
from collections.abc import Callable
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from omote.cli.evaluate import evaluate
from omote.cli.swap import swap
from omote.engines.mesh import MeshSwapper
from omote.engines.oneshot import DraftedSwapper
from omote.errors import NoFaceError, UsageError
from omote.faces.face import Face
from omote.media import open_image
from omote.pipelines import Job, SwapSettings, open_networks, swap_file
from omote.pipelines.choose import make_swapper
from omote.pipelines.together import ROOM, apart
from omote.zoo.devices import cores
from tests.planted import planted

WHITE = planted(
    [helper.make_node("Add", ["input", "much"], ["output"])],
    {"much": np.full(1, 9, np.float32)},
    {"input": [1, 3, 512, 512]},
    {"output": [1, 3, 512, 512]},
)
"""A restorer that gives white, whatever the face."""
RED = planted(
    [
        helper.make_node("Mul", ["target", "nothing"], ["black"]),
        helper.make_node("Add", ["black", "red"], ["tinted"]),
        helper.make_node("ReduceMean", ["source"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["tinted", "zero"], ["output"]),
    ],
    {"nothing": np.zeros(1, np.float32), "red": np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1)},
    {"source": ["b", 3, 112, 112], "target": ["b", 3, 256, 256]},
    {"output": ["b", 3, 256, 256]},
)
"""A swapper of BlendSwap's contract that paints faces red."""


@pytest.mark.parametrize(
    ("settings", "engine"),
    [
        ({}, DraftedSwapper),
        ({"swapper": "mesh"}, MeshSwapper),
        ({"swapper": "omote-swap-128"}, DraftedSwapper),
        ({"swapper": "omote-swap-128", "strength": 0.5}, DraftedSwapper),
    ],
)
def test_the_engine_is_the_one_that_is_named(settings: dict[str, Any], engine: type) -> None:
    chosen = SwapSettings(**settings)
    assert isinstance(make_swapper(chosen, open_networks(chosen, 1)), engine)


@pytest.mark.parametrize("command", [swap, evaluate])
def test_commands_have_the_default_engine_of_the_library(command: Callable[..., None]) -> None:
    assert signature(command).parameters["swapper"].default == SwapSettings().swapper


@pytest.fixture
def restorer(tmp_path: Path) -> Path:
    path = tmp_path / "white.onnx"
    path.write_bytes(WHITE)
    path.with_suffix(".toml").write_text('contract = "face_restorer"\nlicence = "none of your business"\n')
    return path


@pytest.fixture
def swapper(tmp_path: Path) -> Path:
    path = tmp_path / "red.onnx"
    path.write_bytes(RED)
    return path


def lightness(path: Path, before: Path) -> np.ndarray:
    return open_image(path).pixels.astype(int).mean(2) - open_image(before).pixels.astype(int).mean(2)


def test_the_restorer_changes_the_new_face_and_keeps_to_the_mask(
    source: Path, target: Path, restorer: Path, tmp_path: Path
) -> None:
    shares = {}
    for mask in ("box", "area:mouth"):
        out = tmp_path / f"{mask[:3]}.png"
        swap_file(
            [source], target, out, SwapSettings(rights="own", restore=restorer, restore_blend=1, mask=mask)
        )
        shares[mask] = float((lightness(out, target) > 40).mean())
    assert shares["box"] > 5 * shares["area:mouth"] > 0


def test_a_file_with_its_contract_swaps(source: Path, target: Path, swapper: Path, tmp_path: Path) -> None:
    settings = SwapSettings(rights="own", swapper=swapper, contract="blendswap")
    swap_file([source], target, tmp_path / "red.png", settings)
    changed = open_image(tmp_path / "red.png").pixels.astype(int)
    red = (changed[..., 0] > 250) & (changed[..., 1:].max(2) < 5)
    assert red.mean() > 0.01
    with pytest.raises(UsageError, match="takes no --strength"):
        Job([source], SwapSettings(swapper="mesh", strength=0.5))
    with pytest.raises(UsageError, match="omote-swap-128 takes no --boost"):
        Job([source], SwapSettings(boost=256))
    with pytest.raises(UsageError, match="--contract says how a file is used"):
        Job([source], SwapSettings(swapper="blendswap_256", contract="blendswap"))


def test_the_record_names_the_networks_and_their_licences(
    omote: Callable[..., Any], source: Path, target: Path, restorer: Path, tmp_path: Path
) -> None:
    record = tmp_path / "record.json"
    done = omote(
        "swap", source, target, "-o", tmp_path / "out.png", "--restore", restorer, "--record", record
    )
    assert (done.code, done.err) == (0, "")
    assert "white.onnx: licence none of your business: nobody stated" in done.out
    facts = json.loads(record.read_text())
    assert (facts["swapped"], facts["frames"]) == (1, 1)
    names = [network["name"] for network in facts["networks"]]
    native = {"omote-detect", "omote-mesh", "omote-identity", "omote-parse", "omote-swap-128"}
    assert set(names) == {*native, "white.onnx"}
    assert names[-1] == "white.onnx"
    assert facts["networks"][-1]["terms"] == "unknown"
    refused = omote("swap", source, target, "-o", tmp_path / "out.png", "--record", target)
    assert refused.code == 2


def test_the_record_has_the_digest_that_a_network_was_verified_by(
    source: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))
    networks = open_networks(SwapSettings(), 1)
    file = tmp_path / "gfpgan_1.2.onnx"
    file.write_bytes(WHITE)
    networks.store.import_file(file, networks.catalogue)
    report = swap_file(
        [source], target, tmp_path / "out.png", SwapSettings(rights="own", restore="gfpgan_1.2")
    )
    assert report.networks[-1].sha256 == sha256(WHITE).hexdigest()


def test_what_the_target_is_searched_for_does_not_hold_for_the_source(
    source: Path, target: Path, tmp_path: Path
) -> None:
    turned = tmp_path / "turned.png"
    cv2.imwrite(str(turned), cv2.rotate(cv2.imread(str(target)), cv2.ROTATE_90_CLOCKWISE))
    settings = SwapSettings(rights="own", detector_angles="90")
    assert swap_file([source], turned, tmp_path / "out.png", settings).swapped == 1
    with pytest.raises(NoFaceError, match="no face found"):  # in the target, not in the source
        swap_file([source], target, tmp_path / "none.png", SwapSettings(rights="own", smallest=5000))


def test_threads_and_device_reach_the_networks(source: Path) -> None:
    assert open_networks(SwapSettings(threads=1), 1).runtime.workers == 1
    assert Job([source], SwapSettings(threads=3)).networks.runtime.workers == 3
    assert SwapSettings().parallel == min(16, cores())
    with pytest.raises(UsageError, match="precision"):
        open_networks(SwapSettings(precision="fp8"), 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restore_weight": 0.5}, "--restore-weight"),
        ({"smallest": float("nan")}, "--smallest"),
        ({"start": -1}, "--start"),
        ({"end": float("nan")}, "--end"),
        ({"mask": "box,nose"}, "mask"),
        ({"mask_edge": 70}, "edge"),
        ({"restore_blend": 2}, "restore-blend"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SwapSettings(**options)


def face_at(x: float, y: float, side: float = 100) -> Face:
    points = np.array([[x, y], [x + 20, y], [x + 10, y + 10], [x, y + 20], [x + 20, y + 20]])
    return Face(box=np.array([x, y, x + side, y + side]), score=1, points=points)


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000)), max_size=30), st.integers(64, 2048))
def test_faces_of_a_group_lie_apart_and_none_is_lost(places: list[tuple[int, int]], side: int) -> None:
    faces = [face_at(*place) for place in places]
    groups = apart(faces, lambda face: side)
    assert sorted(id(face) for group in groups for face in group) == sorted(map(id, faces))
    for group in groups:
        assert len(group) == 1 or len(group) * side**2 <= ROOM
        for number, one in enumerate(group):
            for other in group[:number]:
                assert np.abs(one.box[:2] - other.box[:2]).max() >= 200


def test_distant_faces_share_a_batch() -> None:
    assert len(apart([face_at(0, 0), face_at(500, 0), face_at(0, 500)], lambda face: 256)) == 1
