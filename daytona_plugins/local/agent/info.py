"""What the agent says about itself and its sandbox: version, directories, environment, metrics."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.environment import Variables, unusable_name, values_of
from daytona_plugins.local.agent.errors import bad_request, now
from daytona_plugins.local.agent.shell import choose_shell
from daytona_plugins.local.web import Request, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox

# The protocol we speak: clients decide by it which newer calls exist.
VERSION: Final = "v0.205.0"


class UpdateEnv(msgspec.Struct, rename="camel"):
    """A change of the environment that later processes start with."""

    set: Variables | None = None
    unset: list[str] | None = None
    unset_value_prefix: str | None = None
    patient: bool = False
    """Whether the shell that is made ready for the next command waits for it however long that takes."""


class InitRequest(msgspec.Struct):
    """A token for telemetry, which we have none of."""

    token: str | None = None


def add_info(toolbox: Toolbox) -> None:
    """Answer questions about the sandbox itself."""
    router = toolbox.router
    router.add("GET", "/version", _version)
    router.add("GET", "/user-home-dir", _home_dir)
    router.add("GET", "/project-dir", _home_dir)
    router.add("POST", "/init", _init)
    router.add("GET", "/system/metrics", CpuMeter().metrics)

    async def work_dir(_request: Request) -> Response:
        return json_response({"dir": toolbox.work_dir})

    async def update_env(request: Request) -> Response:
        change = await read_json(request, UpdateEnv)
        _change_environment(change)
        make_ready = partial(toolbox.shells.make_ready, choose_shell(), patient=change.patient)
        asyncio.get_running_loop().call_soon(make_ready)  # when this is answered
        return json_response({"message": "environment updated"})

    router.add("GET", "/work-dir", work_dir)
    router.add("POST", "/env", update_env)


async def _version(_request: Request) -> Response:
    return json_response({"version": VERSION})


async def _home_dir(_request: Request) -> Response:
    return json_response({"dir": os.environ["HOME"]})


async def _init(request: Request) -> Response:
    await read_json(request, InitRequest)
    return json_response({"message": "Auth token set and telemetry initialized successfully"})


def _change_environment(change: UpdateEnv) -> None:
    added = values_of(change.set)
    if (unusable := unusable_name(added)) is not None:
        raise bad_request(f"invalid environment variable: {unusable!r}")
    for name in {*(change.unset or []), *_with_value_prefix(change.unset_value_prefix) - added.keys()}:
        os.environ.pop(name, None)
    os.environ.update(added)


def _with_value_prefix(prefix: str | None) -> set[str]:
    return {name for name, value in os.environ.items() if prefix and value.startswith(prefix)}


class CpuMeter:
    """Measures from one question to the next; the first is answered with 0."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    async def metrics(self, _request: Request) -> Response:
        """Return usage in bytes and percent: of the machine, whose limits are the sandbox's."""
        total, free, cache = _memory()
        disk = os.statvfs("/")
        return json_response(
            {
                "cpuCount": len(os.sched_getaffinity(0)),
                "cpuUsedPct": self._used_percent(),
                "memTotal": total,
                "memUsed": total - free - cache,
                "memCache": cache,
                "diskTotal": disk.f_blocks * disk.f_frsize,
                "diskUsed": (disk.f_blocks - disk.f_bfree) * disk.f_frsize,
                "diskFree": disk.f_bavail * disk.f_frsize,
                "timestamp": now(),
                "timestampUnix": int(time.time()),
            }
        )

    def _used_percent(self) -> float:
        ticks = [int(field) for field in _first_line("/proc/stat").split()[1:9]]
        total, idle = float(sum(ticks)), float(ticks[3] + ticks[4])
        last, self._last = self._last, (total, idle)
        if last is None or total == last[0]:
            return 0.0
        return round(100 * (1 - (idle - last[1]) / (total - last[0])), 2)


def _memory() -> tuple[int, int, int]:
    lines = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    sizes = {fields[0]: int(fields[1]) * 1024 for fields in lines}
    return sizes["MemTotal:"], sizes["MemFree:"], sizes["Cached:"] + sizes["Buffers:"]


def _first_line(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.readline()
