"""An authority of the platform's own, so that secrets can be put into encrypted requests.

Sandboxes with secrets trust it, nobody else does, and its key never leaves the data directory. It needs the package
`cryptography` (extra `secrets`); without it `open_authority` returns None, and encrypted requests pass unchanged.
"""

from __future__ import annotations

import datetime
import importlib.util
import os
import ssl
import tempfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

YEARS: Final = datetime.timedelta(days=3650)
_NAME: Final = "Daytona embedded platform"


def open_authority(file: Path) -> Authority | None:
    """Return the authority that is kept in *file*, made on first use; None without the package that it needs."""
    if not can_sign():
        return None
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if not file.exists():
        _write_new(file)
    text = file.read_bytes()
    key = serialization.load_pem_private_key(text, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(x509.load_pem_x509_certificate(text), key)


def can_sign() -> bool:
    """Return whether the package that signs certificates is there."""
    return importlib.util.find_spec("cryptography") is not None


class Authority:
    """Signs certificates for the hosts that sandboxes believe to talk to."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self._contexts: dict[str, ssl.SSLContext] = {}

    @property
    def pem(self) -> str:
        """What a sandbox has to trust."""
        from cryptography.hazmat.primitives import serialization

        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def context_for(self, host: str) -> ssl.SSLContext:
        """Return what a server for *host* needs to be believed."""
        if host not in self._contexts:
            self._contexts[host] = self._make_context(host)
        return self._contexts[host]

    def _make_context(self, host: str) -> ssl.SSLContext:
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(host, key.public_key(), self._key, issuer=self._certificate.subject)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        with (
            tempfile.NamedTemporaryFile() as file
        ):  # the only way in that Python offers; readable by us alone
            file.write(_pem(certificate, key))
            file.flush()
            context.load_cert_chain(file.name)
        return context


def _write_new(file: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    text = _pem(_sign(_NAME, key.public_key(), key, issuer=None), key)
    part = file.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as writing:
        writing.write(text)
    part.rename(file)


def _sign(
    name: str, public: ec.EllipticCurvePublicKey, by: ec.EllipticCurvePrivateKey, *, issuer: x509.Name | None
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    authority = issuer is None
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + YEARS)
        .add_extension(
            x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(_usage(authority=authority), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(name)]), critical=False)
    return builder.sign(by, hashes.SHA256())


def _usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    from ipaddress import ip_address

    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + secret
