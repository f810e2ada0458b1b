"""Puts the values of secrets in the place of their placeholders, in what goes to a host that may know them."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

import msgspec

from daytona_plugins.local.egress.policy import matches

if TYPE_CHECKING:
    from daytona_plugins.local.egress.head import Head

LONGEST_BODY: Final = 1024 * 1024


class Attached(msgspec.Struct, frozen=True):
    """A secret of a sandbox."""

    placeholder: bytes
    value: bytes
    hosts: tuple[str, ...]
    """Who may know it; nobody named means everybody."""

    def __repr__(self) -> str:
        return f"<secret {self.placeholder!r}>"


def permitted(secrets: tuple[Attached, ...], host: str) -> tuple[Attached, ...]:
    """Return the secrets that *host* may know."""
    return tuple(secret for secret in secrets if not secret.hosts or matches(host, secret.hosts))


def fill_in(head: Head, secrets: tuple[Attached, ...]) -> Head:
    """Return a head with values in its target and its headers, inside of Basic credentials as well."""
    headers = tuple((name, _in_header(value, secrets)) for name, value in head.headers)
    return msgspec.structs.replace(head, target=replace(head.target, secrets), headers=headers)


def fill_in_body(head: Head, body: bytes, secrets: tuple[Attached, ...]) -> tuple[Head, bytes]:
    """Return a head and its body with values in both."""
    filled = replace(body, secrets)
    headers = tuple(
        (name, b"%d" % len(filled) if name.lower() == b"content-length" else value)
        for name, value in head.headers
        if name.lower() != b"expect"  # whoever has the body need not be told to send it
    )
    return msgspec.structs.replace(head, headers=headers), filled


def has_short_body(head: Head) -> bool:
    """Return whether the body is worth waiting for: only what is known to be short is held in memory."""
    return head.content_length is not None and 0 < head.content_length <= LONGEST_BODY


def replace(text: bytes, secrets: tuple[Attached, ...]) -> bytes:
    """Return *text* with values in place of placeholders."""
    for secret in secrets:
        text = text.replace(secret.placeholder, secret.value)
    return text


def _in_header(value: bytes, secrets: tuple[Attached, ...]) -> bytes:
    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() == b"basic":
        try:
            return b"%s %s" % (scheme, base64.b64encode(replace(base64.b64decode(encoded), secrets)))
        except binascii.Error:
            return value
    # A value with a line break would be two headers.
    return replace(value, secrets).replace(b"\r", b"").replace(b"\n", b"")
