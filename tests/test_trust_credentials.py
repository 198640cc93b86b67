"""Signing: every kind of output, what the record says, and that nothing half-done is left behind."""

import io
import json
import socket
import threading
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
import pytest
from PIL import Image

from omote.errors import InputError
from omote.trust import certificates, credentials, keys, media_types
from omote.trust.credentials import publish, sign_file
from omote.trust.media_types import EMBEDDING, media_type
from omote.trust.records import sidecar_path
from omote.trust.statement import SourceType
from omote.trust.xmp import with_source_type, xmp_packet
from tests.conftest import Command, snapshot
from tests.trust_files import BESIDE, EMBEDDED, MARK, make_media, statement

_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_media(tmp_path / "Anna at home.png", seed=9)


def read(path: Path, sidecar: bytes | None = None) -> dict[str, Any]:
    """A record as the library's own reader gives it to anyone who trusts the root of this installation."""
    settings = {"verify": {"verify_trust": True}, "trust": {"user_anchors": keys.anchors().decode()}}
    with (
        path.open("rb") as file,
        c2pa.Context.from_dict(settings) as context,
        c2pa.Reader(media_type(path), file, sidecar, context=context) as reader,
    ):
        return json.loads(reader.json())


def active(report: dict[str, Any]) -> dict[str, Any]:
    """The manifest of the file itself."""
    return report["manifests"][report["active_manifest"]]


def assertion(report: dict[str, Any], label: str) -> Any:
    """What an assertion of the file's own manifest says."""
    return next(one["data"] for one in active(report)["assertions"] if one["label"] == label)


def content(path: Path) -> list[bytes]:
    """Frames of a picture, or packets of a film."""
    if path.suffix in (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts"):
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(video=0)]
    with Image.open(path) as picture:
        frames = []
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            frames.append(np.asarray(picture).tobytes())
        return frames


@pytest.mark.parametrize("name", EMBEDDED)
def test_record_lies_inside_and_is_trusted(tmp_path: Path, source: Path, name: str) -> None:
    target, output = make_media(tmp_path / name), tmp_path / f"out{Path(name).suffix}"
    signed = publish(target, output, statement(target, source))
    assert signed == credentials.Signed(None, ())
    report = read(output)
    assert report["validation_state"] == "Trusted"
    assert report["validation_results"]["activeManifest"]["failure"] == []
    assert content(output) == content(target)


@pytest.mark.parametrize("name", BESIDE)
def test_record_lies_beside_where_there_is_no_place_inside(tmp_path: Path, source: Path, name: str) -> None:
    target, output = make_media(tmp_path / name), tmp_path / f"out{Path(name).suffix}"
    signed = publish(target, output, statement(target, source))
    assert output.read_bytes() == target.read_bytes()
    beside = output.with_name(output.name + ".c2pa")
    assert beside.read_bytes() == signed.sidecar
    assert read(output, signed.sidecar)["validation_state"] == "Trusted"


def test_a_record_lies_beside_an_avi_of_several_parts(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_types, "_LONGEST_AVI", 5_000)
    target, output = make_media(tmp_path / "a.avi"), tmp_path / "out.avi"
    assert target.stat().st_size > 5_000
    signed = publish(target, output, statement(target, source))
    assert output.read_bytes() == target.read_bytes()
    assert read(output, signed.sidecar)["validation_state"] == "Trusted"


def test_every_kind_that_omote_writes_is_signed_one_way_or_the_other() -> None:
    from omote.media import FILM_SUFFIXES, PICTURE_SUFFIXES

    tested = {Path(name).suffix for name in (*EMBEDDED, *BESIDE)}
    same = {".jpeg": ".jpg", ".tif": ".tiff", ".m2ts": ".ts", ".apng": ".png"}
    assert {same.get(suffix, suffix) for suffix in (*PICTURE_SUFFIXES, *FILM_SUFFIXES)} == tested


