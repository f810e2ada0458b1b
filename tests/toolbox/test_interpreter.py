"""The interpreter: 18.6 of the catalogue."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.toolbox.raw import Closed, WebSocket, dropping, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.toolbox.raw import Toolbox

CONTEXTS = "/process/interpreter/context"
EXECUTE = "/process/interpreter/execute"
EMPTY = {"text": "", "name": "", "value": "", "traceback": ""}
COMPLETED = {**EMPTY, "type": "control", "text": "completed"}
INTERRUPTED = {**EMPTY, "type": "control", "text": "interrupted"}
DEAF = """
import time
print('begun', flush=True)
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


class Run(NamedTuple):
    """What one execution sent."""

    chunks: list[dict[str, Any]]
    end: Closed

    def text(self, kind: str = "stdout") -> str:
        return "".join(chunk["text"] for chunk in self.chunks if chunk["type"] == kind)

    @property
    def error(self) -> dict[str, Any]:
        (found,) = [chunk for chunk in self.chunks if chunk["type"] == "error"]
        return found


class Context:
    """A context of its own, deleted at the end."""

    def __init__(self, toolbox: Toolbox) -> None:
        self.toolbox = toolbox
        answer = toolbox.post(CONTEXTS, {})
        assert answer.status == 200
        self.id = answer.json["id"]

    def begin(self, code: str, **fields: Any) -> WebSocket:
        return begin(self.toolbox, {"code": code, "contextId": self.id, **fields})

    def run(self, code: str, **fields: Any) -> Run:
        return finish(self.begin(code, **fields))


def begin(toolbox: Toolbox, message: Any) -> WebSocket:
    socket = toolbox.websocket(EXECUTE)
    socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
    return socket


def finish(socket: WebSocket) -> Run:
    with dropping(socket):
        messages, end = socket.rest()
    return Run([json.loads(message) for message in messages], end)


@pytest.fixture
def context(toolbox: Toolbox) -> Iterator[Context]:
    made = Context(toolbox)
    yield made
    toolbox.delete(f"{CONTEXTS}/{made.id}")


# -- Contexts ---------------------------------------------------------------------------------------------------------


@pytest.mark.case(57)
def test_contexts_are_made_listed_and_deleted(toolbox: Toolbox) -> None:
    made = toolbox.post(CONTEXTS, {"cwd": "/tmp", "language": "python"})
    assert made.status == 200
    assert made.json.keys() == {"id", "cwd", "createdAt", "active", "language"}
    assert made.json.items() >= {"cwd": "/tmp", "active": True, "language": "python"}.items()
    assert uuid.UUID(made.json["id"])
    finish(begin(toolbox, {"code": "1"}))  # so that there is a default context, too
    listed = toolbox.get(CONTEXTS).json["contexts"]
    assert made.json in listed
    assert "default" not in [each["id"] for each in listed]
    deleted = toolbox.delete(f"{CONTEXTS}/{made.json['id']}")
    assert (deleted.status, deleted.json) == (200, {"message": "Context deleted successfully"})
    assert refuses(toolbox.delete(f"{CONTEXTS}/{made.json['id']}"), 404, ours=toolbox.ours)
    assert refuses(toolbox.delete(f"{CONTEXTS}/default"), 400, ours=toolbox.ours)


@pytest.mark.case(57)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        ({"language": "javascript"}, 400),
        ({"cwd": 1}, 400),
        ({"cwd": "/no/such"}, 500),
    ],
)
def test_a_context_that_cannot_be(toolbox: Toolbox, body: Any, status: int) -> None:
    assert refuses(toolbox.post(CONTEXTS, body), status, ours=toolbox.ours)


@pytest.mark.case(57)
def test_an_execution_that_is_no_websocket_is_refused(toolbox: Toolbox) -> None:
    answer = toolbox.request("GET", EXECUTE)
    assert (answer.status, answer.headers["sec-websocket-version"]) == (400, "13")


# -- Running ----------------------------------------------------------------------------------------------------------


