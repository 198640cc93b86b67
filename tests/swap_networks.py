"""Planted swappers: graphs with the contracts of published networks, whose output tells what went in.

`PUBLISHED` is written down from the fact sheet of the public networks, `NATIVE` from the card beside the
network, not from the catalogue, so that a wrong row of the catalogue is found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np
from onnx import NodeProto, helper

from omote.zoo import Session
from omote.zoo.card import Card
from omote.zoo.catalogue import Catalogue
from omote.zoo.networks import Network
from tests.planted import planted

HALF, IMAGENET, ZERO_ONE = (
    ((0.5,) * 3, (0.5,) * 3),
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.0,) * 3, (1.0,) * 3),
)
SCALE = np.array([1 / 16, 1 / 14, 1 / 12], np.float32)
"""A planted swapper shows the value x as the colour x * SCALE + 0.5: each channel tells that it is itself."""
WIDTH = 512


@dataclass(frozen=True)
class Facts:
    """What is published of a swapper.

    Attributes:
        template: of the target crop.
        size: of the target crop.
        entrance: mean and deviation of the target.
        exit: mean and deviation that the output still has.
        emap: whether the embedding at unit length is multiplied by the graph's last constant.
        unit: whether the vector that enters has unit length.
        identity: the identity network.
        converter: the network through which the raw embedding goes first.
        picture: template and size of the source crop, for swappers that take a picture, in 0..1.
        width: numbers in a source vector.
        names: of the target and the source input.
        planes: names of the outputs of one plane: all of it is 1.
    """

    template: str
    size: int
    entrance: tuple[tuple[float, ...], tuple[float, ...]] = ZERO_ONE
    exit: tuple[tuple[float, ...], tuple[float, ...]] = ZERO_ONE
    emap: bool = False
    unit: bool = True
    identity: str = "arcface_w600k_r50"
    converter: str | None = None
    picture: tuple[str, int] | None = None
    width: int = WIDTH
    names: tuple[str, str] = ("target", "source")
    planes: tuple[str, ...] = ()

    @property
    def source_shape(self) -> tuple[int, ...]:
        """Without the batch axis."""
        return (self.width,) if self.picture is None else (3, self.picture[1], self.picture[1])

    @property
    def source_rows(self) -> int:
        """How many rows of the output show the source."""
        return max(self.width // self.size, 1) if self.picture is None else self.size // 4


INSWAPPER = Facts("arcface_128", 128, emap=True)
GHOST = Facts("arcface_112_v1", 256, HALF, HALF, unit=False, converter="crossface_ghost")
SIMSWAP = Facts("arcface_112_v1", 256, IMAGENET, converter="crossface_simswap")
HYPERSWAP = Facts("arcface_128", 256, HALF, HALF)
PUBLISHED: Mapping[str, Facts] = {
    "inswapper_128": INSWAPPER,
    "inswapper_128_fp16": INSWAPPER,
    "inswapper_128_fp16_visomaster": INSWAPPER,
    "reswapper_128": INSWAPPER,
    "reswapper_256": replace(INSWAPPER, size=256),
    **{f"instyleswapper_256_{letter}": replace(INSWAPPER, size=256) for letter in "abc"},
    **{f"hyperswap_1{letter}_256": HYPERSWAP for letter in "abc"},
    "simswap_256": SIMSWAP,
    "simswap_unofficial_512": replace(SIMSWAP, size=512, entrance=ZERO_ONE),
    "simswap_512_visomaster": Facts(
        "arcface_112_v1", 512, identity="arcface_simswap", names=("input", "onnx::Gemm_1")
    ),
    **{f"ghost_{number}_256": GHOST for number in (1, 2, 3)},
    **{
        f"ghost_{number}_256_visomaster": replace(GHOST, identity="arcface_ghost", converter=None)
        for number in (1, 2, 3)
    },
    "hififace_unofficial_256": Facts("mtcnn_512", 256, HALF, HALF, converter="crossface_hififace"),
    "blendswap_256": Facts("ffhq_512", 256, picture=("arcface_112_v2", 112)),
    "uniface_256": Facts("ffhq_512", 256, HALF, HALF, picture=("ffhq_512", 256)),
}
NATIVE: Mapping[str, Facts] = {
    "omote-swap-128": Facts(
        "arcface_112_v2", 128, HALF, HALF, identity="omote-identity", width=128, planes=("mask", "detail")
    )
}


def revealing(
    facts: Facts, batch: int | str = "batch", source_first: bool = False, bgr: bool = False
) -> bytes:
    """A swapper that shows its source in the first rows of its output, and its target below.

    A vector fills the rows, the same in all three channels; a source picture shows its first rows, with what
    is missing on the right left at 0. With `bgr` its channels are blue, green and red.
    """
    nodes: list[NodeProto] = []
    target, source = facts.names
    size, rows = facts.size, facts.source_rows
    constants: dict[str, np.ndarray[Any, Any]] = {}

    def node(kind: str, inputs: Sequence[str], output: str, **options: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [output], **options))
        return output

    def integers(name: str, *values: int) -> str:
        constants[name] = np.array(values, np.int64)
        return name

    if facts.picture is None:
        pads = integers("pads", 0, 0, 0, rows * size - facts.width)
        row = node("Pad", [source, pads], "row")
        plane = node("Reshape", [row, integers("rows", 0, 1, rows, size)], "plane")
        shown = node("Concat", [plane] * 3, "shown", axis=1)
    else:
        cut = node("Slice", [source, integers("no", 0), integers("to", rows), integers("y", 2)], "cut")
        pads = integers("pads", 0, 0, 0, 0, 0, 0, 0, size - facts.picture[1])
        shown = node("Pad", [cut, pads], "shown")
    starts, ends, axes = integers("from", rows), integers("end", size), integers("axis", 2)
    below = node("Slice", [target, starts, ends, axes], "below")
    everything = node("Concat", [shown, below], "everything", axis=2)
    mean, std = (_column(values) for values in facts.exit)
    scale = _column(SCALE[::-1] if bgr else SCALE)
    constants["scale"], constants["offset"] = scale / std, (0.5 - mean) / std
    scaled = node("Mul", [everything, "scale"], "scaled")
    node("Add", [scaled, "offset"], "output")
    return _swapper(facts, nodes, constants, batch, source_first)


def unchanging(facts: Facts, batch: int | str = "batch") -> bytes:
    """A swapper whose output is its target crop, in the range that its contract has at the exit."""
    (mean, std), (out_mean, out_std) = ((_column(v) for v in pair) for pair in (facts.entrance, facts.exit))
    constants = {"scale": std / out_std, "offset": (mean - out_mean) / out_std}
    nodes = [
        helper.make_node("Mul", [facts.names[0], "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["output"]),
    ]
    return _swapper(facts, nodes, constants, batch)


def network_of(card: Card, data: bytes, needs: Mapping[str, Network] | None = None) -> Network:
    """A network ready to run, with planted networks in its roles unless given."""
    session = Session(data, label=card.name)
    return Network(card, session, lambda: data, needed(card) if needs is None else needs)


def needed(card: Card) -> dict[str, Network]:
    """Planted networks for the roles of a swapper's card."""
    makers = {"identity": recogniser, "converter": converter, "mask": bare_parser}
    return {
        role: network_of(catalogue().cards[name], makers[role](name), {}) for role, name in card.needs.items()
    }


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with Omote."""
    return Catalogue.load()


def recogniser(name: str, width: int | None = None) -> bytes:
    """An identity network, 112 px, whose embedding depends on the mean colour, not of unit length."""
    width = width or (128 if name == "omote-identity" else WIDTH)
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"]),
        helper.make_node("Gemm", ["colour", "weights", "bias"], ["output"]),
    ]
    constants = {"weights": 2 * _random(name, 3, width), "bias": 0.3 * _random(name, width)}
    return planted(nodes, constants, {"input": ["batch", 3, 112, 112]}, {"output": ["batch", width]})


def bare_parser(name: str) -> bytes:
    """A parser that takes everything for skin."""
    regions: Any = catalogue().cards[name].settings["regions"]
    skin = np.array([region == "skin" for region in regions], np.float32)
    nodes = [helper.make_node("Conv", ["input", "nothing", "skin"], ["output"])]
    constants = {"nothing": np.zeros((len(regions), 3, 1, 1), np.float32), "skin": skin}
    side = int(catalogue().cards[name].settings["side"])  # type: ignore[call-overload]
    ports = {"input": ["batch", 3, side, side]}, {"output": ["batch", len(regions), side, side]}
    return planted(nodes, constants, *ports)


def converter(name: str) -> bytes:
    """A converter that heeds the length of its input, as it has a bias."""
    matrix, bias = _random(name, WIDTH, WIDTH) / np.float32(np.sqrt(WIDTH)), _random(name, WIDTH)
    nodes = [helper.make_node("Gemm", ["input", "matrix", "bias"], ["output"])]
    ports = {"input": ["batch", WIDTH]}, {"output": ["batch", WIDTH]}
    return planted(nodes, {"matrix": matrix, "bias": bias}, *ports)


def _swapper(
    facts: Facts,
    nodes: Sequence[NodeProto],
    constants: Mapping[str, np.ndarray[Any, Any]],
    batch: int | str,
    source_first: bool = False,
) -> bytes:
    target, source = facts.names
    shape = [batch, 3, facts.size, facts.size]
    inputs = {target: shape, source: [batch, *facts.source_shape]}
    if source_first:
        inputs = dict(reversed(inputs.items()))
    extra = {"emap": EMAP} if facts.emap else {}
    outputs = {"output": shape, **{plane: [batch, 1, facts.size, facts.size] for plane in facts.planes}}
    if facts.planes:
        extra |= {"nothing": np.zeros(1, np.float32), "one": np.ones(1, np.float32)}
        nodes = [*nodes, helper.make_node("ReduceMean", [target], ["grey"], axes=[1], keepdims=1)]
        nodes += [helper.make_node("Mul", ["grey", "nothing"], ["black"])]
        nodes += [helper.make_node("Add", ["black", "one"], [plane]) for plane in facts.planes]
    return planted(nodes, {**constants, **extra}, inputs, outputs)


def _column(values: Any) -> np.ndarray[Any, Any]:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


def _random(name: str, *shape: int) -> np.ndarray[Any, Any]:
    """Of each network its own, the same at every run."""
    seed = crc32(f"{name} {shape}".encode())
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


EMAP = 0.1 * _random("emap", WIDTH, WIDTH)
"""Inswapper's matrix, of planted networks; no rotation, so that lengths change."""
