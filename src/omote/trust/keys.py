"""The keys that this installation signs with: made at first use, kept in the user's private folder.

Each key lies with its certificates in a file of its own, `keys/0001.pem`, `keys/0002.pem` and so on; the last
one signs. Files are only ever added, never replaced: what was signed with an earlier key stays known as this
installation's own, and of two processes that start at once one makes the key and both use it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from omote.errors import InputError, UsageError
from omote.media.sniff import reason, require_file
from omote.trust.home import make_private_folder, trust_folder, write_private

if TYPE_CHECKING:
    from cryptography import x509

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n?", re.DOTALL)
_RENEW_BEFORE: Final = timedelta(days=730)
"""A key made here is followed by a new one so early that every signature holds for two years at least."""

_ANCHORS, _AUTHORITY = "anchors.pem", "timestamp-authority"


@dataclass(frozen=True)
class SigningKey:
    """A private key with its certificates.

    Attributes:
        path: the file that holds it.
        private_pem: the private key, PKCS#8 PEM.
        chain: its certificate first, then those above it.
        root_pem: the private key of the root above it, where that was made here, or None.
    """

    path: Path
    private_pem: bytes = field(repr=False)
    chain: tuple[x509.Certificate, ...]
    root_pem: bytes | None = field(repr=False)

    @property
    def made_here(self) -> bool:
        """Whether Omote made it itself; else it was imported."""
        return self.root_pem is not None

    @property
    def expires(self) -> datetime:
        """When its signatures end to be valid, unless a time-stamp authority vouches for their time."""
        return self.chain[0].not_valid_after_utc

    @property
    def serial(self) -> str:
        """The certificate's serial number as credentials show it: decimal."""
        return str(self.chain[0].serial_number)

    @property
    def chain_pem(self) -> bytes:
        """All its certificates as PEM."""
        from omote.trust.certificates import pem

        return pem(*self.chain)

    @property
    def algorithm(self) -> str:
        """C2PA's name of its signatures: es256, es384, es512, ps256 or ed25519."""
        from omote.trust import certificates

        return certificates.algorithm(_load_private(self.private_pem))


def signing_key(folder: Path | None = None) -> SigningKey:
    """The key to sign with now, made if there is none, and renewed in time where Omote made it.

    Args:
        folder: the trust folder; the user's own unless given.

    Raises:
        InputError: an imported certificate has expired, a file is damaged, or the folder cannot be written.
    """
    keys = all_keys(folder)
    if not keys:
        return _make(folder, ())
    last, now = keys[-1], datetime.now(UTC)
    if last.made_here and last.expires - now < _RENEW_BEFORE:
        return _make(folder, keys)
    if last.expires <= now:
        raise InputError(
            f"{last.path}: the imported certificate expired on {last.expires:%Y-%m-%d}; import a new one "
            "(omote keys import) or let Omote make one (omote keys renew)"
        )
    return last


def renew(folder: Path | None = None) -> SigningKey:
    """Make a new key and sign with it from now on; under the same root while that lives long enough.

    Raises:
        InputError: a file is damaged, or the folder cannot be written.
    """
    return _make(folder, all_keys(folder))


def import_key(chain: Path, key: Path, folder: Path | None = None) -> SigningKey:
    """Sign with a key and certificate of one's own from now on.

    Args:
        chain: PEM file of the certificate, then that of its issuer, and so on.
        key: PEM file of the private key, not encrypted; may be the same file.
        folder: the trust folder; the user's own unless given.

    Raises:
        InputError: a file cannot be read or holds no such thing, key and certificate differ, or the
            certificate has expired or may not sign content credentials.
    """
    for path in (chain, key):
        require_file(path)
    certificates = [block for name, block in _blocks(chain) if name == b"CERTIFICATE"]
    private = [block for name, block in _blocks(key) if name.endswith(b"PRIVATE KEY")]
    if len(certificates) < 2:
        raise InputError(
            f"{chain}: must hold the certificate and that of its issuer, holds {len(certificates)}"
        )
    if len(private) != 1:
        raise InputError(f"{key}: must hold one PEM private key, holds {len(private)}")
    from omote.trust.certificates import private_pem
    from omote.trust.trial import require_fit

    try:
        content = private_pem(_load_private(private[0])) + b"".join(certificates)
        found = _parse(key, content)
        _ = found.algorithm
    except TypeError:
        raise InputError(
            f"{key}: the private key is encrypted; write it without a password first (openssl pkcs8)"
        ) from None
    except ValueError as error:
        raise InputError(f"{key}: cannot be used ({reason(error)})") from None
    if _load_private(found.private_pem).public_key() != found.chain[0].public_key():
        raise InputError(f"{key}: is not the key of the first certificate in {chain}")
    if found.expires <= datetime.now(UTC):
        raise InputError(f"{chain}: the certificate expired on {found.expires:%Y-%m-%d}")
    require_fit(found, chain)
    while True:
        with contextlib.suppress(FileExistsError):
            return _add(folder, content, len(all_keys(folder)))


