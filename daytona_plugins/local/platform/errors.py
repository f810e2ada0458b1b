"""What a failed request looks like: the union of the envelopes that the hosted API and its proxy send."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.web import Request


def not_found(sandbox: str) -> HTTPError:
    """Return the answer to a request about a sandbox that is not there."""
    return HTTPError(404, f"sandbox {sandbox!r} not found")


def not_in_this_version(what: str) -> HTTPError:
    """Return the answer to a request for something that the embedded platform cannot do yet."""
    return HTTPError(501, f"{what}: not in this version of the embedded platform", code="NOT_IN_THIS_VERSION")


def envelope(request: Request | None, error: HTTPError) -> Response:
    """Render *error* as clients expect it."""
    path = request.raw_target if request else ""
    reason = HTTPStatus(error.status)
    return json_response(
        {
            "path": path,
            "timestamp": iso(time.time()),
            "statusCode": error.status,
            "error": reason.phrase,
            "message": error.message.encode(
                errors="backslashreplace"
            ).decode(),  # it may quote what was no text
            "code": error.code or reason.name,
            "source": "DAYTONA_PROXY" if path.startswith("/toolbox/") else "DAYTONA_API",
        },
        error.status,
    )
