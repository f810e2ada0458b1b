"""The toolbox's information, commands and code, against a real sandbox."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Agent, Answer


def execute(agent: Agent, command: str | None, **fields: Any) -> Answer:
    return agent.post("/process/execute", {"command": command, **fields})


def code_run(agent: Agent, code: str, language: str = "python", **fields: Any) -> Answer:
    return agent.post("/process/code-run", {"code": code, "language": language, **fields})


def until(agent: Agent, command: str, expected: str) -> None:
    """Ask until the answer is *expected*; the test's own time limit ends it otherwise."""
    deadline = time.monotonic() + 20
    while (found := agent.run(command).strip()) != expected:
        assert time.monotonic() < deadline, found


# 18.1


def test_the_version_is_a_version(agent: Agent):
    assert re.match(r"^v?\d+\.\d+\.\d+", agent.get("/version").json["version"])


def test_commands_start_in_the_work_dir(agent: Agent):
    work_dir = agent.get("/work-dir").json["dir"]
    assert work_dir == agent.get("/user-home-dir").json["dir"] == agent.get("/project-dir").json["dir"]
    assert agent.run("pwd") == f"{work_dir}\n" == "/home/daytona\n"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nope"), ("POST", "/version"), ("HEAD", "/version"), ("GET", "//files")]
)
def test_unknown_routes_are_plain_text(agent: Agent, method: str, path: str):
    answer = agent.request(method, path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "text/plain"
    assert answer.body == (b"" if method == "HEAD" else b"404 page not found")


def test_init_accepts_any_object(agent: Agent):
    assert agent.post("/init", {}).status == 200
    assert agent.post("/init", b"x").status == 400


def test_bytes_after_the_first_json_value_are_ignored(agent: Agent):
    assert agent.post("/process/execute", b' {"command": "echo hi"} trailing').json["result"] == "hi\n"


def test_errors_have_the_envelope(agent: Agent):
    answer = agent.post("/process/execute", {})
    error = answer.json
    assert answer.status == error["statusCode"] == 400
    assert (error["code"], error["path"], error["method"]) == ("BAD_REQUEST", "/process/execute", "POST")
    assert error["source"] == "DAYTONA_DAEMON"
    assert error["timestamp"].endswith("Z")


def test_the_environment_of_later_processes_changes(agent: Agent):
    assert agent.post("/env", {"set": {"A_VALUE": "secret-1", "B": "2"}}).status == 200
    assert agent.run("echo $A_VALUE $B") == "secret-1 2\n"
    agent.post("/env", {"unset": ["B"], "unsetValuePrefix": "secret-", "set": {}})
    assert agent.run('echo "[$A_VALUE$B]"') == "[]\n"


def test_metrics_are_numbers(agent: Agent):
    metrics = agent.get("/system/metrics").json
    assert metrics["memTotal"] > metrics["memUsed"] > 0
    assert metrics["diskTotal"] > metrics["diskFree"] > 0
    assert metrics["cpuCount"] >= 1
    assert 0 <= agent.get("/system/metrics").json["cpuUsedPct"] <= 100


# 18.3


def test_output_is_merged_in_the_order_written(agent: Agent):
    assert execute(agent, "echo out; echo err >&2; exit 3").json == {"exitCode": 3, "result": "out\nerr\n"}


@pytest.mark.parametrize("body", [{}, {"command": ""}, {"command": "  "}, {"command": None}, [], b"", b"{"])
def test_a_command_is_required(agent: Agent, body: object):
    answer = agent.post("/process/execute", body)
    assert (answer.status, answer.json["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "fields", [{"envs": {"A-B": "1"}}, {"timeout": -1}, {"timeout": "1"}, {"timeout": 0.5}]
)
def test_bad_options_are_refused(agent: Agent, fields: dict[str, object]):
    assert execute(agent, "true", **fields).status == 400


def test_a_missing_cwd_blames_the_shell(agent: Agent):
    answer = execute(agent, "pwd", cwd="/nope")
    assert answer.json["exitCode"] == -1
    assert re.fullmatch(r"fork/exec /\S+: no such file or directory", answer.json["result"])


def test_cwd_is_relative_to_the_work_dir(agent: Agent):
    assert agent.run("pwd", cwd="..") == "/home\n"
    assert agent.run("pwd", cwd="") == "/home/daytona\n"


def test_calls_share_no_state_and_see_their_environment(agent: Agent):
    assert agent.run('X=1; cd /; echo "$E$FROM_SPEC"', envs={"E": "é"}) == "é1\n"
    assert agent.run('echo "[$X$E]"; pwd') == "[]\n/home/daytona\n"


def test_a_timeout_kills_the_group_and_keeps_what_was_said(agent: Agent):
    started = time.monotonic()
    answer = execute(agent, "echo before; sleep 3.25", timeout=1)
    assert time.monotonic() - started < 3
    assert (answer.status, answer.json["code"]) == (408, "PROCESS_EXECUTION_TIMEOUT")
    assert (answer.json["output"], answer.json["killed"]) == ("before\n", True)
    assert agent.run("pgrep -fx 'sleep 3.25'") == ""


def test_exit_codes_of_signals(agent: Agent):
    assert execute(agent, "kill -9 $$").json["exitCode"] == -1
    assert execute(agent, "sh -c 'kill -9 $$'").json["exitCode"] == 137
    assert execute(agent, "no-such-command").json["exitCode"] == 127


def test_a_background_child_that_holds_the_pipe_delays_the_answer(agent: Agent):
    started = time.monotonic()
    assert agent.run("sleep 1 & echo hi") == "hi\n"
    assert time.monotonic() - started >= 1


def test_a_drain_limits_the_delay_and_the_child_lives_on(agent: Agent, folder: str):
    command = f"(sleep 0.3; echo late; touch {folder}/alive) & echo hi"
    assert agent.run(command, drainSeconds=0.01) == "hi\n"
    until(agent, f"ls {folder}", "alive")


def test_a_redirected_background_child_survives(agent: Agent):
    started = time.monotonic()
    assert agent.run("sleep 50.25 >/dev/null 2>&1 & echo hi") == "hi\n"
    assert time.monotonic() - started < 10
    assert agent.run("pkill -fx 'sleep 50.25' && echo killed") == "killed\n"
    until(agent, "ps -A -o stat= | grep -c Z", "0")


def test_a_command_reads_the_rest_of_its_script(agent: Agent):
    assert agent.run("read x; echo [$x]\nsecond") == "[second]\n"


def test_long_commands_and_outputs_work(agent: Agent):
    assert agent.run(f": {'x' * 4 * 1024 * 1024}\necho done") == "done\n"
    assert len(agent.run("head -c 3000000 /dev/zero | tr '\\0' a")) == 3_000_000


def test_a_script_that_nobody_reads_to_its_end(agent: Agent):
    assert execute(agent, "exit 4\n" + "# filler\n" * 200_000).json["exitCode"] == 4


def test_bytes_outside_utf_8_are_replaced(agent: Agent):
    assert agent.run(r"printf '\377\376'") == "\ufffd\ufffd"


def test_separate_streams_on_request(agent: Agent):
    answer = execute(agent, "echo out; echo err >&2", separateStreams=True).json
    assert (answer["stdout"], answer["stderr"], answer["truncated"]) == ("out\n", "err\n", False)
    assert answer["durationMs"] > 0


def test_output_is_bounded(agent: Agent):
    answer = execute(agent, "head -c 70000000 /dev/zero | tr '\\0' a", separateStreams=True).json
    assert answer["truncated"]
    assert len(answer["stdout"]) == 64 * 1024 * 1024


def test_many_commands_at_once_keep_their_own_status(agent: Agent):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        codes = list(
            pool.map(lambda code: execute(agent, f"(true &) ; exit {code}").json["exitCode"], range(40))
        )
    assert codes == list(range(40))


# Code


def test_python_prints_and_exits(agent: Agent):
    assert code_run(agent, "print('hi')\nprint(6*7)").json == {"exitCode": 0, "result": "hi\n42\n"}
    assert code_run(agent, "import sys; sys.exit(4)").json["exitCode"] == 4


def test_python_sees_its_arguments_unharmed(agent: Agent):
    answer = code_run(agent, "import sys; print(sys.argv, __name__)", argv=["a b", "$HOME", "'", "*"])
    assert answer.json["result"] == """['-', 'a b', '$HOME', "'", '*'] __main__\n"""


def test_python_failures_look_like_a_script_on_standard_input(agent: Agent):
    answer = code_run(agent, "x = 1\nraise ValueError('no')").json
    assert answer["exitCode"] == 1
    assert 'File "<stdin>", line 2' in answer["result"]
    assert "EOFError" in code_run(agent, "input()").json["result"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "1", "language": "ruby"}, "BAD_REQUEST"),
        ({"code": "", "language": "python"}, "INVALID_REQUEST_BODY"),
        ({"code": "1"}, "INVALID_REQUEST_BODY"),
        ({"code": "1", "language": "python", "timeout": -1}, "INVALID_REQUEST_BODY"),
    ],
)
def test_code_needs_a_known_language(agent: Agent, body: dict[str, object], code: str):
    answer = agent.post("/process/code-run", body)
    assert (answer.status, answer.json["code"]) == (400, code)


