"""Ways in which a kept `.npy` file may be spoilt."""

from collections.abc import Callable


def _huge(head: bytes) -> bytes:
    """The head of an array that no machine holds, as long as the head given."""
    text = head[: head.index(b"(") + 1] + b"9" * 25 + b",), }"
    return text.ljust(len(head) - 1) + b"\n"


KEPT_SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda whole: whole[:-7],
    "longer": lambda whole: whole + b"more",
    "head only": lambda whole: whole[:128],
    "cut in the head": lambda whole: whole[:40],
    "empty": lambda whole: b"",
    "zeros": lambda whole: bytes(len(whole)),
    "damaged head": lambda whole: whole[:12] + b"{'(" * 10 + whole[42:],
    "huge": lambda whole: whole[:10] + _huge(whole[10:128]) + whole[128:],
    "an archive": lambda whole: b"PK\x03\x04" + whole[4:],
}
"""By name: what becomes of the bytes of a whole one."""