def test_actions_of_a_changed_target(tmp_path: Path, source: Path) -> None:
    target, output = make_media(tmp_path / "a.jpg"), tmp_path / "out.jpg"
    publish(target, output, statement(target, source, source))
    report = read(output)
    actions = assertion(report, "c2pa.actions.v2")
    assert actions["allActionsIncluded"] is True
    opened, edited, marked = actions["actions"]
    assert [one["action"] for one in actions["actions"]] == [
        "c2pa.opened",
        "c2pa.edited",
        "c2pa.watermarked.bound",
    ]
    assert edited["digitalSourceType"] == _TERMS + "compositeWithTrainedAlgorithmicMedia"
    assert edited["softwareAgent"]["name"] == "Omote"
    assert "digitalSourceType" not in opened
    assert marked["when"] == edited["when"]
    parent, first, second = active(report)["ingredients"]
    assert [one["relationship"] for one in (parent, first, second)] == ["parentOf", "inputTo", "inputTo"]
    referred = [Path(one["url"]).name for one in edited["parameters"]["ingredients"]]
    assert referred == [first["label"], second["label"]]
    assert Path(opened["parameters"]["ingredients"][0]["url"]).name == parent["label"]


def test_actions_without_a_target(tmp_path: Path, source: Path) -> None:
    made, output = make_media(tmp_path / "a.png"), tmp_path / "out.png"
    publish(made, output, statement(None, source, mark=None))
    report = read(output)
    assert report["validation_state"] == "Trusted"
    (created,) = assertion(report, "c2pa.actions.v2")["actions"]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"] == _TERMS + "trainedAlgorithmicMedia"
    assert not any(one["label"] == "c2pa.soft-binding" for one in active(report)["assertions"])


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png", "moving.png"])
def test_the_source_type_stands_in_xmp_and_is_signed(tmp_path: Path, source: Path, name: str) -> None:
    given = make_media(tmp_path / name)
    output = tmp_path / f"out{given.suffix}"
    publish(given, output, statement(given, source))
    term = (_TERMS + "compositeWithTrainedAlgorithmicMedia").encode()
    with Image.open(output) as picture:
        picture.load()
        packet = picture.info["xmp"]
    assert term in (packet if isinstance(packet, bytes) else packet.encode())
    content = output.read_bytes()
    output.write_bytes(content.replace(b"DigitalSourceType=", b"DigitalSourceTypo="))
    assert read(output)["validation_state"] == "Invalid"


def test_xmp_comes_after_exif_and_does_not_replace_what_is_there() -> None:
    camera, packet = Image.Exif(), xmp_packet(SourceType.ENHANCED)
    camera[271] = "Camera"
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", exif=camera)
    plain = file.getvalue()
    made = with_source_type(plain, "image/jpeg", SourceType.ENHANCED)
    assert with_source_type(made, "image/jpeg", SourceType.SYNTHETIC) == made
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.getexif()[271] == "Camera"
        assert picture.info["xmp"] == packet
    assert with_source_type(plain, "image/gif", SourceType.ENHANCED) == plain


def test_what_is_stated_stands_in_the_record(tmp_path: Path, source: Path) -> None:
    target, output = make_media(tmp_path / "a.jpg"), tmp_path / "out.jpg"
    publish(target, output, statement(target, source))
    report = read(output)
    assert assertion(report, "org.omote.rights") == {"basis": "consent", "record": "ab" * 32}
    job = assertion(report, "org.omote.job")
    assert job["networks"] == [
        {"name": "omote-mesh", "sha256": "cd" * 32},
        {"name": "unpinned", "sha256": None},
    ]
    assert job["safetyGate"] == {"state": "passed", "reasons": ["nothing found"]}
    binding = assertion(report, "c2pa.soft-binding")
    assert binding["alg"] == MARK.algorithm
    assert int(binding["blocks"][0]["value"], 16) == MARK.identifier
    mining = assertion(report, "cawg.training-mining")["entries"]
    assert {entry["use"] for entry in mining.values()} == {"notAllowed"}


