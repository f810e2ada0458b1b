"""What the toolbox says of itself, and the habits of its HTTP: 18.1 of the catalogue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.toolbox.raw import refuses

if TYPE_CHECKING:
    from tests.toolbox.raw import Toolbox


@pytest.mark.case(1)
def test_the_version_is_a_version(toolbox: Toolbox):
    assert re.match(r"^v?\d+\.\d+\.\d+", toolbox.get("/version").json["version"])


@pytest.mark.case(2)
def test_commands_start_in_the_work_dir(toolbox: Toolbox):
    work_dir = toolbox.get("/work-dir").json["dir"]
    home = toolbox.get("/user-home-dir").json["dir"]
    assert home == toolbox.get("/project-dir").json["dir"]
    assert home.startswith("/")
    assert toolbox.run("pwd") == f"{work_dir}\n"


@pytest.mark.case(3)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nope"), ("POST", "/version"), ("HEAD", "/version"), ("GET", "//files")]
)
def test_unknown_routes_are_plain_text(toolbox: Toolbox, method: str, path: str):
    answer = toolbox.request(method, path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "text/plain"
    assert answer.body == (b"" if method == "HEAD" else b"404 page not found")


@pytest.mark.case(4)
def test_init_accepts_any_object(toolbox: Toolbox):
    assert toolbox.post("/init", {}).status == 200
    assert toolbox.post("/init", {"token": None}).status == 200
    assert toolbox.post("/init", b"x").status == 400


@pytest.mark.case(5)
def test_bytes_after_the_first_json_value_are_ignored(toolbox: Toolbox):
    assert toolbox.post("/process/execute", b' {"command": "echo hi"} trailing').json["result"] == "hi\n"


@pytest.mark.ours("show all errors in one form")
def test_errors_have_the_envelope(toolbox: Toolbox):
    answer = toolbox.post("/process/execute", {})
    assert refuses(answer, 400, "BAD_REQUEST")
    assert answer.headers["content-type"].startswith("application/json")
    assert (answer.json["path"], answer.json["method"]) == ("/process/execute", "POST")
    assert answer.json["timestamp"].endswith("Z")


@pytest.mark.ours("v0.190 has no such route")
def test_the_environment_of_later_processes_changes(toolbox: Toolbox):
    assert toolbox.post("/env", {"set": {"A_VALUE": "secret-1", "B": "2"}}).status == 200
    assert toolbox.run("echo $A_VALUE $B") == "secret-1 2\n"
    toolbox.post("/env", {"unset": ["B"], "unsetValuePrefix": "secret-", "set": {}})
    assert toolbox.run('echo "[$A_VALUE$B]"') == "[]\n"


@pytest.mark.ours("v0.190 has no such route")
def test_metrics_are_numbers(toolbox: Toolbox):
    metrics = toolbox.get("/system/metrics").json
    assert metrics["memTotal"] > metrics["memUsed"] > 0
    assert metrics["diskTotal"] > metrics["diskFree"] > 0
    assert metrics["cpuCount"] >= 1
    assert 0 <= toolbox.get("/system/metrics").json["cpuUsedPct"] <= 100


@pytest.mark.ours("change all of the environment or nothing")
def test_a_variable_that_cannot_be_changes_nothing(toolbox: Toolbox):
    for name, value in (("", "x"), ("A=B", "x"), ("A\0", "x"), ("AN", "x\0")):
        answer = toolbox.post("/env", {"set": {"FIRST": "1", name: value}, "unset": ["HOME"]})
        assert refuses(answer, 400, "BAD_REQUEST")
        assert toolbox.run('echo "[$FIRST]"; test -n "$HOME" && echo kept') == "[]\nkept\n"


@pytest.mark.case(3)
@pytest.mark.parametrize(
    ("method", "path", "status", "location"),
    [
        ("GET", "/version/", 301, "/version"),
        ("GET", "/process/session/?x=%2F", 301, "/process/session?x=%2F"),
        ("POST", "/process/execute/", 307, "/process/execute"),
        ("GET", "/proxy/3000", 301, "/proxy/3000/"),
    ],
)
def test_a_slash_too_many_or_too_few_leads_to_the_right_path(
    toolbox: Toolbox, method: str, path: str, status: int, location: str
):
    answer = toolbox.request(method, path, b"{}" if method == "POST" else None)
    assert answer.status == status
    assert answer.headers["location"].endswith(location)


@pytest.mark.case(5)
def test_names_fit_whatever_their_case_and_null_says_nothing(toolbox: Toolbox):
    body = {
        "COMMAND": "echo $A$B",
        "Envs": {"A": "x", "B": None},
        "timeout": None,
        "cwd": None,
        "unknown": [1],
    }
    assert toolbox.post("/process/execute", body).json == {"exitCode": 0, "result": "x\n"}


def test_successes_without_content_have_neither_body_nor_type(toolbox: Toolbox, folder: str):
    created = toolbox.post("/files/folder", path=f"{folder}/a")
    moved = toolbox.post("/files/move", source=f"{folder}/a", destination=f"{folder}/b")
    for answer, status in ((created, 201), (moved, 200)):
        assert (answer.status, answer.headers["content-length"], answer.headers["content-type"]) == (
            status,
            "0",
            None,
        )
    assert toolbox.get("/version").headers["content-type"] == "application/json; charset=utf-8"


def test_the_first_of_repeated_parameters_counts(toolbox: Toolbox, folder: str):
    assert toolbox.request("GET", f"/files/info?path={folder}&path=/nope").json["name"] == folder
