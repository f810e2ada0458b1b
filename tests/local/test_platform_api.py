"""What becomes true on this machine when the API says so; `tests/conformance` has what it says."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.local.platform_process import Platform, running_platform

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(scope="module")
def running() -> Generator[Platform]:
    with running_platform() as platform:
        yield platform


@pytest.fixture
def platform(running: Platform) -> Generator[Platform]:
    yield running
    running.delete_all()


@pytest.fixture
def sandbox(platform: Platform) -> Any:
    return platform.create(name="box", labels={"a": "b"})


def test_a_created_sandbox_executes_commands_at_once(platform: Platform) -> None:
    for _ in range(10):
        sandbox = platform.create()
        assert sandbox["state"] == "started"
        assert platform.execute(sandbox["id"], "echo here")["result"] == "here\n"


def test_the_environment_asked_for_is_there(platform: Platform) -> None:
    sandbox = platform.create(env={"GREETING": "hello"})
    assert platform.execute(sandbox["id"], "echo $GREETING")["result"] == "hello\n"
    assert platform.execute(sandbox["id"], "echo $DAYTONA_SANDBOX_ID")["result"] == f"{sandbox['id']}\n"


def test_a_deleted_sandbox_is_gone_with_its_files(platform: Platform, sandbox: Any) -> None:
    assert platform.paths.sandbox(sandbox["id"]).exists()
    assert platform.api("DELETE", f"/sandbox/{sandbox['id']}").json["state"] == "destroyed"
    assert platform.api("GET", f"/sandbox/{sandbox['id']}").status == 404
    assert platform.api("DELETE", f"/sandbox/{sandbox['id']}").status == 404
    assert platform.api("GET", "/sandbox").json["items"] == []
    assert not platform.paths.sandbox(sandbox["id"]).exists()


def test_files_survive_a_stop_and_processes_do_not(platform: Platform, sandbox: Any) -> None:
    platform.execute(sandbox["id"], "echo kept > /home/daytona/file; sleep 1000 </dev/null >/dev/null 2>&1 &")
    assert platform.api("POST", "/sandbox/box/stop").json["state"] == "stopped"
    assert platform.api("POST", "/sandbox/box/start").json["state"] == "started"
    assert platform.execute(sandbox["id"], "cat /home/daytona/file")["result"] == "kept\n"
    assert platform.execute(sandbox["id"], "pgrep -x sleep")["exitCode"] == 1


def test_a_network_can_be_cut_off(platform: Platform) -> None:
    sandbox = platform.create(networkBlockAll=True)
    assert sandbox["isolation"]["network"] == "none"
    listed = platform.execute(sandbox["id"], "cat /proc/net/dev")["result"].splitlines()[2:]
    assert [line.split(":")[0].strip() for line in listed] == ["lo"]


def test_the_network_of_a_running_sandbox_stays(platform: Platform, sandbox: Any) -> None:
    assert platform.api("POST", "/sandbox/box/network-settings", {"networkBlockAll": True}).status == 400
    assert platform.api("POST", "/sandbox/box/network-settings", {"networkBlockAll": None}).status == 400
    assert platform.api("POST", "/sandbox/box/network-settings", {}).status == 400
    platform.api("POST", "/sandbox/box/stop")
    answer = platform.api("POST", "/sandbox/box/network-settings", {"networkBlockAll": True})
    assert answer.json["networkBlockAll"] is True


def test_reports_of_a_time_before_the_sandbox_are_empty(platform: Platform) -> None:
    sandbox = platform.create()["id"]
    asked = "from=2025-01-01T00:00:00Z&to=2025-01-02T00:00:00Z"
    empty = {"items": [], "total": 0, "page": 1, "totalPages": 0}
    for kind, nothing in {"metrics": {"series": []}, "logs": empty, "traces": empty, "traces/x": []}.items():
        assert platform.api("GET", f"/sandbox/{sandbox}/telemetry/{kind}?{asked}").json == nothing
    assert platform.api("GET", f"/sandbox/unknown/telemetry/metrics?{asked}").status == 404


def test_many_sandboxes_are_made_and_deleted_at_a_time(platform: Platform) -> None:
    connections = [http.client.HTTPConnection(platform.endpoint.api_url.split("/")[2]) for _ in range(8)]
    headers = {"Authorization": f"Bearer {platform.endpoint.api_key}"}
    for connection in connections:
        connection.request("POST", "/api/sandbox", b"{}", headers)
    made = [json.loads(connection.getresponse().read()) for connection in connections]
    for connection, sandbox in zip(connections, made, strict=True):
        assert platform.execute(sandbox["id"], "hostname")["exitCode"] == 0
        connection.request("DELETE", f"/api/sandbox/{sandbox['id']}", headers=headers)
    assert [connection.getresponse().status for connection in connections] == [200] * 8
    for connection in connections:
        connection.close()
