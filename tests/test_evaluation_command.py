"""`omote evaluate`: painted faces, photos and films through the whole pipeline, and whatever is wrong."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from omote.demo.film import make_film
from omote.engines.mesh import MeshSwapper
from omote.errors import ModelError, UsageError
from omote.evaluation import held_out_pairs, open_panel, read_held_out
from omote.evaluation.engines import CropSwap, PipelineSwap
from omote.evaluation.evaluator import Evaluator
from omote.evaluation.features import FeatureNetwork, with_output
from omote.evaluation.judges import mesh_partiality, partiality
from omote.evaluation.photos import Origin, Photos
from omote.faces.mesh import FaceMesh
from omote.media import open_image
from omote.pipelines import SwapSettings
from omote.zoo import Network, Networks, Session
from omote.zoo.catalogue import card_of
from tests import media_files
from tests.conftest import FILM_SECONDS, Command
from tests.evaluation_faces import features_bytes, judge_bytes, painted_photos, write_networks, write_set
from tests.networks import CATALOGUE, network
from tests.planted import planted
from tests.shared_data import SHARED, needs_shared
from tests.swap_networks import PUBLISHED, network_of, unchanging


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a set of faces and the judging networks."""
    write_set(tmp_path / "set", painted_photos(4))
    write_networks(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


JUDGES = ("--judge", "judge.onnx", "--expression", "expression.onnx", "--features", "features.onnx")
MESH = ("--swapper", "mesh")


def record(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text("utf-8"))


def metric(found: Any, name: str) -> Any:
    return next(row for row in found["metrics"] if row["name"] == name)


@pytest.mark.parametrize(
    ("words", "swapper", "parts"),
    [
        (MESH, "mesh", {}),
        (
            (),
            "omote-swap-128",
            {
                "swapper": "omote-swap-128",
                "swapper: identity": "omote-identity",
                "swapper: mask": "omote-parse",
            },
        ),
    ],
)
def test_a_set_of_aligned_faces(
    room: Path, omote: Command, words: tuple[str, ...], swapper: str, parts: dict[str, str]
) -> None:
    done = omote("evaluate", "--data", "set", *words, *JUDGES, "-o", "report")
    assert done.code == 0, done.err
    assert "4 pairs" in done.out
    found = record(room / "report")
    assert found["swapper"] == swapper
    assert found["way"] == "the engine on aligned faces alone"
    assert {entry["role"]: entry["name"] for entry in found["networks"]} == {
        **parts,
        "judge": "judge.onnx",
        "mesh": "omote-mesh",
        "expression": "expression.onnx",
        "features": "features.onnx",
    }
    if words == MESH:
        assert found["notes"] == []
    likeness = metric(found, "cosine_source")
    assert likeness["no_swap"]["value"] < likeness["swap"]["value"] < likeness["own_photo"]["value"]
    assert found["realism"]["pictures"] == 2
    assert (room / "report" / "report.md").read_text("utf-8").startswith(f"# Evaluation of {swapper}")
    assert open_image(room / "report" / "sheet.jpg").pixels.shape == (480, 640, 3)


def test_the_same_seed_gives_the_same_report(room: Path, omote: Command) -> None:
    for name in ("one", "two"):
        done = omote("evaluate", "--data", "set", *MESH, *JUDGES[:2], "-o", name, "--pairs", 3)
        assert done.code == 0, done.err
    first, second = (record(room / name) for name in ("one", "two"))
    del first["seconds"], second["seconds"]
    assert first == second
    assert first["counts"]["pairs"] == 3
    assert first["notes"] == ["no expression: give --expression", "no features: give --features"]


def test_the_strength_is_that_of_the_swap_and_is_stated(room: Path, omote: Command) -> None:
    """By the shipped swapper: with no strength at all everybody stays who they are."""
    for strength in ("0", "1"):
        words = ("evaluate", "--data", "set", *JUDGES[:2], "-o", strength, "--pairs", 2)
        done = omote(*words, "--strength", strength)
        assert done.code == 0, done.err
    none, full = (record(room / strength) for strength in ("0", "1"))
    assert (none["swapper"], full["swapper"]) == ("omote-swap-128, strength 0", "omote-swap-128")
    apart = [metric(found, "cosine_target")["swap"]["value"] for found in (none, full)]
    assert apart[0] > apart[1]


def test_a_network_that_changes_nothing_scores_the_floor(room: Path, omote: Command) -> None:
    name = "blendswap_256"  # takes a picture as its source: needs no identity network
    (room / "still.onnx").write_bytes(unchanging(PUBLISHED[name]))
    done = omote(
        "evaluate",
        "--data",
        "set",
        *JUDGES,
        "-o",
        "report",
        "--swapper",
        "still.onnx",
        "--contract",
        "blendswap",
    )
    assert done.code == 0, done.err
    found = record(room / "report")
    assert found["networks"][0]["role"] == "swapper"
    assert found["swapper"] == "still.onnx"
    for row in found["metrics"]:
        assert row["swap"] == row["no_swap"], row["name"]


@pytest.fixture
def photos(room: Path, source: Path, target: Path) -> Path:
    for name, file in (("given", source), ("taken", target)):
        (room / name).mkdir()
        shutil.copy(file, room / name)
    return room


@pytest.mark.parametrize("way", ["crops", "pipeline"])
def test_two_folders_of_photos(photos: Path, omote: Command, way: str) -> None:
    done = omote(
        "evaluate",
        "--sources",
        "given",
        "--targets",
        "taken",
        *MESH,
        *JUDGES[:2],
        "-o",
        "report",
        "--through",
        way,
    )
    assert done.code == 0, done.err
    found = record(photos / "report")
    assert ("pipeline" in found["way"]) == (way == "pipeline")
    likeness = metric(found, "cosine_source")
    assert likeness["no_swap"]["value"] < likeness["swap"]["value"] < likeness["own_photo"]["value"]
    assert 0 < metric(found, "pose")["swap"]["value"] < 5
    assert metric(found, "background")["swap"]["value"] < 0.5
    assert metric(found, "same_psnr")["swap"]["value"] > 40


def test_one_folder_as_sources_and_targets(room: Path, source: Path, target: Path, omote: Command) -> None:
    (room / "all").mkdir()
    shutil.copy(source, room / "all" / "ann.jpg")
    shutil.copy(target, room / "all" / "bob.jpg")
    (room / "all" / "broken.jpg").write_bytes(b"nonsense")
    done = omote(
        "evaluate",
        "--sources",
        "all",
        "--targets",
        "all",
        *MESH,
        *JUDGES,
        "-o",
        "report",
        "--through",
        "crops",
    )
    assert done.code == 0, done.err
    found = record(room / "report")
    assert found["counts"]["pairs"] == 2
    assert found["counts"]["with_another_photo"] == 0, "each photo is there twice, and is no other of itself"
    assert metric(found, "cosine_source")["real_pair"] is None
    assert len(found["notes"]) == 1, "told once"
    assert "broken.jpg" in found["notes"][0]


def test_films(room: Path, film: Path, source: Path, omote: Command) -> None:
    (room / "films").mkdir()
    shutil.copy(film, room / "films" / "000.mp4")
    make_film(source, room / "films" / "003.mp4", FILM_SECONDS, (480, 270))
    (room / "pairs.json").write_text('[["000", "003"]]')
    done = omote(
        "evaluate", "--films", "films", "--film-pairs", "pairs.json", "--frames-per-film", 2, *JUDGES[:2],
        "-o", "report", *MESH,
    )  # fmt: skip
    assert done.code == 0, done.err
    found = record(room / "report")
    assert found["counts"] == {
        "pairs": 4, "source_people": 2, "target_people": 2, "gallery": 4, "gallery_people": 2,
        "with_another_photo": 4,
    }  # fmt: skip
    wanted = [f"{film}.mp4#{frame}" for film in ("003", "000") for frame in (7, 22)]
    assert [entry["source"] for entry in found["pairs"]] == wanted
    retrieval, rank = metric(found, "retrieval"), metric(found, "rank")
    assert retrieval["no_swap"]["value"] == 0
    assert retrieval["own_photo"]["value"] == 100
    assert retrieval["real_pair"]["value"] == 100, "another frame is nearer to its film than to a stranger's"
    assert rank["no_swap"]["value"] == 3, "both frames of the target come before"
    assert not list((room / "temporary").iterdir()), "frames of sources are cleared away"


def test_frames_of_films_that_are_done_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 5
    for number in range(count):
        media_files.make_film(tmp_path / f"{number}.mp4", count=3)
    matrix = np.array([[1.0, 0, 0], [0, 1, 0]])
    origins = tuple(
        Origin(tmp_path / f"{number}.mp4", frame, matrix) for number in range(count) for frame in (0, 2)
    )
    people = np.repeat([str(number) for number in range(count)], 2)
    names = tuple(map(str, range(2 * count)))
    photos = Photos(np.zeros((2 * count, 32, 32, 3), np.uint8), names, people, {}, origins)
    most = 0

    def made(job: list[Path], picture: Any) -> tuple[Any, None]:
        nonlocal most
        (file,) = job
        assert open_image(file).pixels.shape == picture.pixels.shape
        most = max(most, len(list(file.parent.iterdir())))
        return picture, None

    monkeypatch.setattr("omote.evaluation.engines.Job", lambda sources, *rest: sources)
    monkeypatch.setattr("omote.evaluation.engines.swap_picture", made)
    targets = np.arange(2 * count)
    with PipelineSwap(photos, SwapSettings(swapper="mesh"), Networks()) as swap:
        for sources in (np.roll(targets, 2), targets):
            assert swap(targets, sources).shape == (2 * count, 32, 32, 3)
    assert 1 <= most <= 4, "frames of two films"


@pytest.mark.usefixtures("unmarked")
def test_the_whole_pipeline_and_the_engine_alone_do_much_the_same(
    photos: Path, omote: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Engines alone know nothing of the plate's grain.
    monkeypatch.setattr("omote.pipelines.job.match_grain", lambda new, *_: new)
    made = {}
    for way in ("crops", "pipeline"):
        omote(
            "evaluate",
            "--sources",
            "given",
            "--targets",
            "taken",
            *MESH,
            *JUDGES[:2],
            "-o",
            way,
            "--through",
            way,
        )
        made[way] = open_image(photos / way / "sheet.jpg").pixels[320:480].astype(float)
    target = open_image(photos / "crops" / "sheet.jpg").pixels[160:320].astype(float)
    first, second = ((made[way] - target).ravel() for way in made)
    assert np.abs(first).mean() > 1
    assert np.corrcoef(first, second)[0, 1] > 0.9


def points_bytes() -> bytes:
    """A network of 68 landmarks: all of them the first of five points."""
    nodes = [helper.make_node("Gather", ["input", "first"], ["output"], axis=1)]
    ports = {"input": ["batch", 5, 2]}, {"output": ["batch", 68, 2]}
    return planted(nodes, {"first": np.zeros(68, np.int64)}, *ports)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--data set -o report", 2, "judge"),
        ("--judge judge.onnx -o report", 2, "give one set of faces"),
        ("--data set --films set --judge judge.onnx -o report", 2, "give one set of faces"),
        ("--sources set --judge judge.onnx -o report", 2, "belong together"),
        ("--data nowhere --judge judge.onnx -o report", 2, "nowhere: is no folder"),
        ("--data set --judge judge.onnx --film-pairs x.json -o report", 2, "--film-pairs is for --films"),
        ("--data set --judge judge.onnx --through pipeline -o report", 2, "have none around them"),
        ("--data set --judge judge.onnx --through thick -o report", 2, "use crops or pipeline"),
        ("--data set --judge judge.onnx --pairs 1 -o report", 2, "1"),
        ("--data set --judge nobody -o report", 2, "nobody"),
        ("--data set --judge missing.onnx -o report", 6, "missing.onnx: cannot read"),
        ("--data set --judge expression.onnx -o report", 2, "describes an expression network"),
        ("--data set --judge judge.onnx --swapper nothing -o report", 2, "nothing"),
        ("--data set --judge judge.onnx --features unknown.onnx -o report", 2, "nothing says how"),
        ("--data set --judge judge.onnx --mesh 2dfan4 -o report", 6, "2dfan4"),
        ("--data set --judge judge.onnx --mesh points.onnx -o report", 2, "gives no 478-point mesh"),
        ("--data set --judge judge.onnx --mesh nobody -o report", 2, "nobody"),
        ("--data set --judge judge.onnx -o judge.onnx", 3, "cannot make the folder"),
        ("--data set --judge missing.onnx -o judge.onnx/deep/report", 3, "cannot make the folder"),
        ("--data set --judge missing.onnx -o report/deep", 6, "missing.onnx"),
        ("--data set --judge judge.onnx --seed -1 -o report", 2, "seed"),
        ("--data empty --judge judge.onnx -o report", 3, "holds no table of aligned faces"),
        ("--films empty --judge judge.onnx -o report", 3, "holds no films"),
        ("--sources empty --targets empty --judge judge.onnx -o report", 3, "holds no photos"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    room: Path, omote: Command, words: str, code: int, message: str
) -> None:
    (room / "empty").mkdir()
    (room / "unknown.onnx").write_bytes(features_bytes())
    (room / "points.onnx").write_bytes(points_bytes())
    (room / "points.toml").write_text('contract = "five_to_68"')
    done = omote("evaluate", *words.split())
    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert message in done.err
    assert not (room / "report").exists()


# --- judges ---


def card(row: dict[str, Any]) -> Network:
    """A swapper of one's own, with the card's row."""
    return network_of(card_of("mine.onnx", row, CATALOGUE.contracts), unchanging(PUBLISHED["blendswap_256"]))


def test_a_judge_that_the_swapper_was_trained_with_is_doubted() -> None:
    judge = network(judge_bytes(), "arcface")
    honest = {"contract": "blendswap", "note": "trained with mobilefacenet_ms1m"}
    assert partiality(judge, None) is None
    assert partiality(judge, card(honest)) is None
    told = partiality(judge, card({**honest, "note": "trained with the network planted, and others"}))
    assert told is not None
    assert "planted" in told
    assert "names it on its card" in told


def test_a_judge_that_the_swapper_needs_is_doubted() -> None:
    judge = network(judge_bytes(), "arcface")
    swapper = card({"contract": "blendswap"})
    needing = Network(swapper.card, swapper.session, swapper.read, {"identity": judge})
    told = partiality(judge, needing)
    assert told is not None
    assert "works with it" in told


def test_a_mesh_that_the_swapper_was_trained_through_is_doubted() -> None:
    mesh = Networks().open("omote-mesh", "landmarks")
    row = {"contract": "blendswap"}
    assert mesh_partiality(mesh, None) is None
    assert mesh_partiality(mesh, card(row)) is None
    for teacher in ("another_mesh", "omote-mesh-two"):
        assert mesh_partiality(mesh, card({**row, "note": f"mesh teacher {teacher}"})) is None
    told = mesh_partiality(mesh, card({**row, "note": "trained on faces; mesh teacher omote-mesh; 128 px"}))
    assert told is not None
    assert "omote-mesh is no independent one" in told
    assert "--mesh" in told


# --- features ---


def test_an_inner_layer_is_read_as_its_mean_over_places(tmp_path: Path) -> None:
    features = FeatureNetwork(write_networks(tmp_path)[2])
    picture = np.zeros((2, 32, 32, 3), np.uint8)
    picture[0, :16, :, 0] = 255
    picture[1] = (51, 102, 204)
    assert features.read(picture) == pytest.approx(np.array([[0.5, 0, 0], [0.2, 0.4, 0.8]]))


def test_a_layer_that_is_not_there_is_told() -> None:
    with pytest.raises(ModelError, match="not a network that ONNX Runtime can load"):
        Session(with_output(features_bytes(), "nowhere"))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("size = ", ModelError, "not valid TOML"),
        ('layer = "colours"', ModelError, "needs the setting 'size'"),
        ("size = 32\nside = 3", ModelError, "no setting 'side'"),
        ("size = 32\nstd = [1, 1, 0]", ModelError, "cannot be divided by 0"),
        ("size = 64", ModelError, "input 0 should be"),
        (None, UsageError, "nothing says how this network is used"),
    ],
)
def test_bad_cards_of_features(tmp_path: Path, text: str | None, error: type, message: str) -> None:
    path = write_networks(tmp_path)[2]
    sidecar = path.with_suffix(".toml")
    if text is None:
        sidecar.unlink()
    else:
        sidecar.write_text(text)
    with pytest.raises(error, match=message):
        FeatureNetwork(path)


