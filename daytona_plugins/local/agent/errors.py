"""Failures as the toolbox shows them: one envelope, for every endpoint."""

from __future__ import annotations

import datetime
import errno
import os
from typing import Final

from daytona_plugins.local.web import HTTPError, NoRouteError, Request, Response, json_response

SOURCE: Final = "DAYTONA_DAEMON"


class ToolboxError(HTTPError):
    """An error with facts of its own beside the usual ones."""

    def __init__(
        self, status: int, message: str, *, code: str, facts: dict[str, object] | None = None
    ) -> None:
        super().__init__(status, message, code=code)
        self.facts = facts or {}


def bad_request(message: str, *, code: str = "BAD_REQUEST") -> HTTPError:
    """Return the error for a request that cannot be served as it is."""
    return HTTPError(400, f"bad request: {message}", code=code)


def envelope(request: Request | None, error: HTTPError) -> Response:
    """Return the v0.205 error envelope; an unknown route is plain text, as from the real daemon."""
    if isinstance(error, NoRouteError):
        return Response(404, [("Content-Type", "text/plain")], b"404 page not found")
    body: dict[str, object] = {
        "statusCode": error.status,
        "message": printable(error.message),
        "code": error.code,
        "timestamp": now(),
        "path": printable(request.path) if request else "",
        "method": request.method if request else "",
        "source": SOURCE,
    }
    body.update(error.facts if isinstance(error, ToolboxError) else {})
    return json_response(body, error.status)


def from_os_error(error: OSError, path: str) -> HTTPError:
    """Return what a failed operation on *path* means to the client."""
    text = f"{printable(path)}: {os.strerror(error.errno or errno.EIO)}"
    if error.errno == errno.ENOENT:
        return HTTPError(404, f"file not found: {printable(path)}", code="FILE_NOT_FOUND")
    if error.errno in (errno.EACCES, errno.EPERM):
        return HTTPError(403, f"access denied: {text}", code="FILE_ACCESS_DENIED")
    return HTTPError(400, f"bad request: {text}", code="INVALID_FILE_PATH")


def now() -> str:
    """Return the time as RFC 3339."""
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def printable(text: str) -> str:
    """Replace the surrogates that stand for bytes outside UTF-8: JSON cannot carry them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
