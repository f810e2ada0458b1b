"""The session bus and the bus of accessibility, for desktops that have the programs for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from daytona_plugins.computer_use.desktop.bus import BUS_ITSELF, Bus, Target
from daytona_plugins.computer_use.desktop.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from daytona_plugins.computer_use.desktop.program import Program

_SESSION: Final = "DBUS_SESSION_BUS_ADDRESS"
_ACCESSIBILITY: Final = Target("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus")
_STATUS: Final = _ACCESSIBILITY._replace(interface="org.a11y.Status")


class Buses:
    """Starts the buses and knows where the one of accessibility is.

    Args:
        session: The session bus.
        accessibility: What starts the bus of accessibility.
        directory: Where the socket of the session bus goes.
    """

    def __init__(self, session: Program, accessibility: Program, directory: Path) -> None:
        self._session = session
        self._accessibility = accessibility
        self._socket = directory / "bus"
        self.address: str | None = None
        """Where the bus of accessibility is, if there is one."""

    async def start(self) -> None:
        """Start what is installed; programs started from now on speak of what they show."""
        if self._session.recipe.path is None:
            return
        if not self._session.running:
            await self._start_session()
        if self._accessibility.recipe.path is not None and not self._accessibility.running:
            self._accessibility.start("--launch-immediately")
            self.address = await self._find_accessibility()

    def missing_packages(self) -> list[str]:
        """Return the packages without which there is no accessibility."""
        recipes = (self._session.recipe, self._accessibility.recipe)
        return [recipe.package for recipe in recipes if recipe.path is None]

    def forget(self) -> None:
        """Take the buses out of the environment: they have ended."""
        self.address = None
        os.environ.pop(_SESSION, None)

    async def _start_session(self) -> None:
        self._socket.unlink(missing_ok=True)
        os.environ[_SESSION] = await self._session.start_announcing(
            "--session",
            "--nofork",
            "--nopidfile",
            f"--address=unix:path={self._socket}",
            "--print-address={pipe}",
        )

    async def _find_accessibility(self) -> str:
        async with await Bus.connect(os.environ[_SESSION]) as bus:

            async def is_there() -> bool:
                return bool(await bus.call(BUS_ITSELF, "NameHasOwner", "s", _ACCESSIBILITY.bus))

            await until(is_there)
            await bus.set(_STATUS, "IsEnabled", "b", True)
            return str(await bus.call(_ACCESSIBILITY, "GetAddress"))