# --- the real ones ---


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    page = Path(__file__).parents[1] / "docs" / "evaluation.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    write_set(tmp_path / "data", painted_photos(4))
    write_networks(tmp_path)
    for kind in ("onnx", "toml"):
        (tmp_path / f"expression.{kind}").rename(tmp_path / f"blendshapes.{kind}")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {})
    swap, floor = capsys.readouterr().out.split()
    assert swap == floor, "the page's swap returns the target"


@needs_shared
def test_the_real_judge_knows_people_and_the_mesh_engine_keeps_expressions() -> None:
    weights = SHARED / "weights"
    panel = open_panel(
        Networks(),
        weights / "id_mobilefacenet_casia_xiaoccer_112x96.onnx",
        weights / "expr_mediapipe_blendshapes52.onnx",
        weights / "percep_squeezenet_v1.1.onnx",
    )
    assert [entry.name for entry in panel.used][:2] == ["mobilefacenet_casia", "omote-mesh"]
    pairs = held_out_pairs(read_held_out(SHARED / "data"), 24)
    result = Evaluator(pairs, panel.estimators).of(CropSwap(MeshSwapper(), FaceMesh()))
    likeness = result["cosine_source"]
    assert abs(likeness.floor.value) < 0.15
    assert likeness.swap.value > 0.3
    assert likeness.real_pair is None or likeness.real_pair.value > 0.4
    assert result["retrieval"].swap.value > 50
    assert result["pose"].swap.value < 3
    assert result["expression_relative"].swap.value < 0.5
    assert result["jaw"].swap.value > 0.7
    assert result["gaze_sideways"].swap.value > 0.6
    assert result["skin_cie76"].swap.value < 4
    assert result["background"].swap.value < 0.1
    assert result.lost == 0
