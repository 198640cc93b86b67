"""X.509 certificates for signing credentials: a root of one's own, and leaves under it.

The profile is that of the C2PA specification 2.2, "Certificate profile": version 3, ECDSA on P-256, extended
key usage emailProtection, key usage digitalSignature, subject and authority key identifiers.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT_LIFE: Final = timedelta(days=3652)
LEAF_LIFE: Final = timedelta(days=1826)
_SLACK: Final = timedelta(days=1)
"""A certificate is valid from a day ago: the clocks of two machines differ."""

_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def make_root() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A new root for an installation, named by eight random hex digits: nothing in it tells whose it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Omote installation {secrets.token_hex(4)}", "root")
    builder = (
        _builder(name, name, key, ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    return key, builder.sign(key, hashes.SHA256())


def make_leaf(
    root_key: ec.EllipticCurvePrivateKey, root: x509.Certificate, life: timedelta = LEAF_LIFE
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A new key and the certificate that signs credentials with it; it ends with its root at the latest."""
    key = ec.generate_private_key(ec.SECP256R1())
    organisation = root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
    life = min(life, root.not_valid_after_utc - datetime.now(UTC))
    builder = (
        _builder(_name(str(organisation), "content credentials"), root.subject, key, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
    )
    return key, builder.sign(root_key, hashes.SHA256())


def algorithm(key: PrivateKeyTypes) -> str:
    """C2PA's name of the signatures of a private key. Raises ValueError for a key that it does not allow."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ValueError("not an ECDSA (P-256, P-384, P-521), RSA or Ed25519 key")


def private_pem(key: PrivateKeyTypes) -> bytes:
    """A private key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem(*certificates: x509.Certificate) -> bytes:
    """Certificates as PEM, one after the other."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def _name(organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
