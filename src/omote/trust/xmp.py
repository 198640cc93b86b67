"""The source type as XMP in pictures, for readers that know metadata but no content credentials."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from omote.trust.statement import SourceType

WITH_XMP: Final = frozenset({"image/jpeg", "image/png"})
_JPEG_HEADER: Final = b"http://ns.adobe.com/xap/1.0/\0"
_PNG_KEYWORD: Final = b"XML:com.adobe.xmp"
_FIRST_IN_JPEG: Final = frozenset({0xE0, 0xE1})
"""JFIF and EXIF, before which nothing may stand."""


def with_source_type(content: bytes, kind: str, source_type: SourceType) -> bytes:
    """A JPEG or PNG with an XMP packet that names how it came about; one that has a packet stays as it is.

    Args:
        content: the whole file.
        kind: its MIME type; kinds that are not in `WITH_XMP` stay as they are.
        source_type: goes into `Iptc4xmpExt:DigitalSourceType` (IPTC Photo Metadata Standard 2023.2).
    """
    packet = xmp_packet(source_type)
    if kind == "image/jpeg" and _JPEG_HEADER not in content:
        segment = _JPEG_HEADER + packet
        at = _after_first_segments(content)
        return content[:at] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[at:]
    if kind == "image/png" and _PNG_KEYWORD not in content:
        data = b"iTXt" + _PNG_KEYWORD + bytes(5) + packet
        chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
        after_header = 33
        return content[:after_header] + chunk + content[after_header:]
    return content


def xmp_packet(source_type: SourceType) -> bytes:
    """The packet, UTF-8 (ISO 16684-1)."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{source_type.uri}"/>'
        "</rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def _after_first_segments(content: bytes) -> int:
    """The place in a JPEG behind the segments that come first."""
    at = 2
    while content[at] == 0xFF and content[at + 1] in _FIRST_IN_JPEG:
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return at
