"""What servers of different ages say of a desktop's programs, read alike."""

from __future__ import annotations

from typing import Any

import pytest

from daytona import DaytonaConfig
from tests.conftest import open_client
from tests.wire.stub_server import Recorded, Reply, StubServer, as_json

PUBLISHED = {"running": True, "priority": 100, "autoRestart": True, "pid": 7}
REAL = {"Running": True, "Priority": 100, "AutoRestart": True, "Pid": 7}
STOPPED = {"Running": False, "Priority": 250, "AutoRestart": False, "Pid": None}


@pytest.mark.parametrize("xvfb", [PUBLISHED, REAL], ids=["published", "real"])
async def test_keys_with_and_without_capitals_mean_the_same(face: str, xvfb: dict[str, Any]) -> None:
    def answer(request: Recorded) -> Reply:
        url = f"http://{request.headers['Host']}/toolbox"
        box = {"id": "sb-1", "state": "started", "toolboxProxyUrl": url, "url": url}
        desktop = {"message": "done", "status": {"xvfb": xvfb, "atspi": STOPPED}}
        return as_json(desktop if "computeruse" in request.path else box)

    with StubServer(answer) as server:
        config = DaytonaConfig(api_key="KEY", api_url=f"{server.url}/api")
        async with open_client(face, config) as daytona:
            desktop = (await daytona.get("sb-1")).computer_use
            for call in (desktop.start, desktop.stop):
                said = await call()
                assert said.message == "done"
                assert said.status["xvfb"].model_dump() == {
                    "running": True,
                    "pid": 7,
                    "priority": 100,
                    "auto_restart": True,
                }
                assert (said.status["atspi"].running, said.status["atspi"].pid) == (False, None)
