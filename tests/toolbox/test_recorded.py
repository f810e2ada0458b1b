"""What the real daemon was recorded answering, asked again: the same statuses, the same headers, the same bodies."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.recordings import exchanges

if TYPE_CHECKING:
    from tests.answers import Answer
    from tests.toolbox.raw import Toolbox

EXCHANGES: Final = {exchange["name"]: exchange for exchange in exchanges() if "response" in exchange}
VOLATILE: Final = {
    "id",
    "cmdId",
    "modTime",
    "modifiedAt",
    "createdAt",
    "timestamp",
    "owner",
    "group",
}
BEYOND: Final = {"path", "detached", "upstream", "current", "source"}
"""Keys that daemons of v0.205 add to what v0.190 says."""
HEADERS: Final = (
    "content-type",
    "content-disposition",
    "content-range",
    "accept-ranges",
    "content-transfer-encoding",
)


def ask(toolbox: Toolbox, name: str, **replaced: str) -> tuple[Answer, dict[str, Any]]:
    """Repeat a request, with other ids in its target, and return the answer and the recorded one."""
    exchange = EXCHANGES[name]
    request = exchange["request"]
    target = request["target"]
    for old, new in replaced.items():
        target = re.sub(rf"(?<=/){old}(?=/|$)", new, target)
    body = (
        request["body_text"].encode()
        if "body_text" in request
        else base64.b64decode(request.get("body_b64", ""))
    )
    headers = dict(request["headers"])
    headers["X-Daytona-SDK-Version"] = headers.pop("x-daytona-sdk-version", "")
    return toolbox.request(request["method"], target, body or None, headers), exchange["response"]


def recorded_body(response: dict[str, Any]) -> bytes:
    if "body_b64" in response:
        return base64.b64decode(response["body_b64"])
    return str(response.get("body_text", "")).encode()


def is_same(answer: Answer, response: dict[str, Any]) -> bool:
    """Return whether an answer is the recorded one, but for what differs between any two machines."""
    if answer.status != response["status"]:
        return False
    if answer.status >= 400:
        return bool(answer.json["message"])  # v0.205 has other words, in another form
    wanted = {name: response["headers"].get(name) for name in HEADERS}
    if {name: answer.headers[name] for name in HEADERS} != wanted:
        return False
    expected = recorded_body(response)
    if "json" not in (wanted["content-type"] or ""):
        return normal_form(answer.body) == normal_form(expected)
    return is_like(answer.json, json.loads(expected))


def is_like(found: Any, expected: Any, key: str = "") -> bool:
    """Compare values; those of volatile keys by their kind, and of text by its form."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() - BEYOND != expected.keys() - BEYOND:
            return False
        return all(is_like(found[name], value, name) for name, value in expected.items())
    if key in VOLATILE:
        return type(found) is type(expected) and (not isinstance(found, str) or form(found) == form(expected))
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(is_like, found, expected))
    return bool(found == expected)


def form(text: str) -> str:
    """Return what kind of text it is: digits, letters of hashes, and what separates them."""
    return re.sub(r"\.0+(?=[Z +])|\.0+$", "", re.sub(r"[0-9a-f]+", "0", text))


def normal_form(body: bytes) -> bytes:
    """Leave out times and what v0.205 adds."""
    return re.sub(rb'"timestamp":"[^"]*"|,"source":"[^"]*"', b"", body)


# -- Without a state --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("info_home_dir", "exec_ok", "exec_no_output", "exec_stderr_merged", "exec_missing_cwd"),
        *("exec_invalid_utf8", "exec_unicode", "exec_shell_killed", "exec_not_found", "exec_stdin_is_script"),
        *("exec_background_detached", "exec_timeout", "exec_timeout_negative", "exec_env_bad_name"),
        *("exec_empty_command", "exec_bad_json", "code_py_ok", "code_py_argv", "code_py_syntax_error"),
        *("code_chart_forged", "session_create_reserved", "session_get_missing", "session_delete_missing"),
        *("pty_create_no_id", "pty_create_bad_cwd", "pty_info_missing", "interp_create_bad_language"),
        "lsp_did_open_before_start",
    ],
)
def test_the_answer_is_the_recorded_one(toolbox: Toolbox, name: str) -> None:
    answer, response = ask(toolbox, name)
    assert is_same(answer, response), (answer, response)


@pytest.mark.ours("say what is missing, and where")
def test_unknown_routes_are_the_recorded_ones(toolbox: Toolbox) -> None:
    answer, response = ask(toolbox, "info_unknown_route")
    assert (answer.status, answer.headers["content-type"]) == (404, response["headers"]["content-type"])
    assert answer.body == recorded_body(response)


# -- One after the other ----------------------------------------------------------------------------------------------


def test_files_are_answered_for_as_recorded(toolbox: Toolbox) -> None:
    toolbox.run("rm -rf w")
    for name in ("folder_create", "folder_parents", "upload_single", "upload_new_parents", "bulk_upload_two"):
        same(toolbox, f"files_{name}")
    toolbox.run("ln -s f1.txt lnk; : > empty.txt; mv b0.txt moved.txt", cwd="w")
    same(toolbox, "files_info_symlink")
    toolbox.run("sed -i s/hello/bye/ f1.txt", cwd="w")
    for name in (
        *("perm_mode", "perm_missing", "move_source_missing"),
        *("move_dest_exists", "download_binary", "download_range", "bulk_download_one_missing"),
        *("bulk_download_empty_and_dup", "delete_dir_not_recursive"),
    ):
        same(toolbox, f"files_{name}")
    toolbox.run("rm -r w")
    same(toolbox, "files_delete_missing")


def same(toolbox: Toolbox, name: str, **replaced: str) -> Answer:
    answer, response = ask(toolbox, name, **replaced)
    assert is_same(answer, response), (name, answer, response)
    return answer


def test_sessions_are_answered_for_as_recorded(toolbox: Toolbox) -> None:
    toolbox.delete("/process/session/s1")
    try:
        for name in (
            "create",
            "sync_ok",
            "sync_cd_and_vars",
            "sync_state_kept",
            "sync_binary",
            "sync_no_sdk",
        ):
            same(toolbox, f"session_{name}")
        both, recorded = ask(toolbox, "session_sync_both_streams")
        assert {**both.json, "cmdId": "", "output": ""} == {
            **json.loads(recorded["body_text"]),
            "cmdId": "",
            "output": "",
        }
        started = same(toolbox, "session_async_start").json["cmdId"]
        old = EXCHANGES["session_command_finished"]["request"]["target"].rpartition("/")[2]
        while "exitCode" not in toolbox.get(f"/process/session/s1/command/{started}").json:
            pass
        same(toolbox, "session_command_finished", **{old: started})
        for name in ("exec_blank", "command_missing", "input_unknown_command"):
            same(toolbox, f"session_{name}")
    finally:
        toolbox.delete("/process/session/s1")


def test_terminals_and_contexts_are_answered_for_as_recorded(toolbox: Toolbox) -> None:
    for name, cleanup in (
        ("pty_create", "/process/pty/p1"),
        ("pty_create_lazy", "/process/pty/lazy"),
    ):
        same(toolbox, name)
        if name == "pty_create":
            same(toolbox, "pty_info")
            same(toolbox, "pty_resize_too_big")
        assert toolbox.delete(cleanup).json == json.loads(EXCHANGES["pty_delete"]["response"]["body_text"])
    made = same(toolbox, "interp_create_cwd").json["id"]
    old = EXCHANGES["interp_delete"]["request"]["target"].rpartition("/")[2]
    same(toolbox, "interp_delete", **{old: made})
