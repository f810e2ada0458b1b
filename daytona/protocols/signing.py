"""Addresses that carry their own permission: what is signed, and how."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlencode

__all__ = ["file_signature", "signed_query"]


def file_signature(key: str, method: str, path: str, expires: int) -> str:
    """Return the signature that lets *method* at the file *path* until *expires* (Unix seconds, 0 for ever)."""
    text = f"v1:files:{method}:{path}:{expires}"
    digest = hmac.new(key.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    return "v1_" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def signed_query(key: str, method: str, path: str, expires: int) -> str:
    """Return the query of a signed address."""
    signature = file_signature(key, method, path, expires)
    return urlencode({"path": path, "expires": expires, "signature": signature}, errors="surrogateescape")
