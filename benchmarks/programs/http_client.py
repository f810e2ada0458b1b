"""The command as a plain HTTP call with JSON both ways: `http_client.py SCALE aiohttp|httpx|pyreqwest|pyreqwest-async`."""

from __future__ import annotations

import asyncio
import os
import sys

from meter import COMMAND, Meter

URL = os.environ["DAYTONA_API_URL"].removesuffix("/api") + "/toolbox/sandbox-0/process/execute"
BODY = {"command": COMMAND}


async def by_aiohttp() -> None:
    """Measure aiohttp."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        meter.ready()
        with meter.timing("exec", calls):
            for _ in range(calls):
                async with session.post(URL, json=BODY) as response:
                    await response.json()


def by_httpx() -> None:
    """Measure httpx."""
    import httpx

    with httpx.Client() as client:
        meter.ready()
        with meter.timing("exec", calls):
            for _ in range(calls):
                client.post(URL, json=BODY).json()


def by_pyreqwest() -> None:
    """Measure pyreqwest, blocking."""
    from pyreqwest.client import SyncClientBuilder

    with SyncClientBuilder().build() as client:
        meter.ready()
        with meter.timing("exec", calls):
            for _ in range(calls):
                client.post(URL).body_json(BODY).build().send().json()


async def by_pyreqwest_async() -> None:
    """Measure pyreqwest on asyncio."""
    from pyreqwest.client import ClientBuilder

    async with ClientBuilder().build() as client:
        meter.ready()
        with meter.timing("exec", calls):
            for _ in range(calls):
                response = await client.post(URL).body_json(BODY).build().send()
                await response.json()


meter = Meter()
calls = meter.count(1500)
match sys.argv[2]:
    case "aiohttp":
        asyncio.run(by_aiohttp())
    case "httpx":
        by_httpx()
    case "pyreqwest":
        by_pyreqwest()
    case _:
        asyncio.run(by_pyreqwest_async())
meter.report()
