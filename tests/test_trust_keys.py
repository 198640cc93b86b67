"""The keys of an installation: made once, private, renewed in time, imported when they fit."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from omote.errors import InputError, UsageError
from omote.trust import certificates, keys
from omote.trust.home import make_private_folder
from tests.conftest import Command


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "trust" / "keys"


def _plant(folder: Path, life: timedelta) -> None:
    """A key that was made here and lives for a while."""
    root_key, root = certificates.make_root()
    key, leaf = certificates.make_leaf(root_key, root, life)
    make_private_folder(folder)
    parts = certificates.private_pem(key), certificates.pem(leaf, root), certificates.private_pem(root_key)
    (folder / "0001.pem").write_bytes(b"".join(parts))


def _files(folder: Path, key: ec.EllipticCurvePrivateKey, *chain: x509.Certificate) -> tuple[Path, Path]:
    """Certificates and a key as PEM files."""
    folder.mkdir(exist_ok=True)
    (folder / "chain.pem").write_bytes(certificates.pem(*chain))
    (folder / "key.pem").write_bytes(certificates.private_pem(key))
    return folder / "chain.pem", folder / "key.pem"


def test_first_use_makes_one_chain_for_ever(home: Path) -> None:
    first, again = keys.signing_key(), keys.signing_key()
    assert first == again
    assert first.made_here
    assert [path.name for path in home.iterdir()] == ["0001.pem"]
    assert stat.S_IMODE((home / "0001.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_certificates_have_the_profile_that_c2pa_asks_for() -> None:
    key = keys.signing_key()
    leaf, root = key.chain
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    now = datetime.now(UTC)
    assert timedelta(days=1800) < leaf.not_valid_after_utc - now < timedelta(days=1830)
    assert timedelta(days=3600) < root.not_valid_after_utc - now < timedelta(days=3660)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    subject = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == subject.digest
    assert key.algorithm == "es256"


def test_two_installations_tell_nothing_but_are_not_the_same(tmp_path: Path) -> None:
    one, other = keys.signing_key(tmp_path / "one"), keys.signing_key(tmp_path / "other")
    assert one.chain[0].issuer != other.chain[0].issuer
    assert "Omote installation" in one.chain[0].issuer.rfc4514_string()


def test_processes_that_start_at_once_share_one_key(home: Path) -> None:
    program = "from omote.trust import keys; print(keys.signing_key().serial)"
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    serials = {process.communicate(timeout=60)[0] for process in started}
    assert len(serials) == 1
    assert [path.name for path in home.iterdir()] == ["0001.pem"]


def test_a_key_that_nears_its_end_is_followed_by_another(home: Path) -> None:
    _plant(home, timedelta(days=700))
    old = keys.all_keys()[0]
    new = keys.signing_key()
    assert new.path.name == "0002.pem"
    assert new.expires - datetime.now(UTC) > timedelta(days=1800)
    assert new.chain[-1] == old.chain[-1]
    assert keys.signing_key() == new


def test_a_root_that_nears_its_end_is_followed_by_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "ROOT_LIFE", timedelta(days=1000))
    _plant(home, timedelta(days=700))
    monkeypatch.undo()
    new = keys.signing_key(home.parent)
    old = keys.all_keys(home.parent)[0]
    assert new.chain[-1] != old.chain[-1]
    anchors = x509.load_pem_x509_certificates(keys.anchors(home.parent))
    assert set(anchors) == {old.chain[-1], new.chain[-1]}


def test_import_uses_the_new_key_and_keeps_the_old_one_known(tmp_path: Path, omote: Command) -> None:
    mine = keys.signing_key()
    root_key, root = certificates.make_root()
    key, leaf = certificates.make_leaf(root_key, root)
    done = omote("keys", "import", *_files(tmp_path / "own", key, leaf, root))
    assert done.code == 0, done.err
    assert "imported" in done.out
    used = keys.signing_key()
    assert used.chain == (leaf, root)
    assert not used.made_here
    assert stat.S_IMODE(used.path.stat().st_mode) == 0o600
    assert set(x509.load_pem_x509_certificates(keys.anchors())) == {mine.chain[-1], root}
    assert omote("keys", "renew").code == 0
    assert keys.signing_key().made_here


def _unfit_leaf() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate, x509.Certificate]:
    """A certificate of a web server."""
    root_key, root = certificates.make_root()
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(root.subject)
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    )
    return key, builder.sign(root_key, certificates.hashes.SHA256()), root


def _bad_imports(folder: Path) -> dict[str, tuple[Path, Path]]:
    root_key, root = certificates.make_root()
    key, leaf = certificates.make_leaf(root_key, root)
    other, _ = certificates.make_leaf(root_key, root)
    old_key, ended = certificates.make_leaf(root_key, root, timedelta(hours=-1))
    web_key, web, web_root = _unfit_leaf()
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    found = {
        "is not the key of": _files(folder / "1", other, leaf, root),
        "holds 1": _files(folder / "2", key, leaf),
        "expired on": _files(folder / "3", old_key, ended, root),
        "cannot sign content credentials": _files(folder / "4", web_key, web, web_root),
        "password": _files(folder / "5", key, leaf, root),
        "one PEM private key": _files(folder / "6", key, leaf, root),
        "does not verify": _files(folder / "7", key, leaf, certificates.make_root()[1]),
    }
    found["password"][1].write_bytes(locked)
    found["one PEM private key"][1].write_text("nothing")
    return found


@pytest.mark.parametrize(
    "message",
    [
        "is not the key of",
        "holds 1",
        "expired on",
        "cannot sign content credentials",
        "password",
        "one PEM private key",
        "does not verify",
    ],
)
def test_import_refuses_what_cannot_sign(tmp_path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        keys.import_key(*_bad_imports(tmp_path)[message])
    assert "\n" not in str(caught.value)
    assert not keys.all_keys()


def test_an_imported_key_that_expired_is_not_replaced_silently(home: Path) -> None:
    root_key, root = certificates.make_root()
    key, leaf = certificates.make_leaf(root_key, root, timedelta(hours=-1))
    make_private_folder(home)
    (home / "0001.pem").write_bytes(certificates.private_pem(key) + certificates.pem(leaf, root))
    with pytest.raises(InputError, match=r"expired.*omote keys"):
        keys.signing_key()


def test_a_damaged_key_is_named(home: Path) -> None:
    path = keys.signing_key().path
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"0001\.pem"):
        keys.signing_key()


def test_time_stamp_authority_is_off_until_it_is_set(omote: Command) -> None:
    assert keys.timestamp_authority() is None
    assert omote("keys", "timestamp", "http://localhost:1/tsa").code == 0
    assert keys.timestamp_authority() == "http://localhost:1/tsa"
    assert "http://localhost:1/tsa" in omote("keys", "show").out
    assert omote("keys", "timestamp", "off").code == 0
    assert keys.timestamp_authority() is None
    assert omote("keys", "timestamp", "file:///etc").code == UsageError.exit_code


def test_show_makes_nothing(home: Path, omote: Command) -> None:
    shown = omote("keys", "show")
    assert shown.code == 0
    assert "no key yet" in shown.out
    assert not home.exists()


def test_show_tells_expiry_and_prints_the_root(omote: Command) -> None:
    key = keys.signing_key()
    assert f"{key.expires:%Y-%m-%d}" in omote("keys", "show").out
    assert key.serial in omote("keys", "show", "--json").out
    printed = x509.load_pem_x509_certificates(omote("keys", "show", "--pem").out.encode())
    assert printed == [key.chain[-1]]
    assert "PRIVATE" not in omote("keys", "show", "--json").out + repr(key)
