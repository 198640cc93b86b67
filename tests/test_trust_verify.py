"""Verdicts: what was done to a signed file is named rightly, for every kind of file and of tampering."""

import hashlib
import json
import random
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import c2pa
import cv2
import numpy as np
import pytest
from PIL import Image

from omote.errors import InputError
from omote.trust import certificates, keys
from omote.trust.credentials import manifest_definition, publish
from omote.trust.home import make_private_folder
from omote.trust.mark_search import FoundMark
from omote.trust.records import sidecar_path
from omote.trust.verify import Verdict, Verification, verify_file
from omote.trust.watermark import Watermark
from tests.conftest import Command
from tests.trust_files import BESIDE, EMBEDDED, MARK, make_media, pixels, statement, write_media

FOUND = FoundMark(MARK.algorithm, MARK.value, 1e-12)
KINDS = ("a.jpg", "a.png", "a.webp", "a.tiff", "a.avif", "a.gif", "a.mp4", "a.mov", "a.avi")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))


@pytest.fixture
def sign(tmp_path: Path) -> Callable[..., Path]:
    """Make and sign a file; its target is unsigned unless given."""

    def make(
        name: str, target: Path | None = None, seed: int = 0, key: Any = None, stem: str = "out"
    ) -> Path:
        (tmp_path / "given").mkdir(exist_ok=True)
        given = make_media(tmp_path / "given" / name, seed)
        output = tmp_path / f"{stem}{given.suffix}"
        publish(given, output, statement(target or given, given), key)
        return output

    return make


def look(path: Path, found: FoundMark | None = None, logged: Mapping[str, Any] | None = None) -> Verification:
    """Verify, with a watermark and a log that are given."""
    return verify_file(path, search=lambda _: found, look_up=lambda _: logged)


def said(verification: Verification) -> str:
    """All reasons on one line."""
    return " | ".join(verification.reasons)


@pytest.mark.parametrize("name", [*EMBEDDED, *BESIDE])
def test_what_omote_signs_is_intact(sign: Callable[..., Path], name: str) -> None:
    verification = look(sign(name), FOUND)
    assert verification.verdict is Verdict.INTACT
    assert verification.own
    assert verification.marks_agree
    assert "signed by this installation (not on the public trust list)" in said(verification)
    assert "record and watermark agree" in said(verification)
    assert (verification.sidecar is not None) == (name in BESIDE)


def _flip(place: float) -> Callable[[bytes], bytes]:
    """A bit changed at a fraction of the file."""

    def change(content: bytes) -> bytes:
        at = int(place * (len(content) - 1))
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return change


def _inside(words: bytes, other: bytes) -> Callable[[bytes], bytes]:
    """Words of the record exchanged."""

    def change(content: bytes) -> bytes:
        assert words in content
        return content.replace(words, other, 1)

    return change


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "tamper",
    [
        _inside(b"compositeWithTrained", b"digitalCapture000000"),
        _inside(b"omote-mesh", b"other-mesh"),
        _inside(MARK.value.encode(), b"0" * 12),
        lambda content: content + bytes(64),
        lambda content: content + b"\n",
    ],
    ids=["source type", "network", "watermark", "64 bytes appended", "one byte appended"],
)
def test_changed_records_and_appended_bytes(
    sign: Callable[..., Path], name: str, tamper: Callable[[bytes], bytes]
) -> None:
    path = sign(name)
    path.write_bytes(tamper(path.read_bytes()))
    verification = look(path)
    assert verification.verdict is Verdict.TAMPERED
    assert "unchanged since it was signed" not in verification.reasons


