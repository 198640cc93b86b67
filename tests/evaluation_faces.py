"""Painted people as aligned faces, and small networks that judge them: nobody's photos are needed."""

import io
import tarfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from onnx import helper

from omote.evaluation import Estimators, Photos
from omote.evaluation.features import FeatureNetwork
from omote.evaluation.photos import SIDE, aligned_points
from omote.faces.align import similarity, warp
from omote.faces.expression import EXPRESSIONS
from omote.faces.identity import RECOGNISERS
from omote.faces.mesh import FaceMesh
from tests.networks import network
from tests.planted import planted
from tests.synthetic import painted, posed_face

SETS = ("here", "there")


@cache
def painted_photos(people: int = 8, each: int = 2) -> Photos:
    """Photos of people with skins of their own, each photo with its own pose and wall."""
    pixels, names, owners = [], [], []
    rng = np.random.default_rng(0)
    for person in range(people):
        skin = rng.uniform(0.25, 0.85, 3)
        for number in range(each):
            face = posed_face(yaw=rng.uniform(-20, 20), roll=rng.uniform(-10, 10))
            picture = painted(face, seed=10 * person + number, skin=skin)
            matrix = similarity(face.points, aligned_points())
            pixels.append(warp(picture, matrix, (SIDE, SIDE)))
            names.append(f"p{person}_{number}")
            owners.append(f"person {person}")
    labels = {"set": np.array([SETS[place % 2] for place in range(len(names))])}
    return Photos(np.stack(pixels), tuple(names), np.array(owners), labels)


def judge_bytes(size: int = 112) -> bytes:
    """An identity network whose embedding is a coarse mosaic of the face, 7 × 7 × 3."""
    nodes = [
        helper.make_node("AveragePool", ["input"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["pooled"], ["output"]),
    ]
    width = 3 * (size // 16) ** 2
    return planted(nodes, {}, {"input": ["batch", 3, size, size]}, {"output": ["batch", width]})


def expression_bytes() -> bytes:
    """A network of blendshapes that says how high 52 of its points lie, in sides of the picture."""
    nodes = [
        helper.make_node("Gather", ["input", "down"], ["heights"], axis=2),
        helper.make_node("Gather", ["heights", "some"], ["points"], axis=1),
        helper.make_node("Div", ["points", "size"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["output"]),
    ]
    constants = {
        "down": np.array(1, np.int64),
        "some": np.arange(60, 112),
        "size": np.array([float(SIDE)], np.float32),
        "flat": np.array([52], np.int64),
    }
    return planted(nodes, constants, {"input": [1, 146, 2]}, {"output": [52]})


def features_bytes() -> bytes:
    """A network with an inner layer `colours`, (B, 3, 4, 4), and an output that is of no use."""
    nodes = [
        helper.make_node("AveragePool", ["input"], ["colours"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("ReduceMean", ["colours"], ["output"], axes=[1, 2, 3], keepdims=0),
    ]
    return planted(nodes, {}, {"input": ["batch", 3, 32, 32]}, {"output": ["batch"]})


def write_networks(folder: Path) -> tuple[Path, Path, Path]:
    """The three networks as files with their cards."""
    files = {
        "judge": (judge_bytes(), 'contract = "arcface"\n'),
        "expression": (expression_bytes(), 'contract = "blendshapes_52"\n'),
        "features": (features_bytes(), 'size = 32\nlayer = "colours"\n'),
    }
    for name, (data, card) in files.items():
        (folder / f"{name}.onnx").write_bytes(data)
        (folder / f"{name}.toml").write_text(card, "utf-8")
    judge, expression, features = (folder / f"{name}.onnx" for name in files)
    return judge, expression, features


def estimators(folder: Path) -> Estimators:
    """All estimators: Omote's mesh, and planted networks."""
    judge, expression = network(judge_bytes(), "arcface"), network(expression_bytes(), "blendshapes_52")
    return Estimators(
        RECOGNISERS["arcface"](judge),
        FaceMesh(),
        EXPRESSIONS["blendshapes"](expression),
        FeatureNetwork(write_networks(folder)[2]),
    )


def write_set(folder: Path, photos: Photos, splits: Sequence[str] | None = None) -> Path:
    """A set of aligned faces as `omote dataset build` makes it: a table and an archive."""
    folder.mkdir(exist_ok=True)
    rows = ["name,shard,split,source,identity,age,valid,sex"]
    with tarfile.open(folder / "faces160-0.tar", "w") as tar:
        for number, name in enumerate(photos.names):
            data = cv2.imencode(".png", cv2.cvtColor(photos.pixels[number], cv2.COLOR_RGB2BGR))[1].tobytes()
            entry = tarfile.TarInfo(f"{name}.png")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
            split = splits[number] if splits else "val"
            rows.append(
                f"{name},0,{split},{photos.labels['set'][number]},{photos.people[number]},{20 + number},1,f"
            )
    (folder / "faces160.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return folder
