"""Signatures of consents and of the audit log: Ed25519 (RFC 8032), keys in the private folder.

Every signature is over a word that says what is signed, and the content; so a signature of a line of the log
can never pass for one of a consent.
"""

import base64
import binascii
import contextlib
import hashlib
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from omote.errors import InputError
from omote.trust.home import make_private_folder, write_private

Purpose = Literal["consent", "audit entry", "audit head"]


class Signer:
    """Holds a private key.

    Args:
        key: the key.

    Attributes:
        public: its public half, 32 bytes in base64.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def own(cls, folder: Path, name: str) -> "Signer":
        """The key NAME.key of a folder; made at first use, readable by its owner only.

        Raises:
            InputError: it cannot be made, or is damaged.
        """
        path = make_private_folder(folder) / f"{name}.key"
        if not path.exists():
            fresh = Ed25519PrivateKey.generate()
            content = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            with contextlib.suppress(FileExistsError):  # another process was quicker: its key is the one
                write_private(path, content, replace=False)
        return cls.from_file(path)

    @classmethod
    def from_file(cls, path: Path) -> "Signer":
        """Read a private key: PEM, PKCS #8, without a password.

        Raises:
            InputError: the file cannot be read, or is no such key.
        """
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except OSError as error:
            raise InputError(f"{path}: cannot read the key ({error.strerror})") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InputError(
                f"{path}: no private key without password; openssl genpkey -algorithm ed25519 makes one"
            ) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError(f"{path}: no Ed25519 key; openssl genpkey -algorithm ed25519 makes one")
        return cls(key)

    def sign(self, purpose: Purpose, content: bytes) -> str:
        """The signature, 64 bytes in base64."""
        return encode(self._key.sign(_message(purpose, content)))


def signed(purpose: Purpose, content: bytes, public: str, signature: str) -> bool:
    """Whether a signature is by the holder of a public key; both in base64. Nonsense is not."""
    try:
        key = Ed25519PublicKey.from_public_bytes(decode(public))
        key.verify(decode(signature), _message(purpose, content))
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public: str) -> str:
    """By which people tell keys apart: 16 hexadecimal digits of the digest of a public key in base64."""
    return hashlib.sha256(public.encode()).hexdigest()[:16]


def encode(raw: bytes) -> str:
    """Base64 as text."""
    return base64.b64encode(raw).decode()


def decode(text: str) -> bytes:
    """Base64 back to bytes; one text for each content.

    Raises:
        ValueError: it is none.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    if encode(raw) != text:
        raise ValueError("no base64 in its one form")
    return raw


def _message(purpose: Purpose, content: bytes) -> bytes:
    return b"omote " + purpose.encode() + b" 1\n" + content
