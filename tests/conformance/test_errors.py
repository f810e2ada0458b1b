"""What every answer has in common: credentials, errors, versions, and what the platform says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.schemas import differences

if TYPE_CHECKING:
    from tests.conformance.api import Api
    from tests.local.platform_process import Platform


def test_an_error_is_one_message_in_an_envelope(api: Api) -> None:
    answer = api.call("POST", "/sandbox?x=1", {"cpu": "2", "name": 1})
    body = answer.json
    assert answer.status == body["statusCode"] == 400
    assert body["path"].endswith("/sandbox?x=1")
    assert body["error"] == "Bad Request"
    assert isinstance(body["message"], str)
    assert body["timestamp"].endswith("Z")
    assert body.get("source", "DAYTONA_API") == "DAYTONA_API"
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("authorization", ["", "Bearer dtn_wrong", "Basic abc", "Bearer", "Bearer \xe4"])
@pytest.mark.parametrize("path", ["/sandbox", "/snapshots", "/volumes", "/api-keys/current", "/secret/x"])
def test_every_wrong_credential_is_the_same_401(api: Api, authorization: str, path: str) -> None:
    answer = api.call("GET", path, headers={"Authorization": authorization})
    assert (answer.status, answer.json["message"]) == (401, "Invalid credentials")


@pytest.mark.parametrize("path", ["/config", "/health", "/shared-regions"])
def test_some_things_need_no_credentials(api: Api, path: str) -> None:
    assert api.call("GET", path, headers={"Authorization": ""}).status == 200


def test_an_organization_in_the_header_counts_for_nothing_beside_a_key(api: Api) -> None:
    asked = {"X-Daytona-Organization-ID": "somebody-elses"}
    assert api.call("GET", "/sandbox", headers=asked).status == 200


def test_every_answer_names_the_version(api: Api) -> None:
    for method, path in (("GET", "/health"), ("GET", "/sandbox/none"), ("POST", "/snapshots")):
        assert api.call(method, path).headers["X-Daytona-Api-Version"]


def test_the_key_in_use_is_shown_masked(api: Api) -> None:
    shown = api.get("/api-keys/current")
    assert shown["value"] == f"{api.key[:3]}{'*' * 20}{api.key[-3:]}"
    assert "write:sandboxes" in shown["permissions"]


def test_the_configuration_is_usable(api: Api) -> None:
    config = api.get("/config")
    assert "{{PORT}}" in config["proxyTemplateUrl"]
    assert "{{sandboxId}}" in config["proxyTemplateUrl"]
    assert api.get(f"/snapshots/{config['defaultSnapshot']}")["state"] == "active"


def test_a_region_is_listed_and_none_is_ones_own(api: Api) -> None:
    (region, *_) = api.get("/regions")
    assert differences(region, "Region") == []
    assert region in api.get("/shared-regions")
    assert api.status("GET", f"/regions/{region['id']}") == 404


@pytest.mark.usefixtures("embedded")
def test_an_unknown_path_is_404(api: Api) -> None:
    answer = api.call("GET", "/nowhere")
    assert (answer.status, answer.json["message"]) == (404, "Cannot GET /api/nowhere")


@pytest.mark.usefixtures("embedded")
def test_an_address_without_the_last_part_is_told_so(api: Api, platform: Platform) -> None:
    answer = platform.call("GET", "/sandbox")
    assert (answer.status, answer.json["message"]) == (404, "Cannot GET /sandbox; the API is below /api/")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'"x"', b"{", b"\xff"])
@pytest.mark.parametrize("path", ["/snapshots", "/volumes", "/secret", "/docker-registry", "/warm-pools"])
def test_a_body_that_is_none_is_refused(api: Api, path: str, body: bytes) -> None:
    answer: Any = api.call("POST", path, body)
    assert (answer.status, type(answer.json["message"])) == (400, str)
