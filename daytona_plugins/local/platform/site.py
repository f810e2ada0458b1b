"""What the parts of a running platform need to know of it: its address and its key."""

from __future__ import annotations

from dataclasses import dataclass

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Site:
    """A platform that listens on *port* of the loopback interface."""

    port: int
    key: str
    version: str
    previews_by_address: bool = False
    """Whether programs on this machine do not resolve names below `localhost`."""

    @property
    def url(self) -> str:
        """The origin of everything."""
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        """The base of the REST API."""
        return f"{self.url}/api"

    @property
    def toolbox_url(self) -> str:
        """The base to which clients append a sandbox's id and a toolbox path."""
        return f"{self.url}/toolbox"

    def preview_url(self, port: int | str, sandbox: str) -> str:
        """Return where a port of a sandbox is shown; browsers resolve every name below `localhost` to loopback."""
        return f"http://{port}-{sandbox}.localhost:{self.port}"
