"""Reading pictures: whole or not at all, upright, in RGB, with what the file carried besides."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import TiffImageFile

from omote.errors import InputError
from omote.media import orient
from omote.media.limits import require_size
from omote.media.sniff import reason, require_file, sniff
from omote.media.types import MAX_PIXELS, MediaInfo, Pixels, as_pixels, check_pixels
from omote.media.whole import require_whole_picture

_ORIENTATION = 0x0112
# What describes the picture; the rest of a TIFF's directory describes how that file was laid out.
_EXIF_KEPT = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
# In a TIFF file the same directory says how the old pixels were stored (and holds ICC profile and XMP).
_STRUCTURE = {
    *(254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 280, 281, 284, 292, 293, 297, 317, 320),
    *(322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532, 700, 34675),
}
_SIZ = b"\xff\x4f\xff\x51"
"""Begins JPEG 2000 data; length of this part, capabilities and size follow (ITU-T T.800, A.5)."""
_PLUGINS = {
    "jpeg": "JPEG",
    "png": "PNG",
    "apng": "PNG",
    "webp": "WEBP",
    "animated webp": "WEBP",
    "tiff": "TIFF",
    "bmp": "BMP",
    "avif": "AVIF",
    "jpeg2000": "JPEG2000",
    "pnm": "PPM",
    "gif": "GIF",
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory: RGB `(H, W, 3)` uint8 or uint16, upright, with all that its file carried.

    `alpha` is `(H, W)` of the same dtype or None. `icc` is the colour profile that the pixels are meant in,
    `exif` the EXIF block with its orientation set upright and without its thumbnail. `grey` says that the
    file had one channel; it is written as grey again if the pixels still are. `dpi` is the resolution noted
    in the file.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    grey: bool = False
    dpi: tuple[float, float] | None = None
    format: str = "png"
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_pixels(self.pixels, self.alpha)

    def with_pixels(self, pixels: Pixels, alpha: Pixels | None = None) -> Picture:
        """The same picture with other pixels `(H, W, 3)`; keeps the old alpha unless a new one is given."""
        return replace(self, pixels=pixels, alpha=self.alpha if alpha is None else alpha)


def open_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture (of an animated one, the first frame).

    JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 and PNM. EXIF orientation is applied. 16-bit PNG, TIFF,
    JPEG 2000 and PNM give uint16. CMYK is converted to sRGB through its own profile if it has one. Palettes
    and 1-bit pictures become 8-bit ones.

    Raises InputError for a missing, empty, damaged or truncated file, one that is no picture (whatever its
    name), HEIC, floating-point pixels, or more than `max_pixels`.
    """
    path = Path(path)
    with _header(path, max_pixels) as (kind, image):
        require_whole_picture(path, kind)
        try:
            turn = orient.from_exif(_orientation(image))
            icc = image.info.get("icc_profile") or None
            dpi = image.info.get("dpi")
            pixels, alpha, grey, icc = _decode(path, kind, image, icc)
            exif = _upright_exif(image)
        except InputError:
            raise
        except Exception as error:  # decoders raise all sorts of things on damaged files
            raise InputError(f"{path}: damaged or truncated {kind} picture ({reason(error)})") from None
    return Picture(
        pixels=turn.apply(pixels),
        alpha=None if alpha is None else turn.apply(alpha),
        icc=icc,
        exif=exif,
        grey=grey,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
        format=kind,
    )


def probe_picture(path: Path, *, max_pixels: int) -> MediaInfo:
    """The MediaInfo of a picture, from its header alone."""
    with _header(path, max_pixels) as (kind, image):
        turn = orient.from_exif(_orientation(image))
        width, height = image.size
        if turn.swaps_sides:
            width, height = height, width
        try:
            bits, clear = _bits(path, kind, image), image.has_transparency_data
        except Exception as error:  # as above
            raise InputError(f"{path}: damaged {kind} picture ({reason(error)})") from None
        return MediaInfo(
            path=path,
            kind="picture",
            format=kind,
            codec=kind,
            width=width,
            height=height,
            frames=1,
            bit_depth=bits,
            pixel_format=image.mode,
            rotation=turn.turn,
            flipped=turn.flipped,
            alpha=clear,
        )


@contextlib.contextmanager
def _header(path: Path, max_pixels: int) -> Iterator[tuple[str, Image.Image]]:
    """The format and the picture with nothing but its header read, its size checked."""
    require_file(path)
    kind = sniff(path)
    if kind not in _PLUGINS:
        raise InputError(f"{path}: is not a picture that can be read (going by its content, not by its name)")
    Image.init()
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow has to say of odd metadata is no news to the user
        try:
            # Not by Image.open, which applies Pillow's own, global pixel limit.
            image: Image.Image = Image.OPEN[_PLUGINS[kind]][0](file, str(path))
        except Exception as error:
            raise InputError(
                f"{path}: damaged {kind} picture, its header is unreadable ({reason(error)})"
            ) from None
        require_size(path, *image.size, max_pixels)
        yield kind, image


