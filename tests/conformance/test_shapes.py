"""Every operation answers with the status and the shape that the protocol gives it: all keys there, each of its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.conformance.schemas import RESPONSES, differences

if TYPE_CHECKING:
    from tests.conformance.api import Api
    from tests.local.platform_process import Answer

# The description says 200 of most; the hosted platform answers 201 where a handler names no status.
STATUSES = {
    **dict.fromkeys(
        (
            "POST /api-keys", "POST /docker-registry", "POST /secret", "POST /warm-pools",
            "POST /sandbox/{sandboxIdOrName}/autoarchive/{interval}", "POST /sandbox/{sandboxIdOrName}/autodelete/{interval}",
            "POST /sandbox/{sandboxIdOrName}/autopause/{interval}", "POST /sandbox/{sandboxIdOrName}/autostop/{interval}",
            "POST /sandbox/{sandboxIdOrName}/backup", "POST /sandbox/{sandboxIdOrName}/public/{isPublic}",
            "POST /sandbox/{sandboxIdOrName}/ports/{port}/signed-preview-url/{token}/expire",
            "POST /sandbox/{sandboxIdOrName}/ttl/{ttlMinutes}", "POST /sandbox/{sandboxId}/last-activity",
        ),
        201,
    ),
    **dict.fromkeys(
        (
            "DELETE /api-keys/{name}", "DELETE /api-keys/{userId}/{name}", "DELETE /docker-registry/{id}",
            "PATCH /organizations/{organizationId}/default-region", "PUT /organizations/{organizationId}/otel-config",
            "DELETE /organizations/{organizationId}/otel-config", "PATCH /organizations/{organizationId}/quota/{regionId}", "DELETE /secret/{secretId}", "DELETE /warm-pools/{id}",
            "POST /snapshots/{id}/deactivate",
        ),
        204,
    ),
}  # fmt: skip  # tables
REFUSED = {
    "POST /sandbox/{sandboxIdOrName}/recover": 400,  # nothing is broken
    "POST /snapshots/{id}/activate": 400,  # it was deactivated a moment ago
}
TEXT = {
    "GET /preview/{sandboxId}/access": b"true",
    "GET /preview/{sandboxId}/public": b"true",
    "GET /preview/{sandboxId}/validate/{authToken}": b"true",
}


class Tour:
    """Does everything once, and remembers how each operation was answered first."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.answers: dict[str, Answer] = {}

    def ask(self, operation: str, *arguments: str, body: Any = None, **query: Any) -> Any:
        method, path = operation.split()
        for argument in arguments:
            path = path[: path.index("{")] + argument + path[path.index("}") + 1 :]
        answer = self.api.call(method, path, body, **query)
        self.answers.setdefault(operation, answer)
        return answer.json if answer.body.startswith((b"{", b"[", b'"')) else None

    def take(self) -> None:
        """Make one of everything, look at it in all ways, and delete it."""
        name = f"shapes_{uuid4().hex[:12]}"
        self._look_around()
        if self.api.embedded:
            self._organization(name)
        volume = self.ask("POST /volumes", body={"name": name})
        self.api.wait_for(lambda: self.api.get(f"/volumes/{volume['id']}")["state"] == "ready")
        secret = self.ask("POST /secret", body={"name": name, "value": "v", "hosts": ["example.org"]})
        box = self._sandbox(name, volume["id"])
        self._settings(box, name)
        self._addresses(box)
        self._lifecycle(box, name)
        self._snapshots(name)
        self._vault(secret["id"], volume["id"], name)
        self._registries(name)
        self._warm_pools()

    def _look_around(self) -> None:
        for path in (
            "/config",
            "/health",
            "/health/ready",
            "/api-keys/current",
            "/regions",
            "/shared-regions",
        ):
            self.ask(f"GET {path}")
        self.ask("GET /object-storage/push-access")

    def _organization(self, name: str) -> None:
        for key in (name, f"{name}-again"):
            self.ask(
                "POST /api-keys", body={"name": key, "permissions": ["write:sandboxes"], "expiresAt": None}
            )
        self.ask("GET /api-keys")
        self.ask("GET /api-keys/{name}", name)
        self.ask("DELETE /api-keys/{name}", name)
        self.ask("DELETE /api-keys/{userId}/{name}", self.ask("GET /users/me")["id"], f"{name}-again")
        for path in ("users/account-providers", "users/me/pending-sso-links", "runners"):
            self.ask(f"GET /{path}")
        one = self.ask("GET /organizations")[0]["id"]
        for path in (
            "",
            "/usage",
            "/users",
            "/roles",
            "/invitations",
            "/identity-providers",
            "/available-sandbox-classes",
        ):
            self.ask(f"GET /organizations/{{organizationId}}{path}", one)
        self.ask("GET /organizations/invitations")
        self.ask("GET /organizations/invitations/count")
        region = self.api.get("/regions")[0]["id"]
        body = {"defaultRegionId": region}
        self.ask("PATCH /organizations/{organizationId}/default-region", one, body=body)
        self.ask(
            "PUT /organizations/{organizationId}/otel-config", one, body={"endpoint": "http://127.0.0.1:9"}
        )
        assert self.api.get(f"/organizations/{one}")["otelConfig"]["endpoint"] == "http://127.0.0.1:9"
        self.ask("DELETE /organizations/{organizationId}/otel-config", one)
        kinds = ("Cpu", "Memory", "Disk", "Gpu")
        quota = {f"total{kind}Quota": None for kind in kinds}
        self.ask("PATCH /organizations/{organizationId}/quota/{regionId}", one, region, body=quota)

    def _sandbox(self, name: str, volume: str) -> str:
        body = {
            "name": name,
            "buildInfo": {"dockerfileContent": f"FROM {self.api.image}\nENV CASE={name}\n", "contextHashes": []},
            "volumes": [{"volumeId": volume, "mountPath": "/mnt/shapes", "subpath": "a"}],
            "secrets": [{"TOKEN": name}],
            "env": {"A": "b"}, "labels": {"c": "d"}, "cpu": 1, "spot": False, "kvm": False, "unknown": 1,
        }  # fmt: skip
        box = str(self.ask("POST /sandbox", body=body)["id"])
        self.api.until(box, "started")
        self.ask("GET /sandbox/{sandboxIdOrName}", box)
        self.ask("GET /sandbox", labels='{"c":"d"}')
        self.ask("GET /sandbox/paginated", name=name)
        self.ask("GET /sandbox/{sandboxIdOrName}/build-logs-url", box)
        self.ask("GET /sandbox/{sandboxIdOrName}/build-logs", box)
        return box

    def _settings(self, box: str, name: str) -> None:
        one = "/sandbox/{sandboxIdOrName}"
        self.ask(f"PUT {one}/labels", box, body={"labels": {"e": "f"}})
        self.ask(f"PUT {one}/secrets", box, body={"secrets": [{"OTHER": name}]})
        for setting in ("autostop", "autoarchive", "autodelete"):
            self.ask(f"POST {one}/{setting}/{{interval}}", box, "60")
        self.ask(f"POST {one}/autopause/{{interval}}", box, "0")
        self.ask(f"POST {one}/ttl/{{ttlMinutes}}", box, "60")
        self.ask(f"POST {one}/public/{{isPublic}}", box, "true")
        self.ask(f"POST {one}/network-settings", box, body={"networkAllowList": "10.0.0.0/8"})
        self.ask("POST /sandbox/{sandboxId}/last-activity", box)

    def _addresses(self, box: str) -> None:
        port = "/sandbox/{sandboxIdOrName}/ports/{port}"
        link = self.ask(f"GET {port}/preview-url", box, "3000")
        signed = self.ask(f"GET {port}/signed-preview-url", box, "3000")
        self.ask("GET /preview/{sandboxId}/access", box)
        self.ask("GET /preview/{sandboxId}/public", box)
        if self.api.embedded:
            for path in ("preview/{sandboxId}/preview-warning", "preview/{sandboxId}/signing-key"):
                self.ask(f"GET /{path}", box)
            for path in ("organization", "region-quota"):
                self.ask(f"GET /sandbox/{{sandboxId}}/{path}", box)
        self.ask("GET /preview/{sandboxId}/validate/{authToken}", box, link["token"])
        self.ask("GET /preview/{signedPreviewToken}/{port}/sandbox-id", signed["token"], "3000")
        self.ask(f"POST {port}/signed-preview-url/{{token}}/expire", box, "3000", signed["token"])
        self.ask("GET /sandbox/{sandboxId}/toolbox-proxy-url", box)
        self.ask("GET /sandbox/{sandboxId}/signing-key", box)
        self.ask("POST /sandbox/{sandboxId}/signing-key/rotate", box)
        access = self.ask("POST /sandbox/{sandboxIdOrName}/ssh-access", box)
        self.ask("GET /sandbox/ssh-access/validate", token=access["token"])
        self.ask("DELETE /sandbox/{sandboxIdOrName}/ssh-access", box)
        day = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
        for kind in ("logs", "traces", "metrics"):
            self.ask(f"GET /sandbox/{{sandboxId}}/telemetry/{kind}", box, **day)
        self.ask("GET /sandbox/{sandboxId}/telemetry/traces/{traceId}", box, "0" * 32, **day)

    def _lifecycle(self, box: str, name: str) -> None:
        one = "/sandbox/{sandboxIdOrName}"
        if self.api.embedded and self.ask(f"POST {one}/pause", box)["state"] == "paused":
            self.api.call("POST", f"/sandbox/{box}/start")
            self.api.until(box, "started")
        self.ask(f"POST {one}/recover", box)
        self.ask(f"POST {one}/backup", box)
        self.ask(f"POST {one}/resize", box, body={"cpu": 2})
        self.api.until(box, "started")
        self.ask(f"POST {one}/snapshot", box, body={"name": name})
        self.api.until(box, "started")
        child = self.ask(f"POST {one}/fork", box, body={})["id"] if self.api.embedded else None
        self.ask(f"GET {one}/forks", box)
        if child is not None:
            self.api.until(child, "started")
            self.ask(f"GET {one}/parent", child)
        self.ask(f"GET {one}/ancestors", child or box)
        if child is not None:
            self.ask(f"DELETE {one}", child)
            self.api.until(child, "gone", "destroyed")
        self.ask(f"POST {one}/stop", box)
        self.api.until(box, "stopped")
        self.ask(f"POST {one}/start", box)
        self.api.until(box, "started")
        self.ask(f"POST {one}/stop", box)
        self.api.until(box, "stopped")
        self.ask(f"POST {one}/archive", box)
        self.api.until(box, "archived")
        self.ask(f"DELETE {one}", box)
        self.api.until(box, "gone", "destroyed")

    def _snapshots(self, taken: str) -> None:
        content = f"FROM {self.api.image}\nENV CASE={taken}\n"
        built = self.ask(
            "POST /snapshots", body={"name": f"{taken}-2", "buildInfo": {"dockerfileContent": content}}
        )["id"]
        self.api.until_snapshot(built, "active")
        self.ask("GET /snapshots/{id}", built)
        self.ask("GET /snapshots", name=taken)
        self.ask("GET /snapshots/{id}/build-logs-url", built)
        self.ask("GET /snapshots/{id}/build-logs", built)
        self.ask("POST /snapshots/{id}/deactivate", built)
        self.ask("POST /snapshots/{id}/activate", built)
        for one in (built, self.api.until_snapshot(taken, "active")["id"]):
            self.ask("DELETE /snapshots/{id}", one)

    def _vault(self, secret: str, volume: str, name: str) -> None:
        self.ask("GET /secret")
        self.ask("GET /secret/paginated", name=name)
        self.ask("GET /secret/{secretId}", secret)
        self.ask("PATCH /secret/{secretId}", secret, body={"description": "told"})
        self.ask("DELETE /secret/{secretId}", secret)
        self.ask("GET /volumes")
        self.ask("GET /volumes/{volumeId}", volume)
        self.ask("GET /volumes/by-name/{name}", name)
        self.ask("DELETE /volumes/{volumeId}", volume)

    def _registries(self, name: str) -> None:
        body = {"name": name, "url": "https://registry.example", "username": "u", "password": "p"}
        made = self.ask("POST /docker-registry", body=body)["id"]
        self.ask("GET /docker-registry")
        self.ask("GET /docker-registry/{id}", made)
        self.ask("PATCH /docker-registry/{id}", made, body=body)
        self.ask("DELETE /docker-registry/{id}", made)

    def _warm_pools(self) -> None:
        snapshot = self.api.get("/config")["defaultSnapshot"]
        pool = self.ask("POST /warm-pools", body={"snapshot": snapshot, "pool": 1})["id"]
        self.ask("GET /warm-pools")
        self.ask("PATCH /warm-pools/{id}", pool, body={"pool": 0})
        self.ask("DELETE /warm-pools/{id}", pool)


