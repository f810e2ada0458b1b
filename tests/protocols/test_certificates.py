"""The issuer of a certificate, read from its bytes."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from hypothesis import given, strategies as st

from daytona.protocols.certificates import issuer_of


def tlv(tag: int, content: bytes) -> bytes:
    """Return a DER element."""
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def attribute(kind: bytes, tag: int, value: bytes) -> bytes:
    return tlv(0x31, tlv(0x30, tlv(6, kind) + tlv(tag, value)))


def certificate(*attributes: bytes, version: bool = True) -> bytes:
    """Return the beginning of a certificate with this issuer."""
    body = (tlv(0xA0, tlv(2, b"\2")) if version else b"") + tlv(2, b"\1") + tlv(0x30, b"")
    return tlv(0x30, tlv(0x30, body + tlv(0x30, b"".join(attributes)) + tlv(0x30, b"rest")))


NAME, COMPANY, COUNTRY, MAIL = b"\x55\x04\x03", b"\x55\x04\x0a", b"\x55\x04\x06", b"\x2a\x86"


@pytest.mark.parametrize("version", [True, False])
def test_the_issuer_is_read(version: bool) -> None:
    made = certificate(
        attribute(COUNTRY, 0x13, b"DE"),
        attribute(COMPANY, 0x0C, "Bücher".encode()),
        attribute(MAIL, 0x0C, b"nobody wants to know"),
        attribute(NAME, 0x1E, "Wurzel".encode("utf-16-be")),
        version=version,
    )
    assert issuer_of(made) == "CN=Wurzel, O=Bücher, C=DE"


def test_a_long_name_is_read() -> None:
    assert issuer_of(certificate(attribute(NAME, 0x0C, b"x" * 300))) == "CN=" + "x" * 300


def test_no_control_character_gets_out() -> None:
    assert issuer_of(certificate(attribute(NAME, 0x0C, b"a\x1b[2Jb\n"))) == "CN=a?[2Jb?"


def test_an_issuer_without_a_name_is_empty() -> None:
    assert issuer_of(certificate()) == ""


def test_real_certificates_are_read() -> None:
    context = ssl.create_default_context()
    for made, known in zip(context.get_ca_certs(binary_form=True), context.get_ca_certs(), strict=True):
        issuer = {key: value for part in known["issuer"] for key, value in part}  # type: ignore[attr-defined]
        if "commonName" in issuer:
            assert issuer_of(made).startswith(f"CN={issuer['commonName']}")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_value_error(data: bytes) -> None:
    for made in (data, certificate(data), certificate(attribute(NAME, 0x0C, data))):
        with contextlib.suppress(ValueError):
            assert isinstance(issuer_of(made), str)
