"""Where the metrics of sandboxes are sent to: to the collector that a sandbox names, or else the one of the organization."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from daytona_plugins.local.platform.regions import ORGANIZATION_ID

if TYPE_CHECKING:
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.shelf import Shelf


class Collector(msgspec.Struct, frozen=True, kw_only=True):
    """A collector of OpenTelemetry, which is spoken to over HTTP; also the body of `PUT …/otel-config`."""

    endpoint: str
    headers: dict[str, str] | None = None
    id: str = ORGANIZATION_ID


class Collectors:
    """The collector of the organization, if there is one, and those of sandboxes."""

    def __init__(self, shelf: Shelf[Collector]) -> None:
        self._shelf = shelf
        self.common = shelf.get(ORGANIZATION_ID)

    def of(self, record: Record) -> Collector | None:
        """Return who is told of a sandbox."""
        return Collector(endpoint=record.otel_endpoint) if record.otel_endpoint else self.common

    def set(self, collector: Collector) -> None:
        """Tell this one of every sandbox that names none."""
        self.common = self._shelf.put(collector)

    def forget(self) -> None:
        """Tell nobody, unless a sandbox asks for it."""
        self.common = None
        self._shelf.remove(ORGANIZATION_ID)


def is_endpoint(url: str) -> bool:
    """Return whether this can be the address of a collector."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
