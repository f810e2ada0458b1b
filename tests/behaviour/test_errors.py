"""Mistakes: each gets an error that says what was wrong, of a class that says what to do about it."""

from __future__ import annotations

import inspect
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    CreateSandboxFromSnapshotParams,
    DaytonaAuthenticationError,
    DaytonaClosedError,
    DaytonaConfig,
    DaytonaConnectionError,
    DaytonaError,
    DaytonaNotFoundError,
    DaytonaSandboxEndedError,
    DaytonaTimeoutError,
    DaytonaValidationError,
    errors,
)
from tests.conftest import open_client
from tests.wire.stub_server import StubServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.platform_process import Platform

KEY = "dtn_wrong_0123456789abcdef"


async def test_a_wrong_key_is_refused(face: str, platform: Platform) -> None:
    async with open_client(face, DaytonaConfig(api_key=KEY, api_url=platform.endpoint.api_url)) as daytona:
        with pytest.raises(DaytonaAuthenticationError) as caught:
            await daytona.create()
    assert (caught.value.status_code, caught.value.code) == (401, "UNAUTHORIZED")
    assert KEY not in f"{caught.value!r} {caught.value} {vars(caught.value)}"


async def test_a_command_whose_sandbox_is_deleted_ends_with_a_reason(
    connect: Callable[[], Any], platform: Platform
) -> None:
    def delete_while_it_runs(sandbox_id: str) -> None:
        platform.execute(sandbox_id, "until [ -e /tmp/began ]; do sleep 0.01; done")
        platform.api("DELETE", f"/sandbox/{sandbox_id}")

    async with connect() as daytona:
        sandbox = await daytona.create()
        deleting = threading.Thread(target=delete_while_it_runs, args=[sandbox.id])
        deleting.start()
        try:
            with pytest.raises(
                DaytonaSandboxEndedError, match=f"{sandbox.id} ended .* it was deleted"
            ) as caught:
                await sandbox.process.exec("touch /tmp/began; sleep infinity")
        finally:
            deleting.join()
    assert (caught.value.status_code, caught.value.retryable) == (410, False)
    assert caught.value.sandbox_id == sandbox.id


async def test_an_address_that_shows_web_pages_is_named_as_such(face: str) -> None:
    page = b"<!doctype html><html><body>Welcome</body></html>"
    with StubServer(lambda request: (200, {"Content-Type": "text/html; charset=utf-8"}, page)) as server:
        config = DaytonaConfig(api_key=KEY, api_url=server.url)
        async with open_client(face, config) as daytona:
            with pytest.raises(DaytonaError, match="/api") as caught:
                await daytona.get("x")
    assert "Welcome" in str(caught.value)
    assert caught.value.status_code == 200


async def test_a_page_that_says_not_found_is_quoted(face: str) -> None:
    page = b"<html><head><title>404</title></head>" + b"x" * 5000
    with StubServer(lambda request: (404, {"Content-Type": "text/html"}, page)) as server:
        async with open_client(face, DaytonaConfig(api_key=KEY, api_url=server.url)) as daytona:
            with pytest.raises(DaytonaNotFoundError, match="404 Not Found: <html>") as caught:
                await daytona.get("x")
    assert len(str(caught.value)) < 400


async def test_the_platform_without_api_in_its_url_says_so(face: str, platform: Platform) -> None:
    url = platform.endpoint.api_url.removesuffix("/api")
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=url)
    async with open_client(face, config) as daytona:
        with pytest.raises(DaytonaError):
            await daytona.get("x")


async def test_nobody_listening_is_a_connection_error(face: str, unused_port: int) -> None:
    config = DaytonaConfig(api_key=KEY, api_url=f"http://127.0.0.1:{unused_port}/api")
    async with open_client(face, config) as daytona:
        with pytest.raises(DaytonaConnectionError, match=str(unused_port)) as caught:
            await daytona.get("x")
    assert (caught.value.outcome, caught.value.retryable) == ("not_sent", True)


@pytest.mark.parametrize("url", ["localhost:3000/api", "ftp://host/api", "http://", "http://u:p@host/api"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    from daytona import Daytona

    with pytest.raises(DaytonaValidationError):
        Daytona(DaytonaConfig(api_key=KEY, api_url=url))


@pytest.mark.parametrize("name", ["no-such", "a/b", "a b", "größe ☃", "..", "%2F", "?x=1", "#"])
async def test_an_unknown_sandbox_is_not_found(connect: Callable[[], Any], name: str) -> None:
    async with connect() as daytona:
        with pytest.raises(DaytonaNotFoundError) as caught:
            await daytona.get(name)
    error = caught.value
    assert (error.status_code, error.code, error.method) == (404, "NOT_FOUND", "GET")
    assert str(error).startswith("Failed to get sandbox: ")


@pytest.mark.parametrize("name", ["", None])
async def test_no_name_at_all_is_a_mistake(connect: Callable[[], Any], name: Any) -> None:
    async with connect() as daytona:
        with pytest.raises(DaytonaValidationError):
            await daytona.get(name)


async def test_an_error_goes_through_a_pickle_whole(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaError) as caught:
            await sandbox.fs.get_file_info("no/such/file")
        with pytest.raises(DaytonaTimeoutError) as late:
            await sandbox.process.exec("echo so far; sleep 77", timeout=1)
    for error in (caught.value, late.value):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert vars(copy) == vars(error)
        assert (str(copy), repr(copy)) == (str(error), repr(error))


async def test_a_closed_client_says_so(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        sandbox = await daytona.create(CreateSandboxFromSnapshotParams(ephemeral=True))
        await sandbox.delete()
    with pytest.raises(DaytonaClosedError):
        await daytona.get(sandbox.id)
    with pytest.raises(DaytonaClosedError):
        await sandbox.process.exec("true")
    await daytona.close()


def test_everything_has_one_root_and_a_name_of_its_own() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert kinds
    for kind in kinds:
        assert issubclass(kind, DaytonaError)
        error = kind("what")
        assert (str(error), error.retryable, error.headers) == ("what", False, {})
        assert type(pickle.loads(pickle.dumps(error))) is kind


async def test_the_facts_of_an_error_are_its_attributes(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaError) as caught:
            await sandbox.fs.get_file_info("secret query?")
    error = caught.value
    assert (error.path or "").endswith("/files/info")
    assert (error.method, error.status_code, error.code) == ("GET", 404, "FILE_NOT_FOUND")
    assert (error.source, error.sandbox_id, error.outcome) == ("DAYTONA_DAEMON", sandbox.id, "done")
    assert error.headers["content-type"].startswith("application/json")
    assert "\n" not in str(error)
