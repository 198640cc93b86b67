"""Whether a key can sign content credentials: told by signing something small with it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from omote.errors import InputError
from omote.media.sniff import reason
from omote.trust.records import library_context

if TYPE_CHECKING:
    from omote.trust.keys import SigningKey


def require_fit(key: SigningKey, chain: Path) -> None:
    """Raise InputError, which names the file of the certificates, unless a signature of the key verifies."""
    import c2pa  # type: ignore[import-untyped]

    definition = {
        "claim_generator_info": [{"name": "Omote"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [_CREATED]}}],
    }
    signed = io.BytesIO()
    try:
        secret = c2pa.C2paSignerInfo(key.algorithm, key.chain_pem, key.private_pem, None)
        with library_context(key.chain_pem) as context, c2pa.Signer.from_info(secret) as signer:
            with c2pa.Builder(definition, context=context) as builder:
                builder.sign(signer, "image/png", io.BytesIO(_png()), signed)
            signed.seek(0)
            with c2pa.Reader("image/png", signed, context=context) as reader:
                state = reader.get_validation_state()
    except c2pa.C2paError as error:
        raise InputError(f"{chain}: cannot sign content credentials ({reason(error)})") from None
    if state != "Trusted":
        raise InputError(f"{chain}: what it signs does not verify; does the chain lead up to its issuer?")


_CREATED = {
    "action": "c2pa.created",
    "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation",
}


def _png() -> bytes:
    """A picture of one grey pixel."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\x80")),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