def _orientation(image: Image.Image) -> int:
    if isinstance(image, TiffImageFile):  # Pillow and OpenCV turn these themselves
        return 1
    with contextlib.suppress(Exception):  # damaged EXIF must not hide a good picture
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _bits(path: Path, kind: str, image: Image.Image) -> int:
    """Bits of one stored channel, as the header says."""
    if kind in ("png", "apng"):
        with path.open("rb") as file:
            return file.read(25)[24]
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(258, (1,))))
    if image.mode.startswith("I;16"):
        return 16
    return {"1": 1, "I": 32, "F": 32}.get(image.mode, 8)


def _decode(
    path: Path, kind: str, image: Image.Image, icc: bytes | None
) -> tuple[Pixels, Pixels | None, bool, bytes | None]:
    """Pixels, alpha, whether it was grey, and the profile that the pixels are in now."""
    if (
        kind in ("png", "tiff", "jpeg2000", "pnm")
        and _bits(path, kind, image) > 8
        and image.mode not in ("CMYK", "LAB")
    ):
        return *_decode_deep(path, kind, image.size), icc
    if kind == "jpeg2000" and image.mode.startswith("I"):
        return *_decode_deep(path, kind, image.size), icc
    if image.mode in ("F", "I"):
        raise InputError(
            f"{path}: its 32-bit or floating-point pixels cannot be read; save it with 8 or 16 bits"
        )
    image.load()
    if image.mode in ("CMYK", "LAB"):
        image, icc = _to_srgb(image, icc)
    grey = image.mode in ("1", "L", "LA")
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        alpha: Pixels | None = np.ascontiguousarray(rgba[..., 3])
        return np.ascontiguousarray(rgba[..., :3]), alpha, grey, icc
    pixels = np.array(image.convert("RGB"))
    return pixels, None, grey or (image.mode == "P" and is_grey(pixels)), icc


def _to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes]:
    """A CMYK or Lab picture in sRGB, through its profile where it has one that works, and sRGB's profile."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted, srgb.tobytes()
    if icc:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(icc)),
                srgb,
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if converted is not None:
                return converted, srgb.tobytes()
    return image.convert("RGB"), srgb.tobytes()


def _decode_deep(path: Path, kind: str, size: tuple[int, int]) -> tuple[Pixels, Pixels | None, bool]:
    """Pixels, alpha and whether it was grey, for more than 8 bits, which Pillow cannot hold in colour."""
    content = path.read_bytes()
    if kind == "jpeg2000":
        _require_true_size(path, content, size)
    data = np.frombuffer(content, np.uint8)
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # we say ourselves what is wrong
    try:
        array = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if array is None:
        raise InputError(f"{path}: damaged or truncated {kind} picture")
    if array.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: {array.dtype} pixels cannot be read; save it with 8 or 16 bits a channel")
    channels = 1 if array.ndim == 2 else array.shape[2]
    if channels == 1:
        grey = array.reshape(array.shape[:2])
        return as_pixels(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)), None, True
    if channels == 3:
        return as_pixels(cv2.cvtColor(array, cv2.COLOR_BGR2RGB)), None, False
    alpha = as_pixels(np.ascontiguousarray(array[..., 3]))
    had_grey = kind == "png" and data[25] == 4  # OpenCV gives grey with alpha as colour with alpha
    return as_pixels(cv2.cvtColor(array, cv2.COLOR_BGRA2RGB)), alpha, had_grey


def _require_true_size(path: Path, content: bytes, size: tuple[int, int]) -> None:
    """Raise InputError unless JPEG 2000 data has the size that the header around it says."""
    place = content.find(_SIZ) + len(_SIZ)
    right, bottom, left, top = struct.unpack_from(">4I", content, place + 4)
    if (right - left, bottom - top) != size:
        raise InputError(f"{path}: damaged jpeg2000 picture: its header gives another size than its data")


def _upright_exif(image: Image.Image) -> bytes | None:
    """The EXIF block with orientation 1 and no thumbnail (it would show the old face); None without one."""
    with contextlib.suppress(Exception):  # damaged EXIF is left behind rather than written on
        exif, kept = image.getexif(), Image.Exif()
        for tag in _EXIF_KEPT:
            if tag in exif:
                kept[tag] = exif[tag]
        if _ORIENTATION in exif:
            kept[_ORIENTATION] = 1
        found = bool(kept)
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if values := exif.get_ifd(directory):
                kept.get_ifd(directory).update(values)
                found = True
        return kept.tobytes() if found else None
    return None


def is_grey(pixels: Pixels) -> bool:
    """True if red, green and blue are the same everywhere."""
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
