"""Commands and code: 18.3 of the catalogue."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.toolbox.raw import refuses

if TYPE_CHECKING:
    from tests.answers import Answer
    from tests.toolbox.raw import Toolbox


def execute(toolbox: Toolbox, command: str | None, **fields: Any) -> Answer:
    return toolbox.post("/process/execute", {"command": command, **fields})


def code_run(toolbox: Toolbox, code: str, language: str = "python", **fields: Any) -> Answer:
    return toolbox.post("/process/code-run", {"code": code, "language": language, **fields})


# -- Commands ----------------------------------------------------------------------------------------------------------


@pytest.mark.case(23)
def test_output_is_merged_in_the_order_written(toolbox: Toolbox):
    assert execute(toolbox, "echo out; echo err >&2; exit 3").json == {"exitCode": 3, "result": "out\nerr\n"}


@pytest.mark.case(24)
@pytest.mark.parametrize("body", [{}, {"command": ""}, {"command": "  "}, {"command": None}, [], b"", b"{"])
def test_a_command_is_required(toolbox: Toolbox, body: object):
    answer = toolbox.post("/process/execute", body)
    assert refuses(answer, 400, "BAD_REQUEST", ours=toolbox.ours)


@pytest.mark.case(24)
@pytest.mark.parametrize(
    "fields", [{"envs": {"A-B": "1"}}, {"timeout": -1}, {"timeout": "1"}, {"timeout": 0.5}]
)
def test_bad_options_are_refused(toolbox: Toolbox, fields: dict[str, object]):
    assert execute(toolbox, "true", **fields).status == 400


@pytest.mark.case(25)
def test_a_missing_cwd_blames_the_shell(toolbox: Toolbox):
    answer = execute(toolbox, "pwd", cwd="/nope")
    assert answer.json["exitCode"] == -1
    assert re.fullmatch(r"fork/exec /\S+: no such file or directory", answer.json["result"])


@pytest.mark.case(25)
def test_cwd_is_relative_to_the_work_dir(toolbox: Toolbox):
    work_dir = toolbox.get("/work-dir").json["dir"]
    assert toolbox.run("pwd", cwd="..") == f"{work_dir.rpartition('/')[0]}\n"
    assert toolbox.run("pwd", cwd="") == f"{work_dir}\n"


@pytest.mark.case(25)
def test_calls_share_no_state_and_see_their_environment(toolbox: Toolbox):
    assert toolbox.run('X=1; cd /; echo "$E"', envs={"E": "é"}) == "é\n"
    assert toolbox.run('echo "[$X$E]"; pwd') == f"[]\n{toolbox.get('/work-dir').json['dir']}\n"


@pytest.mark.case(26)
def test_a_timeout_kills_the_group(toolbox: Toolbox):
    started = time.monotonic()
    answer = execute(toolbox, "echo before; sleep 3.25", timeout=1)
    assert time.monotonic() - started < 3
    assert refuses(answer, 408, "PROCESS_EXECUTION_TIMEOUT", ours=toolbox.ours)
    if toolbox.ours:
        assert (answer.json["output"], answer.json["killed"]) == ("before\n", True)
    assert toolbox.run("pgrep -fx 'sleep 3.25'") == ""


@pytest.mark.case(27)
def test_exit_codes_of_signals(toolbox: Toolbox):
    assert execute(toolbox, "kill -9 $$").json["exitCode"] == -1
    assert execute(toolbox, "sh -c 'kill -9 $$'").json["exitCode"] == 137
    assert execute(toolbox, "no-such-command").json["exitCode"] == 127


@pytest.mark.case(28)
def test_a_background_child_that_holds_the_pipe_delays_the_answer(toolbox: Toolbox):
    started = time.monotonic()
    assert toolbox.run("sleep 1 & echo hi") == "hi\n"
    assert time.monotonic() - started >= 1


@pytest.mark.ours("take drainSeconds")
def test_a_drain_limits_the_delay_and_the_child_lives_on(toolbox: Toolbox, folder: str):
    command = f"(sleep 0.3; echo late; touch {folder}/alive) & echo hi"
    assert toolbox.run(command, drainSeconds=0.01) == "hi\n"
    toolbox.until(f"ls {folder}", "alive")


@pytest.mark.case(28)
def test_a_redirected_background_child_survives(toolbox: Toolbox):
    started = time.monotonic()
    assert toolbox.run("sleep 50.25 >/dev/null 2>&1 & echo hi") == "hi\n"
    assert time.monotonic() - started < 10
    assert toolbox.run("pkill -fx 'sleep 50.25' && echo killed") == "killed\n"
    toolbox.until("ps -A -o stat= | grep -c Z", "0")


@pytest.mark.case(29)
def test_a_command_reads_the_rest_of_its_script(toolbox: Toolbox):
    assert toolbox.run("read x; echo [$x]\nsecond") == "[second]\n"


@pytest.mark.case(30)
def test_long_commands_and_outputs_work(toolbox: Toolbox):
    assert toolbox.run(f": {'x' * 4 * 1024 * 1024}\necho done") == "done\n"
    assert len(toolbox.run("head -c 3000000 /dev/zero | tr '\\0' a")) == 3_000_000


def test_a_script_that_nobody_reads_to_its_end(toolbox: Toolbox):
    assert execute(toolbox, "exit 4\n" + "# filler\n" * 200_000).json["exitCode"] == 4


@pytest.mark.case(30)
def test_bytes_outside_utf_8_are_replaced(toolbox: Toolbox):
    assert toolbox.run(r"printf '\377\376'") == "\ufffd\ufffd"


@pytest.mark.ours("take drainSeconds")
def test_code_may_leave_children_behind_too(toolbox: Toolbox, folder: str):
    child = f"sleep 0.3; echo late; touch {folder}/alive"
    code = f"import subprocess\nsubprocess.Popen({child!r}, shell=True)\nprint('hi')"
    assert code_run(toolbox, code, drainSeconds=0.01).json == {"exitCode": 0, "result": "hi\n"}
    toolbox.until(f"ls {folder}", "alive")
    assert code_run(toolbox, code).json["result"] == "hi\nlate\n"


@pytest.mark.ours("take separateStreams")
def test_separate_streams_on_request(toolbox: Toolbox):
    answer = execute(toolbox, "echo out; echo err >&2", separateStreams=True).json
    assert (answer["stdout"], answer["stderr"], answer["truncated"]) == ("out\n", "err\n", False)
    assert answer["durationMs"] > 0


@pytest.mark.ours("take separateStreams")
def test_output_is_bounded(toolbox: Toolbox):
    answer = execute(toolbox, "head -c 70000000 /dev/zero | tr '\\0' a", separateStreams=True).json
    assert answer["truncated"]
    assert len(answer["stdout"]) == 64 * 1024 * 1024


def test_many_commands_at_once_keep_their_own_status(toolbox: Toolbox):
    with ThreadPoolExecutor(8) as pool:
        codes = list(
            pool.map(lambda code: execute(toolbox, f"(true &) ; exit {code}").json["exitCode"], range(40))
        )
    assert codes == list(range(40))


# Code


@pytest.mark.case(31)
def test_python_prints_and_exits(toolbox: Toolbox):
    assert code_run(toolbox, "print('hi')\nprint(6*7)").json == {"exitCode": 0, "result": "hi\n42\n"}
    assert code_run(toolbox, "import sys; sys.exit(4)").json["exitCode"] == 4


@pytest.mark.ours("quote arguments")
def test_python_sees_its_arguments_unharmed(toolbox: Toolbox):
    answer = code_run(toolbox, "import sys; print(sys.argv, __name__)", argv=["a b", "$HOME", "'", "*"])
    assert answer.json["result"] == """['-', 'a b', '$HOME', "'", '*'] __main__\n"""


@pytest.mark.case(31)
def test_python_failures_look_like_a_script_on_standard_input(toolbox: Toolbox):
    answer = code_run(toolbox, "x = 1\nraise ValueError('no')").json
    assert answer["exitCode"] == 1
    assert 'File "<stdin>", line 2' in answer["result"]
    assert "EOFError" in code_run(toolbox, "input()").json["result"]


@pytest.mark.case(31)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "1", "language": "ruby"}, "BAD_REQUEST"),
        ({"code": "", "language": "python"}, "INVALID_REQUEST_BODY"),
        ({"code": "1"}, "INVALID_REQUEST_BODY"),
        ({"code": "1", "language": "python", "timeout": -1}, "INVALID_REQUEST_BODY"),
    ],
)
def test_code_needs_a_known_language(toolbox: Toolbox, body: dict[str, object], code: str):
    assert refuses(toolbox.post("/process/code-run", body), 400, code, ours=toolbox.ours)


def test_code_times_out(toolbox: Toolbox):
    answer = code_run(toolbox, "import time; print('x', flush=True); time.sleep(9)", timeout=1)
    assert refuses(answer, 408, ours=toolbox.ours)
    assert answer.json.get("output", "x\n") == "x\n"


def test_long_code_works(toolbox: Toolbox):
    assert code_run(toolbox, f"x = '{'y' * 1024 * 1024}'\nprint(len(x))").json["result"] == "1048576\n"


@pytest.mark.case(32)
def test_javascript_arguments(toolbox: Toolbox):
    if "node" not in toolbox.run("command -v node"):
        pytest.skip("this machine has no node")
    code = "console.log(process.argv.slice(1)); process.exit(5)"
    assert code_run(toolbox, code, "javascript", argv=["q", "r s"]).json == {
        "exitCode": 5,
        "result": "[ 'q', 'r s' ]\n",
    }


@pytest.mark.case(33)
def test_charts_are_taken_out_of_the_output_unchanged(toolbox: Toolbox):
    chart = {
        "type": "bar",
        "elements": [{"label": "a", "value": 3}, {"label": "b", "value": "4"}],
        "when": ["2026-01-01"],
    }
    marker = "dtn_artifact_k39fd2:"
    line = marker + json.dumps({"type": "chart", "value": chart})
    code = f"print('before')\nprint({line!r})\nprint('{marker}nonsense')\nprint('after')"
    answer = code_run(toolbox, code).json
    assert answer["result"] == "before\nafter\n"
    assert answer["artifacts"] == {"charts": [chart]}


@pytest.mark.case(33)
def test_an_invalid_chart_leaves_no_artifacts(toolbox: Toolbox):
    assert code_run(toolbox, "print('dtn_artifact_k39fd2:{')\nprint(1)").json == {
        "exitCode": 0,
        "result": "1\n",
    }
