"""The tree of records that a file carries: who signed what, whether it holds, what it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class State(StrEnum):
    """What became of a record's check, the worst last."""

    VALID = "valid"
    """Signed by someone whose root is trusted here, and unchanged since."""
    UNTRUSTED = "untrusted signer"
    """Unchanged since it was signed, but by someone unknown here: anyone can make such a certificate."""
    EXPIRED = "expired"
    """The certificate has ended, and no trusted time-stamp tells that the signature is older."""
    TAMPERED = "tampered"
    """The file or the record was changed after it was signed."""


SOFT_BINDING: Final = "c2pa.soft-binding"
_UNTRUSTED: Final = frozenset(
    {"signingCredential.untrusted", "signingCredential.invalid", "signingCredential.ocsp.revoked"}
)
_EXPIRED: Final = frozenset(
    {"signingCredential.expired", "claimSignature.outsideValidity", "timeStamp.outsideValidity"}
)
_HARMLESS: Final = frozenset({"timeStamp.untrusted"})
_MEANING: Final = {
    "assertion.dataHash.mismatch": "the content was changed after it was signed",
    "assertion.bmffHash.mismatch": "the content was changed after it was signed",
    "assertion.boxesHash.mismatch": "the content was changed after it was signed",
    "assertion.hashedURI.mismatch": "the record was changed after it was signed",
    "claimSignature.mismatch": "the signature does not fit the record",
    "ingredient.manifest.mismatch": "the record of an ingredient was changed after it was signed",
    "signingCredential.untrusted": "the signer's certificate leads to no root that is trusted here",
    "signingCredential.expired": "the certificate has expired, and no trusted time-stamp is older",
    "signingCredential.invalid": "the certificate may not sign content credentials",
    "signingCredential.ocsp.revoked": "the certificate was revoked",
}
"""Codes of the C2PA specification 2.2, "Validation results", in words."""


_MOST: Final = 1000
_DEEPEST: Final = 100
"""Records of a tree, and generations of it: a small file could name 2 to the power of 100."""


@dataclass(frozen=True)
class Signer:
    """Who signed a record: organisation and name as the certificate has them, and its serial, decimal."""

    organisation: str
    name: str
    serial: str
    time: str | None
    """What a time-stamp authority states of the time, ISO 8601."""


@dataclass(frozen=True)
class Record:
    """One record of a tree: that of a file, or of something it was made of.

    Attributes:
        title: what it is called; "" for the file itself.
        relation: `parentOf`, `componentOf` or `inputTo`; "" for the file itself.
        state: what became of its check; None for an ingredient that had no credentials.
        problems: why, in words.
        trusted: whether the signature is that of a signer trusted here, whatever became of the content since.
        signer, generator: who signed it, with which software; None and "" if it had no credentials.
        actions: what was done, as C2PA's actions.
        assertions: what else is stated, by label.
        ingredients: what it was made of.
    """

    title: str = ""
    relation: str = ""
    state: State | None = None
    problems: tuple[str, ...] = ()
    trusted: bool = False
    signer: Signer | None = None
    generator: str = ""
    actions: tuple[Mapping[str, Any], ...] = ()
    assertions: Mapping[str, Any] = field(default_factory=dict)
    ingredients: tuple[Record, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Record]]:
        """The record and all below it, each with its depth."""
        yield depth, self
        for ingredient in self.ingredients:
            yield from ingredient.walk(depth + 1)

    @property
    def mark(self) -> tuple[str, str] | None:
        """The watermark that it says the pixels carry: algorithm and value; None if it names none."""
        for name, binding in self.assertions.items():
            if name.startswith(SOFT_BINDING):
                for block in _rows(_table(binding).get("blocks")):
                    return str(binding.get("alg")), str(block.get("value"))
        return None

    def broken(self) -> Iterator[Record]:
        """Those of the tree that are tampered with, this one included."""
        return (record for _, record in self.walk() if record.state is State.TAMPERED)


def record_of(report: Mapping[str, Any]) -> Record:
    """The tree of a file from the library's report on its manifest store, with what came of its check."""
    return _Tree(report).top()


