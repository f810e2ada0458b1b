"""What programs written for the official client do that nobody told them to."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from daytona import DaytonaTimeoutError, SessionExecuteRequest

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_poll_takes_the_generated_name_of_its_time_limit(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.process.create_session(folder)
        sent = await sandbox.process.execute_session_command(
            folder, SessionExecuteRequest(command="echo hi; (exit 3)")
        )
        api = sandbox.process._api_client
        command = await _result(api.get_session_command(folder, sent.cmd_id, _request_timeout=(10.0, 30.0)))
        logs = await _result(api.get_session_command_logs(folder, sent.cmd_id, _request_timeout=30))
        with pytest.raises(AttributeError, match="no_such_method"):
            api.no_such_method()
        await sandbox.process.delete_session(folder)
    assert (command.exit_code, logs.stdout) == (3, "hi\n")


async def _result(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


async def test_a_session_command_waits_five_seconds_longer_than_it_is_told_to(
    box: Callable[[], Any], folder: str
) -> None:
    """Whoever knows that asks for less: for -4 seconds when one is left."""
    async with box() as sandbox:
        await sandbox.process.create_session(folder)
        answer = await sandbox.process.execute_session_command(
            folder, SessionExecuteRequest(command="echo hi"), timeout=-1
        )
        with pytest.raises(DaytonaTimeoutError):
            await sandbox.process.execute_session_command(
                folder, SessionExecuteRequest(command="sleep 60"), timeout=-4.5
            )
        await sandbox.process.delete_session(folder)
    assert answer.stdout == "hi\n"


async def test_unknown_keywords_are_left_out(box: Callable[[], Any], folder: str) -> None:
    """`runAsync` is the wire's name, and the official client ignores it."""
    async with box() as sandbox:
        await sandbox.process.create_session(folder)
        with pytest.warns(UserWarning, match="no field 'runAsync', it is ignored; did you mean 'run_async'"):
            request = SessionExecuteRequest(command="echo hi", runAsync=True)
        answer = await sandbox.process.execute_session_command(folder, request)
        await sandbox.process.delete_session(folder)
    assert answer.exit_code == 0


async def test_a_python_is_called_python(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        answer = await sandbox.process.exec("python -c 'print(6 * 7)'")
    assert (answer.exit_code, answer.result) == (0, "42\n")


@pytest.mark.parametrize(("path", "status", "found"), [("big", 200, 300_000), ("nothing", 404, 0)])
async def test_a_download_comes_in_pieces(
    box: Callable[[], Any], face: str, folder: str, path: str, status: int, found: int
) -> None:
    if face == "blocking":
        return  # the generated blocking client has no such method
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"x" * 300_000, f"{folder}/big")
        answer = await sandbox.fs._api_client.download_file_without_preload_content(
            path=f"{folder}/{path}", _request_timeout=60.0
        )
        pieces = [piece async for piece in answer.content.iter_chunked(65536)] if status == 200 else []
        answer.close()
    assert answer.status == status
    assert sum(map(len, pieces)) == found
    assert all(len(piece) <= 65536 for piece in pieces)


@pytest.mark.parametrize("region", ["us", "eu", "local"])
def test_regions_of_the_hosted_platform_are_here(platform: Any, region: str) -> None:
    made = platform.create(target=region)
    assert made["target"] == "local"
    platform.api("DELETE", f"/sandbox/{made['id']}")


def test_other_regions_are_not(platform: Any) -> None:
    answer = platform.api("POST", "/sandbox", {"target": "elsewhere"})
    assert answer.status == 404
    assert "region 'elsewhere' not found" in answer.json["message"]
