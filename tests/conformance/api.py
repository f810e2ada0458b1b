"""A plain HTTP client of a platform's REST API: whichever platform it is, nothing of ours lies between."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from tests.local.platform_process import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 120.0
FAILED = frozenset({"error", "build_failed"})


class Api:
    """One platform.

    Args:
        embedded: It is ours: what the hosted platform takes its time for is so at once, and some promises go further.
    """

    def __init__(self, url: str, key: str, *, embedded: bool) -> None:
        self.embedded = embedded
        self.image = "host" if embedded else "debian:12.9"
        self.key = key
        self._pause = 0.02 if embedded else 0.5  # a hosted platform counts requests
        self._url = urlsplit(url)
        self._made: list[str] = []

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **query: object,
    ) -> Answer:
        """Send one request, over a connection of its own; *path* is below the API, *query* is added to it."""
        target = self._url.path + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **(headers or {})}
        with closing(self._connect()) as connection:
            connection.request(method, target, content, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def get(self, path: str, **query: Any) -> Any:
        """Return what is there."""
        answer = self.call("GET", path, **query)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json

    def status(self, method: str, path: str, body: Any = None, **query: Any) -> int:
        """Return how a request is answered."""
        return self.call(method, path, body, **query).status

    def create(self, **body: object) -> Any:
        """Return a new sandbox that runs; it goes with the module."""
        answer = self.call("POST", "/sandbox", {"name": f"conformance-{uuid4().hex[:12]}", **body})
        assert answer.status == 200, answer.body
        self._made.append(f"/sandbox/{answer.json['id']}")
        return self.until(answer.json["id"], "started")

    def make(self, path: str, **body: object) -> Any:
        """Return a new thing of another kind; it goes with the module."""
        answer = self.call("POST", path, {"name": f"conformance_{uuid4().hex[:12]}", **body})
        assert answer.status in (200, 201), answer.body
        self._made.append(f"{path}/{answer.json['id']}")
        return answer.json

    def until(self, sandbox: str, *states: str) -> Any:
        """Return a sandbox once it is in one of *states*, or gone where "gone" is one of them."""
        return self._until(f"/sandbox/{sandbox}", states)

    def until_snapshot(self, snapshot: str, *states: str) -> Any:
        """Return a snapshot once it is in one of *states*."""
        return self._until(f"/snapshots/{quote(snapshot, safe='')}", states)

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Ask whether something has happened until it has."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(self._pause)

    def clean_up(self) -> None:
        """Delete what was made here, the latest first, for a sandbox cannot go before its forks."""
        while self._made:
            path = self._made.pop()
            deadline = time.monotonic() + PATIENCE
            while self.status("DELETE", path) == 409 and time.monotonic() < deadline:
                time.sleep(0.1)  # it is changing, or used by one that is on its way out

    def _until(self, path: str, states: tuple[str, ...]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self.call("GET", path)
            if answer.status == 404 and "gone" in states:
                return None
            found = answer.json
            if found["state"] in states:
                return found
            assert found["state"] not in FAILED, found
            time.sleep(self._pause)
        raise AssertionError(f"{path} did not become {states}")

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(self._url.netloc, timeout=60)
