"""The wire format of protobuf, as far as ONNX files use it: fields of a message, and messages of fields."""

from collections import deque
from collections.abc import Iterator

Value = int | memoryview
Field = tuple[int, Value, int, int]
"""One field of a message: its number, its value, and where it starts and ends in the message."""


class Malformed(Exception):
    """Bytes that are no message; says why."""


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    """A whole number of up to 64 bits, 7 bits a byte, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(view):
            raise Malformed("it ends too early")
        byte = view[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place
    raise Malformed("a number has more than 64 bits")


_FIXED = {1: 8, 5: 4}
"""Bytes of the wire types of fixed width."""


def fields(view: memoryview) -> Iterator[Field]:
    """The fields of a message, in their order.

    Raises:
        Malformed: the bytes are no message.
    """
    place, end = 0, len(view)
    while place < end:
        start = place
        tag = view[place]
        place += 1
        if tag > 0x7F:
            tag, place = _varint(view, start)
        number, kind = tag >> 3, tag & 7
        value: Value
        if kind == 0:
            value, place = _varint(view, place)
        else:
            if kind == 2 and place < end and view[place] < 0x80:  # most are short: worth a path of its own
                size = view[place]
                place += 1
            elif kind == 2:
                size, place = _varint(view, place)
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                raise Malformed(f"wire type {kind} is not used in ONNX")
            if size > end - place:
                raise Malformed("it ends too early")
            value = view[place : place + size]
            place += size
        if number == 0:
            raise Malformed("a field has the number 0")
        yield number, value, start, place


def as_message(value: Value) -> memoryview:
    """The value of a field that must be a message, a string or a packed list.

    Raises:
        Malformed: it is a number.
    """
    if isinstance(value, int):
        raise Malformed("there is a number where a message should be")
    return value


def messages(view: memoryview, wanted: int) -> Iterator[memoryview]:
    """The messages in a repeated field."""
    return (as_message(value) for number, value, _, _ in fields(view) if number == wanted)


def numbers(view: memoryview, wanted: int) -> Iterator[int]:
    """A repeated whole number, packed or not."""
    for number, packed, _, _ in fields(view):
        if number != wanted:
            continue
        if isinstance(packed, int):
            yield packed
            continue
        place = 0
        while place < len(packed):
            value, place = _varint(packed, place)
            yield value


def text(view: memoryview, number: int) -> str:
    """A string field; of several the last counts, as protobuf has it."""
    texts = deque(messages(view, number), maxlen=1)
    try:
        return bytes(texts[0]).decode("utf-8") if texts else ""
    except UnicodeDecodeError as error:
        raise Malformed("a name is no UTF-8") from error


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def message(number: int, content: bytes) -> bytes:
    """A field that holds a message."""
    return _encoded(number << 3 | 2) + _encoded(len(content)) + content
