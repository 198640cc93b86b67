"""Pictures of every mode and format: depth, alpha, profile, orientation, and what damaged ones do."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from omote.errors import InputError, UsageError
from omote.media import Picture, open_image, probe, save_image
from tests.media_files import psnr, texture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = ("png", "tiff", "bmp", "jp2")


def exif_block(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:01:02 03:04:05"
    return exif.tobytes()


def grey_ramp() -> np.ndarray:
    return np.ascontiguousarray(texture()[..., 1])


MODES = {
    "1": lambda: Image.fromarray(grey_ramp()).convert("1"),
    "L": lambda: Image.fromarray(grey_ramp()),
    "LA": lambda: Image.merge("LA", [Image.fromarray(grey_ramp()), Image.fromarray(255 - grey_ramp())]),
    "P": lambda: Image.fromarray(texture()).quantize(64),
    "RGB": lambda: Image.fromarray(texture()),
    "RGBA": lambda: Image.fromarray(np.dstack([texture(), grey_ramp()])),
}


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "png"), ("1", "tiff"), ("1", "bmp"),
        ("L", "png"), ("L", "jpg"), ("L", "tiff"), ("L", "bmp"), ("L", "gif"), ("L", "jp2"), ("L", "pgm"),
        ("LA", "png"), ("LA", "tiff"),
        ("P", "png"), ("P", "gif"), ("P", "bmp"), ("P", "tiff"),
        ("RGB", "png"), ("RGB", "jpg"), ("RGB", "webp"), ("RGB", "tiff"), ("RGB", "bmp"), ("RGB", "avif"),
        ("RGB", "jp2"), ("RGB", "ppm"),
        ("RGBA", "png"), ("RGBA", "webp"), ("RGBA", "tiff"), ("RGBA", "avif"),
    ],
)  # fmt: skip
def test_every_mode_is_read_as_pillow_shows_it(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"in.{suffix}"
    MODES[mode]().save(path, **({"lossless": True} if suffix == "webp" else {}))
    picture = open_image(path)
    with Image.open(path) as image:
        shown = np.asarray(image.convert("RGBA"))
    assert (picture.pixels == shown[..., :3]).all()
    assert picture.pixels.flags.c_contiguous
    assert picture.grey == (mode in ("1", "L", "LA"))
    assert (picture.alpha is not None) == (mode in ("LA", "RGBA"))
    if picture.alpha is not None:
        assert (picture.alpha == shown[..., 3]).all()
    info = probe(path)
    assert (info.kind, info.width, info.height) == ("picture", 64, 48)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
@pytest.mark.parametrize("clear", [False, True], ids=["opaque", "alpha"])
def test_sixteen_bits_survive(suffix: str, grey: bool, clear: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 65536, (31, 45, 3), dtype=np.uint16)
    if grey:
        pixels[...] = pixels[..., :1]
    alpha = rng.integers(0, 65536, (31, 45), dtype=np.uint16) if clear else None
    icc = SRGB if not grey else None
    save_image(tmp_path / f"a.{suffix}", Picture(pixels, alpha, icc, exif_block(1), grey))
    again = open_image(tmp_path / f"a.{suffix}")
    assert again.pixels.dtype == np.uint16
    assert (again.pixels == pixels).all()
    assert again.icc == icc
    assert probe(tmp_path / f"a.{suffix}").bit_depth == 16
    if clear:
        assert (again.alpha == alpha).all()
    else:
        assert again.alpha is None
    if suffix == "png":
        assert again.grey == grey
        assert b"Maker" in (again.exif or b"")
    shown = cv2.imdecode(np.fromfile(tmp_path / f"a.{suffix}", np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown is not None
    assert shown.dtype == np.uint16


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "avif", "jp2"])
def test_sixteen_bits_are_rounded_where_there_is_no_room(suffix: str, tmp_path: Path) -> None:
    deep = texture().astype(np.uint16) * 257 + 100
    save_image(tmp_path / f"a.{suffix}", Picture(deep))
    again = open_image(tmp_path / f"a.{suffix}").pixels
    assert again.dtype == np.uint8
    assert psnr(again, texture()) > 40


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif", "bmp", "jp2"])
def test_what_a_picture_carries_is_written_back(suffix: str, tmp_path: Path) -> None:
    alpha = grey_ramp()
    whole = Picture(texture(), alpha, SRGB, exif_block(1), dpi=(300.0, 300.0))
    save_image(tmp_path / f"a.{suffix}", whole)
    again = open_image(tmp_path / f"a.{suffix}")
    if suffix in ("jpg", "bmp", "jp2"):  # no alpha there: on white
        assert again.alpha is None
        weight = alpha[..., None] / 255
        expected = np.rint(texture() * weight + 255 * (1 - weight)).astype(np.uint8)
        assert psnr(again.pixels, expected) > 40
    else:
        assert again.alpha is not None
        assert psnr(again.alpha, alpha) > 45
        clear = alpha > 128
        assert psnr(again.pixels[clear], texture()[clear]) > 38
    if suffix not in ("bmp", "jp2"):
        assert again.icc == SRGB
        assert again.exif is not None
        assert b"Maker" in again.exif
        assert b"2026:01:02" in again.exif
    if suffix in ("jpg", "png", "tiff"):
        assert again.dpi == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_are(suffix: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    save_image(tmp_path / f"a.{suffix}", Picture(noise))
    assert (open_image(tmp_path / f"a.{suffix}").pixels == noise).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_exif_orientation_is_applied_and_reset(orientation: int, suffix: str, tmp_path: Path) -> None:
    upright = Image.fromarray(texture())
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    stored.save(tmp_path / f"in.{suffix}", exif=exif_block(orientation), quality=100)
    picture = open_image(tmp_path / f"in.{suffix}")
    assert psnr(picture.pixels, texture()) > 35
    info = probe(tmp_path / f"in.{suffix}")
    assert (info.width, info.height) == (64, 48)
    save_image(tmp_path / f"out.{suffix}", picture)
    with Image.open(tmp_path / f"out.{suffix}") as again:
        assert again.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert again.size == (64, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_16_bit_tiff_stands_upright(orientation: int, tmp_path: Path) -> None:
    stored = texture().astype(np.uint16) * 257
    save_image(tmp_path / "a.tiff", Picture(stored))
    data = (tmp_path / "a.tiff").read_bytes()
    (count,) = struct.unpack_from("<H", data, 8)
    entries = []
    for tag, kind, number, value in struct.iter_unpack("<HHII", data[10 : 10 + 12 * count]):
        outside = {3: 2, 4: 4, 7: 1}[kind] * number > 4 or tag == 273  # what it points to moves by one entry
        entries.append((tag, kind, number, value + 12 if outside else value))
    entries.append((274, 3, 1, orientation))
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    (tmp_path / "b.tiff").write_bytes(
        data[:8] + struct.pack("<H", count + 1) + directory + data[10 + 12 * count :]
    )
    with Image.fromarray(texture()) as image:
        image.getexif()[ExifTags.Base.Orientation] = orientation
        upright = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16) * 257
    assert (open_image(tmp_path / "b.tiff").pixels == upright).all()
    info = probe(tmp_path / "b.tiff")
    assert (info.height, info.width) == upright.shape[:2]


def test_an_exif_thumbnail_does_not_show_the_old_face(tmp_path: Path) -> None:
    small = io.BytesIO()
    Image.fromarray(texture(16, 16)).save(small, "JPEG")
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    thumbnail = exif.get_ifd(ExifTags.IFD.IFD1)
    thumbnail[ExifTags.Base.JpegIFOffset] = 0
    thumbnail[ExifTags.Base.JpegIFByteCount] = len(small.getvalue())
    block = exif.tobytes() + small.getvalue()
    Image.fromarray(texture()).save(tmp_path / "in.jpg", exif=block)
    picture = open_image(tmp_path / "in.jpg")
    assert picture.exif is not None
    assert b"Maker" in picture.exif
    assert b"\xff\xd8" not in picture.exif


def test_grey_stays_grey_and_colour_becomes_colour(tmp_path: Path) -> None:
    for suffix in ("png", "jpg", "tiff", "bmp", "jp2", "gif"):
        Image.fromarray(grey_ramp()).save(tmp_path / "in.png")
        picture = open_image(tmp_path / "in.png")
        save_image(tmp_path / f"grey.{suffix}", picture)
        with Image.open(tmp_path / f"grey.{suffix}") as image:
            assert image.mode in ("L", "P")
        save_image(tmp_path / f"colour.{suffix}", picture.with_pixels(texture()))
        assert psnr(open_image(tmp_path / f"colour.{suffix}").pixels, texture()) > (
            25 if suffix == "gif" else 40
        )


def test_a_grey_profile_is_not_put_on_colour(tmp_path: Path) -> None:
    profile = bytearray(SRGB)
    profile[16:20] = b"GRAY"
    picture = Picture(texture(), icc=bytes(profile), grey=True)
    save_image(tmp_path / "colour.png", picture)
    assert open_image(tmp_path / "colour.png").icc is None


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(texture()).convert("CMYK").save(tmp_path / "in.jpg", quality=95)
    picture = open_image(tmp_path / "in.jpg")
    assert psnr(picture.pixels, texture()) > 30
    assert picture.icc is not None
    assert picture.icc[16:20] == b"RGB "
    save_image(tmp_path / "out.jpg", picture)
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.mode == "RGB"


def test_jpeg_chroma_is_not_subsampled(tmp_path: Path) -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    save_image(tmp_path / "a.jpg", Picture(stripes))
    assert psnr(open_image(tmp_path / "a.jpg").pixels, stripes) > 30
    save_image(tmp_path / "small.jpg", Picture(texture()), quality=20)
    save_image(tmp_path / "large.jpg", Picture(texture()), quality=95)
    assert (tmp_path / "small.jpg").stat().st_size < (tmp_path / "large.jpg").stat().st_size


def test_the_first_frame_of_an_animation_is_a_picture(tmp_path: Path) -> None:
    frames = [Image.fromarray(texture(seed=i)) for i in range(3)]
    for suffix in ("gif", "webp", "png", "tiff"):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, lossless=True)
        assert psnr(open_image(path).pixels, texture()) > 25
        assert probe(path).is_film == (suffix != "tiff")


@pytest.mark.parametrize(
    "name", ["Gesicht größer.png", "顔 写真.jpg", "a b'c\"d.webp", "-dash.png", "file:x.png"]
)
def test_names_of_every_kind(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "Ordner ÄÖÜ 目录"
    folder.mkdir()
    save_image(folder / name, Picture(texture()))
    assert open_image(folder / name).pixels.shape == (48, 64, 3)
    deep = folder / "tief ü.png"
    save_image(deep, Picture(texture().astype(np.uint16) * 257))
    assert open_image(deep).pixels.dtype == np.uint16


def huge_png(side: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def encoded(suffix: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)).save(
        buffer, suffix, **options
    )
    return buffer.getvalue()


def flip_byte(data: bytes, place: float) -> bytes:
    position = int(len(data) * place)
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]


DAMAGED = {
    "empty.jpg": lambda: b"",
    "text.jpg": lambda: b"Dear picture, I am a letter.\n" * 40,
    "text.png": lambda: b"no picture",
    "html.webp": lambda: b"<!DOCTYPE html><html><body>404</body></html>",
    "zeros.png": lambda: bytes(5000),
    "half.jpg": lambda: encoded("JPEG")[:7000],
    "half progressive.jpg": lambda: encoded("JPEG", progressive=True)[:7000],
    "no end.jpg": lambda: encoded("JPEG")[:-2],
    "zeroed end.jpg": lambda: encoded("JPEG")[:7000] + bytes(9000),
    "head only.jpg": lambda: encoded("JPEG")[:300],
    "half.png": lambda: encoded("PNG")[:30000],
    "no end.png": lambda: encoded("PNG")[:-12],
    "flipped.png": lambda: flip_byte(encoded("PNG"), 0.5),
    "half.webp": lambda: encoded("WEBP")[:5000],
    "half.tiff": lambda: encoded("TIFF")[:20000],
    "half.bmp": lambda: encoded("BMP")[:20000],
    "half.gif": lambda: encoded("GIF")[:9000],
    "half.avif": lambda: encoded("AVIF")[:3000],
    "half.jp2": lambda: encoded("JPEG2000")[:20000],
    "half.ppm": lambda: encoded("PPM")[:20000],
    "huge.png": lambda: huge_png(60_000),
    "phone.heic": lambda: struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + bytes(100),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_pictures_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(DAMAGED[name]())
    with pytest.raises(InputError) as caught:
        open_image(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("depth", [8, 16])
def test_a_cut_16_bit_picture_is_refused(depth: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (120, 160, 3), dtype=np.uint16)
    for suffix in ("png", "tiff"):
        save_image(
            tmp_path / f"a.{suffix}", Picture(noise if depth == 16 else (noise // 257).astype(np.uint8))
        )
        data = (tmp_path / f"a.{suffix}").read_bytes()
        (tmp_path / f"b.{suffix}").write_bytes(data[: len(data) // 2])
        with pytest.raises(InputError, match="damaged"):
            open_image(tmp_path / f"b.{suffix}")


def test_the_size_is_checked_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(huge_png(60_000))
    with pytest.raises(InputError, match=r"60000 x 60000 is 3600 megapixels.*--max-pixels"):
        probe(tmp_path / "huge.png")
    save_image(tmp_path / "a.png", Picture(texture()))
    with pytest.raises(InputError, match="more than the limit"):
        open_image(tmp_path / "a.png", max_pixels=64 * 48 - 1)
    assert open_image(tmp_path / "a.png", max_pixels=64 * 48).pixels.size


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="is a folder"):
        open_image(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read|no such file"):
        open_image("bad\0name.png")


@pytest.mark.parametrize(
    ("name", "quality", "words"),
    [
        ("a.xyz", None, "unknown kind of picture"),
        ("a", None, "unknown kind"),
        ("a.jpg", 101, "between 0 and 100"),
    ],
)
def test_wrong_wishes(name: str, quality: float | None, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        save_image(tmp_path / "out" / name, Picture(texture()), quality=quality)


def test_too_long_for_the_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be longer than 16383"):
        save_image(tmp_path / "a.webp", Picture(np.zeros((2, 16_400, 3), np.uint8)))


def test_pictures_check_their_arrays() -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        Picture(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="alpha must be"):
        Picture(texture(), np.zeros((2, 2), np.uint8))
