"""`/computeruse/start`, `stop`, and what is known of each program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.web import HTTPError, json_response

if TYPE_CHECKING:
    from pathlib import Path

    from daytona_plugins.computer_use.desktop.desktop import Desktop
    from daytona_plugins.computer_use.desktop.program import Program
    from daytona_plugins.local.web import Request, Response, Router


def add_managing(router: Router, desktop: Desktop) -> None:
    """Answer for the life of the desktop."""
    care = _Care(desktop)
    one = "/computeruse/process/{name}"
    router.add("POST", "/computeruse/start", care.start)
    router.add("POST", "/computeruse/stop", care.stop)
    router.add("GET", "/computeruse/status", care.status)
    router.add("GET", "/computeruse/process-status", care.status)
    router.add("GET", f"{one}/status", care.process_status)
    router.add("POST", f"{one}/restart", care.restart)
    router.add("GET", f"{one}/logs", care.logs)
    router.add("GET", f"{one}/errors", care.errors)


class _Care:
    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop

    async def start(self, _request: Request) -> Response:
        await self._desktop.start()
        return self._overview("Computer use processes started successfully")

    async def stop(self, _request: Request) -> Response:
        await self._desktop.stop()
        return self._overview("Computer use processes stopped successfully")

    def _overview(self, message: str) -> Response:
        """A program that is not installed and not needed is not mentioned."""
        programs = self._desktop.programs.items()
        status = {
            name: program.status() for name, program in programs if program.running or program.recipe.path
        }
        return json_response({"message": message, "status": status})

    async def status(self, _request: Request) -> Response:
        return json_response({"status": self._desktop.status()})

    async def process_status(self, request: Request) -> Response:
        program = self._find(request, 503)
        return json_response({"processName": program.recipe.name, "running": program.running})

    async def restart(self, request: Request) -> Response:
        program = self._find(request, 400)
        self._desktop.require_running()
        if program.recipe.path is None:
            raise bad_request(
                f"{program.recipe.program} is missing: apt-get install {program.recipe.package}"
            )
        await program.restart()
        name = program.recipe.name
        return json_response({"message": f"Process {name} restarted successfully", "processName": name})

    async def logs(self, request: Request) -> Response:
        program = self._find(request, 400)
        return json_response({"processName": program.recipe.name, "logs": _text(program.log)})

    async def errors(self, request: Request) -> Response:
        program = self._find(request, 400)
        return json_response({"processName": program.recipe.name, "errors": _text(program.errors)})

    def _find(self, request: Request, status: int) -> Program:
        name = request.params["name"]
        program = self._desktop.programs.get(name)
        if program is None:
            code = "BAD_REQUEST" if status == 400 else "SERVICE_UNAVAILABLE"
            raise HTTPError(status, f"process {name} not found", code=code)
        return program


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise bad_request(f"{file.name} does not exist yet: the program has not been started") from None
