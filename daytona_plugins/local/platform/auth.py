"""The platform's own key, and how keys are read and compared."""

from __future__ import annotations

import hmac
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from daytona_plugins.local.web import Request


def load_or_make_key(file: Path) -> str:
    """Return the key in *file*; the first time, make one that nobody else can read."""
    if file.exists():
        return file.read_text("ascii").strip()
    key = f"dtn_{secrets.token_hex(32)}"
    write_private(file, key.encode())
    return key


def write_private(file: Path, content: bytes) -> None:
    """Put *content* into *file*, which only its owner can read, all at once."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(content)
    draft.replace(file)


def same(given: str, expected: str) -> bool:
    """Compare two secrets in a time that tells nothing about them."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def has_key(request: Request, key: str) -> bool:
    """Return whether the request carries this key."""
    return same(token_of(request), key)


def token_of(request: Request) -> str:
    """Return the key that the request carries, empty when it has none."""
    scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def mask(key: str) -> str:
    """Return what may be shown of a key."""
    return f"{key[:3]}{'*' * 20}{key[-3:]}"
