"""Time-stamps (RFC 3161): with one, a signature outlives its certificate. OpenSSL plays the authority."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from omote.trust import certificates, keys
from omote.trust.credentials import publish
from omote.trust.home import make_private_folder
from omote.trust.verify import Verdict, verify_file
from tests.trust_files import make_media, statement

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")

_SETTINGS = """[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/certificate.pem
certs = {folder}/root.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Authority:
    """A time-stamp authority on this machine: its address and its root as PEM."""

    url: str
    root: bytes


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    folder = tmp_path / "authority"
    folder.mkdir()
    root = _certify(folder)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = folder / "query"
            query.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            command = ["openssl", "ts", "-reply", "-config", folder / "settings", "-queryfile", query]
            answer = subprocess.run(command, capture_output=True, check=True).stdout
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Authority(f"http://127.0.0.1:{server.server_port}/", root)
    server.shutdown()
    server.server_close()


def _certify(folder: Path) -> bytes:
    """Make what OpenSSL needs to give time-stamps; the root as PEM."""
    root_key, root = certificates.make_root()
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Time")]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(3)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.KeyUsage(True, *[False] * 8), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False)
        .sign(root_key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificates.pem(certificate))
    (folder / "key.pem").write_bytes(certificates.private_pem(key))
    (folder / "root.pem").write_bytes(certificates.pem(root))
    (folder / "serial").write_text("01\n")
    (folder / "settings").write_text(_SETTINGS.format(folder=folder))
    return certificates.pem(root)


def test_a_time_stamped_signature_outlives_its_certificate(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))
    folder = make_private_folder(tmp_path / "home" / "trust" / "keys")
    root_key, root = certificates.make_root()
    key, leaf = certificates.make_leaf(root_key, root, timedelta(seconds=3))
    (folder / "0001.pem").write_bytes(certificates.private_pem(key) + certificates.pem(leaf, root))
    photo, stamped, plain = make_media(tmp_path / "a.jpg"), tmp_path / "stamped.jpg", tmp_path / "plain.jpg"
    short_lived = keys.all_keys()[0]
    publish(photo, plain, statement(photo), short_lived)
    keys.set_timestamp_authority(authority.url)
    publish(photo, stamped, statement(photo), short_lived)
    time.sleep(max(0.0, (leaf.not_valid_after_utc - datetime.now(UTC)).total_seconds()) + 1.1)

    assert verify_file(plain, search=None).verdict is Verdict.EXPIRED
    assert verify_file(stamped, search=None).verdict is Verdict.EXPIRED  # nobody here knows this authority
    (folder / "anchors.pem").write_bytes(authority.root)
    verification = verify_file(stamped, search=None)
    assert verification.verdict is Verdict.INTACT
    assert any(reason.startswith("time-stamp: 20") for reason in verification.reasons)
    assert verify_file(plain, search=None).verdict is Verdict.EXPIRED
