"""The REST API over a real platform, with a plain HTTP client: what the protocol promises, behaviour by behaviour."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.local.platform_process import Platform, running_platform

if TYPE_CHECKING:
    from collections.abc import Generator

REQUIRED = {
    "id", "organizationId", "name", "user", "env", "labels", "public", "networkBlockAll", "kvm", "target", "cpu",
    "gpu", "memory", "disk", "toolboxProxyUrl",
}  # fmt: skip


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


def test_a_sandbox_has_every_key_the_official_client_requires(sandbox: Any) -> None:
    assert set(sandbox) >= REQUIRED
    assert all(type(sandbox[size]) is int for size in ("cpu", "gpu", "memory", "disk"))
    assert sandbox["toolboxProxyUrl"].endswith("/toolbox")


def test_an_item_of_a_list_has_every_key_the_official_client_requires(
    platform: Platform, sandbox: Any
) -> None:
    listed = platform.api("GET", "/sandbox").json
    assert listed["nextCursor"] is None
    assert set(listed["items"][0]) >= REQUIRED - {"env", "kvm"}


def test_a_sandbox_is_named_by_its_id_unless_told(platform: Platform) -> None:
    sandbox = platform.create()
    assert sandbox["name"] == sandbox["id"]


def test_a_sandbox_is_found_by_name(platform: Platform, sandbox: Any) -> None:
    assert platform.api("GET", "/sandbox/box").json["id"] == sandbox["id"]


def test_the_environment_asked_for_is_there(platform: Platform) -> None:
    sandbox = platform.create(env={"GREETING": "hello"})
    assert platform.execute(sandbox["id"], "echo $GREETING")["result"] == "hello\n"
    assert platform.execute(sandbox["id"], "echo $DAYTONA_SANDBOX_ID")["result"] == f"{sandbox['id']}\n"


def test_a_name_is_taken_once_and_free_at_once_after_delete(platform: Platform, sandbox: Any) -> None:
    assert platform.api("POST", "/sandbox", {"name": "box"}).status == 409
    platform.api("DELETE", "/sandbox/box")
    assert platform.create(name="box")["id"] != sandbox["id"]


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


def test_starting_what_runs_changes_nothing_and_stopping_twice_is_refused(
    platform: Platform, sandbox: Any
) -> None:
    assert platform.api("POST", "/sandbox/box/start").status == 200
    assert platform.api("POST", "/sandbox/box/stop?force=true").status == 200
    assert platform.api("POST", "/sandbox/box/stop").status == 400


def test_an_ephemeral_sandbox_is_gone_when_it_stops(platform: Platform) -> None:
    sandbox = platform.create(autoDeleteInterval=0)
    assert platform.api("POST", f"/sandbox/{sandbox['id']}/archive").status == 400
    assert platform.api("POST", f"/sandbox/{sandbox['id']}/stop").json["state"] == "destroyed"
    assert platform.api("GET", f"/sandbox/{sandbox['id']}").status == 404


def test_a_preview_token_changes_with_each_start_and_not_with_labels(
    platform: Platform, sandbox: Any
) -> None:
    def token() -> str:
        return str(platform.api("GET", "/sandbox/box/ports/3000/preview-url").json["token"])

    first = token()
    platform.api("PUT", "/sandbox/box/labels", {"labels": {}})
    assert token() == first
    platform.api("POST", "/sandbox/box/stop")
    platform.api("POST", "/sandbox/box/start")
    assert token() != first


def test_labels_are_replaced(platform: Platform, sandbox: Any) -> None:
    assert platform.api("PUT", "/sandbox/box/labels", {"labels": {"c": "d"}}).json["labels"] == {"c": "d"}
    assert platform.api("GET", "/sandbox/box").json["labels"] == {"c": "d"}


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("public/true", "public", True),
        ("autostop/5", "autoStopInterval", 5),
        ("autopause/5", "autoPauseInterval", 5),
        ("autoarchive/0", "autoArchiveInterval", 43200),
        ("autodelete/-1", "autoDeleteInterval", -1),
        ("ttl/0", "autoDestroyAt", None),
    ],
)
def test_settings_answer_201_and_stay(
    platform: Platform, sandbox: Any, path: str, key: str, value: object
) -> None:
    answer = platform.api("POST", f"/sandbox/box/{path}")
    assert (answer.status, answer.json[key]) == (201, value)
    assert platform.api("GET", "/sandbox/box").json[key] == value


@pytest.mark.parametrize(
    "path", ["autostop/-1", "autoarchive/-1", "ttl/-1", "autostop/soon", "autodelete/nan", "ttl/1e300"]
)
def test_an_interval_must_be_a_number_and_most_must_not_be_negative(
    platform: Platform, sandbox: Any, path: str
) -> None:
    assert platform.api("POST", f"/sandbox/box/{path}").status == 400


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_must_be_one(platform: Platform, sandbox: Any, port: str) -> None:
    assert platform.api("GET", f"/sandbox/box/ports/{port}/preview-url").status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/start"),
        ("POST", "/stop"),
        ("POST", "/archive"),
        ("POST", "/pause"),
        ("POST", "/resize"),
        ("POST", "/recover"),
        ("POST", "/fork"),
        ("POST", "/snapshot"),
        ("PUT", "/labels"),
        ("POST", "/public/true"),
        ("POST", "/autostop/bad"),
        ("POST", "/last-activity"),
        ("POST", "/network-settings"),
        ("GET", "/ports/0/preview-url"),
        ("GET", "/toolbox-proxy-url"),
    ],
)
def test_an_unknown_sandbox_is_404_before_anything_else_is_wrong(
    platform: Platform, method: str, path: str
) -> None:
    assert platform.api(method, f"/sandbox/{uuid4()}{path}", b"not json").status == 404


@pytest.mark.parametrize(
    ("operation", "status"),
    [("pause", 422), ("archive", 400), ("recover", 400), ("resize", 400)],
)
def test_what_a_running_container_cannot_do_is_refused(
    platform: Platform, sandbox: Any, operation: str, status: int
) -> None:
    answer = platform.api("POST", f"/sandbox/box/{operation}", {})
    assert answer.status == answer.json["statusCode"] == status


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


def test_an_error_is_one_message_in_an_envelope(platform: Platform) -> None:
    answer = platform.api("POST", "/sandbox?x=1", {"cpu": "2"})
    body = answer.json
    assert answer.status == body["statusCode"] == 400
    assert body["path"] == "/api/sandbox?x=1"
    assert body["error"] == "Bad Request"
    assert isinstance(body["message"], str)
    assert body["source"] == "DAYTONA_API"
    assert body["timestamp"].endswith("Z")


@pytest.mark.parametrize("authorization", ["", "Bearer dtn_wrong", "Basic abc", "Bearer", "Bearer \xe4"])
def test_every_wrong_credential_is_the_same_401(platform: Platform, authorization: str) -> None:
    for path in ("/api/sandbox", "/api/nowhere", f"/toolbox/{uuid4()}/version"):
        answer = platform.call("GET", path, headers={"Authorization": authorization})
        assert (answer.status, answer.json["message"]) == (401, "Invalid credentials")


@pytest.mark.parametrize("path", ["/api/config", "/api/health"])
def test_some_things_need_no_credentials(platform: Platform, path: str) -> None:
    assert platform.call("GET", path, headers={"Authorization": ""}).status == 200


def test_the_configuration_has_what_the_official_client_requires(platform: Platform) -> None:
    config = platform.api("GET", "/config").json
    assert {
        "version", "oidc", "linkedAccountsEnabled", "announcements", "proxyTemplateUrl", "proxyToolboxUrl",
        "defaultSnapshot", "dashboardUrl", "maxAutoArchiveInterval", "maintananceMode", "environment",
    } <= set(config)  # fmt: skip
    assert {"issuer", "clientId", "audience", "provider"} <= set(config["oidc"])


def test_the_key_in_use_is_shown_masked(platform: Platform) -> None:
    answer = platform.api("GET", "/api-keys/current")
    assert platform.endpoint.api_key not in answer.body.decode()
    assert "write:sandboxes" in answer.json["permissions"]


def test_the_region_and_the_snapshot_are_listed(platform: Platform) -> None:
    assert [region["id"] for region in platform.api("GET", "/regions").json] == ["local"]
    assert platform.api("GET", "/snapshots/host").json["state"] == "active"
    assert platform.api("GET", "/snapshots/other").status == 404


def test_every_answer_names_the_version(platform: Platform) -> None:
    assert platform.api("GET", "/health").headers["X-Daytona-Api-Version"]
    assert platform.api("GET", "/sandbox/none").headers["X-Daytona-Api-Version"]


def test_reports_of_telemetry_are_empty(platform: Platform) -> None:
    sandbox = platform.create()["id"]
    asked = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"
    empty = {"items": [], "total": 0, "page": 1, "totalPages": 0}
    for kind, nothing in {"metrics": {"series": []}, "logs": empty, "traces": empty, "traces/x": []}.items():
        assert platform.api("GET", f"/sandbox/{sandbox}/telemetry/{kind}?{asked}").json == nothing
    assert platform.api("GET", f"/sandbox/unknown/telemetry/metrics?{asked}").status == 404


def test_an_unknown_path_is_404(platform: Platform) -> None:
    assert platform.api("GET", "/nowhere").status == 404
    assert platform.call("GET", "/").status == 404


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
