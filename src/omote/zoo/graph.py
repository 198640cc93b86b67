"""Does a graph have the inputs and outputs that its contract promises?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omote.errors import ModelError
from omote.zoo.runtime import Session, Shape


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output that a contract wants.

    Attributes:
        shape: sizes of the axes; None stands for any size, and for an axis that the graph leaves open.
        name: the name it must have; any unless said.
        kind: the element type it must have, in NumPy's words; None for any. An output may be a float of
            another width, as NumPy reckons with all of them.
    """

    shape: tuple[int | None, ...]
    name: str | None = None
    kind: str | None = "float32"

    def takes(self, name: str, shape: Shape) -> bool:
        """Whether a port of the graph has the name and the shape that this one wants."""
        if self.name not in (None, name) or len(shape) != len(self.shape):
            return False
        pairs = zip(self.shape, shape, strict=True)
        return all(want is None or not isinstance(have, int) or have == want for want, have in pairs)

    def __str__(self) -> str:
        sizes = " × ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name} ({sizes})" if self.name else f"({sizes})"


def require(
    session: Session, label: str, inputs: Sequence[Port] | None = None, outputs: Sequence[Port] | None = None
) -> None:
    """Check a graph's inputs and outputs, in their order.

    Args:
        session: the network.
        label: its name, for the message.
        inputs: what the contract wants; None leaves them unchecked.
        outputs: the first outputs; the graph may have more.

    Raises:
        ModelError: says which input or output, what was expected, what was found.
    """
    if inputs is not None:
        _match(label, "input", session.inputs, inputs, exact=True)
        _match_kinds(label, "input", session.input_kinds, inputs)
    if outputs is not None:
        _match(label, "output", session.output_shapes, outputs, exact=False)
        _match_kinds(label, "output", session.output_kinds, outputs)


def _match(label: str, kind: str, found: Mapping[str, Shape], wanted: Sequence[Port], exact: bool) -> None:
    if len(found) < len(wanted) or (exact and len(found) > len(wanted)):
        has = ", ".join(_text(name, shape) for name, shape in found.items())
        raise ModelError(f"{label}: expected {len(wanted)} {kind}s, found {len(found)}: {has}")
    for index, (port, (name, shape)) in enumerate(zip(wanted, found.items(), strict=False)):
        if not port.takes(name, shape):
            raise ModelError(f"{label}: {kind} {index} should be {port}, found {_text(name, shape)}")


def _match_kinds(label: str, what: str, found: Mapping[str, str], wanted: Sequence[Port]) -> None:
    for index, (port, (name, kind)) in enumerate(zip(wanted, found.items(), strict=False)):
        floats = kind.startswith("float") and (port.kind or "").startswith("float")
        if port.kind not in (None, kind) and not (what == "output" and floats):
            raise ModelError(
                f"{label}: {what} {index} should be {port.kind}, found {name} ({kind}): export the network "
                f"with {what}s of {port.kind}; what lies between may stay as it is"
            )


def _text(name: str, shape: Shape) -> str:
    return f"{name} ({' × '.join(str(size) for size in shape)})"
