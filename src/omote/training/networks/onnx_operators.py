"""What the operators of ONNX do, said in torch: the table behind `OnnxModule`.

Each function takes the list of input values (None where one is left out) and the node's attributes.
Source: the operator schemas of ONNX, opsets 9 to 20.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Values = list[Any]


def _ints(value: Any) -> list[int]:
    return [int(entry) for entry in (value.tolist() if isinstance(value, Tensor) else value)]


def _padded(
    x: Tensor,
    pads: Sequence[int] | None,
    auto_pad: str,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    fill: float,
) -> Tensor:
    """Pad H and W as `pads` (begin of each axis, then end of each) or `auto_pad` say."""
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        begin, end = [], []
        for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            missing = max((math.ceil(size / s) - 1) * s + (k - 1) * d + 1 - size, 0)
            less, more = missing // 2, missing - missing // 2
            begin.append(less if auto_pad == "SAME_UPPER" else more)
            end.append(more if auto_pad == "SAME_UPPER" else less)
    elif pads is None or not any(pads):
        return x
    else:
        begin, end = list(pads[: len(pads) // 2]), list(pads[len(pads) // 2 :])
    sides = [side for pair in zip(reversed(begin), reversed(end), strict=True) for side in pair]
    return F.pad(x, sides, value=fill) if any(sides) else x


def _conv(
    v: Values,
    kernel_shape: Sequence[int] | None = None,
    strides: Sequence[int] = (1, 1),
    group: int = 1,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] = (1, 1),
    auto_pad: str = "NOTSET",
) -> Tensor:
    x, weight, bias = v[0], v[1], v[2] if len(v) > 2 else None
    even = pads is not None and auto_pad == "NOTSET" and list(pads[:2]) == list(pads[2:])
    if not even:
        x = _padded(x, pads, auto_pad, weight.shape[2:], strides, dilations, 0.0)
    around = tuple(pads[:2]) if even and pads is not None else 0
    return F.conv2d(x, weight, bias, tuple(strides), around, tuple(dilations), group)


def _conv_transpose(
    v: Values,
    strides: Sequence[int] = (1, 1),
    group: int = 1,
    pads: Sequence[int] = (0, 0, 0, 0),
    output_padding: Sequence[int] = (0, 0),
    dilations: Sequence[int] = (1, 1),
    kernel_shape: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
) -> Tensor:
    x, weight, bias = v[0], v[1], v[2] if len(v) > 2 else None
    if auto_pad != "NOTSET" or list(pads[:2]) != list(pads[2:]):
        raise NotImplementedError("ConvTranspose with uneven padding")
    return F.conv_transpose2d(
        x, weight, bias, tuple(strides), tuple(pads[:2]), tuple(output_padding), group, tuple(dilations)
    )


def _batch_norm(v: Values, epsilon: float = 1e-5, **_: Any) -> Tensor:
    x, scale, bias, mean, variance = v[:5]
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, epsilon)


def _instance_norm(v: Values, epsilon: float = 1e-5) -> Tensor:
    return F.instance_norm(v[0], weight=v[1], bias=v[2], eps=epsilon)


def _layer_norm(v: Values, axis: int = -1, epsilon: float = 1e-5, **_: Any) -> Tensor:
    x: Tensor = v[0]
    return F.layer_norm(x, x.shape[axis:], v[1], v[2] if len(v) > 2 else None, epsilon)


def _prelu(v: Values) -> Tensor:
    x, slope = v
    return torch.where(x >= 0, x, x * slope)


def _clip(v: Values, min: float | None = None, max: float | None = None) -> Tensor:
    low = v[1] if len(v) > 1 and v[1] is not None else min
    high = v[2] if len(v) > 2 and v[2] is not None else max
    if low is not None and high is not None and v[0].is_floating_point():
        return F.hardtanh(v[0], float(low), float(high))  # its gradient is one kernel, that of clamp four
    return torch.clamp(v[0], None if low is None else float(low), None if high is None else float(high))


def _max_pool(
    v: Values,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] | None = None,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (1, 1),
    storage_order: int = 0,
) -> Tensor:
    x = _padded(v[0], pads, auto_pad, kernel_shape, strides, dilations, -math.inf)
    return F.max_pool2d(x, tuple(kernel_shape), tuple(strides), 0, tuple(dilations), bool(ceil_mode))


def _average_pool(
    v: Values,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] | None = None,
    count_include_pad: int = 0,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
) -> Tensor:
    x: Tensor = v[0]
    even = auto_pad in ("NOTSET", "VALID") and (pads is None or list(pads[:2]) == list(pads[2:]))
    if not even:
        raise NotImplementedError("AveragePool with uneven padding")
    padding = tuple(pads[:2]) if pads else 0
    return F.avg_pool2d(
        x, tuple(kernel_shape), tuple(strides), padding, bool(ceil_mode), bool(count_include_pad)
    )


def _stacked(v: Values) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*v))  # type: ignore[no-untyped-call]


def _concat(v: Values, axis: int) -> Tensor:
    batch = max(len(x) for x in v) if v[0].dim() > 1 and axis else 0
    # A graph exported for one sample has constants for one.
    return torch.cat([x.expand(batch, *x.shape[1:]) if batch > len(x) else x for x in v], axis)


def _gemm(v: Values, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0) -> Tensor:
    a: Tensor = v[0].mT if transA else v[0]
    b: Tensor = v[1].mT if transB else v[1]
    product = alpha * (a @ b)
    return product if len(v) < 3 or v[2] is None else product + beta * v[2]


def _reshape(v: Values, allowzero: int = 0) -> Tensor:
    x: Tensor = v[0]
    shape = _ints(v[1])
    if x.shape[0] > 1 and shape[0] == 1:  # a graph exported for one sample, given a batch
        shape[0] = x.shape[0]
    return x.reshape([x.shape[i] if size == 0 and not allowzero else size for i, size in enumerate(shape)])


def _flatten(v: Values, axis: int = 1) -> Tensor:
    x: Tensor = v[0]
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _axes(v: Values, axes: Sequence[int] | None) -> list[int] | None:
    if len(v) > 1 and v[1] is not None:
        return _ints(v[1])
    return None if axes is None else list(axes)


def _squeeze(v: Values, axes: Sequence[int] | None = None) -> Tensor:
    x: Tensor = v[0]
    chosen = _axes(v, axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _unsqueeze(v: Values, axes: Sequence[int] | None = None) -> Tensor:
    x: Tensor = v[0]
    chosen = _axes(v, axes) or []
    rank = x.dim() + len(chosen)
    for axis in sorted(entry % rank for entry in chosen):
        x = x.unsqueeze(axis)
    return x


def _reduced(how: Callable[[Tensor, list[int], bool], Tensor]) -> Callable[..., Tensor]:
    def reduce(v: Values, axes: Sequence[int] | None = None, keepdims: int = 1, **_: Any) -> Tensor:
        chosen = _axes(v, axes)
        return how(v[0], list(range(v[0].dim())) if chosen is None else chosen, bool(keepdims))

    return reduce


def _slice(v: Values, starts: Any = (), ends: Any = (), axes: Any = None) -> Tensor:
    x: Tensor = v[0]
    given = [None if entry is None else _ints(entry) for entry in v[1:]] + [None] * (5 - len(v))
    begins, stops = given[0] or list(starts), given[1] or list(ends)
    over = given[2] or axes or range(len(begins))
    steps = given[3] or [1] * len(begins)
    for axis, begin, end, step in zip(over, begins, stops, steps, strict=True):
        size = x.shape[axis]
        kept = range(size)[slice(begin, None if step < 0 and end < -size else end, step)]
        if step == 1:
            x = x.narrow(axis, kept.start, len(kept))
        else:
            x = x.index_select(axis, torch.tensor(kept, device=x.device))
    return x


def _gather(v: Values, axis: int = 0) -> Tensor:
    x: Tensor = v[0]
    index: Tensor = v[1]
    flat = x.index_select(axis, (index.reshape(-1) % x.shape[axis]).to(x.device))
    axis %= x.dim()
    return flat.reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])


def _split(
    v: Values, axis: int = 0, split: Sequence[int] | None = None, num_outputs: int = 2
) -> tuple[Tensor, ...]:
    sizes = _ints(v[1]) if len(v) > 1 and v[1] is not None else split
    if sizes is None:
        return tuple(v[0].tensor_split(num_outputs, axis))
    return tuple(v[0].split(list(sizes), axis))


def _pad(v: Values, mode: str = "constant", pads: Sequence[int] | None = None, value: float = 0.0) -> Tensor:
    x: Tensor = v[0]
    widths = _ints(v[1]) if len(v) > 1 else list(pads or ())
    fill = float(v[2]) if len(v) > 2 and v[2] is not None else value
    half = len(widths) // 2
    sides = [side for axis in reversed(range(half)) for side in (widths[axis], widths[axis + half])]
    if mode == "constant":
        return F.pad(x, sides, value=fill)
    while len(sides) > 4 and not any(sides[-2:]):  # torch reflects at most the last axes
        sides = sides[:-2]
    return F.pad(x, sides, mode={"reflect": "reflect", "edge": "replicate"}[mode])


def _resize(
    v: Values,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    **_: Any,
) -> Tensor:
    x: Tensor = v[0]
    sizes = _ints(v[3]) if len(v) > 3 and v[3] is not None else None
    target = sizes or [int(size * scale) for size, scale in zip(x.shape, v[2].tolist(), strict=True)]
    aligned = coordinate_transformation_mode == "align_corners"
    if mode == "linear":
        return F.interpolate(x, size=target[2:], mode="bilinear", align_corners=aligned)
    if mode == "cubic":
        return F.interpolate(x, size=target[2:], mode="bicubic", align_corners=aligned)
    return F.interpolate(x, size=target[2:], mode="nearest")


def _depth_to_space(v: Values, blocksize: int, mode: str = "DCR") -> Tensor:
    x: Tensor = v[0]
    if mode == "CRD":
        return F.pixel_shuffle(x, blocksize)
    b, c, h, w = x.shape
    x = x.reshape(b, blocksize, blocksize, c // blocksize**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(b, c // blocksize**2, h * blocksize, w * blocksize)


_TYPES = {
    1: torch.float32,
    2: torch.uint8,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,
    11: torch.float32,
}  # half and double are computed with in float32


def _constant(
    v: Values,
    value: Tensor | None = None,
    value_float: float | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
    value_floats: Sequence[float] | None = None,
) -> Tensor:
    for entry in (value_float, value_int, value_ints, value_floats):
        if entry is not None:
            return torch.tensor(entry)
    assert value is not None
    return value


OPERATORS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "Abs": lambda v: v[0].abs(),
    "Add": lambda v: v[0] + v[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": lambda v, to, **_: v[0].to(_TYPES[to]),
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": lambda v, value=None: torch.full(
        _ints(v[0]), float(value[0]) if value is not None else 0.0
    ),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Div": lambda v: v[0] / v[1] if v[0].is_floating_point() else v[0] // v[1],
    "Dropout": lambda v, **_: v[0],
    "Elu": lambda v, alpha=1.0: F.elu(v[0], alpha),
    "Erf": lambda v: torch.erf(v[0]),
    "Exp": lambda v: v[0].exp(),
    "Expand": lambda v: v[0] * torch.ones(_ints(v[1]), dtype=v[0].dtype, device=v[0].device),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": lambda v, approximate="none": F.gelu(v[0], approximate=approximate),
    "Gemm": _gemm,
    "Greater": lambda v: v[0] > v[1],
    "GreaterOrEqual": lambda v: v[0] >= v[1],
    "GlobalAveragePool": lambda v: v[0].mean((2, 3), keepdim=True),
    "GlobalMaxPool": lambda v: v[0].amax((2, 3), keepdim=True),
    "HardSigmoid": lambda v, alpha=0.2, beta=0.5: (alpha * v[0] + beta).clamp(0, 1),
    "HardSwish": lambda v: F.hardswish(v[0]),
    "Identity": lambda v: v[0],
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda v, alpha=0.01: F.leaky_relu(v[0], alpha),
    "Log": lambda v: v[0].log(),
    "MatMul": lambda v: v[0] @ v[1],
    "Max": lambda v: _stacked(v).amax(0),
    "MaxPool": _max_pool,
    "Min": lambda v: _stacked(v).amin(0),
    "Mul": lambda v: v[0] * v[1],
    "Neg": lambda v: -v[0],
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": lambda v: v[0] ** v[1],
    "Reciprocal": lambda v: v[0].reciprocal(),
    "ReduceL2": _reduced(lambda x, axes, keep: x.square().sum(axes, keep).sqrt()),
    "ReduceMax": _reduced(lambda x, axes, keep: x.amax(axes, keep)),
    "ReduceMean": _reduced(lambda x, axes, keep: x.mean(axes, keep)),
    "ReduceMin": _reduced(lambda x, axes, keep: x.amin(axes, keep)),
    "ReduceSum": _reduced(lambda x, axes, keep: x.sum(axes, keep)),
    "Relu": lambda v: F.relu(v[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda v, start=0, end=None: torch.tensor(v[0].shape[start:end]),
    "Sigmoid": lambda v: v[0].sigmoid(),
    "Slice": _slice,
    "Softmax": lambda v, axis=-1: v[0].softmax(axis),
    "Softplus": lambda v: F.softplus(v[0]),
    "Split": _split,
    "Sqrt": lambda v: v[0].sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda v: v[0] - v[1],
    "Sum": lambda v: sum(v[1:], v[0]),
    "Tanh": lambda v: v[0].tanh(),
    "Transpose": lambda v, perm=None: v[0].permute(list(perm) if perm else list(range(v[0].dim()))[::-1]),
    "Unsqueeze": _unsqueeze,
}
