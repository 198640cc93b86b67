"""Content credentials (C2PA): a signed record of how a file came about, inside the file or beside it.

A file is signed last, when it is finished, into another file; that is read back and checked before it may
take its name. The record follows the C2PA specification 2.2; docs/trust.md shows what is in it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from omote._version import __version__
from omote.errors import InputError
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason, require_file
from omote.trust import keys
from omote.trust.keys import SigningKey
from omote.trust.media_types import UNKNOWN, embeds, media_type
from omote.trust.record_tree import SOFT_BINDING, State
from omote.trust.records import (
    BUFFER,
    LostRecord,
    UnreadableRecord,
    find_sidecar,
    library_context,
    read_record,
    sidecar_path,
)
from omote.trust.statement import Statement
from omote.trust.xmp import WITH_XMP, with_source_type

if TYPE_CHECKING:
    import c2pa  # type: ignore[import-untyped]

RIGHTS: Final = "org.omote.rights"
JOB: Final = "org.omote.job"
_AGENT: Final = {"name": "Omote", "version": __version__}
_NO_TRAINING: Final = {
    "cawg.ai_training": {"use": "notAllowed"},
    "cawg.ai_generative_training": {"use": "notAllowed"},
}
"""Consent to a face in this file is no consent to training with it (CAWG, Training and Data Mining 1.1)."""


@dataclass(frozen=True)
class Signed:
    """What signing a file gave.

    Attributes:
        sidecar: the record, where the kind of file has no place for it inside: it belongs into the file that
            `records.sidecar_path` names. Else None.
        notes: what the user should know, such as a target whose own credentials are broken.
    """

    sidecar: bytes | None
    notes: tuple[str, ...] = ()


def publish(
    unsigned: Path,
    output: Path,
    statement: Statement,
    key: SigningKey | None = None,
    *,
    thumbnails: bool = False,
    before: Callable[[Path], None] | None = None,
) -> Signed:
    """Sign a finished file and give it its name: it appears whole, signed and checked, or not at all.

    A side-car appears before its file, so that an interruption leaves no unsigned file under its final name.

    Args:
        unsigned: the finished file; it stays.
        output: the name of the signed one, which is replaced if it is there.
        statement: what the record says.
        key: what to sign with; the installation's own unless given.
        thumbnails: see `sign_file`.
        before: called with the signed file just before it gets its name; what it raises stops that.

    Raises:
        InputError: as `sign_file`, or `output` cannot be written.
    """
    with AtomicFile(output) as file:
        signed = sign_file(unsigned, file.path, statement, key, name=output, thumbnails=thumbnails)
        if before is not None:
            before(file.path)
        if signed.sidecar is not None:
            with AtomicFile(sidecar_path(output)) as beside:
                beside.path.write_bytes(signed.sidecar)
    return signed


def sign_file(
    unsigned: Path,
    signed: Path,
    statement: Statement,
    key: SigningKey | None = None,
    *,
    name: Path | None = None,
    thumbnails: bool = False,
) -> Signed:
    """Write a copy of a finished file with a signed record in it, and check that it verifies.

    A JPEG or PNG names the source type as XMP, too. Where a kind of file has no place for a record (Matroska,
    WebM, transport streams, BMP, JPEG 2000, AVI over 1 GB), the copy equals the original and the record is
    returned.

    Args:
        unsigned: the finished file; its content tells its kind, whatever its name.
        signed: where the copy goes; removed again if anything fails.
        statement: what the record says.
        key: what to sign with; the installation's own unless given.
        name: what messages call the file; `signed` unless given.
        thumbnails: whether the record holds small pictures of output, target and sources.

    Raises:
        InputError: a file cannot be read or written, the key cannot sign, or the time-stamp authority that is
            set does not answer.
    """
    import c2pa

    require_file(unsigned)
    key = key or keys.signing_key()
    authority = keys.timestamp_authority()
    try:
        with library_context(keys.anchors() + key.chain_pem, thumbnails) as context:
            manifest, notes = _sign(unsigned, signed, statement, key, authority, context)
            sidecar = None if embeds(unsigned, media_type(unsigned)) else manifest
            notes += _check(signed, sidecar, context)
        return Signed(sidecar, tuple(notes))
    except (OSError, c2pa.C2paError, UnreadableRecord, LostRecord) as error:
        signed.unlink(missing_ok=True)
        asked = f"; or {authority} does not answer: omote keys timestamp off" if authority else ""
        raise InputError(f"{name or signed}: cannot be signed ({reason(error)}){asked}") from None
    except BaseException:
        signed.unlink(missing_ok=True)
        raise


def manifest_definition(statement: Statement, kind: str) -> dict[str, Any]:
    """The record of a statement as the library takes it, for an output of a MIME type."""
    assertions: list[dict[str, Any]] = [
        {"label": "c2pa.actions.v2", "data": {"actions": _actions(statement), "allActionsIncluded": True}}
    ]
    if statement.mark is not None:
        block = {"scope": {}, "value": statement.mark.value}
        binding = {"alg": statement.mark.algorithm, "blocks": [block], "pad": ""}
        assertions.append({"label": SOFT_BINDING, "data": binding})
    assertions += [
        {"label": "cawg.training-mining", "data": {"entries": _NO_TRAINING}},
        {"label": RIGHTS, "data": dict(statement.rights)},
        {"label": JOB, "data": _job(statement)},
    ]
    return {"claim_generator_info": [_AGENT], "format": kind, "assertions": assertions}


def _actions(statement: Statement) -> list[dict[str, Any]]:
    """What was done, in order: a target opened and edited, or a file created; then marked."""
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    change: dict[str, Any] = {
        "action": "c2pa.created" if statement.target is None else "c2pa.edited",
        "when": when,
        "softwareAgent": _AGENT,
        "digitalSourceType": statement.source_type.uri,
        "description": statement.operation,
    }
    if statement.sources:
        labels = [_source_label(number) for number in range(len(statement.sources))]
        change["parameters"] = {"ingredientIds": labels}
    actions = [change]
    if statement.target is not None:
        actions.insert(0, {"action": "c2pa.opened", "parameters": {"ingredientIds": [_TARGET]}})
    if statement.mark is not None:
        actions.append({"action": "c2pa.watermarked.bound", "when": when, "softwareAgent": _AGENT})
    return actions


def _job(statement: Statement) -> dict[str, Any]:
    gate = statement.gate
    return {
        "operation": statement.operation,
        "engine": statement.engine,
        "networks": [{"name": one.name, "sha256": one.sha256} for one in statement.networks],
        "safetyGate": None if gate is None else {"state": gate.state, "reasons": list(gate.reasons)},
    }


_TARGET: Final = "target"


def _source_label(number: int) -> str:
    return f"source-{number + 1}"


def _sign(
    unsigned: Path,
    signed: Path,
    statement: Statement,
    key: SigningKey,
    authority: str | None,
    context: c2pa.Context,
) -> tuple[bytes, list[str]]:
    """Sign a file; its record, and what is to be noted of target and sources. Leaves nothing on an error."""
    import c2pa

    kind = media_type(unsigned)
    secret = c2pa.C2paSignerInfo(key.algorithm, key.chain_pem, key.private_pem, authority)
    with (
        c2pa.Signer.from_info(secret) as signer,
        c2pa.Builder(manifest_definition(statement, kind), context=context) as builder,
        _opened(unsigned, kind, statement) as given,
        signed.open("w+b", BUFFER) as made,
    ):
        if not embeds(unsigned, kind):
            builder.set_no_embed()
        notes = list(_add_ingredients(builder, context, statement))
        return bytes(builder.sign(signer, kind, given, made)), notes


def _opened(unsigned: Path, kind: str, statement: Statement) -> BinaryIO:
    """The file to be signed; a picture that can hold it has the source type as XMP, too."""
    if kind in WITH_XMP:
        return io.BytesIO(with_source_type(unsigned.read_bytes(), kind, statement.source_type))
    return unsigned.open("rb", BUFFER)


def _add_ingredients(builder: c2pa.Builder, context: c2pa.Context, statement: Statement) -> Iterator[str]:
    """Add target and sources to a record; yields what is to be noted of them."""
    if statement.target is not None:
        yield from _add_ingredient(builder, context, statement.target, _TARGET, "parentOf", _TARGET)
    for number, path in enumerate(statement.sources):
        title = "source" if len(statement.sources) == 1 else f"source {number + 1}"
        yield from _add_ingredient(builder, context, path, title, "inputTo", _source_label(number))


def _add_ingredient(
    builder: c2pa.Builder, context: c2pa.Context, path: Path, title: str, relation: str, label: str
) -> Iterator[str]:
    """Add a file with whatever credentials it has; yields what is to be noted.

    The title is not the file's name: names of files tell names of people.
    """
    import c2pa

    require_file(path)
    kind = media_type(path)
    plain = {"title": title, "relationship": relation, "label": label}
    try:
        beside = None if embeds(path, kind) else find_sidecar(path)
        kept = {} if beside is None else _kept_sidecar(builder, context, path, beside, label)
        with path.open("rb") as file:
            builder.add_ingredient(plain | kept, kind, file)
    except c2pa.C2paError as error:
        # Omote could decode it, so it is good enough to work on; only its credentials cannot be kept.
        builder.add_ingredient(plain, UNKNOWN, io.BytesIO())
        yield f"{path}: its content credentials, if it has any, could not be kept ({reason(error)})"


def _kept_sidecar(
    builder: c2pa.Builder, context: c2pa.Context, path: Path, beside: Path, label: str
) -> dict[str, Any]:
    """The fields of an ingredient whose record lies beside it, with what came of checking it."""
    import c2pa

    record = beside.read_bytes()
    with path.open("rb") as file, c2pa.Reader(media_type(path), file, record, context=context) as reader:
        results, active = reader.get_validation_results(), reader.get_active_manifest()
    name = f"{label}.c2pa"
    builder.add_resource(name, io.BytesIO(record))
    return {
        "active_manifest": active["label"],
        "validation_results": results,
        "manifest_data": {"format": "application/c2pa", "identifier": name},
    }


def _check(signed: Path, sidecar: bytes | None, context: c2pa.Context) -> list[str]:
    """Read back what was signed; what is to be noted of its ingredients.

    Raises:
        UnreadableRecord: it does not verify.
    """
    record = read_record(signed, sidecar, context)
    if record is None or record.state is not State.VALID:
        why = "it holds no record" if record is None else "; ".join(record.problems)
        raise UnreadableRecord(f"what was written does not verify: {why}")
    return [
        f"{broken.title}: broken content credentials ({'; '.join(broken.problems)}), as the record says"
        for broken in record.broken()
    ]
