"""What holds for one sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from daytona_plugins.local.egress.links import Link
    from daytona_plugins.local.egress.names import Destination
    from daytona_plugins.local.egress.placeholders import Attached
    from daytona_plugins.local.egress.policy import Policy


class Rules(NamedTuple):
    """What holds for a sandbox at this moment."""

    policy: Policy
    secrets: tuple[Attached, ...] = ()
    links: tuple[Link, ...] = ()
    """Other sandboxes, which can be reached whatever the policy says."""

    def link_named(self, name: str) -> Link | None:
        """Return the link to a sandbox, if that is whose name it is."""
        wanted = name.lower().rstrip(".")
        return next((link for link in self.links if link.name.lower() == wanted), None)

    def refusal(self, destination: Destination) -> str | None:
        """Return why a destination may not be reached; None when it may."""
        return None if self.link_at(destination.address) else destination.refusal(self.policy)

    def link_at(self, address: str) -> Link | None:
        """Return the link to a sandbox, if that is its address."""
        return next((link for link in self.links if link.address == address), None)
