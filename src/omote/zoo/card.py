"""Model card: what Omote knows of a network before it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from omote.errors import ModelError
from omote.tables import from_table

Task = Literal[
    "detector",
    "landmarks",
    "pose",
    "iris",
    "expression",
    "identity",
    "converter",
    "swapper",
    "mask",
    "restorer",
]
Terms = Literal["permissive", "copyleft", "non-commercial", "unknown"]

TASKS: tuple[Task, ...] = get_args(Task)
TITLES: Mapping[Task, str] = MappingProxyType(
    {
        "detector": "a detector",
        "landmarks": "a landmark network",
        "pose": "a pose network",
        "iris": "an iris network",
        "expression": "an expression network",
        "identity": "an identity network",
        "converter": "a converter",
        "swapper": "a swapper",
        "mask": "a mask network",
        "restorer": "a restorer",
    }
)
"""What a network of each task is called in sentences."""
SUFFIXES = (".onnx", ".dfm", ".safetensors")
"""The only files that are ever loaded. A `.dfm` file is ONNX under DeepFaceLab's name."""
CONSEQUENCES: Mapping[Terms, str] = MappingProxyType(
    {
        "permissive": "may be used for any purpose, commercial too; keep the notice",
        "copyleft": "may be used for any purpose; what you distribute with it must carry the same licence",
        "non-commercial": "for research or private use only, not for paid work",
        "unknown": "nobody stated a licence, so no permission is given: private tests at your own risk",
    }
)
"""What each kind of licence means, in plain words. Not legal advice."""

_KINDS = {"licence": str, "vendor": str, "paper": str, "note": str, "sha256": str, "year": int, "bytes": int}
_SAFE = ("https://", "package:", "http://localhost:", "http://127.0.0.1:")

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class Card:
    """A network, its licence, and how it is used: a row of the catalogue, or a user's own file.

    Attributes:
        name: by which it is chosen, unique in the catalogue.
        task: what it does.
        contract: how it is used, a row of the catalogue's contracts: which adapter, with which settings.
        adapter: the adapter of that contract; adapters are registered by task and name.
        settings: the contract's settings with the card's own on top; the adapter checks them.
        needs: other networks that it works with, role → name: `{"identity": "arcface_w600k_r50"}`. The card
            of a user's own file may name a file here, relative to the card's folder.
        licence: its name, as its makers state it.
        terms: which kind of licence that is; see `CONSEQUENCES`.
        vendor: who made it.
        year: when.
        paper: title or address of the paper.
        origins: https addresses of the file, the preferred one first; none for a file that users bring;
            `package:NAME` for one that ships with Omote. Plain http is for this machine only.
        sha256: of the file, 64 hexadecimal digits, where it is known for these origins.
        bytes: length of the file, where known.
        note: what a user should know before choosing it.
    """

    name: str
    task: Task
    contract: str
    adapter: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    licence: str = "not stated"
    terms: Terms = "unknown"
    vendor: str = ""
    year: int | None = None
    paper: str = ""
    origins: tuple[str, ...] = ()
    sha256: str | None = None
    bytes: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ModelError(f"{self.name}: task {self.task!r} is not one of {', '.join(TASKS)}")
        if self.terms not in CONSEQUENCES:
            raise ModelError(f"{self.name}: terms {self.terms!r} are not one of {', '.join(CONSEQUENCES)}")
        for key, kind in _KINDS.items():
            value = getattr(self, key)
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
                raise ModelError(f"{self.name}: {key!r} is {value!r}, expected {kind.__name__}")
        if self.sha256 is not None and not _is_digest(self.sha256):
            raise ModelError(f"{self.name}: sha256 must be 64 hexadecimal digits")
        for role, name in self.needs.items():
            if not isinstance(name, str):
                raise ModelError(f"{self.name}: needs {name!r} as its {role}, expected the name of a network")
        plain = [url for url in self.origins if not url.startswith(_SAFE)]
        if plain:
            raise ModelError(f"{self.name}: origin {plain[0]} is not https")
        if self.suffix not in SUFFIXES:
            raise ModelError(f"{self.name}: {self.suffix} files are not loaded, only {', '.join(SUFFIXES)}")

    @property
    def consequence(self) -> str:
        """What the licence means for the user, in plain words."""
        return CONSEQUENCES[self.terms]

    @property
    def native(self) -> str | None:
        """Name of the network in `omote.zoo.native` if it ships with Omote."""
        first = self.origins[0] if self.origins else ""
        return first.removeprefix("package:") if first.startswith("package:") else None

    @property
    def suffix(self) -> str:
        """`.onnx`, `.dfm` or what else its file ends with."""
        first = self.origins[0] if self.origins else ""
        return PurePosixPath(urlsplit(first).path).suffix.lower() or ".onnx"


def read_settings(card: Card, kind: type[Settings]) -> Settings:
    """Turn a card's settings into the dataclass by which an adapter states what it can be told.

    Lists become tuples, whole numbers floats where the field wants one. Nothing else is converted.

    Raises:
        ModelError: a setting is unknown, missing, or of the wrong type.
    """
    return from_table(kind, card.settings, card.name, f"contract {card.contract!r}", ModelError)


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text.lower()) <= set("0123456789abcdef")
