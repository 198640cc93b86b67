"""A face swapped in photos, end to end: who is swapped, what is touched, and what of the file is kept."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from benchmarks.selfswap import self_swap
from numpy.typing import NDArray
from PIL import Image, ImageCms

import omote as api
from omote.compose import BLEND_METHODS, COLOUR_METHODS
from omote.pipelines import Job, SwapSettings
from tests.conftest import Command
from tests.media_files import psnr
from tests.shared_data import SHARED, needs_shared

pytestmark = pytest.mark.usefixtures("unmarked")
Array = NDArray[Any]

swap = partial(api.swap, rights="own")


def read(path: Path) -> Array:
    return np.asarray(Image.open(path).convert("RGB"))


def swapped_area(before: Array, after: Array) -> NDArray[np.bool_]:
    return np.any(before != after, axis=2)


@pytest.fixture(scope="module")
def pair(source: Path, target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both portraits side by side, the source person on the left."""
    path = tmp_path_factory.mktemp("pair") / "pair.png"
    left, right = (cv2.resize(read(portrait), (480, 480)) for portrait in (source, target))
    Image.fromarray(np.hstack([left, right])).save(path)
    return path


def test_api_swaps_the_face_and_nothing_else(source: Path, target: Path, tmp_path: Path):
    out = tmp_path / "out.png"
    report = swap(source, target, out)
    before, after = read(target), read(out)
    changed = swapped_area(before, after)
    face = max(api.find_faces(target), key=lambda face: face.width)
    x0, y0, x1, y1 = face.box.round().astype(int)
    assert (report.output, report.frames, report.swapped, report.empty) == (out, 1, 1, 0)
    assert changed[y0:y1, x0:x1].mean() > 0.35  # all but what the glasses of the source cover
    assert psnr(before[y0:y1, x0:x1], after[y0:y1, x0:x1]) < 30
    # A margin of half a face around the box holds every change.
    margin = (x1 - x0) // 2
    changed[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin] = False
    assert not changed.any()


def test_command_says_what_was_done(omote: Command, source: Path, target: Path, tmp_path: Path):
    out = tmp_path / "out.jpg"
    done = omote("swap", source, target, "-o", out, "--stages")
    assert (done.code, done.err) == (0, "")
    first, *stages = done.out.splitlines()
    assert first.startswith("1 face swapped, ")
    assert first.endswith(f" s: {out}")
    assert [line.split()[0] for line in stages] == ["decode", "find", "swap", "compose", "mark", "encode"]
    assert Image.open(out).size == Image.open(target).size


def test_several_sources_are_averaged(source: Path, target: Path, tmp_path: Path):
    mirrored, one, both = tmp_path / "mirrored.png", tmp_path / "one.png", tmp_path / "both.png"
    dark = np.rint(read(source)[:, ::-1] * 0.8).astype(np.uint8)
    Image.fromarray(dark).save(mirrored)
    swap(source, target, one)
    swap([source, mirrored], target, both)
    changed = swapped_area(read(target), read(one))
    # The same person, so nearly the same face; but the second photo did count.
    assert 25 < psnr(read(one)[changed], read(both)[changed]) < 50


@pytest.mark.parametrize(
    ("rule", "left", "right"),
    [
        ("all", True, True),
        ("left", True, False),
        ("right", False, True),
        ("0", True, False),
        ("1", False, True),
        ("near 700,200", False, True),
        ("near 10,10", True, False),
    ],
)
def test_rules_choose_the_target_face(
    source: Path, pair: Path, tmp_path: Path, rule: str, left: bool, right: bool
):
    out = tmp_path / "out.png"
    report = swap(source, pair, out, face=rule)
    changed = swapped_area(read(pair), read(out))
    assert (changed[:, :480].any(), changed[:, 480:].any()) == (left, right)
    assert report.swapped == left + right


def test_rules_choose_the_source_face(source: Path, target: Path, pair: Path, tmp_path: Path):
    pictures = {}
    for rule in ("left", "right"):
        swap(pair, target, tmp_path / f"{rule}.png", source_face=rule, swapper="mesh")
        pictures[rule] = read(tmp_path / f"{rule}.png")
    changed = swapped_area(read(target), pictures["left"])
    # The right one is the target person herself.
    before = read(target)[changed]
    assert psnr(before, pictures["right"][changed]) > psnr(before, pictures["left"][changed]) + 6


@pytest.mark.parametrize("colour", COLOUR_METHODS)
@pytest.mark.parametrize("blend", BLEND_METHODS)
def test_self_swap_by_the_mesh_engine_changes_next_to_nothing(
    source: Path, target: Path, colour: Any, blend: Any
):
    for portrait in (source, target):
        result = self_swap(portrait, SwapSettings(swapper="mesh", colour=colour, blend=blend))
        assert result.area > result.eye_distance**2
        assert result.psnr >= 38
        assert result.changed_outside == 0