def all_keys(folder: Path | None = None) -> tuple[SigningKey, ...]:
    """Every key that this installation has signed with, the oldest first; makes none.

    Raises:
        InputError: a file is damaged or cannot be read.
    """
    found = []
    for path in sorted(_folder(folder).glob("[0-9][0-9][0-9][0-9].pem")):
        try:
            found.append(_parse(path, path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: is no usable key ({reason(error)}); move it away") from None
    return tuple(found)


def anchors(folder: Path | None = None) -> bytes:
    """The roots that are trusted here, as PEM: the highest certificates of own keys, and `anchors.pem`.

    Raises:
        InputError: a file is damaged or cannot be read.
    """
    from cryptography import x509

    from omote.trust.certificates import pem

    roots = {key.chain[-1]: None for key in all_keys(folder)}
    path = _folder(folder) / _ANCHORS
    try:
        roots |= dict.fromkeys(x509.load_pem_x509_certificates(path.read_bytes()))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: holds no usable PEM certificates ({reason(error)})") from None
    return pem(*roots)


def timestamp_authority(folder: Path | None = None) -> str | None:
    """The address of the time-stamp authority (RFC 3161) that is asked at every signature; None: no one."""
    try:
        return (_folder(folder) / _AUTHORITY).read_text().strip() or None
    except FileNotFoundError:
        return None


def set_timestamp_authority(url: str | None, folder: Path | None = None) -> None:
    """Ask a time-stamp authority from now on, or no one.

    Raises:
        UsageError: it is no http or https address.
        InputError: the folder cannot be written.
    """
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise UsageError(f"'{url}' is no address of a time-stamp authority; write http://... or https://...")
    home = _folder(folder)
    make_private_folder(home.parent)
    make_private_folder(home)
    write_private(home / _AUTHORITY, f"{url or ''}\n".encode())


def _folder(folder: Path | None) -> Path:
    return (folder or trust_folder()) / "keys"


def _make(folder: Path | None, before: Sequence[SigningKey]) -> SigningKey:
    """Make a key under the last root if that outlives it, else under a new one."""
    from cryptography.hazmat.primitives.asymmetric import ec

    from omote.trust import certificates

    root_key, root = None, None
    for key in before:
        if key.root_pem and key.chain[-1].not_valid_after_utc - datetime.now(UTC) > certificates.LEAF_LIFE:
            root_key, root = _load_private(key.root_pem), key.chain[-1]
    if root is None or not isinstance(root_key, ec.EllipticCurvePrivateKey):
        root_key, root = certificates.make_root()
    leaf_key, leaf = certificates.make_leaf(root_key, root)
    content = (
        certificates.private_pem(leaf_key) + certificates.pem(leaf, root) + certificates.private_pem(root_key)
    )
    try:
        return _add(folder, content, len(before))
    except FileExistsError:  # another process was quicker: its key will do
        return all_keys(folder)[-1]


def _add(folder: Path | None, content: bytes, before: int) -> SigningKey:
    """Write the file of a key that comes after others. Raises FileExistsError if one came meanwhile."""
    home = _folder(folder)
    make_private_folder(home.parent)
    path = make_private_folder(home) / f"{before + 1:04d}.pem"
    write_private(path, content, replace=False)
    return _parse(path, content)


def _parse(path: Path, content: bytes) -> SigningKey:
    """A key's file: private key, certificates, and the root's private key if Omote made it."""
    from cryptography import x509

    blocks = [(match[1], match[0]) for match in _PEM.finditer(content)]
    private = [block for name, block in blocks if name == b"PRIVATE KEY"]
    chain = x509.load_pem_x509_certificates(content)
    if not private:
        raise ValueError("it holds no private key")
    return SigningKey(path, private[0], tuple(chain), private[1] if len(private) > 1 else None)


def _blocks(path: Path) -> list[tuple[bytes, bytes]]:
    """The PEM blocks of a file: what each is, and its text."""
    return [(match[1], match[0]) for match in _PEM.finditer(path.read_bytes())]


if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def _load_private(content: bytes) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(content, None)
