"""Consent records: somebody allows that their face is put elsewhere, and for what.

A record names the person (or a pseudonym) and the scope, is bound to the face by its template, and is signed.
Whoever holds the key vouches for all of it: that the person agreed, and that the face is theirs. The
signature makes the record unchangeable; whose key it is, the fingerprint tells those who know it. Whether a
record allows a job is the business of `consent_rules`.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from omote.errors import InputError, UsageError
from omote.trust.canonical import canonical, read_json
from omote.trust.moments import day_of, moment_of, written
from omote.trust.signing import Signer, fingerprint, signed
from omote.trust.template import FaceTemplate

Medium = Literal["photo", "film"]
MEDIA: tuple[Medium, ...] = get_args(Medium)

VERSION = 1
LARGEST = 65_536
"""Bytes of a record's file."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is allowed.

    Attributes:
        projects: names of the works; any work where there are none.
        media: photos, films or both.
        until: the last day, UTC.
        note: further terms in words, which no program can check.

    Raises:
        InputError: the media are unknown or none, or a text is empty or too long.
    """

    projects: tuple[str, ...]
    media: tuple[Medium, ...]
    until: date
    note: str = ""

    def __post_init__(self) -> None:
        if not self.media or not set(self.media) <= set(MEDIA):
            raise InputError(f"the media of a consent are {' and '.join(MEDIA)}, or one of them")
        for project in self.projects:
            _require_text(project, "project", 200)
        if len(self.note) > 2000 or not _printable(self.note.replace("\n", " ")):
            raise InputError("the note of a consent is too long (2000 characters), or is no plain text")


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent record.

    Attributes:
        subject: who agrees: a name, or a pseudonym that the record's keeper can resolve.
        scope: to what.
        face: their face.
        network: SHA-256 of the identity network that the face's template is of.
        made: when, UTC.
        nonce: 32 random hexadecimal digits, so that nobody can guess the record from its digest.
        key: the signer's public key; None while it is unsigned.
        signature: over everything above but the key.
    """

    subject: str
    scope: Scope
    face: FaceTemplate
    network: str
    made: datetime
    nonce: str
    key: str | None = None
    signature: str | None = None

    def __post_init__(self) -> None:
        _require_text(self.subject, "subject", 200)
        self.face.vector()
        for name, digits in (("network", 64), ("nonce", 32)):
            value = getattr(self, name)
            if len(value) != digits or not set(value) <= set("0123456789abcdef"):
                raise InputError(f"the {name} of a consent has {digits} hexadecimal digits")

    @property
    def body(self) -> bytes:
        """What is signed."""
        scope = {**asdict(self.scope), "projects": list(self.scope.projects)}
        scope |= {"media": list(self.scope.media), "until": self.scope.until.isoformat()}
        return canonical(
            {
                "face": asdict(self.face),
                "made": written(self.made),
                "network": self.network,
                "nonce": self.nonce,
                "omote_consent": VERSION,
                "scope": scope,
                "subject": self.subject,
            }
        )

    @property
    def sha256(self) -> str:
        """Digest of what is signed: by it outputs, the log and revocations name the record."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def signer(self) -> str | None:
        """Fingerprint of the signer's key."""
        return None if self.key is None else fingerprint(self.key)

    @property
    def whole(self) -> bool:
        """Whether it is signed and was not changed since."""
        key, signature = self.key, self.signature
        return bool(key and signature and signed("consent", self.body, key, signature))

    def sign(self, signer: Signer) -> "Consent":
        """The same record, signed."""
        return replace(self, key=signer.public, signature=signer.sign("consent", self.body))

    def to_bytes(self) -> bytes:
        """The record as its file has it."""
        value = {
            "body": read_json(self.body, "consent", LARGEST),
            "key": self.key,
            "signature": self.signature,
        }
        return canonical(value) + b"\n"


def new_consent(subject: str, scope: Scope, face: FaceTemplate, network: str, made: datetime) -> Consent:
    """An unsigned record.

    Raises:
        InputError: a text is empty or too long.
    """
    return Consent(subject, scope, face, network, made.replace(microsecond=0), secrets.token_hex(16))


def read_consent(path: Path) -> Consent:
    """Read a record. That it can be read does not mean that it is signed: see `Consent.whole`.

    Raises:
        InputError: the file cannot be read, or is no consent record.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot read the consent ({error.strerror})") from None
    except ValueError as error:  # a null byte in the name
        raise InputError(f"{path!s}: cannot read the consent ({error})") from None
    return parse_consent(content, str(path))


def parse_consent(content: bytes, label: str) -> Consent:
    """Read a record from the bytes of its file.

    Raises:
        InputError: they are no consent record of this version.
    """
    value = read_json(content, label, LARGEST)
    try:
        outer = _fields(value, {"body": dict, "key": (str, type(None)), "signature": (str, type(None))})
        body = _fields(
            outer["body"],
            {
                "face": dict,
                "made": str,
                "network": str,
                "nonce": str,
                "omote_consent": int,
                "scope": dict,
                "subject": str,
            },
        )
        if body["omote_consent"] != VERSION:
            raise InputError(f"made by another version of Omote (format {body['omote_consent']})")
        scope = _fields(body["scope"], {"media": list, "note": str, "projects": list, "until": str})
        face = _fields(body["face"], {"codes": str, "photos": int})
        for name in ("media", "projects"):
            if not all(isinstance(entry, str) for entry in scope[name]):
                raise InputError(f"{name} is no list of words")
        return Consent(
            body["subject"],
            Scope(
                tuple(scope["projects"]),
                tuple(scope["media"]),
                day_of(scope["until"], "until"),
                scope["note"],
            ),
            FaceTemplate(face["codes"], face["photos"]),
            body["network"],
            moment_of(body["made"], "made"),
            body["nonce"],
            outer["key"],
            outer["signature"],
        )
    except InputError as error:
        raise InputError(f"{label}: no consent record: {error}") from None


def media_of(text: str) -> tuple[Medium, ...]:
    """Read media by commas.

    Raises:
        UsageError: one is unknown.
    """
    words = [word.strip() for word in text.split(",")]
    known = tuple(medium for medium in MEDIA if medium in words)
    if len(known) != len(words):
        raise UsageError(f"--media {text}: give {' or '.join(MEDIA)}, or both by a comma")
    return known


def _fields(value: Any, kinds: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """A table with these keys and no others.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, dict):
        raise InputError("a table is missing")
    if odd := sorted(set(value) ^ set(kinds)):
        raise InputError(f"'{odd[0][:40]}' is {'unknown' if odd[0] in value else 'missing'}")
    for name, kind in kinds.items():
        if not isinstance(value[name], kind) or isinstance(value[name], bool):
            raise InputError(f"'{name}' has the wrong kind")
    return value


def _require_text(text: str, name: str, longest: int) -> None:
    if not text.strip() or len(text) > longest or not _printable(text):
        raise InputError(
            f"the {name} of a consent is empty, too long ({longest} characters) or no plain text"
        )


def _printable(text: str) -> bool:
    """No control characters, which could rewrite what a terminal shows."""
    return all(character.isprintable() for character in text)