def test_code_times_out(agent: Agent):
    answer = code_run(agent, "import time; print('x', flush=True); time.sleep(9)", timeout=1)
    assert (answer.status, answer.json["output"]) == (408, "x\n")


def test_long_code_works(agent: Agent):
    assert code_run(agent, f"x = '{'y' * 4 * 1024 * 1024}'\nprint(len(x))").json["result"] == "4194304\n"


def test_javascript_arguments(agent: Agent):
    if "node" not in agent.run("command -v node"):
        pytest.skip("this machine has no node")
    code = "console.log(process.argv.slice(1)); process.exit(5)"
    assert code_run(agent, code, "javascript", argv=["q", "r s"]).json == {
        "exitCode": 5,
        "result": "[ 'q', 'r s' ]\n",
    }


def test_charts_are_taken_out_of_the_output_unchanged(agent: Agent):
    chart = {
        "type": "bar",
        "elements": [{"label": "a", "value": 3}, {"label": "b", "value": "4"}],
        "when": ["2026-01-01"],
    }
    marker = "dtn_artifact_k39fd2:"
    line = marker + json.dumps({"type": "chart", "value": chart})
    code = f"print('before')\nprint({line!r})\nprint('{marker}nonsense')\nprint('after')"
    answer = code_run(agent, code).json
    assert answer["result"] == "before\nafter\n"
    assert answer["artifacts"] == {"charts": [chart]}


def test_an_invalid_chart_leaves_no_artifacts(agent: Agent):
    assert code_run(agent, "print('dtn_artifact_k39fd2:{')\nprint(1)").json == {
        "exitCode": 0,
        "result": "1\n",
    }


# Ports


def test_ports_show_listeners(agent: Agent):
    script = "import socket,time; s=socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"
    agent.run(f'python3 -c "{script}" > port.txt 2>&1 & echo $! > pid.txt')
    until(agent, "grep -c . port.txt", "1")
    port = int(agent.read("port.txt"))
    assert port in agent.get("/port").json["ports"]
    if 3000 <= port <= 9999:
        assert agent.get(f"/port/{port}/in-use").json == {"isInUse": True}
    agent.run("kill $(cat pid.txt)")


@pytest.mark.parametrize("port", ["80", "10000", "abc", "-1"])
def test_ports_outside_the_range_are_refused(agent: Agent, port: str):
    assert agent.get(f"/port/{port}/in-use").status == 400
