"""Features of pictures: an inner layer of a network that was trained on other things, such as Inception."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import ModelError, UsageError
from omote.evaluation.photos import Pixels
from omote.faces.checks import check_scaling
from omote.faces.crops import tensor
from omote.tables import from_table
from omote.zoo import Port, Runtime, Session, require
from omote.zoo.protobuf import message

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """What a features network wants and where its features are.

    Attributes:
        size: side of the square input in pixels.
        mean: of red, green and blue, taken from pixels in 0..1.
        std: likewise; what remains is divided by it.
        bgr: whether the network wants blue first.
        layer: name of the tensor that is read, (B, F), or (B, F, h, w), whose mean over places is taken; the
            first output unless said.
    """

    size: int
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = False
    layer: str | None = None


KNOWN: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # SqueezeNet 1.1 (Iandola et al., 2016) of nihui/ncnn-assets, converted: its last fire module
        "a7566b70117d7d74c5d88bd66c4111940e8ebe293acd5133fec847d5df6a570d": {
            "size": 227,
            "mean": [123 / 255, 117 / 255, 104 / 255],
            "std": [1 / 255, 1 / 255, 1 / 255],
            "bgr": True,
            "layer": "fire9/concat_drop9",
        }
    }
)
"""Settings of files by their sha256."""


class FeatureNetwork:
    """Reads features. Stateless, safe for threads.

    Args:
        path: an ONNX file with one picture as input. A file NAME.toml beside it says `size`, `mean`, `std`,
            `bgr` and `layer`; not needed where the file is known.
        runtime: where and how it runs.

    Raises:
        UsageError: nothing says how the network is used.
        ModelError: it cannot be loaded, or is not as its settings say.
    """

    def __init__(self, path: Path, runtime: Runtime | None = None) -> None:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: cannot read the network ({error.strerror})") from error
        self.name = path.name
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.settings = _settings(path, self.sha256)
        check_scaling(self.name, self.settings.mean, self.settings.std)
        layer = self.settings.layer
        self.session = Session(data if layer is None else with_output(data, layer), runtime, label=str(path))
        require(self.session, self.name, [Port((None, 3, self.settings.size, self.settings.size))])
        self._output = 0 if layer is None else self.session.outputs.index(layer)

    def read(self, pixels: Pixels) -> Array:
        """Return (N, F) float32 of (N, S, S, 3) uint8 RGB pictures.

        Raises:
            ModelError: the layer gives neither (B, F) nor (B, F, h, w).
        """
        look = self.settings
        way = cv2.INTER_AREA if look.size < pixels.shape[1] else cv2.INTER_CUBIC
        resized = [cv2.resize(picture, (look.size, look.size), interpolation=way) for picture in pixels]
        found = self.session.run_batch(tensor(resized, look.mean, look.std, bgr=look.bgr))[self._output]
        if found.ndim not in (2, 4):
            raise ModelError(f"{self.name}: its features have {found.ndim} axes, expected 2 or 4")
        return np.asarray(found if found.ndim == 2 else found.mean((2, 3)), np.float32)


def with_output(data: bytes, tensor_name: str) -> bytes:
    """The same ONNX network with one more output, a float32 tensor of its graph.

    Protobuf joins messages that follow one another, so that a graph of one output, written behind, is enough.
    """
    float32 = b"\x08\x01"  # TypeProto.Tensor.elem_type = FLOAT
    info = message(1, tensor_name.encode()) + message(2, message(1, float32))
    return data + message(7, message(12, info))


def _settings(path: Path, sha256: str) -> FeatureSettings:
    sidecar = path.parent / f"{path.stem}.toml"
    row = KNOWN.get(sha256)
    if sidecar.is_file():
        try:
            row = tomllib.loads(sidecar.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"{sidecar}: not valid TOML ({error})") from error
    if row is None:
        raise UsageError(
            f"{path}: nothing says how this network is used: write size, mean, std, bgr and layer into "
            f"{sidecar.name} beside it, such as size = 299, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5]"
        )
    return from_table(FeatureSettings, row, sidecar.name, "a features network", ModelError)
