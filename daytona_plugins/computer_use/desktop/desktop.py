"""The desktop as a whole: an X server, a window manager, and a connection to look at them and to steer them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from Xlib.error import ConnectionClosedError, DisplayError

from daytona_plugins.computer_use.desktop.authority import Authority
from daytona_plugins.computer_use.desktop.bus import BusError
from daytona_plugins.computer_use.desktop.buses import Buses
from daytona_plugins.computer_use.desktop.program import Program, Recipe
from daytona_plugins.computer_use.desktop.screen import Screen
from daytona_plugins.computer_use.desktop.viewing import Viewing
from daytona_plugins.computer_use.desktop.waiting import until
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.agent.toolbox import Toolbox

T = TypeVar("T")

RESOLUTION: Final = "1024x768"
START_TIMEOUT: Final = 20.0
ANSWER_TIMEOUT: Final = 3.0

# The names are those of the real daemon's programs; what plays their part here is smaller.
RECIPES: Final = (
    Recipe("xvfb", "Xvfb", "xvfb", 100),
    Recipe("xfce4", "openbox", "openbox", 200),
    Recipe("dbus", "dbus-daemon", "dbus", 240, restarts=False, required=False),
    Recipe("atspi", "/usr/libexec/at-spi-bus-launcher", "at-spi2-core", 250, restarts=False, required=False),
)


class Desktop:
    """The programs of one desktop, by name, and the connection to it.

    Every sandbox has one and few use theirs, so its parts are made when they are.
    """

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._turn = asyncio.Lock()
        self._screen: Screen | None = None
        self.display: str | None = None

    @cached_property
    def programs(self) -> dict[str, Program]:
        """The programs by the names that clients know."""
        own = {recipe.name: Program(recipe, self._toolbox, self._directory) for recipe in RECIPES}
        return own | {part.recipe.name: part for part in (self._viewing.server, self._viewing.page)}

    @cached_property
    def buses(self) -> Buses:
        """How programs tell what they show."""
        return Buses(self.programs["dbus"], self.programs["atspi"], self._directory)

    @cached_property
    def _viewing(self) -> Viewing:
        return Viewing(self._toolbox, self._directory)

    @cached_property
    def _directory(self) -> Path:
        return Path(os.environ.get("HOME", self._toolbox.work_dir)) / ".daytona/computeruse"

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "desktop")

    # -- Life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start what does not run.

        Raises:
            HTTPError: A program is missing or does not start (503).
        """
        async with self._turn:
            if self.status() == "active":
                return
            self._check_installed()
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    await self._start_server()
                    await self._start_manager()
                    await self.buses.start()
                    self._viewing.start()
            except (OSError, BusError) as error:
                await self._stop_all()
                raise _unavailable(f"the desktop did not start: {error or 'it took too long'}") from error

    async def stop(self) -> None:
        """End everything.

        Raises:
            HTTPError: It does not run (400).
        """
        async with self._turn:
            self.require_running()
            await self._stop_all()

    def status(self) -> str:
        """Return "active", "partial" or "inactive"."""
        required = [program.running for program in self.programs.values() if program.recipe.required]
        if all(required):
            return "active"
        return "partial" if any(program.running for program in self.programs.values()) else "inactive"

    def require_running(self) -> None:
        """Refuse what needs a desktop while there is none."""
        if self.display is None:
            raise bad_request("the desktop does not run: call computer_use.start() first")

    def _check_installed(self) -> None:
        missing = [
            program.recipe
            for program in self.programs.values()
            if program.recipe.required and program.recipe.path is None
        ]
        if missing:
            names = ", ".join(recipe.program for recipe in missing)
            packages = " ".join(recipe.package for recipe in missing)
            raise _unavailable(f"this sandbox has no {names}: apt-get install {packages}")

    async def _start_server(self) -> None:
        """Start the X server, which says its display's number when it is ready."""
        server = self.programs["xvfb"]
        if server.running:
            return
        size = os.environ.get("VNC_RESOLUTION", RESOLUTION)
        authority = Authority(self._directory / "authority")
        options = ("-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset", "-auth", str(authority.file))
        number = await server.start_announcing("-displayfd", "{pipe}", *options)
        authority.write(number)
        self.display = f":{number}"
        server.replace_arguments(self.display, *options)
        # Everything that is started from now on finds the desktop.
        os.environ.update(DISPLAY=self.display, XAUTHORITY=str(authority.file))

    async def _start_manager(self) -> None:
        manager = self.programs["xfce4"]
        if not manager.running:
            manager.start()
        await until(lambda: self.use(Screen.is_managed))
        with contextlib.suppress(TimeoutError):  # not every manager knows how to answer
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await until(lambda: self.use(Screen.is_attended))

    async def _stop_all(self) -> None:
        self._disconnect()
        self._viewing.stop()
        for program in reversed(self.programs.values()):
            await program.stop()
        self.buses.forget()
        self.display = None
        for name in ("DISPLAY", "XAUTHORITY"):
            os.environ.pop(name, None)

    # -- Use ------------------------------------------------------------------------------------------------------

    async def use(self, action: Callable[[Screen], T]) -> T:
        """Return what *action* returns; actions take place one after another, beside the loop.

        Raises:
            HTTPError: The desktop does not run (400), or the X server is gone (503).
        """
        self.require_running()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._act, action)
        except (ConnectionClosedError, DisplayError, OSError) as error:
            self._disconnect()
            raise _unavailable(f"the X server does not answer: {error}") from error

    def _act(self, action: Callable[[Screen], T]) -> T:
        if self._screen is None:
            assert self.display is not None
            self._screen = Screen(self.display)
        return action(self._screen)

    def _disconnect(self) -> None:
        screen, self._screen = self._screen, None
        if screen is not None:
            with contextlib.suppress(ConnectionClosedError, OSError):
                screen.close()


def _unavailable(message: str) -> HTTPError:
    return HTTPError(503, message, code="SERVICE_UNAVAILABLE")
