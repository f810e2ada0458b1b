"""Answers recorded from a real toolbox daemon of v0.190, replayed byte for byte to the calls that cause them."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from daytona import (
    CodeRunParams,
    DaytonaBadRequestError,
    DaytonaConfig,
    DaytonaConflictError,
    DaytonaError,
    DaytonaForbiddenError,
    DaytonaGoneError,
    DaytonaInternalServerError,
    DaytonaNotFoundError,
    DaytonaTimeoutError,
    FileDownloadRequest,
    FileUpload,
    SessionExecuteRequest,
)
from tests.conftest import open_client
from tests.recordings import exchanges
from tests.wire.raw_server import Peer, RawServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

AREAS = ("info", "files", "exec", "code_run", "session", "logs")
EXCHANGES = {exchange["name"]: exchange for exchange in exchanges(*AREAS) if "response" in exchange}

NOT_CALLED = {
    "info_version": "no call asks for the daemon's version",
    "info_version_no_sdk_header": "no call asks for the daemon's version",
    "info_unknown_route": "no call asks for a route that does not exist",
    "files_upload_single": "uploads go through bulk-upload",
    "files_upload_new_parents": "uploads go through bulk-upload",
    "files_download_binary": "downloads go through bulk-download; signed addresses are fetched without the SDK",
    "files_download_unicode": "downloads go through bulk-download",
    "files_download_range": "downloads go through bulk-download",
}

# -- From a recorded request to the call that makes it ------------------------------------------------------------

CALLS: list[tuple[str, Any]] = [
    (r"GET /user-home-dir", lambda sandbox, query, body: sandbox.get_user_home_dir()),
    (
        r"POST /files/folder",
        lambda sandbox, query, body: sandbox.fs.create_folder(query["path"], query["mode"]),
    ),
    (r"POST /files/bulk-upload", lambda sandbox, query, body: sandbox.fs.upload_files(_uploads(body))),
    (r"POST /files/bulk-download", lambda sandbox, query, body: sandbox.fs.download_files(_downloads(body))),
    (r"GET /files", lambda sandbox, query, body: sandbox.fs.list_files(query["path"], _depth(query))),
    (r"GET /files/info", lambda sandbox, query, body: sandbox.fs.get_file_info(query["path"])),
    (r"GET /files/find", lambda sandbox, query, body: sandbox.fs.find_files(query["path"], query["pattern"])),
    (
        r"GET /files/search",
        lambda sandbox, query, body: sandbox.fs.search_files(query["path"], query["pattern"]),
    ),
    (r"POST /files/permissions", lambda sandbox, query, body: sandbox.fs.set_file_permissions(**query)),
    (r"POST /files/move", lambda sandbox, query, body: sandbox.fs.move_files(**query)),
    (r"DELETE /files", lambda sandbox, query, body: sandbox.fs.delete_file(query["path"])),
    (r"POST /process/execute", lambda sandbox, query, body: sandbox.process.exec("x")),
    (r"POST /process/code-run", lambda sandbox, query, body: sandbox.process.code_run("x", CodeRunParams())),
    (r"GET /process/session", lambda sandbox, query, body: sandbox.process.list_sessions()),
    (r"POST /process/session", lambda sandbox, query, body: sandbox.process.create_session("s")),
    (
        r"GET /process/session/entrypoint/logs",
        lambda sandbox, query, body: sandbox.process.get_entrypoint_logs(),
    ),
    (r"GET /process/session/([^/]+)", lambda sandbox, query, body, name: sandbox.process.get_session(name)),
    (
        r"DELETE /process/session/([^/]+)",
        lambda sandbox, query, body, name: sandbox.process.delete_session(name),
    ),
    (
        r"POST /process/session/([^/]+)/exec",
        lambda sandbox, query, body, name: sandbox.process.execute_session_command(
            name, SessionExecuteRequest(command="x")
        ),
    ),
    (
        r"GET /process/session/([^/]+)/command/([^/]+)",
        lambda sandbox, query, body, name, command: sandbox.process.get_session_command(name, command),
    ),
    (
        r"GET /process/session/([^/]+)/command/([^/]+)/logs",
        lambda sandbox, query, body, name, command: sandbox.process.get_session_command_logs(name, command),
    ),
    (
        r"POST /process/session/([^/]+)/command/([^/]+)/input",
        lambda sandbox, query, body, name, command: sandbox.process.send_session_command_input(
            name, command, "x"
        ),
    ),
]


def _uploads(body: str) -> list[FileUpload]:
    paths = re.findall(r'name="files\[\d+\]\.path"\r\n\r\n(.*?)\r\n', body) or ["f"]
    return [FileUpload(b"content", path) for path in paths]


def _downloads(body: str) -> list[FileDownloadRequest]:
    return [FileDownloadRequest(path) for path in json.loads(body)["paths"]]


def _depth(query: Mapping[str, str]) -> int | None:
    return int(query["depth"]) if "depth" in query else None


def _matching(operation: str) -> tuple[Callable[..., Awaitable[Any]], tuple[str, ...]]:
    for pattern, call in CALLS:
        if match := re.fullmatch(pattern, operation):
            return call, match.groups()
    raise LookupError(f"no call makes {operation}")


# -- What each answer comes to ------------------------------------------------------------------------------------


def _text(exit_code: int, result: str) -> Callable[[Any], bool]:
    return lambda answer: (
        (answer.exit_code, answer.result, answer.artifacts.stdout) == (exit_code, result, result)
    )


def _session(stdout: str | None, stderr: str | None, exit_code: int | None) -> Callable[[Any], bool]:
    return lambda answer: (answer.stdout, answer.stderr, answer.exit_code) == (stdout, stderr, exit_code)


def _chart(kind: str, title: str | None) -> Callable[[Any], bool]:
    def check(answer: Any) -> bool:
        (chart,) = answer.artifacts.charts
        return (chart.type, chart.title) == (kind, title)

    return check


def _contents(*expected: bytes | str) -> Callable[[Any], bool]:
    """Bytes stand for a content, text for the code of an error."""

    def check(answers: Any) -> bool:
        seen = [answer.error_details.code if answer.error else answer.result for answer in answers]
        assert seen == list(expected)
        return True

    return check


RESULTS: dict[str, Any] = {
    "info_home_dir": lambda home: home == "/home/daytona",
    "files_folder_create": lambda answer: answer is None,
    "files_folder_parents": lambda answer: answer is None,
    "files_bulk_upload_two": lambda answer: answer is None,
    "files_bulk_upload_partial_fail": DaytonaBadRequestError,
    "files_bulk_upload_truncated": DaytonaBadRequestError,
    "files_list": lambda entries: (
        (entries[0].name, entries[0].permissions, entries[1].is_dir) == (".hidden", "0644", True)
    ),
    "files_list_denied": DaytonaForbiddenError,
    "files_list_depth_ignored": lambda entries: [entry.name for entry in entries] == ["b"],
    "files_info_dir": lambda info: (
        (info.name, info.is_dir, info.size, info.owner) == ("w", True, 380, "1000")
    ),
    "files_info_symlink": lambda info: (info.name, info.is_dir, info.size) == ("lnk", False, 18),
    "files_find": lambda found: (len(found), found[3].content) == (4, "caf\ufffd hello"),
    "files_search_glob": lambda found: "w/größe ☃/naïve 'x' \"y\".txt" in found.files,
    "files_perm_mode": lambda answer: answer is None,
    "files_perm_missing": DaytonaNotFoundError,
    "files_move_source_missing": DaytonaNotFoundError,
    "files_move_dest_exists": DaytonaConflictError,
    "files_bulk_download_one_missing": _contents(b"bye\nworld bye\n", "FILE_NOT_FOUND", bytes(range(256))),
    "files_bulk_download_all_failed": _contents(
        "FILE_NOT_FOUND", "INVALID_FILE_PATH", "FILE_ACCESS_DENIED", "FILE_READ_FAILED", "INVALID_FILE_PATH"
    ),
    "files_bulk_download_empty_and_dup": _contents(b"", b"zero\n", b"zero\n"),
    "files_delete_missing": DaytonaNotFoundError,
    "files_delete_dir_not_recursive": DaytonaBadRequestError,
    "exec_ok": _text(0, "hello\n"),
    "exec_no_output": _text(0, ""),
    "exec_stderr_merged": _text(4, "out\nerr\n"),
    "exec_missing_cwd": _text(-1, "fork/exec /usr/bin/bash: no such file or directory"),
    "exec_timeout": DaytonaTimeoutError,
    "exec_timeout_negative": DaytonaBadRequestError,
    "exec_invalid_utf8": _text(0, "a\ufffd\ufffdb\ufffd"),
    "exec_unicode": _text(0, "héllo ☃ 🐍\n"),
    "exec_env_bad_name": DaytonaBadRequestError,
    "exec_shell_killed": _text(-1, "before\n"),
    "exec_not_found": _text(127, "/usr/bin/bash: line 1: nosuchcmd: command not found\n"),
    "exec_not_executable": _text(126, "/usr/bin/bash: line 1: ./plain.txt: Permission denied\n"),
    "exec_empty_command": DaytonaBadRequestError,
    "exec_bad_json": DaytonaBadRequestError,
    "exec_stdin_is_script": _text(0, "[second line]\nrest of the script"),
    "exec_background_detached": _text(0, "started\n"),
    "code_py_ok": _text(0, "hi\n42\n"),
    "code_py_argv": _text(0, "['-', 'a', 'b', '--n=3'] __main__\n"),
    "code_py_syntax_error": lambda answer: answer.result.endswith("SyntaxError: invalid syntax\n"),
    "code_py_exception": lambda answer: answer.exit_code == 1 and 'File "<stdin>", line 4' in answer.result,
    "code_py_timeout": DaytonaTimeoutError,
    "code_bad_language": DaytonaBadRequestError,
    "code_js_argv": _text(5, "[ 'q', 'r', 's' ]\n"),
    "code_js_error": lambda answer: answer.exit_code == 1 and "TypeError: boom" in answer.result,
    "code_ts_type_error_ignored": _text(0, "a\n"),
    "code_chart_line": _chart("line", "Two lines"),
    "code_chart_bar": lambda answer: answer.artifacts.charts == [],
    "code_chart_pie": _chart("pie", "Pie"),
    "code_chart_composite": _chart("composite_chart", "Both"),
    "code_chart_unknown_image": _chart("unknown", "img"),
    "code_chart_never_shown": lambda answer: answer.artifacts.charts == [],
    "code_chart_datetimes": lambda answer: (answer.exit_code, answer.artifacts.charts) == (1, []),
    "code_chart_forged": _chart("line", "T"),
    "session_list_empty": lambda sessions: sessions == [],
    "session_create": lambda answer: answer is None,
    "session_create_reserved": DaytonaBadRequestError,
    "session_get_missing": DaytonaNotFoundError,
    "session_sync_ok": _session("hi\n", "", 0),
    "session_sync_both_streams": _session("out\nout2\n", "err\n", 0),
    "session_sync_cd_and_vars": _session("", "", 0),
    "session_sync_state_kept": _session("/tmp\n5\nfn\n", "", 0),
    "session_sync_binary": _session("a\ufffd\ufffd\n\x01b\rc\n", "", 0),
    "session_sync_marker_in_payload": _session("xy\n", "", 0),
    "session_exec_blank": DaytonaBadRequestError,
    "session_exec_missing_session": DaytonaInternalServerError,
    "session_sync_no_sdk": _session("", "", 0),
    "session_async_start": _session("", "", None),
    "session_command_finished": lambda command: (
        (command.exit_code, command.command[:10]) == (5, "echo begin")
    ),
    "session_command_missing": DaytonaNotFoundError,
    "session_input_after_end": DaytonaGoneError,
    "session_input_unknown_command": DaytonaNotFoundError,
    "session_dead_exit_async": _session("", "", None),
    "session_dead_command_never_ends": lambda command: command.exit_code is None,
    "session_list_two": lambda sessions: len(sessions) == 2 and all(session.commands for session in sessions),
    "session_exec_cancelled_by_delete": DaytonaInternalServerError,
    "session_delete_missing": DaytonaNotFoundError,
    "logs_after_input": lambda logs: (logs.stdout, logs.stderr) == ("one\ngot one\ntwo\ngot2 two\n", ""),
    "logs_dead_shell": lambda logs: logs.stdout == "before\n",
    "logs_sdk_0_100": DaytonaError,  # text, which a daemon sends to clients of other versions only
    "logs_no_sdk": DaytonaError,
    "logs_binary_sdk_0_100": DaytonaError,
    "logs_empty": lambda logs: (logs.output, logs.stdout, logs.stderr) == ("", "", ""),
    "logs_entrypoint": lambda logs: (logs.stdout, logs.stderr) == ("entry out\n", "entry err\n"),
    "logs_running": lambda logs: logs.stdout == "early\n",
}
"""A class is the exception that the call raises; a function checks what it returns."""


def test_every_exchange_is_accounted_for() -> None:
    assert RESULTS.keys() | NOT_CALLED.keys() == EXCHANGES.keys()
    assert not RESULTS.keys() & NOT_CALLED.keys()


@pytest.mark.parametrize("name", RESULTS)
async def test_the_answer_is_understood(face: str, name: str) -> None:
    exchange, expected = EXCHANGES[name], RESULTS[name]
    request = exchange["request"]
    parts = urlsplit(request["target"])
    call, arguments = _matching(f"{request['method']} {parts.path}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    with RawServer(_canned(exchange["response"])) as server:
        async with open_client(face, DaytonaConfig(api_key="k", api_url=f"{server.url}/api")) as daytona:
            sandbox = await daytona.get("sb-1")
            pending = call(sandbox, query, _body(request), *arguments)
            if isinstance(expected, type):
                with pytest.raises(expected) as caught:
                    await pending
                _check_error(caught.value, exchange["response"])
            else:
                assert expected(await pending)
            await sandbox.refresh_data()
    assert server.connections == 1, (
        "the answer was read to its end, so its connection is good for the next call"
    )
    method, target, _ = server.requests[1].split()
    assert (method, target.partition("?")[0]) == (request["method"], f"/toolbox/sb-1{parts.path}")


def _check_error(error: DaytonaError, response: dict[str, Any]) -> None:
    """Every error says its status, and something readable even where the daemon said nothing."""
    assert error.status_code == response["status"]
    assert error.sandbox_id == "sb-1"
    assert str(error).startswith("Failed to ")
    said = response.get("body_text", "")
    if said.startswith('{"statusCode"'):
        assert json.loads(said)["message"] in str(error)
    elif not said and response["status"] >= 400:
        assert str(response["status"]) in str(error)
    if response["status"] >= 400:
        assert error.code
        assert error.outcome == "done"


def _body(request: dict[str, Any]) -> str:
    body = request.get("body_text")
    return body if body is not None else base64.b64decode(request.get("body_b64", "")).decode("latin-1")


def _canned(response: dict[str, Any]) -> Callable[[Peer], None]:
    """Return a server that is the API for a sandbox, and for everything else says what was recorded."""
    recorded = _wire(response)

    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            if peer.last_line.startswith("GET /api/"):
                url = f"{peer.url}/toolbox"
                peer.answer(json.dumps({"id": "sb-1", "state": "started", "toolboxProxyUrl": url}).encode())
            else:
                peer.send(recorded)

    return serve


def _wire(response: dict[str, Any]) -> bytes:
    text = response.get("body_text")
    body = text.encode() if text is not None else base64.b64decode(response.get("body_b64", ""))
    headers = dict(response["headers"])
    if headers.get("transfer-encoding") == "chunked":
        pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {response['status']} Recorded\r\n{fields}\r\n".encode("latin-1") + body
