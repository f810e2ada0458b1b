"""The life of a sandbox: which operation is refused in which state, with which status, and what a change of state brings along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.conformance.api import Api

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def archived(api: Api) -> Any:
    made = api.create()
    api.call("POST", f"/sandbox/{made['id']}/stop")
    api.until(made["id"], "stopped")
    assert api.status("POST", f"/sandbox/{made['id']}/archive") == 200
    return api.until(made["id"], "archived")


@pytest.fixture
def of_state(request: pytest.FixtureRequest) -> Any:
    """The sandbox of the module that is in the state that the test names."""
    return lambda state: request.getfixturevalue("box" if state == "started" else state)["id"]


# Statuses by state: a dot is what would be accepted, and so cannot be tried on a sandbox that is to stay as it is.
REFUSALS = """
    POST   start            .   .   .
    POST   stop             .   400 400
    POST   archive          400 .   400
    POST   pause            .   400 400
    POST   recover          400 400 400
    POST   resize           400 400 400
    POST   snapshot         .   .   400
"""
ROWS = [line.split() for line in REFUSALS.strip().splitlines()]


@pytest.mark.parametrize(
    ("state", "operation", "expected"),
    [
        pytest.param(state, row[1], int(status), id=f"{row[1]} of {state}")
        for row in ROWS
        for state, status in zip(("started", "stopped", "archived"), row[2:], strict=True)
        if status != "."
    ],
)
def test_an_operation_is_refused(api: Api, of_state: Any, state: str, operation: str, expected: int) -> None:
    body = {
        "name": "x",
        "cpu": 1,
    }  # of which each operation takes what it knows, and one core is what there is
    answer = api.call("POST", f"/sandbox/{of_state(state)}/{operation}", body)
    assert (answer.status, answer.json["statusCode"]) == (expected, expected), answer.body


@pytest.mark.parametrize("state", ["started", "stopped", "archived"])
@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        pytest.param(*case, id=case[1])
        for case in (
            ("GET", "", None, 200),
            ("PUT", "/labels", {"labels": {"a": "b"}}, 200),
            ("POST", "/public/false", None, 201),
            ("POST", "/autostop/15", None, 201),
            ("POST", "/autoarchive/60", None, 201),
            ("POST", "/autodelete/-1", None, 201),
            ("POST", "/ttl/0", None, 201),
            ("POST", "/last-activity", None, 201),
            ("POST", "/backup", None, 201),
            ("GET", "/ports/80/preview-url", None, 200),
            ("GET", "/ports/80/signed-preview-url", None, 200),
            ("POST", "/ssh-access", None, 200),
            ("DELETE", "/ssh-access", None, 200),
            ("GET", "/toolbox-proxy-url", None, 200),
            ("GET", "/signing-key", None, 200),
        )
    ],
)
def test_settings_and_addresses_are_there_in_every_state(
    api: Api, of_state: Any, state: str, method: str, path: str, body: Any, expected: int
) -> None:
    assert api.status(method, f"/sandbox/{of_state(state)}{path}", body) == expected


@pytest.mark.parametrize("state", ["stopped", "archived"])
def test_a_network_is_limited_while_nothing_runs(api: Api, of_state: Any, state: str) -> None:
    changed = api.call("POST", f"/sandbox/{of_state(state)}/network-settings", {"networkBlockAll": True})
    assert (changed.status, changed.json["networkBlockAll"]) == (200, True)


def test_starting_what_runs_changes_nothing(api: Api, box: Any) -> None:
    path = f"/sandbox/{box['id']}"
    token = api.get(f"{path}/ports/80/preview-url")["token"]
    started = api.call("POST", f"{path}/start")
    assert (started.status, started.json["state"]) == (200, "started")
    assert api.get(f"{path}/ports/80/preview-url")["token"] == token


def test_a_start_changes_the_token_and_keeps_the_signing_key(api: Api) -> None:
    path = f"/sandbox/{api.create()['id']}"
    token, key = api.get(f"{path}/ports/80/preview-url")["token"], api.call("GET", f"{path}/signing-key").body
    api.call("POST", f"{path}/stop", force="true")
    api.until(path.split("/")[2], "stopped")
    assert api.status("POST", f"{path}/start") == 200
    api.until(path.split("/")[2], "started")
    assert api.get(f"{path}/ports/80/preview-url")["token"] != token
    assert api.call("GET", f"{path}/signing-key").body == key


def test_an_archived_sandbox_is_nowhere_until_it_is_started(api: Api, archived: Any) -> None:
    assert (archived["runnerId"], archived["desiredState"]) == (None, "archived")
    if api.embedded:
        assert (archived["backupState"], archived["backupCreatedAt"] is None) == ("Completed", False)
    other = api.create()["id"]
    assert api.get(f"/sandbox/{other}")["runnerId"]
    api.call("POST", f"/sandbox/{other}/stop")
    api.until(other, "stopped")
    api.call("POST", f"/sandbox/{other}/archive")
    api.until(other, "archived")
    api.call("POST", f"/sandbox/{other}/start")
    back = api.until(other, "started")
    assert back["runnerId"]


def test_a_size_changes_within_its_rules(api: Api) -> None:
    path = f"/sandbox/{api.create()['id']}"
    refused = ({}, {"cpu": 1}, {"cpu": 0}, {"disk": 4}, {"cpu": "2"}, {"cpu": 100_000}, {"memory": 10**9})
    assert [api.status("POST", f"{path}/resize", body) for body in refused] == [400] * len(refused)
    grown = api.call("POST", f"{path}/resize", {"cpu": 2, "memory": 2})
    assert grown.status == 200
    sandbox = api.until(path.split("/")[2], "started")
    assert (sandbox["cpu"], sandbox["memory"]) == (2, 2)
    assert api.status("POST", f"{path}/resize", {"memory": 1}) == 400  # it runs
    api.call("POST", f"{path}/stop")
    api.until(sandbox["id"], "stopped")
    assert api.status("POST", f"{path}/resize", {"disk": 2}) == 400  # never smaller
    assert api.status("POST", f"{path}/resize", {"cpu": 1, "memory": 1, "disk": 4}) == 200
    sandbox = api.until(sandbox["id"], "stopped")
    assert (sandbox["cpu"], sandbox["memory"], sandbox["disk"]) == (1, 1, 4)


@pytest.mark.usefixtures("embedded")
def test_a_paused_sandbox_keeps_its_programs_still_and_their_memory(
    api: Api, execute: Callable[..., str]
) -> None:
    box = api.create(autoPauseInterval=5)
    path = f"/sandbox/{box['id']}"
    assert (box["autoPauseInterval"], box["autoStopInterval"]) == (5, 0)
    execute(box, COUNTER)
    token = api.get(f"{path}/ports/80/preview-url")["token"]
    paused = api.call("POST", f"{path}/pause").json
    assert (paused["state"], paused["desiredState"]) == ("paused", "paused")
    counted = [int(line) for line in resumed(api, box, execute).splitlines()]
    assert counted == list(range(len(counted)))  # its one program has gone on counting
    assert api.get(f"{path}/ports/80/preview-url")["token"] == token


COUNTER = "n=0; (while sleep 0.01; do echo $n; n=$((n+1)); done >/tmp/counted 2>&1 &) ; sleep 0.1"


def resumed(api: Api, box: Any, execute: Callable[..., str]) -> str:
    """Return what a counter has written down when it has gone on counting after a pause."""
    assert api.call("POST", f"/sandbox/{box['id']}/start").json["state"] == "started"
    before = execute(box, "cat /tmp/counted")
    api.wait_for(lambda: len(execute(box, "cat /tmp/counted")) > len(before))
    return execute(box, "cat /tmp/counted")


@pytest.mark.usefixtures("embedded")
def test_nothing_moves_in_a_paused_sandbox_and_nothing_answers(api: Api, execute: Callable[..., str]) -> None:
    volume = api.make("/volumes")
    api.wait_for(lambda: api.get(f"/volumes/{volume['id']}")["state"] == "ready")
    mounts = [{"volumeId": volume["id"], "mountPath": "/tmp/shared"}]
    box, witness = api.create(volumes=mounts), api.create(volumes=mounts)
    execute(box, COUNTER.replace("/tmp/counted", "/tmp/shared/counted"))
    assert api.call("POST", f"/sandbox/{box['id']}/pause").json["state"] == "paused"
    before = execute(witness, "cat /tmp/shared/counted; sleep 0.1")
    assert execute(witness, "cat /tmp/shared/counted") == before != ""
    toolbox = Api(f"{box['toolboxProxyUrl']}/{box['id']}", api.key, embedded=True)
    assert toolbox.status("POST", "/process/execute", {"command": "true"}) == 400
    refused = ("pause", "archive", "snapshot", "fork", "resize", "recover")
    body = {"name": "x", "cpu": 2}
    assert [api.status("POST", f"/sandbox/{box['id']}/{one}", body) for one in refused] == [400] * len(
        refused
    )
    stopped = api.call("POST", f"/sandbox/{box['id']}/stop")
    assert (stopped.status, api.until(box["id"], "stopped")["desiredState"]) == (200, "stopped")


@pytest.mark.usefixtures("embedded")
def test_a_paused_sandbox_can_be_deleted(api: Api, execute: Callable[..., str]) -> None:
    path = f"/sandbox/{api.create()['id']}"
    assert api.call("POST", f"{path}/pause").json["state"] == "paused"
    assert api.call("DELETE", path).status == 200
    assert api.until(path.split("/")[2], "gone") is None


def test_an_ephemeral_sandbox_is_gone_when_it_stops_and_is_never_kept(api: Api) -> None:
    path = f"/sandbox/{api.create(autoDeleteInterval=0)['id']}"
    assert api.status("POST", f"{path}/archive") == 400
    assert api.status("POST", f"{path}/backup") == 400
    assert api.call("POST", f"{path}/stop").json["state"] in ("destroying", "destroyed")
    api.until(path.split("/")[2], "gone", "destroyed")


def test_a_deleted_sandbox_is_gone_and_its_name_is_free_at_once(api: Api) -> None:
    name = f"conformance-{uuid4().hex[:12]}"
    path = f"/sandbox/{api.create(name=name)['id']}"
    assert api.status("POST", "/sandbox", {"name": name}) == 409
    deleted = api.call("DELETE", path)
    assert (deleted.status, deleted.json["desiredState"]) == (200, "destroyed")
    assert api.status("DELETE", path) in (404, 409)  # it may still be on its way out
    again = api.create(name=name)
    assert again["id"] not in path
    api.until(path.split("/")[2], "gone")
    assert api.get("/sandbox", name=name)["items"][0]["id"] == again["id"]


@pytest.mark.usefixtures("embedded")
def test_a_parent_stays_as_long_as_its_forks(api: Api) -> None:
    parent = api.create()["id"]
    child = api.call("POST", f"/sandbox/{parent}/fork", {}).json
    refused = api.call("DELETE", f"/sandbox/{parent}")
    assert (refused.status, child["name"] in refused.json["message"]) == (400, True)
    assert api.get(f"/sandbox/{parent}")["state"] == "started"
    assert api.status("DELETE", f"/sandbox/{child['id']}") == 200
    assert api.status("DELETE", f"/sandbox/{parent}") == 200


@pytest.mark.usefixtures("embedded")
def test_a_fork_has_what_its_parent_had(api: Api) -> None:
    body = {"labels": {"a": "b"}, "env": {"C": "d"}, "public": True, "autoStopInterval": 7, "ttlMinutes": 60}
    parent = api.create(**body)
    api.call("POST", f"/sandbox/{parent['id']}/resize", {"cpu": 2})
    child = api.call("POST", f"/sandbox/{parent['id']}/fork", {"name": ""}).json
    kept = ("labels", "env", "public", "autoStopInterval", "cpu", "snapshot", "user", "volumes")
    assert [child[key] for key in kept] == [api.get(f"/sandbox/{parent['id']}")[key] for key in kept]
    assert child["name"] == child["id"]
    assert api.status("POST", f"/sandbox/{parent['id']}/fork", {"name": parent["name"]}) == 409
    assert [fork["id"] for fork in api.get(f"/sandbox/{parent['id']}/forks")] == [child["id"]]
    assert api.get(f"/sandbox/{child['id']}/parent")["id"] == parent["id"]
    assert api.status("GET", f"/sandbox/{parent['id']}/parent") == 404
    assert api.status("DELETE", f"/sandbox/{child['id']}") == 200