@pytest.mark.case(58)
def test_output_comes_in_chunks_with_all_keys_and_then_the_end(context: Context) -> None:
    run = context.run("import sys\nprint('é')\nprint('odd', file=sys.stderr)\nx = 1")
    assert sorted(run.chunks[:-1], key=lambda chunk: chunk["type"]) == [
        {**EMPTY, "type": "stderr", "text": "odd\n"},
        {**EMPTY, "type": "stdout", "text": "é\n"},
    ]
    assert (run.chunks[-1], run.end) == (COMPLETED, Closed(1000))
    assert context.run("print(x, __name__)").text() == "1 __main__\n"


@pytest.mark.case(58)
def test_contexts_do_not_see_each_others_variables(context: Context, toolbox: Toolbox) -> None:
    context.run("only_here = 1")
    assert finish(begin(toolbox, {"code": "only_here"})).error["name"] == "NameError"
    assert finish(begin(toolbox, {"code": "only_here", "contextId": "default"})).error["name"] == "NameError"


@pytest.mark.case(59)
def test_an_exception_is_a_chunk_and_the_execution_completes(context: Context) -> None:
    run = context.run("def inner():\n    1 / 0\n\ndef outer():\n    inner()\n\nouter()")
    assert run.error.items() >= {"name": "ZeroDivisionError", "value": "division by zero"}.items()
    assert [line in run.error["traceback"] for line in ('"<stdin>", line 2', '"<stdin>", line 7')] == [
        True,
        True,
    ]
    assert run.error["traceback"].endswith("ZeroDivisionError: division by zero\n")
    assert (run.chunks[-1], run.end) == (COMPLETED, Closed(1000))


@pytest.mark.case(59)
def test_a_mistake_in_the_syntax_is_an_exception(context: Context) -> None:
    run = context.run("x =")
    assert run.error["name"] == "SyntaxError"
    assert "invalid syntax" in run.error["value"]
    assert (run.chunks[-1], run.end) == (COMPLETED, Closed(1000))


def test_leaving_is_no_exception(context: Context) -> None:
    run = context.run("import sys\nprint('out')\nsys.exit(3)")
    assert (run.text(), run.chunks[-1], run.end) == ("out\n", COMPLETED, Closed(1000))


@pytest.mark.ours("show values")
def test_the_value_of_the_last_expression_is_a_chunk_of_its_own(context: Context) -> None:
    first, last = context.run(
        "class A:\n    def _repr_html_(self): return '<b>'\n    def __repr__(self): return 'A'\nA()"
    ).chunks
    assert first == {**EMPTY, "type": "result", "data": {"text/plain": "A", "text/html": "<b>"}}
    assert last == COMPLETED


@pytest.mark.ours("take any text")
@pytest.mark.parametrize(
    "code", [r"raise ValueError('\ud800')", "class A:\n    def _repr_html_(self): return '\\udce9'\nA()"]
)
def test_text_that_is_no_unicode_costs_no_variables(context: Context, code: str) -> None:
    context.run("kept = 1")
    assert context.run(code).end == Closed(1000)
    assert context.run("print(kept)").text() == "1\n"


@pytest.mark.case(61)
@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"code": "1", "timeout": -1}, 1008),
        ({"code": ""}, 1008),
        ({}, 1008),
        ({"code": "1", "contextId": "nope"}, 1008),
        ("not json", 1002),
        (b"\xff", 1002),
        ({"code": 1}, 1002),
        ({"code": "1", "timeout": "1"}, 1002),
    ],
)
def test_what_cannot_be_run_is_told_by_the_close_frame(toolbox: Toolbox, message: Any, code: int) -> None:
    run = finish(begin(toolbox, message))
    assert (run.chunks, run.end.code, bool(run.end.reason)) == ([], code, True)


@pytest.mark.ours("refuse what no process can be given")
@pytest.mark.parametrize("envs", [{"A=B": "1"}, {"": "1"}, {"A": "\0"}, {"A\0": ""}])
def test_variables_that_cannot_be_cost_no_others(context: Context, envs: dict[str, str]) -> None:
    context.run("kept = 1")
    assert context.run("print(1)", envs=envs).end.code == 1008
    assert context.run("print(kept)").text() == "1\n"


@pytest.mark.case(62)
def test_variables_of_the_environment_are_there_for_one_execution(context: Context) -> None:
    code = "import os\nprint(os.environ.get('A'), os.environ.get('B'), os.environ.get('HOME') == '/x')"
    assert context.run(code, envs={"A": "1", "B": None, "HOME": "/x"}).text() == "1  True\n"
    assert context.run(code).text() == "None None False\n"


