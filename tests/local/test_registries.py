"""Credentials for registries: kept, never told, and used by pulls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.images.logins import Login
from tests.local.registry_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.platform_process import Platform
    from tests.local.registry_server import Registry

BODY = {"name": "ours", "url": "https://registry.example/v2", "username": "me", "password": "hidden"}


@pytest.fixture
def private() -> Iterator[Registry]:
    """A registry with one image for those who say who they are."""
    with serving() as registry:
        registry.add_image("1", [{"file": b"content"}])
        registry.token, registry.wanted = "t", Login("me", "hidden").basic
        yield registry


def test_the_platform_pulls_with_what_it_was_told(platform: Platform, private: Registry) -> None:
    host = private.address.removeprefix("http://")
    registry = platform.api("POST", "/docker-registry", {**BODY, "url": private.address}).json["id"]
    snapshot = platform.api("POST", "/snapshots", {"name": "private:1", "imageName": f"{host}/x:1"}).json
    path = f"/snapshots/{snapshot['id']}"
    while (found := platform.api("GET", path).json)["state"] in ("pending", "pulling", "building"):
        pass
    platform.api("DELETE", path)
    platform.api("DELETE", f"/docker-registry/{registry}")
    assert found["state"] == "active", found["errorReason"]