def test_the_record_names_no_files_and_has_no_pictures(tmp_path: Path, source: Path) -> None:
    target = make_media(tmp_path / "Holiday of Anna.jpg")
    output = tmp_path / "Anna.jpg"
    publish(target, output, statement(target, source))
    assert b"Anna" not in output.read_bytes()
    assert "thumbnail" not in json.dumps(read(output))
    publish(target, output, statement(target, source), thumbnails=True)
    assert "thumbnail" in json.dumps(read(output))


def test_credentials_of_the_target_are_kept(tmp_path: Path, source: Path) -> None:
    first, second = tmp_path / "first.jpg", tmp_path / "second.mp4"
    publish(make_media(tmp_path / "a.jpg"), first, statement(None, source))
    publish(make_media(tmp_path / "a.mp4"), second, statement(first, source))
    report = read(second)
    assert report["validation_state"] == "Trusted"
    assert len(report["manifests"]) == 2
    assert active(report)["ingredients"][0]["active_manifest"] in report["manifests"]


def test_a_side_car_of_the_target_is_kept(tmp_path: Path, source: Path) -> None:
    first, second = tmp_path / "first.mkv", tmp_path / "second.mp4"
    publish(make_media(tmp_path / "a.mkv"), first, statement(None, source))
    publish(make_media(tmp_path / "a.mp4"), second, statement(first, source))
    report = read(second)
    assert report["validation_state"] == "Trusted"
    assert len(report["manifests"]) == 2


def test_broken_credentials_of_the_target_are_noted(tmp_path: Path, source: Path) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    publish(make_media(tmp_path / "a.png"), first, statement(None, source))
    damaged = bytearray(first.read_bytes())
    damaged[-40] ^= 1
    first.write_bytes(damaged)
    notes = publish(make_media(tmp_path / "b.png"), second, statement(first, source)).notes
    assert len(notes) == 1
    assert "target" in notes[0]
    assert "changed after it was signed" in notes[0]


def test_a_target_that_the_library_cannot_read_is_no_obstacle(tmp_path: Path, source: Path) -> None:
    target, output = make_media(tmp_path / "a.png"), tmp_path / "out.png"
    cut = tmp_path / "cut.png"
    cut.write_bytes(target.read_bytes()[:-200])
    notes = publish(target, output, statement(cut, source)).notes
    assert len(notes) == 1
    assert "could not be kept" in notes[0]
    assert read(output)["validation_state"] == "Trusted"


def test_the_content_tells_the_kind(tmp_path: Path, source: Path) -> None:
    target = make_media(tmp_path / "a.mp4").rename(tmp_path / ".a.omote-part")
    signed = tmp_path / ".b.omote-part"
    assert sign_file(target, signed, statement(target, source)).sidecar is None
    assert read(signed)["validation_state"] == "Trusted"


def _fails(key: keys.SigningKey, folder: Path, source: Path, name: str) -> str:
    """The message with which signing fails; nothing else may have come of it."""
    target, output = make_media(folder / name), folder / f"out{Path(name).suffix}"
    before = snapshot(folder)
    with pytest.raises(InputError) as caught:
        publish(target, output, statement(target, source), key)
    assert snapshot(folder) == before
    assert "\n" not in str(caught.value)
    assert str(output) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.jpg", "a.mkv"])
def test_a_key_that_does_not_fit_leaves_nothing(tmp_path: Path, source: Path, name: str) -> None:
    key, other = keys.signing_key(), keys.renew()
    mixed = keys.SigningKey(key.path, other.private_pem, key.chain, None)
    assert "cannot be signed" in _fails(mixed, tmp_path, source, name)


def test_signing_that_fails_leaves_no_copy(tmp_path: Path) -> None:
    key, other = keys.signing_key(), keys.renew()
    target, signed = make_media(tmp_path / "a.jpg"), tmp_path / "signed.jpg"
    with pytest.raises(InputError):
        sign_file(
            target, signed, statement(target), keys.SigningKey(key.path, other.private_pem, key.chain, None)
        )
    assert not signed.exists()