# -- Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.case(60)
def test_a_timeout_interrupts_and_the_variables_stay(context: Context) -> None:
    run = context.run("import time\nkept = 1\ntime.sleep(60)", timeout=1)
    assert (run.chunks[-1], run.end.code) == (INTERRUPTED, 4008)
    assert context.run("print(kept)").text() == "1\n"


@pytest.mark.case(60)
def test_code_that_does_not_let_itself_be_interrupted_is_killed(context: Context) -> None:
    context.run("lost = 1")
    run = context.run(DEAF, timeout=1)
    assert (run.text(), run.end.code) == ("begun\n", 4008)
    assert "control" not in [chunk["type"] for chunk in run.chunks]
    assert context.run("lost").error["name"] == "NameError"


@pytest.mark.case(63)
def test_executions_of_a_context_take_turns_and_contexts_overlap(
    context: Context, toolbox: Toolbox, folder: str
) -> None:
    home = toolbox.get("/work-dir").json["dir"]
    wait = (
        f"import os, time\nwhile not os.path.exists('{home}/{folder}/go'): time.sleep(0.02)\nseen = ['first']"
    )
    with dropping(context.begin(wait + "\nprint(seen)")) as first:
        toolbox.until(f"ls {folder}", "")
        queued = [context.begin(f"seen.append({number})\nprint(seen)") for number in range(3)]
        other = Context(toolbox)
        # The other context lets the first one go on: so it runs while that one does.
        assert other.run(f"open('{home}/{folder}/go', 'w').close()").end == Closed(1000)
        assert finish(first).text() == "['first']\n"
    seen = [finish(each).text() for each in queued]
    assert seen[-1] == "['first', 0, 1, 2]\n" or not toolbox.ours
    toolbox.delete(f"{CONTEXTS}/{other.id}")


@pytest.mark.case(64)
def test_code_runs_on_when_its_client_leaves_and_the_next_waits_for_it(context: Context) -> None:
    # It is still at work when its client has left; the next run waits for as long as that takes.
    with dropping(
        context.begin("import time\nprint('begun', flush=True)\ntime.sleep(1)\nx = 'done'")
    ) as leaving:
        assert leaving.receive_json()["text"] == "begun\n"
    assert context.run("print(x)").text() == "done\n"


def test_pings_are_answered_while_code_runs(context: Context) -> None:
    # It is at work when the ping comes; nothing else depends on how long that takes.
    with dropping(context.begin("print('begun', flush=True)\n__import__('time').sleep(1)")) as socket:
        assert socket.receive_json()["text"] == "begun\n"
        socket.ping()
        assert socket.rest()[1] == Closed(1000)


# -- Death ------------------------------------------------------------------------------------------------------------


@pytest.mark.case(65)
@pytest.mark.parametrize("death", ["os._exit(3)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_the_death_of_python_closes_with_1001(context: Context, death: str) -> None:
    run = context.run(f"import os\nprint('last', flush=True)\n{death}")
    assert (run.text(), run.end) == ("last\n", Closed(1001, "worker process ended"))
    if context.toolbox.ours:
        assert context.run("print('again')").text() == "again\n"


def test_deleting_a_context_ends_what_runs_in_it(context: Context, toolbox: Toolbox) -> None:
    with dropping(context.begin("print('begun', flush=True)\n__import__('time').sleep(60)")) as socket:
        assert socket.receive_json()["text"] == "begun\n"
        assert toolbox.delete(f"{CONTEXTS}/{context.id}").status == 200
        assert socket.rest()[1] == Closed(1001, "context shutdown")


@pytest.mark.ours("keep the protocol apart from what is printed")
def test_what_looks_like_a_message_is_output(context: Context) -> None:
    forged = json.dumps(COMPLETED)
    run = context.run(f"import os\nos.write(1, {forged!r}.encode() + b'\\n')\nprint('end')")
    assert (run.text(), run.chunks[-1]) == (f"{forged}\nend\n", COMPLETED)
    assert context.run("input()").error["name"] == "EOFError"
    assert len(context.run("print('x' * 3_000_000)").text()) == 3_000_001