def _places(given: bytes, signed: bytes) -> list[int]:
    """Some places of a signed file that hold its pictures and not its record: those it was given with."""
    found = []
    beginning = 64  # C2PA leaves out the first box of ISO files, ftyp
    for at in range(beginning, len(given) - 32, max(1, len(given) // 24)):
        window = given[at : at + 32]
        if len(set(window)) > 8 and (start := signed.find(window)) >= 0:
            found.append(start + 16)
    return found


@pytest.mark.parametrize("name", KINDS)
def test_any_changed_byte_of_the_pictures(sign: Callable[..., Path], name: str) -> None:
    path = sign(name)
    original = path.read_bytes()
    places = _places((path.parent / "given" / name).read_bytes(), original)
    assert len(places) >= 8
    for at in places:
        path.write_bytes(original[:at] + bytes([original[at] ^ 4]) + original[at + 1 :])
        assert look(path).verdict is Verdict.TAMPERED, at


@pytest.mark.parametrize("box", ["mdat", "uuid", "moof"])
def test_a_box_appended_to_a_film(sign: Callable[..., Path], box: str) -> None:
    path = sign("a.mp4")
    path.write_bytes(path.read_bytes() + (64).to_bytes(4, "big") + box.encode() + bytes(56))
    assert look(path).verdict is Verdict.TAMPERED


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kept", [0.95, 0.6])
def test_truncated_files(sign: Callable[..., Path], name: str, kept: float) -> None:
    path = sign(name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    verification = look(path)
    if verification.verdict is Verdict.ABSENT:  # the record was in the part that is gone
        assert name in ("a.webp", "a.tiff", "a.avi")  # elsewhere it stands in front
        assert "a record may have been lost" in said(verification)
    else:
        assert verification.verdict is Verdict.TAMPERED


def _jumbf_segments(content: bytes) -> list[tuple[int, int]]:
    """Start and end of the APP11 segments of a JPEG."""
    found, at = [], 2
    while content[at] == 0xFF and content[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if content[at + 1] == 0xEB:
            found.append((at, end))
        at = end
    return found


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.mp4", "a.mkv"])
def test_changes_anywhere_are_found_or_mean_nothing(sign: Callable[..., Path], name: str) -> None:
    path = sign(name)
    changed = path if name != "a.mkv" else sidecar_path(path)
    original, record = changed.read_bytes(), verify_file(path, search=None).record
    draw = random.Random(name)
    for _ in range(40):
        content = bytearray(original)
        for _ in range(draw.choice([1, 1, 8])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        if draw.random() < 0.2:
            del content[draw.randrange(len(content)) :]
        changed.write_bytes(bytes(content) or b"\0")
        verification = verify_file(path, search=None)
        if verification.verdict is Verdict.INTACT:
            assert verification.record == record


def test_a_record_moved_to_another_picture(sign: Callable[..., Path], tmp_path: Path) -> None:
    signed = sign("a.jpg").read_bytes()
    record = b"".join(signed[start:end] for start, end in _jumbf_segments(signed))
    other = make_media(tmp_path / "other.jpg", seed=5).read_bytes()
    moved = tmp_path / "moved.jpg"
    moved.write_bytes(other[:2] + record + other[2:])
    verification = look(moved)
    assert verification.verdict is Verdict.TAMPERED
    assert "the content was changed after it was signed" in said(verification)


def test_a_side_car_moved_to_another_film(sign: Callable[..., Path], tmp_path: Path) -> None:
    first, second = sign("a.mkv", stem="first"), sign("a.webm", stem="second")
    sidecar_path(first).replace(sidecar_path(second))
    assert look(second).verdict is Verdict.TAMPERED
    assert look(first).verdict is Verdict.ABSENT


@pytest.mark.parametrize("name", BESIDE)
def test_changed_files_with_a_side_car(sign: Callable[..., Path], name: str) -> None:
    path = sign(name)
    original = path.read_bytes()
    for changed in (original + b"\0", original[:-20], _flip(0.5)(original)):
        path.write_bytes(changed)
        assert look(path).verdict is Verdict.TAMPERED
    path.write_bytes(original)
    beside = sidecar_path(path)
    beside.write_bytes(beside.read_bytes().replace(b"omote-mesh", b"omote-mess"))
    assert look(path).verdict is Verdict.TAMPERED
    beside.write_bytes(b"nonsense")
    assert look(path).verdict is Verdict.TAMPERED


def test_a_side_car_as_other_tools_name_it(sign: Callable[..., Path]) -> None:
    path = sign("a.mkv")
    sidecar_path(path).rename(path.with_suffix(".c2pa"))
    assert look(path).verdict is Verdict.INTACT


def _without_record(path: Path) -> None:
    content = path.read_bytes()
    for start, end in reversed(_jumbf_segments(content)):
        content = content[:start] + content[end:]
    path.write_bytes(content)


def _saved_again(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()
    picture.save(path)


def _muxed_again(path: Path) -> None:
    fresh = path.with_name("fresh" + path.suffix)
    with av.open(str(path)) as given, av.open(str(fresh), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    fresh.replace(path)


@pytest.mark.parametrize(
    ("name", "strip"),
    [
        ("a.jpg", _without_record),
        ("a.jpg", _saved_again),
        ("a.png", _saved_again),
        ("a.webp", _saved_again),
        ("a.mp4", _muxed_again),
        ("a.mov", _muxed_again),
        ("a.mkv", lambda path: sidecar_path(path).unlink()),
    ],
)
def test_removed_records(sign: Callable[..., Path], name: str, strip: Callable[[Path], None]) -> None:
    path = sign(name)
    strip(path)
    assert look(path).verdict is Verdict.ABSENT
    known = look(path, FOUND, {"operation": "swap", "time": "2026-11-21T12:00:00Z", "watermark": MARK.value})
    assert known.verdict is Verdict.STRIPPED
    assert known.logged is not None
    assert "the local audit log knows this watermark: swap, 2026-11-21" in said(known)
    assert "does not know" in said(look(path, FOUND))


def test_the_audit_log_of_this_installation_is_asked(sign: Callable[..., Path]) -> None:
    from omote.trust.audit import AuditLog, Entry
    from omote.trust.home import trust_folder

    path = sign("a.jpg")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    _without_record(path)
    AuditLog(trust_folder()).append(Entry("swap", digest, watermark=MARK.value), datetime.now(UTC))
    found = verify_file(path, search=lambda _: FOUND)
    assert found.verdict is Verdict.STRIPPED
    assert found.logged is not None
    assert found.logged["operation"] == "swap"
    assert "the file is not byte for byte the one that was logged" in found.reasons


@pytest.mark.parametrize(("parent", "child"), [("a.jpg", "a.mp4"), ("a.mp4", "a.png"), ("a.mkv", "a.jpg")])
def test_a_tampered_parent_is_reported(sign: Callable[..., Path], parent: str, child: str) -> None:
    target = sign(parent, stem="parent")
    target.write_bytes(_flip(0.8)(target.read_bytes()))
    verification = look(sign(child, target))
    assert verification.verdict is Verdict.BROKEN_HISTORY
    assert "made of: target (parentOf): tampered; the content was changed" in said(verification)


def test_a_tampered_grandparent_is_reported(sign: Callable[..., Path]) -> None:
    grandparent = sign("a.jpg", stem="one")
    grandparent.write_bytes(_flip(0.8)(grandparent.read_bytes()))
    parent = sign("a.png", grandparent, stem="two")
    verification = look(sign("a.mp4", parent, stem="three"))
    assert verification.verdict is Verdict.BROKEN_HISTORY
    assert "  made of: target (parentOf): tampered" in said(verification)


def test_an_intact_parent_is_shown(sign: Callable[..., Path]) -> None:
    verification = look(sign("a.mp4", sign("a.jpg", stem="parent")))
    assert verification.verdict is Verdict.INTACT
    assert "made of: target (parentOf): valid (signed by Omote installation" in said(verification)
    assert "  made of: target (parentOf): no credentials" in said(verification)


def _foreign(folder: Path) -> keys.SigningKey:
    """A key of another installation."""
    return keys.signing_key(folder / "elsewhere")


def test_a_signer_who_is_unknown_here(sign: Callable[..., Path], tmp_path: Path) -> None:
    key = _foreign(tmp_path)
    path = sign("a.jpg", key=key)
    verification = look(path)
    assert verification.verdict is Verdict.UNTRUSTED
    assert not verification.own
    assert "not trusted here" in said(verification)
    roots = tmp_path / "home" / "trust" / "keys"
    make_private_folder(roots)
    (roots / "anchors.pem").write_bytes(certificates.pem(key.chain[-1]))
    trusted = look(path)
    assert trusted.verdict is Verdict.INTACT
    assert not trusted.own
    assert "(trusted here)" in said(trusted)


def test_a_parent_whose_signer_is_trusted_no_more(sign: Callable[..., Path], tmp_path: Path) -> None:
    key = _foreign(tmp_path)
    anchors = make_private_folder(tmp_path / "home" / "trust" / "keys") / "anchors.pem"
    anchors.write_bytes(certificates.pem(key.chain[-1]))
    path = sign("a.png", sign("a.jpg", key=key, stem="parent"))
    assert "made of: target (parentOf): valid" in said(look(path))
    anchors.unlink()
    assert "made of: target (parentOf): untrusted signer" in said(look(path))


def test_anchors_that_are_none(sign: Callable[..., Path], tmp_path: Path) -> None:
    path = sign("a.jpg")
    (tmp_path / "home" / "trust" / "keys" / "anchors.pem").write_text("nothing")
    with pytest.raises(InputError, match=r"anchors\.pem"):
        look(path)


def test_a_certificate_that_looks_like_ours_is_not_ours(
    sign: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = keys.signing_key()
    monkeypatch.setattr(certificates.x509, "random_serial_number", lambda: own.chain[0].serial_number)
    verification = look(sign("a.jpg", key=_foreign(tmp_path)))
    assert verification.record is not None
    assert verification.record.signer is not None
    assert verification.record.signer.serial == own.serial
    assert not verification.own
    assert verification.verdict is Verdict.UNTRUSTED


def test_a_certificate_that_expires(sign: Callable[..., Path], tmp_path: Path) -> None:
    root_key, root = certificates.make_root()
    key, leaf = certificates.make_leaf(root_key, root, timedelta(seconds=2))
    folder = make_private_folder(tmp_path / "home" / "trust" / "keys")
    content = certificates.private_pem(key) + certificates.pem(leaf, root)
    (folder / "0001.pem").write_bytes(content)
    path = sign("a.jpg", key=keys.all_keys()[0])
    assert look(path).verdict is Verdict.INTACT
    time.sleep(max(0.0, (leaf.not_valid_after_utc - datetime.now(UTC)).total_seconds()) + 1.1)
    verification = look(path)
    assert verification.verdict is Verdict.EXPIRED
    assert "the certificate has expired" in said(verification)
    assert "trusted here" not in said(verification)
    path.write_bytes(_flip(0.9)(path.read_bytes()))
    assert look(path).verdict is Verdict.TAMPERED


def test_a_signature_outlives_renewal_of_the_key(sign: Callable[..., Path]) -> None:
    path = sign("a.jpg")
    keys.renew()
    verification = look(path)
    assert verification.verdict is Verdict.INTACT
    assert verification.own


def test_a_watermark_that_the_record_does_not_name(sign: Callable[..., Path]) -> None:
    other = FoundMark(MARK.algorithm, "0000deadbeef", 1e-12)
    verification = look(sign("a.jpg"), other)
    assert verification.verdict is Verdict.CONTRADICTED
    assert f"the record names {MARK.algorithm} {MARK.value}" in said(verification)


def test_the_watermark_of_a_parent_agrees(sign: Callable[..., Path], tmp_path: Path) -> None:
    parent = sign("a.jpg", stem="parent")
    output = tmp_path / "cropped.jpg"
    publish(make_media(tmp_path / "b.jpg"), output, statement(parent, mark=None))
    assert look(output, FOUND).verdict is Verdict.INTACT


@pytest.mark.parametrize("name", ["a.jpg", "a.mp4"])
def test_a_real_watermark(tmp_path: Path, name: str) -> None:
    marked = Watermark(MARK.identifier)
    scene = cv2.resize(pixels(), (448, 336), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 6, scene.shape)
    scene = np.clip(scene + grain, 0, 255).astype(np.uint8)
    given, output = tmp_path / name, tmp_path / f"out{Path(name).suffix}"
    write_media(given, [marked.mark(scene)] * 24)
    publish(given, output, statement(None))
    verification = verify_file(output)
    assert verification.verdict is Verdict.INTACT
    assert verification.marks_agree
    assert verification.mark is not None
    assert verification.mark.value == MARK.value
    write_media(output, [marked.mark(scene)] * 24)
    assert verify_file(output).verdict is Verdict.STRIPPED


def test_a_record_of_another_maker(tmp_path: Path) -> None:
    key = _foreign(tmp_path)
    photo, signed = make_media(tmp_path / "a.jpg"), tmp_path / "camera.jpg"
    action = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    }
    definition = {
        "claim_generator_info": [{"name": "Camera", "version": "7"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    secret = c2pa.C2paSignerInfo("es256", key.chain_pem, key.private_pem, None)
    with c2pa.Signer.from_info(secret) as signer, c2pa.Builder(definition) as builder:
        builder.sign_file(photo, signed, signer)
    verification = look(signed)
    assert verification.verdict is Verdict.UNTRUSTED
    assert "action: created, digitalCapture (Camera 7)" in said(verification)
    assert look(signed, FOUND).verdict is Verdict.CONTRADICTED


def test_a_record_at_an_address_is_not_fetched(tmp_path: Path) -> None:
    key, signed = keys.signing_key(), tmp_path / "signed.jpg"
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/record.c2pa"
        secret = c2pa.C2paSignerInfo("es256", key.chain_pem, key.private_pem, None)
        definition = manifest_definition(statement(None), "image/jpeg")
        with c2pa.Signer.from_info(secret) as signer, c2pa.Builder(definition) as builder:
            builder.set_no_embed()
            builder.set_remote_url(address)
            record = builder.sign_file(make_media(tmp_path / "a.jpg"), signed, signer)
        verification = look(signed)
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
    assert verification.verdict is Verdict.ABSENT
    assert f"its record lies at {address}, and Omote fetches none" in said(verification)
    sidecar_path(signed).write_bytes(record)
    assert look(signed).verdict is Verdict.INTACT


@pytest.mark.parametrize("name", ["a.jpg", "a.mkv", "a.mp4", "a.bmp"])
def test_unsigned_media(tmp_path: Path, name: str) -> None:
    verification = look(make_media(tmp_path / name))
    assert verification.verdict is Verdict.ABSENT
    assert verification.reasons[0] == "no content credentials, inside or beside the file"


@pytest.mark.parametrize("content", [b"words", b"\xff\xd8\xff\xe0", b"%PDF-1.4", bytes(4096)])
def test_any_file_gets_an_answer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)
    verification = verify_file(path)
    assert verification.verdict is Verdict.ABSENT
    assert "watermark: cannot be looked for" in said(verification)


def test_what_is_no_file_is_bad_input(tmp_path: Path, omote: Command) -> None:
    assert omote("verify", tmp_path / "missing.jpg").code == InputError.exit_code
    (tmp_path / "empty.jpg").touch()
    assert omote("verify", tmp_path / "empty.jpg").code == InputError.exit_code


def test_command(sign: Callable[..., Path], omote: Command) -> None:
    path = sign("a.jpg")
    done = omote("verify", path, "--no-watermark")
    assert done.code == 0
    assert done.out.startswith(f"{path}: intact\n  signed by this installation")
    path.write_bytes(path.read_bytes() + b"\n")
    done = omote("verify", path, "--json", "--no-watermark")
    assert done.code == 16
    facts = json.loads(done.out)
    assert facts["verdict"] == "tampered"
    assert facts["exit_code"] == 16
    assert facts["credentials"]["assertions"]["org.omote.rights"]["basis"] == "consent"


def test_exit_codes_are_all_different_and_none_of_the_others() -> None:
    codes = [verdict.exit_code for verdict in Verdict]
    assert len(set(codes)) == len(codes)
    assert not set(codes) & set(range(1, 7))


def test_verify_writes_nothing(tmp_path: Path, omote: Command) -> None:
    path = make_media(tmp_path / "a.jpg")
    omote("verify", path)
    assert not (tmp_path / "home").exists()
