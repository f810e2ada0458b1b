"""A private authority made with openssl, and certificates that it issued."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
AUTHORITY = "CN=test authority, O=Example GmbH"
"""The authority's name, as errors write it."""


def make_authority(directory: Path) -> None:
    """Fill *directory*: `ca.pem`; `server.pem` for 127.0.0.1 and sandboxes.test; `client.pem` with its key inside."""
    own = ("-days", "1", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Example GmbH/CN=test authority")
    # Python 3.13 wants to know for what a key is.
    _openssl(directory, "req", "-x509", *NEW_KEY, *own, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    issue(directory, "server", "subjectAltName=IP:127.0.0.1,DNS:sandboxes.test")
    issue(directory, "client", "extendedKeyUsage=clientAuth")
    both = [(directory / f"client.{kind}").read_text() for kind in ("pem", "key")]
    (directory / "client.pem").write_text("".join(both))


def issue(directory: Path, name: str, extensions: str) -> None:
    """Make `name.key`, and `name.pem` issued by the authority."""
    request = ("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    _openssl(directory, "req", *NEW_KEY, *request)
    known = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    (directory / "extensions").write_text(f"{known}{extensions}\n")
    signed = ("-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1")
    _openssl(directory, "x509", "-req", *signed, "-extfile", "extensions", "-out", f"{name}.pem")


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
