"""Labels, intervals, the network and the addresses of a sandbox."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from tests.conformance.api import Api


@pytest.fixture(scope="module")
def path(box: Any) -> str:
    return f"/sandbox/{box['id']}"


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("public/true", "public", True),
        ("public/false", "public", False),
        ("public/yes", "public", False),
        ("autostop/5", "autoStopInterval", 5),
        ("autostop/0", "autoStopInterval", 0),
        ("autopause/0", "autoPauseInterval", 0),
        ("autoarchive/0", "autoArchiveInterval", 43200),
        ("autodelete/30", "autoDeleteInterval", 30),
        ("autodelete/-1", "autoDeleteInterval", -1),
        ("ttl/0", "autoDestroyAt", None),
    ],
)
def test_a_setting_answers_201_and_stays(api: Api, path: str, setting: str, key: str, value: object) -> None:
    answer = api.call("POST", f"{path}/{setting}")
    assert (answer.status, answer.json[key]) == (201, value)
    assert api.get(path)[key] == value


@pytest.mark.parametrize("setting", ["autostop/-1", "autoarchive/-1", "autopause/-1", "ttl/-1"])
def test_an_interval_is_not_negative(api: Api, path: str, setting: str) -> None:
    assert api.status("POST", f"{path}/{setting}") == 400


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize("setting", ["autostop/soon", "autodelete/nan", "ttl/1e300"])
def test_an_interval_is_a_number_of_minutes_that_something_happens_after(
    api: Api, path: str, setting: str
) -> None:
    assert api.status("POST", f"{path}/{setting}") == 400


def test_who_asks_for_a_deleted_sandbox_is_told_so(api: Api) -> None:
    gone = api.create()["id"]
    assert api.status("GET", f"/preview/{gone}/access") == 200
    assert api.status("DELETE", f"/sandbox/{gone}") == 200
    api.until(gone, "gone")
    answer = api.call("GET", f"/preview/{gone}/access")
    assert (answer.status, answer.json["code"]) == (404, "SANDBOX_DESTROYED")
    assert api.call("GET", f"/preview/{uuid4()}/access").json.get("code") != "SANDBOX_DESTROYED"


def test_labels_are_replaced_as_a_whole(api: Api, path: str) -> None:
    for labels in ({"a": "b", "c": "d"}, {"e": ""}, {}):
        assert api.call("PUT", f"{path}/labels", {"labels": labels}).json["labels"] == labels
        assert api.get(path)["labels"] == labels


def test_activity_is_noted_and_settings_are_none(api: Api) -> None:
    path = f"/sandbox/{api.create()['id']}"
    before = api.get(path)
    api.call("PUT", f"{path}/labels", {"labels": {"a": "b"}})
    changed = api.get(path)
    assert changed["lastActivityAt"] == before["lastActivityAt"]
    assert changed["updatedAt"] >= before["updatedAt"]
    deadline = time.monotonic() + 30  # at most once in five seconds, and written down by and by
    while api.get(path)["lastActivityAt"] == before["lastActivityAt"]:
        answer = api.call("POST", f"{path}/last-activity")
        assert (answer.status, answer.body) == (201, b"")
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"networkBlockAll": True}, (True, None, None)),
        ({"networkAllowList": "10.0.0.0/8"}, (False, "10.0.0.0/8", None)),
        ({"domainAllowList": "*.example.org"}, (False, "10.0.0.0/8", "*.example.org")),
        ({"networkBlockAll": False}, (False, None, "*.example.org")),
        (
            {"networkAllowList": "10.0.0.0/8,,192.168.0.0/16"},
            (False, "10.0.0.0/8,,192.168.0.0/16", "*.example.org"),
        ),
        ({"networkAllowList": ""}, (False, None, "*.example.org")),
        ({"domainAllowList": ""}, (False, None, None)),
        ({"networkBlockAll": True, "domainAllowList": "a.org"}, (True, None, "a.org")),
    ],
    ids=str,
)
def test_the_settings_of_the_network_act_on_each_other(
    api: Api, stopped: Any, sent: dict[str, object], kept: tuple[object, ...]
) -> None:
    """One after the other, on one sandbox."""
    changed = api.call("POST", f"/sandbox/{stopped['id']}/network-settings", sent)
    assert changed.status == 200, changed.body
    found = api.get(f"/sandbox/{stopped['id']}")
    lists = tuple(found[key] or None for key in ("networkAllowList", "domainAllowList"))
    assert (found["networkBlockAll"], *lists) == kept


@pytest.mark.parametrize(
    "body",
    [
        {}, {"unknown": 1}, {"networkBlockAll": None}, {"networkAllowList": None}, {"domainAllowList": None},
        {"networkBlockAll": "true"}, {"networkAllowList": "10.0.0.1"}, {"networkAllowList": "everything"},
        {"domainAllowList": "http://example.org"}, {"domainAllowList": "localhost"},
    ],
    ids=str,
)  # fmt: skip  # a list
def test_what_is_no_setting_of_a_network_is_refused(api: Api, stopped: Any, body: dict[str, object]) -> None:
    assert api.status("POST", f"/sandbox/{stopped['id']}/network-settings", body) == 400


def test_a_preview_has_an_address_and_a_token(api: Api, box: Any, path: str) -> None:
    link = api.get(f"{path}/ports/3000/preview-url")
    assert link["sandboxId"] == box["id"]
    assert f"3000-{box['id']}." in link["url"]
    assert re.fullmatch(r"[a-z0-9_-]{32}", link["token"])
    assert api.get(f"{path}/ports/1/preview-url")["token"] == link["token"]


def test_a_signed_preview_is_bound_to_its_port_and_can_be_ended(api: Api, box: Any, path: str) -> None:
    signed = api.get(f"{path}/ports/65535/signed-preview-url", expiresInSeconds=86400)
    assert re.fullmatch(r"[a-z0-9]{16}", signed["token"])
    assert (signed["port"], f"65535-{signed['token']}." in signed["url"]) == (65535, True)
    assert api.call("GET", f"/preview/{signed['token']}/65535/sandbox-id").body == box["id"].encode()
    assert api.status("GET", f"/preview/{signed['token']}/1/sandbox-id") == 403
    end = f"{path}/ports/65535/signed-preview-url/{signed['token']}/expire"
    assert [api.status("POST", end), api.status("POST", end)] == [201, 201]  # an unknown token is fine
    assert api.status("GET", f"/preview/{signed['token']}/65535/sandbox-id") == 403


def test_a_signed_preview_ends_by_itself(api: Api, path: str) -> None:
    token = api.get(f"{path}/ports/80/signed-preview-url", expiresInSeconds=1)["token"]
    api.wait_for(lambda: api.status("GET", f"/preview/{token}/80/sandbox-id") == 403)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
@pytest.mark.parametrize("kind", ["preview-url", "signed-preview-url"])
def test_a_port_must_be_one(api: Api, path: str, port: str, kind: str) -> None:
    assert api.status("GET", f"{path}/ports/{port}/{kind}") == 400


@pytest.mark.parametrize("seconds", ["0", "86401", "-1", "soon"])
def test_a_signed_preview_lasts_a_second_to_a_day(api: Api, path: str, seconds: str) -> None:
    assert api.status("GET", f"{path}/ports/80/signed-preview-url?expiresInSeconds={seconds}") == 400


def test_a_proxy_learns_who_may_see_a_sandbox(api: Api, box: Any, path: str) -> None:
    token = api.get(f"{path}/ports/80/preview-url")["token"]
    api.call("POST", f"{path}/public/false")
    one = f"/preview/{box['id']}"
    answers = [
        api.status("GET", f"{one}/{what}") for what in ("access", f"validate/{token}", "validate/x", "public")
    ]
    assert answers == [200, 200, 404, 404]
    api.call("POST", f"{path}/public/true")
    assert api.call("GET", f"{one}/public").body == b"true"


def test_ssh_has_one_token_at_a_time(api: Api, box: Any, path: str) -> None:
    first = api.call("POST", f"{path}/ssh-access", expiresInMinutes=5).json
    assert re.fullmatch(r"[A-Za-z0-9]{32}", first["token"])
    assert (first["sandboxId"], first["token"] in first["sshCommand"]) == (box["id"], True)

    def opens(token: str) -> object:
        found = api.get("/sandbox/ssh-access/validate", token=token)
        return found["sandboxId"] if found["valid"] else None

    assert opens(first["token"]) == box["id"]
    second = api.call("POST", f"{path}/ssh-access").json
    assert (opens(first["token"]), opens(second["token"])) == (None, box["id"])
    assert api.status("DELETE", f"{path}/ssh-access", token="unknown") == 200
    assert opens(second["token"]) == box["id"]
    assert api.status("DELETE", f"{path}/ssh-access", token=second["token"]) == 200
    assert opens(second["token"]) is None
    third = api.call("POST", f"{path}/ssh-access").json
    assert api.status("DELETE", f"{path}/ssh-access") == 200
    assert opens(third["token"]) is None
    past = api.call("POST", f"{path}/ssh-access", expiresInMinutes=0).json
    assert opens(past["token"]) is None


ROUTES = [
    ("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/stop"), ("POST", "/archive"), ("POST", "/pause"),
    ("POST", "/resize"), ("POST", "/recover"), ("POST", "/fork"), ("POST", "/snapshot"), ("POST", "/backup"),
    ("GET", "/forks"), ("GET", "/parent"), ("GET", "/ancestors"), ("PUT", "/labels"), ("PUT", "/secrets"),
    ("POST", "/public/true"), ("POST", "/autostop/bad"), ("POST", "/autodelete/1"), ("POST", "/autoarchive/-1"),
    ("POST", "/autopause/1"), ("POST", "/ttl/1"), ("POST", "/last-activity"), ("POST", "/network-settings"),
    ("GET", "/ports/0/preview-url"), ("GET", "/ports/80/signed-preview-url?expiresInSeconds=0"),
    ("POST", "/ports/80/signed-preview-url/x/expire"), ("POST", "/ssh-access"), ("DELETE", "/ssh-access"),
    ("GET", "/toolbox-proxy-url"), ("GET", "/signing-key"), ("POST", "/signing-key/rotate"),
    ("GET", "/build-logs"), ("GET", "/build-logs-url"), ("GET", "/telemetry/metrics"),
]  # fmt: skip  # a list


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_an_unknown_sandbox_is_404_before_anything_else_is_wrong(api: Api, method: str, route: str) -> None:
    body = b"not json" if method in ("POST", "PUT") else None
    answer = api.call(method, f"/sandbox/{uuid4()}{route}", body)
    assert (answer.status, answer.json["statusCode"]) == (404, 404)


@pytest.mark.parametrize("route", ["toolbox-proxy-url", "signing-key", "telemetry/logs"])
def test_some_things_are_asked_of_an_id_only(api: Api, box: Any, route: str) -> None:
    query = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    assert api.status("GET", f"/sandbox/{box['id']}/{route}", **query) == 200
    assert api.status("GET", f"/sandbox/{box['name']}/{route}", **query) == 404


def test_a_report_has_a_beginning_and_an_end(api: Api, path: str) -> None:
    assert api.status("GET", f"{path}/telemetry/metrics") == 400
