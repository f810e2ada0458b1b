"""Signed file addresses: the key that a client signs them with, and the check of what it has signed.

A signature opens one file of one sandbox, for one of the two operations below, and for nothing else.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from daytona.protocols.signing import file_signature
from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.platform.auth import same
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.web import Query, Request, Router

OPERATIONS: Final = {"files/download": "GET", "files/upload-v2": "POST"}
SIGNED: Final = ("path", "expires", "signature")


class SigningKeys:
    """The routes that tell and change a sandbox's key."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes

    def add_to(self, router: Router) -> None:
        """Register every route."""
        key = "/api/sandbox/{sandbox}/signing-key"
        router.add("GET", key, self.tell)
        router.add("GET", "/api/preview/{sandbox}/signing-key", self.tell)
        router.add("POST", f"{key}/rotate", self.rotate)

    async def tell(self, request: Request) -> Response:
        """Answer with the key."""
        return json_response(self._sandboxes.get(request.params["sandbox"]).signing_key)

    async def rotate(self, request: Request) -> Response:
        """Answer with a new key; what was signed with the old one is worth nothing any more."""
        record = self._sandboxes.get(request.params["sandbox"])
        return json_response(self._sandboxes.change(record, signing_key=new_signing_key()).signing_key)


def new_signing_key() -> str:
    """Return a key that nobody can guess."""
    return secrets.token_hex(32)


def is_signed(request: Request) -> bool:
    """Return whether the request shows a signature at all."""
    return "signature" in request.query


def check_signature(request: Request, key: str, now: float) -> None:
    """Accept a request whose signature was made with *key*, for what it asks, and not too long ago.

    Raises:
        HTTPError: It was not (401).
    """
    if OPERATIONS.get(request.params["path"]) != request.method:
        raise HTTPError(401, "a signed address serves for downloading or uploading one file only")
    path, expires, signature = _signed_values(request.query)
    if not same(signature, file_signature(key, request.method, path, expires)):
        raise HTTPError(401, "the signature of this address is wrong; its key may have been rotated")
    if 0 < expires < now:
        raise HTTPError(401, "this signed address has expired")


def _signed_values(query: Query) -> tuple[str, int, str]:
    """Return what the signature is about; a second value for any of it could be the one that is acted on."""
    found = [query.all(name) for name in SIGNED]
    if any(len(values) != 1 for values in found):
        raise HTTPError(401, "a signed address has one path, one expires and one signature")
    path, expires, signature = (values[0] for values in found)
    # Another spelling of the same number would be another text than the signed one.
    until = whole_number(expires)
    if until is None or str(until) != expires:
        raise HTTPError(401, "expires is a time in whole seconds")
    return path, until, signature
