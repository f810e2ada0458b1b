"""What the platform asks of whatever makes sandboxes run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from daytona_plugins.local.runtime.spec import Isolation, Limits, SandboxSpec
    from daytona_plugins.local.runtime.way_out import WayOut

__all__ = ["Driver", "Running"]


class Running(Protocol):
    """A sandbox that has processes."""

    @property
    def socket_path(self) -> Path:
        """Where its agent listens."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process 1, as this machine counts."""
        ...

    @property
    def way_out(self) -> WayOut | None:
        """Where its programs are to be answered, if its network is limited."""
        ...

    @property
    def isolation(self) -> Isolation:
        """What separates it from this machine."""
        ...

    @property
    def watched(self) -> Limits:
        """The limits that nobody keeps unless somebody looks."""
        ...

    def limit(self, limits: Limits) -> None:
        """Change its limits."""
        ...

    async def stop(self, *, grace: float) -> None:
        """End all of its processes."""
        ...

    async def wait(self) -> int:
        """Return how it ended, once it has."""
        ...


class Driver(Protocol):
    """Whatever makes sandboxes run."""

    async def spawn(self, spec: SandboxSpec) -> Running:
        """Return a sandbox in which commands can be executed."""
        ...