@pytest.fixture(scope="module")
def answers(api: Api) -> dict[str, Answer]:
    tour = Tour(api)
    tour.take()
    return tour.answers


@pytest.mark.parametrize("operation", RESPONSES)
def test_an_operation_answers_as_it_is_described(
    api: Api, answers: dict[str, Answer], operation: str
) -> None:
    if operation not in answers and not api.embedded:
        pytest.skip("containers are not forked or paused there, and a user's key administers nothing")
    answer, schema = answers[operation], RESPONSES[operation]
    assert answer.status == REFUSED.get(operation, STATUSES.get(operation, 200)), answer.body
    assert answer.headers["X-Daytona-Api-Version"]
    if operation in REFUSED:
        return
    if answer.status == 204:
        assert answer.body == b""
    elif operation in TEXT:
        assert answer.body == TEXT[operation]
    elif schema is not None and not answer.body.startswith(b'"') and schema.get("type") != "string":
        assert differences(answer.json, schema) == []


def test_what_differs_from_a_shape_is_found() -> None:
    good = {"id": "a", "name": "b", "regionType": "shared", "createdAt": "2026", "updatedAt": "2026"}
    assert differences(good, "Region") == []
    bad = {**good, "name": 1, "regionType": "moon"}
    del bad["id"]
    assert len(differences(bad, "Region")) == 3
    links = [{"sandboxId": "a", "port": 1.5, "token": None, "url": "u"}]
    assert sorted(differences(links, {"items": "SignedPortPreviewUrl"})) == [
        "$[0].port: 1.5 is no integer",
        "$[0].token: None is no string",
    ]
