"""What is run: programs, by whom, against which server."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["JOBS", "Job", "Run"]

Server = Literal["stub", "streams", "platform", "none"]


class Run(NamedTuple):
    """One program by one client."""

    name: str
    client: str
    """Who: the key of `peers.python_of`."""
    program: str
    arguments: tuple[str, ...] = ()


class Job(NamedTuple):
    """Runs that take turns at one server."""

    name: str
    server: Server
    runs: tuple[Run, ...]
    once: bool = False
    """Whether it takes so long that it is run once, not in every round."""
    one_core: bool = False
    """Whether client and server share a core: else an exchange is mostly the waking of the other's."""


BOTH: Final = ("ours", "official")

JOBS: Final = (
    Job(
        "rest",
        "stub",
        (
            *(Run(f"{who} blocking", who, "rest_blocking") for who in BOTH),
            *(Run(f"{who} asyncio", who, "rest_async", ("asyncio",)) for who in BOTH),
            Run("ours trio", "ours", "rest_async", ("trio",)),
            Run("raw socket", "ours", "raw"),
            Run("aiohttp", "aiohttp", "http_client", ("aiohttp",)),
            Run("httpx", "httpx", "http_client", ("httpx",)),
            Run("pyreqwest", "pyreqwest", "http_client", ("pyreqwest",)),
            Run("pyreqwest asyncio", "pyreqwest", "http_client", ("pyreqwest-async",)),
            Run("e2b", "e2b", "e2b_ready"),
        ),
        one_core=True,
    ),
    Job(
        "crowd",
        "stub",
        (
            *(Run(f"{who} asyncio", who, "crowd", ("asyncio",)) for who in BOTH),
            Run("ours trio", "ours", "crowd", ("trio",)),
        ),
        one_core=True,
    ),
    Job(
        "streams",
        "streams",
        (
            *(Run(f"{who} blocking", who, "streams_blocking") for who in BOTH),
            *(Run(f"{who} asyncio", who, "streams_async") for who in BOTH),
            Run("ours frames", "ours", "frames", ("ours",)),
            Run("aiohttp frames", "aiohttp", "frames", ("aiohttp",)),
        ),
    ),
    Job(
        "terminal",
        "streams",
        (
            *(Run(f"{who} blocking", who, "terminal_blocking") for who in BOTH),
            *(Run(f"{who} asyncio", who, "terminal_async") for who in BOTH),
        ),
        one_core=True,
    ),
    Job(
        "files",
        "streams",
        (
            *(Run(f"{who} blocking", who, "files_blocking") for who in BOTH),
            *(Run(f"{who} asyncio", who, "files_async") for who in BOTH),
        ),
    ),
    Job(
        "platform",
        "platform",
        (
            Run("ours", "ours", "sandboxes"),
            Run("bubblewrap", "ours", "others", ("bwrap",)),
            Run("podman", "ours", "others", ("podman",)),
        ),
    ),
    Job("inside", "platform", (Run("ours", "ours", "sandbox_streams"),)),
    Job("cold", "none", (Run("ours", "ours", "first_sandbox"),)),
    Job("idle", "platform", (Run("ours", "ours", "idle_sandboxes"),), once=True),
)