def test_self_swap_by_the_default_engine_changes_little(source: Path, target: Path):
    for portrait in (source, target):
        result = self_swap(portrait)
        assert result.area > result.eye_distance**2
        assert result.psnr >= 25
        assert result.changed_outside == 0


def test_opacity_zero_changes_nothing(source: Path, target: Path, tmp_path: Path):
    swap(source, target, tmp_path / "none.png", opacity=0)
    assert np.array_equal(read(tmp_path / "none.png"), read(target))


def test_every_rule_of_colour_and_blend_gives_another_picture(source: Path, target: Path):
    pixels = read(target)
    pictures = set()
    for colour in COLOUR_METHODS:
        for blend in BLEND_METHODS:
            job = Job([source], SwapSettings(swapper="mesh", colour=colour, blend=blend))
            pictures.add(job.swap(pixels, job.find(pixels)).tobytes())
    assert len(pictures) == len(COLOUR_METHODS) * len(BLEND_METHODS)


def test_transparency_is_kept(source: Path, target: Path, tmp_path: Path):
    pixels = read(target)
    alpha = np.tile(np.linspace(0, 255, pixels.shape[1]).astype(np.uint8), (pixels.shape[0], 1))
    given, out = tmp_path / "alpha.png", tmp_path / "out.png"
    Image.fromarray(np.dstack([pixels, alpha])).save(given)
    assert swap(source, given, out).swapped == 1
    result = Image.open(out)
    assert result.mode == "RGBA"
    assert np.array_equal(np.asarray(result)[..., 3], alpha)
    assert swapped_area(pixels, np.asarray(result)[..., :3]).any()


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_stay_sixteen(source: Path, target: Path, tmp_path: Path, suffix: str):
    fine = np.random.default_rng(1).integers(0, 200, read(target).shape)
    deep = np.minimum(read(target).astype(np.int64) * 257 + fine, 65_535).astype(np.uint16)
    given, out = tmp_path / "deep.png", tmp_path / f"out{suffix}"
    cv2.imwrite(str(given), deep[..., ::-1])
    assert swap(source, given, out).swapped == 1
    result = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)[..., ::-1]
    changed = swapped_area(deep, result)
    assert result.dtype == np.uint16
    assert 0.01 < changed.mean() < 0.5
    # The face, too, has values between those that 8 bits can say.
    assert (result[changed] % 257 != 0).mean() > 0.9


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_grey_photo_stays_grey(source: Path, target: Path, tmp_path: Path, suffix: str):
    given, out = tmp_path / f"grey{suffix}", tmp_path / "out.png"
    Image.open(target).convert("L").save(given)
    assert swap(source, given, out).swapped == 1
    result = Image.open(out)
    assert result.mode == "L"
    assert psnr(np.asarray(result), np.asarray(Image.open(given))) < 42


def test_a_cmyk_photo_is_swapped_in_rgb(source: Path, target: Path, tmp_path: Path):
    given, out = tmp_path / "cmyk.jpg", tmp_path / "out.jpg"
    Image.open(target).convert("CMYK").save(given, quality=95)
    assert swap(source, given, out).swapped == 1
    result = Image.open(out)
    assert result.mode == "RGB"
    rim = np.ones(result.size[::-1], bool)
    rim[20:-20, 20:-20] = False
    assert psnr(np.asarray(result)[rim], read(target)[rim]) > 28


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photo_lying_on_its_side_comes_out_upright(
    source: Path, target: Path, tmp_path: Path, orientation: int
):
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions that undo each orientation
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = orientation, "a photographer"
    given, out = tmp_path / "lying.png", tmp_path / "out.png"
    upright = Image.open(target).convert("RGB").crop((0, 0, 500, 460))
    upright.transpose(Image.Transpose(back[orientation])).save(given, exif=exif)
    assert swap(source, given, out).swapped == 1
    result = Image.open(out)
    assert result.getexif().get(0x0112, 1) == 1
    assert result.getexif()[0x013B] == "a photographer"
    assert result.size == upright.size
    assert psnr(np.asarray(result)[:20], np.asarray(upright)[:20]) == 99


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_the_colour_profile_is_kept(source: Path, target: Path, tmp_path: Path, suffix: str):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    given, out = tmp_path / f"profile{suffix}", tmp_path / f"out{suffix}"
    Image.open(target).save(given, icc_profile=profile)
    assert swap(source, given, out).swapped == 1
    assert Image.open(out).info["icc_profile"] == profile


@needs_shared
def test_another_detector_may_be_used(source: Path, target: Path, tmp_path: Path):
    yunet = SHARED / "weights" / "det_yunet_n.onnx"
    out = tmp_path / "out.png"
    assert swap(source, target, out, detector=yunet).swapped == 1
    assert swapped_area(read(target), read(out)).any()
