"""Settings of cards that cannot be: every adapter says which card and which setting, before anything runs."""

from typing import Any

import pytest
from onnx import helper

from omote.errors import ModelError
from omote.pipelines.contracts import CHECKS
from tests.networks import CATALOGUE, network
from tests.planted import planted

GRAPH = planted([helper.make_node("Identity", ["x"], ["y"])], {}, {"x": [1, 3, 8, 8]}, {"y": [1, 3, 8, 8]})
SCALED = [
    "scrfd",
    "yolo_face",
    "heatmap_68",
    "pfld_68",
    "pipnet_68",
    "fsanet",
    "arcface",
    "hyperswap",
    "uniface",
]
ALIGNED = ["arcface", "hyperswap", "uniface", "dfm", "five_to_68", "face_restorer", "upscaler"]
CASES = [
    *((name, {"std": [0, 0, 0]}, r"setting 'std' is \[0.0, 0.0, 0.0\]: pixels") for name in SCALED),
    *((name, {"mean": [0.5]}, r"setting 'mean' is \[0.5\], expected three numbers") for name in SCALED),
    *(
        (name, {"mean": [0, 0, float("nan")]}, "setting 'mean' is .* expected three numbers")
        for name in SCALED
    ),
    ("uniface", {"source_std": [1, 0, 1]}, r"setting 'source_std' is \[1.0, 0.0, 1.0\]: pixels"),
    ("uniface", {"source_mean": []}, r"setting 'source_mean' is \[\], expected three numbers"),
    *((name, {"template": "ffhq"}, "setting 'template' is 'ffhq': use arcface_112_v1, ") for name in ALIGNED),
    ("uniface", {"source_template": "ffhq"}, "setting 'source_template' is 'ffhq': use arcface_112_v1, "),
    ("pfld_68", {"margins": [0.1]}, r"setting 'margins' is \[0.1\], expected four numbers"),
    ("fsanet", {"margins": [0.1]}, r"setting 'margins' is \[0.1\], expected four numbers"),
    ("fsanet", {"signs": [1]}, "setting 'signs' wants three numbers"),
]


@pytest.mark.parametrize(("contract", "settings", "message"), CASES)
def test_what_cannot_be_is_told_with_card_and_setting(
    contract: str, settings: dict[str, Any], message: str
) -> None:
    known = CATALOGUE.contracts[contract]
    with pytest.raises(ModelError, match=f"^planted: {message}"):
        CHECKS[known.task][known.adapter](network(GRAPH, contract, **settings))
