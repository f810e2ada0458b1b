"""Sandboxes that are linked reach each other by name, and the one that the others follow takes them along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.api import Api


@pytest.fixture(scope="module")
def owner(api: Api) -> Any:
    return api.create()


@pytest.fixture(scope="module")
def follower(api: Api, owner: Any) -> Any:
    return api.create(linkedSandbox=owner["name"], autoDeleteInterval=0)


def resolves(execute: Callable[..., str], sandbox: Any, name: str) -> bool:
    return bool(execute(sandbox, f"getent hosts {name}").strip())


def test_a_follower_says_whom_it_follows(api: Api, owner: Any, follower: Any) -> None:
    assert follower["linkedSandboxId"] == owner["id"]
    assert api.get(f"/sandbox/{owner['id']}").get("linkedSandboxId") is None


def test_linked_sandboxes_know_each_others_names(
    api: Api, owner: Any, follower: Any, execute: Callable[..., str]
) -> None:
    assert resolves(execute, owner, follower["name"])
    assert resolves(execute, follower, owner["name"])
    stranger = api.create()
    assert not resolves(execute, stranger, owner["name"])
    another = api.create(linkedSandbox=owner["id"], autoDeleteInterval=0)
    assert resolves(execute, follower, another["name"])
    assert api.status("DELETE", f"/sandbox/{another['id']}") == 200
    api.until(another["id"], "gone", "destroyed")
    api.wait_for(lambda: not resolves(execute, follower, another["name"]))


def test_what_one_serves_the_other_fetches(owner: Any, follower: Any, execute: Callable[..., str]) -> None:
    port = 20000 + uuid4().int % 20000
    execute(owner, f"echo hello > said; (python3 -m http.server {port} >/dev/null 2>&1 &)")
    fetch = f"for i in $(seq 50); do curl -fsS http://{owner['name']}:{port}/said 2>/dev/null && break; sleep 0.1; done"
    assert execute(follower, fetch) == "hello\n"


def test_a_follower_is_followed_by_nobody(api: Api, follower: Any) -> None:
    body = {"linkedSandbox": follower["id"], "autoDeleteInterval": 0}
    assert api.status("POST", "/sandbox", body) == 400


def test_an_owner_may_be_stopped_and_not_archived(api: Api, execute: Callable[..., str]) -> None:
    owner = api.create()
    path = f"/sandbox/{owner['id']}"
    api.call("POST", f"{path}/stop")
    api.until(owner["id"], "stopped")
    follower = api.create(linkedSandbox=owner["id"], autoDeleteInterval=0)
    api.call("POST", f"{path}/start")
    api.until(owner["id"], "started")
    assert resolves(execute, owner, follower["name"])
    api.call("POST", f"{path}/stop")
    api.until(owner["id"], "stopped")
    api.call("POST", f"{path}/archive")
    api.until(owner["id"], "archived")
    body = {"linkedSandbox": owner["id"], "autoDeleteInterval": 0}
    assert api.status("POST", "/sandbox", body) == 400


def test_followers_go_with_their_owner(api: Api) -> None:
    owner = api.create()
    follower = api.create(linkedSandbox=owner["id"], autoDeleteInterval=0)
    assert api.status("DELETE", f"/sandbox/{owner['id']}") == 200
    api.until(owner["id"], "gone", "destroyed")
    api.until(follower["id"], "gone", "destroyed")


@pytest.mark.usefixtures("embedded")
def test_a_link_and_limits_of_the_network_do_not_go_together(api: Api, owner: Any, follower: Any) -> None:
    limited = {"linkedSandbox": owner["id"], "autoDeleteInterval": 0, "networkBlockAll": True}
    assert api.status("POST", "/sandbox", limited) == 501
    for one in (owner, follower):
        path = f"/sandbox/{one['id']}/network-settings"
        assert api.status("POST", path, {"networkBlockAll": True}) == 501


@pytest.mark.usefixtures("embedded")
def test_a_link_needs_names_that_hosts_can_have(api: Api, owner: Any) -> None:
    body = {"name": f"my box {uuid4()}", "linkedSandbox": owner["id"], "autoDeleteInterval": 0}
    assert api.status("POST", "/sandbox", body) == 400
