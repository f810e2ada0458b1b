"""What the platform uses to have sandboxes: a zygote process that builds them, and a handle for each.

    runner = await Runner.start(paths)
    sandbox = await runner.spawn(SandboxSpec(id=..., hostname=..., upper=...))
    ...                                      # HTTP over sandbox.socket_path
    await sandbox.stop(grace=5)
    await remove_tree(upper)
    await runner.close()
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daytona_plugins.local.runtime.spec import Isolation, SandboxSpec

if TYPE_CHECKING:
    from daytona_plugins.local.paths import Paths

__all__ = ["Isolation", "RunningSandbox", "Runner", "SandboxSpec", "remove_tree"]


class RunningSandbox:
    """A sandbox whose agent answers; its files outlive it in `spec.upper`."""

    id: str
    pid: int
    """Process 1 of the sandbox, as the host counts."""
    socket_path: Path
    """Where the agent listens; the socket lies outside the sandbox and goes away when it ends."""
    isolation: Isolation

    async def stop(self, *, grace: float = 5.0) -> None:
        """Ask every process inside to end, wait up to *grace* seconds, then kill; fine on a sandbox that has ended."""
        raise NotImplementedError

    async def wait(self) -> int:
        """Return the exit status of the agent once the sandbox has ended, negative for a signal."""
        raise NotImplementedError


class Runner:
    """Builds sandboxes; the zygote behind it, and every sandbox, ends with `close` or with this process."""

    @classmethod
    async def start(cls, paths: Paths) -> Runner:
        """Start the zygote.

        Raises:
            DaytonaLocalPlatformError: This machine cannot isolate sandboxes; it says why and what helps.
        """
        raise NotImplementedError

    async def spawn(self, spec: SandboxSpec) -> RunningSandbox:
        """Build a sandbox and return when its agent answers.

        Raises:
            SpawnError: It could not be built; nothing of it is left but files in `spec.upper`.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Kill every sandbox and end the zygote; may be called twice."""
        raise NotImplementedError


async def remove_tree(path: Path) -> None:
    """Remove a sandbox's directory, whatever modes its processes left behind; fine when it is absent."""
    raise NotImplementedError