class _Tree:
    """The library's report on a manifest store, taken apart."""

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.manifests: Mapping[str, Any] = report.get("manifests", {})
        self.active: str = report.get("active_manifest", "")
        results = report.get("validation_results") or {}
        self.failures = (results.get("activeManifest") or {}).get("failure", [])
        self.later: dict[str, list[Any]] = {}
        self._left = _MOST
        _collect(results, self.later)

    def top(self) -> Record:
        return self._record("", "", self.active, self.failures, frozenset())

    def _record(
        self, title: str, relation: str, label: str, failures: list[Any], above: frozenset[str]
    ) -> Record:
        """The record of a label; one that is its own ancestor ends the walk."""
        manifest = self.manifests.get(label, {})
        state, problems = _judge(failures)
        if len(above) >= _DEEPEST or self._left == 0:
            return Record(title, relation, State.TAMPERED, ("the history is too long to be followed",))
        self._left -= 1
        signature = manifest.get("signature_info")
        assertions = {one["label"]: one.get("data") for one in manifest.get("assertions", [])}
        actions = next((data for name, data in assertions.items() if name.startswith("c2pa.actions")), None)
        inside = above | {label}
        return Record(
            title,
            relation,
            state,
            problems,
            signature is not None and not any(_spoils_signature(failure) for failure in failures),
            None if signature is None else _signer(signature),
            _generator(manifest),
            tuple(_rows(_table(actions).get("actions"))),
            assertions,
            tuple(self._ingredient(one, label, inside) for one in manifest.get("ingredients", [])),
        )

    def _ingredient(self, ingredient: Mapping[str, Any], parent: str, above: frozenset[str]) -> Record:
        """An ingredient with what was found when it was taken in, and what has come to light since."""
        title, relation = ingredient.get("title") or "ingredient", ingredient.get("relationship", "")
        results = ingredient.get("validation_results") or {}
        failures = list((results.get("activeManifest") or {}).get("failure", []))
        failures += ingredient.get("validation_status") or []  # what older records have in its place
        assertion = f"/c2pa/{parent}/c2pa.assertions/{ingredient.get('label', '')}"
        failures += self.later.get(assertion, [])
        label = ingredient.get("active_manifest")
        if label is None and not failures:
            return Record(title, relation)
        if label in above:
            return Record(title, relation, *_judge(failures))
        return self._record(title, relation, label or "", failures, above)


def _collect(results: Mapping[str, Any], later: dict[str, list[Any]]) -> None:
    for delta in results.get("ingredientDeltas") or []:
        address = str(delta.get("ingredientAssertionURI", "")).removeprefix("self#jumbf=")
        later.setdefault(address, []).extend((delta.get("validationDeltas") or {}).get("failure", []))


def _judge(failures: list[Any]) -> tuple[State, tuple[str, ...]]:
    """The state that follows from the library's failures, and each of them in words, once."""
    state = State.VALID
    problems: dict[str, None] = {}
    order = list(State)
    codes = {str(failure.get("code", "")) for failure in failures}
    # Of an expired certificate the library says that it leads to no root, too, even if it does.
    passed_over = _HARMLESS | (_UNTRUSTED if codes & _EXPIRED else frozenset())
    for failure in failures:
        code = str(failure.get("code", ""))
        if code in passed_over:
            continue
        found = (
            State.UNTRUSTED if code in _UNTRUSTED else State.EXPIRED if code in _EXPIRED else State.TAMPERED
        )
        state = max(state, found, key=order.index)
        problems[_MEANING.get(code) or f"{code}: {failure.get('explanation', '')}"] = None
    return state, tuple(problems)


def _spoils_signature(failure: Mapping[str, Any]) -> bool:
    return str(failure.get("code", "")).startswith(("signingCredential.", "claimSignature."))


def _signer(signature: Mapping[str, Any]) -> Signer:
    return Signer(
        signature.get("issuer") or "",
        signature.get("common_name") or "",
        str(signature.get("cert_serial_number") or ""),
        signature.get("time"),
    )


def _generator(manifest: Mapping[str, Any]) -> str:
    """The software that made a record: name and version."""
    for info in _rows(manifest.get("claim_generator_info")):
        if info.get("name"):
            return f"{info['name']} {info.get('version') or ''}".strip()
    return str(manifest.get("claim_generator") or "")


def _table(value: Any) -> Mapping[str, Any]:
    """What a signer should have written as a table; an empty one if it is none."""
    return value if isinstance(value, Mapping) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    """Likewise a list of tables."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
