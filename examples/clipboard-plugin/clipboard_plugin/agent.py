"""The clipboard where it is kept: endpoints inside each sandbox of the embedded platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona_plugins.local.endpoints import HTTPError, bad_request, json_response, read_json

if TYPE_CHECKING:
    from daytona_plugins.local.endpoints import Request, Response, Toolbox


def add_clipboard(toolbox: Toolbox) -> None:
    """Answer for the clipboard of one sandbox."""
    clipboard = Clipboard()
    toolbox.router.add("POST", "/clipboard", clipboard.copy)
    toolbox.router.add("GET", "/clipboard", clipboard.paste)
    toolbox.router.add("GET", "/clipboard/history", clipboard.history)


class Clipboard:
    """Texts, the last one first; forgotten when the sandbox stops."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    async def copy(self, request: Request) -> Response:
        """Keep a text."""
        self._texts.insert(0, await read_json(request, str))
        return json_response(len(self._texts))

    async def paste(self, _request: Request) -> Response:
        """Return the last text."""
        if not self._texts:
            raise HTTPError(404, "nothing has been copied yet", code="NOT_FOUND")
        return json_response(self._texts[0])

    async def history(self, request: Request) -> Response:
        """Return the last texts."""
        limit = request.query.first("limit", "10")
        if not limit.isdecimal():
            raise bad_request("limit is a number of texts")
        return json_response(self._texts[: int(limit)])