def test_an_older_output_stays_when_signing_fails(tmp_path: Path, source: Path) -> None:
    target, output = make_media(tmp_path / "a.jpg"), tmp_path / "out.jpg"
    output.write_bytes(b"older")
    key, other = keys.signing_key(), keys.renew()
    with pytest.raises(InputError):
        publish(
            target, output, statement(target), keys.SigningKey(key.path, other.private_pem, key.chain, None)
        )
    assert output.read_bytes() == b"older"


@pytest.mark.parametrize("name", ["a.jpg", "a.mkv"])
def test_what_is_to_be_done_before_a_file_has_its_name(tmp_path: Path, source: Path, name: str) -> None:
    target, output = make_media(tmp_path / name), tmp_path / f"out{Path(name).suffix}"
    seen = []

    def before(made: Path) -> None:
        assert not output.exists()
        seen.append(made.read_bytes())

    def stop(_: Path) -> None:
        raise InputError("the log is full")

    publish(target, output, statement(target, source), before=before)
    assert seen == [output.read_bytes()]
    output.unlink()
    sidecar_path(output).unlink(missing_ok=True)
    files = snapshot(tmp_path)
    with pytest.raises(InputError, match="the log is full"):
        publish(target, output, statement(target, source), before=stop)
    assert snapshot(tmp_path) == files


def test_what_does_not_verify_is_not_published(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keys.signing_key()
    sign = c2pa.Builder.sign

    def spoil(self: Any, signer: Any, kind: str, given: Any, made: Any) -> Any:
        manifest = sign(self, signer, kind, given, made)
        made.seek(-20, 2)
        made.write(b"x")
        return manifest

    monkeypatch.setattr(c2pa.Builder, "sign", spoil)
    assert "changed after it was signed" in _fails(key, tmp_path, source, "a.png")


class _Listener:
    """A server that takes one connection and answers nonsense; `asked` tells whether anyone came."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/tsa"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._server, self._server.accept()[0] as connection:
            self.asked.set()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_a_time_stamp_authority_is_asked_only_when_it_is_set(tmp_path: Path, source: Path) -> None:
    listener, key = _Listener(), keys.signing_key()
    target = make_media(tmp_path / "b.jpg")
    publish(target, tmp_path / "out.jpg", statement(target, source))
    assert not listener.asked.is_set()
    (tmp_path / "out.jpg").unlink()
    keys.set_timestamp_authority(listener.url)
    message = _fails(key, tmp_path, source, "b.jpg")
    assert listener.asked.wait(5)
    assert listener.url in message
    assert "omote keys timestamp off" in message


def test_an_imported_chain_signs(tmp_path: Path, source: Path, omote: Command) -> None:
    root_key, root = certificates.make_root()
    key, leaf = certificates.make_leaf(root_key, root)
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.private_pem(key) + certificates.pem(leaf, root))
    assert omote("keys", "import", both).code == 0
    target, output = make_media(tmp_path / "a.jpg"), tmp_path / "out.jpg"
    publish(target, output, statement(target, source))
    report = read(output)
    assert report["validation_state"] == "Trusted"
    assert active(report)["signature_info"]["cert_serial_number"] == str(leaf.serial_number)


@pytest.mark.parametrize("name", [*EMBEDDED, *BESIDE])
def test_media_type_goes_by_content(tmp_path: Path, name: str) -> None:
    path = make_media(tmp_path / name)
    kind = media_type(path.rename(tmp_path / "unnamed"))
    assert (kind in EMBEDDING) == (name in EMBEDDED)
    assert kind != "application/octet-stream"


def test_side_cars_of_films_with_the_same_stem_do_not_meet() -> None:
    assert sidecar_path(Path("film.mkv")) != sidecar_path(Path("film.webm"))
