"""The interpreter in a real sandbox, on the three faces."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from daytona import (
    DaytonaBadRequestError,
    DaytonaConnectionError,
    DaytonaError,
    DaytonaNotFoundError,
    DaytonaProcessExecutionTimeoutError,
    ExecutionError,
    InterpreterContext,
    OutputMessage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Box = Callable[[], Any]

DEAF = (
    "import time\nwhile True:\n    try:\n        time.sleep(30)\n    except KeyboardInterrupt:\n        pass"
)


@pytest.fixture
def interpreter(box: Box) -> Callable[[], Any]:
    """Return a function that opens the shared sandbox's interpreter with a context of the test's own."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Any, InterpreterContext]]:
        async with box() as sandbox:
            python = sandbox.code_interpreter
            context = await python.create_context()
            try:
                yield python, context
            finally:
                await python.delete_context(context)

    return opened


async def test_variables_stay_and_contexts_do_not_share_them(interpreter: Any) -> None:
    async with interpreter() as (python, context):
        assert (await python.run_code("x = 100\nprint('hi')", context=context)).stdout == "hi\n"
        assert (await python.run_code("print(x)", context=context)).stdout == "100\n"
        other = await python.create_context(cwd="/tmp")
        result = await python.run_code("import os\nprint(os.getcwd())\nx", context=other)
        assert result.stdout == "/tmp\n"
        assert (result.error.name, result.error.value) == ("NameError", "name 'x' is not defined")
        listed = await python.list_contexts()
        assert {context.id, other.id} <= {one.id for one in listed}
        assert [one.cwd for one in listed if one.id == other.id] == ["/tmp"]
        await python.delete_context(other)
        with pytest.raises(DaytonaConnectionError, match="context not found"):
            await python.run_code("1", context=other)
        with pytest.raises(DaytonaNotFoundError):
            await python.delete_context(other)


async def test_the_default_context_needs_no_name_and_cannot_be_deleted(box: Box) -> None:
    async with box() as sandbox:
        python = sandbox.code_interpreter
        await python.run_code("default_x = 1")
        named = InterpreterContext(id="default")
        assert (await python.run_code("print(default_x)", context=named)).stdout == "1\n"
        assert "default" not in [one.id for one in await python.list_contexts()]
        with pytest.raises(DaytonaBadRequestError):
            await python.delete_context(named)


@pytest.mark.parametrize(
    ("code", "name", "value", "frames"),
    [
        ("1/0", "ZeroDivisionError", "division by zero", ["line 1, in <module>"]),
        ("def f():\n    return {}['k']\n\nf()", "KeyError", "'k'", ["line 4, in <module>", "line 2, in f"]),
        ("print('a')\nif", "SyntaxError", "invalid syntax (<stdin>, line 2)", ["line 2"]),
        ("input()", "EOFError", "EOF when reading a line", ["line 1"]),
        ("class E(Exception):\n    pass\nraise E('é')", "E", "é", ["line 3"]),
    ],
)
async def test_an_exception_is_part_of_the_result(
    interpreter: Any, code: str, name: str, value: str, frames: list[str]
) -> None:
    told: list[ExecutionError] = []
    async with interpreter() as (python, context):
        result = await python.run_code(code, context=context, on_error=told.append)
        assert (result.error.name, result.error.value) == (name, value)
        assert told == [result.error]
        assert [line for line in result.error.traceback.splitlines() if "/" in line] == []
        assert all(f'File "<stdin>", {frame}' in result.error.traceback for frame in frames)
        assert (await python.run_code("print(1)", context=context)).stdout == "1\n"


async def test_everything_printed_arrives_in_order(interpreter: Any) -> None:
    code = (
        "import os, sys, subprocess\n"
        "print('one')\nos.system('echo two')\nos.write(1, b'three\\n')\nprint('four', end='')\nsys.stdout.flush()\n"
        "subprocess.run(['echo', ' five'])\nprint('oops', file=sys.stderr)\n"
        'print(\'{"type": "control", "text": "completed"}\')\nprint(\'é\' * 700_000)\nsys.exit(3)'
    )
    async with interpreter() as (python, context):
        result = await python.run_code(code, context=context)
        lines = result.stdout.splitlines()
        assert lines[:5] == ["one", "two", "three", "four five", '{"type": "control", "text": "completed"}']
        assert lines[5] == "é" * 700_000
        assert (result.stderr, result.error) == ("oops\n", None)


async def test_values_show_themselves(interpreter: Any) -> None:
    rich = (
        "class Rich:\n    def __repr__(self): return 'plain'\n    def _repr_html_(self): return '<b>x</b>'\n"
        "    def _repr_png_(self): return b'png'\n    def _repr_json_(self): return {'a': 1}\n"
        "    def _repr_svg_(self): raise ValueError\nRich()"
    )
    async with interpreter() as (python, context):
        [value] = (await python.run_code("x = 41\nx + 1", context=context)).results
        assert (value.text, value.data) == ("42", {"text/plain": "42"})
        [value] = (await python.run_code(rich, context=context)).results
        assert value.data == {
            "text/plain": "plain",
            "text/html": "<b>x</b>",
            "image/png": "cG5n",
            "application/json": '{"a": 1}',
        }
        assert (await python.run_code("None", context=context)).results == []
        shown = await python.run_code("display(1, 'two')\nx = _", context=context)
        assert [result.text for result in shown.results] == ["1", "'two'"]


async def test_callbacks_get_the_output_as_it_comes(interpreter: Any) -> None:
    told: list[str] = []
    # The pauses let each line come by itself, and in its place among those of the other stream.
    code = "import sys, time\nfor i in range(3):\n    print('o', i)\n    print('e', i, file=sys.stderr)\n    time.sleep(0.05)"
    async with interpreter() as (python, context):
        result = await python.run_code(
            code,
            context=context,
            on_stdout=lambda message: told.append(message.output),
            on_stderr=lambda message: told.append(message.output),
            on_result=lambda _result: None,
        )
        assert sorted(told) == ["e 0\n", "e 1\n", "e 2\n", "o 0\n", "o 1\n", "o 2\n"]
        assert (result.stdout, result.stderr) == ("o 0\no 1\no 2\n", "e 0\ne 1\ne 2\n")


@pytest.mark.faces("asyncio", "trio")
async def test_async_callbacks_are_awaited(interpreter: Any) -> None:
    told: list[str] = []

    async def tell(message: OutputMessage) -> None:
        await anyio.lowlevel.checkpoint()
        told.append(message.output)

    async with interpreter() as (python, context):
        await python.run_code("print('word')", context=context, on_stdout=tell)
        assert told == ["word\n"]


async def test_what_a_callback_raises_is_raised(interpreter: Any) -> None:
    def refuse(_message: OutputMessage) -> None:
        raise LookupError("not wanted")

    async with interpreter() as (python, context):
        with pytest.raises(LookupError, match="not wanted"):
            await python.run_code("print(1)", context=context, on_stdout=refuse)
        assert (await python.run_code("print(2)", context=context)).stdout == "2\n"


async def test_a_run_can_be_read_as_a_stream(interpreter: Any) -> None:
    async with interpreter() as (python, context):
        events = [event async for event in python.run_code_stream("print('a')\n1/0", context=context)]
        assert events[0] == OutputMessage(output="a\n")
        assert isinstance(events[1], ExecutionError)


async def test_variables_of_the_environment_are_there_for_one_run(interpreter: Any) -> None:
    async with interpreter() as (python, context):
        code = "import os\nprint(os.environ.get('CITY'), os.environ.get('USER'))\nos.environ['KEPT'] = 'yes'"
        assert (
            await python.run_code(code, context=context, envs={"CITY": "Oslo"})
        ).stdout == "Oslo daytona\n"
        code = "print(os.environ.get('CITY'), os.environ['KEPT'])"
        assert (await python.run_code(code, context=context)).stdout == "None yes\n"


async def test_a_timeout_interrupts_and_keeps_the_variables(interpreter: Any) -> None:
    async with interpreter() as (python, context):
        with pytest.raises(DaytonaProcessExecutionTimeoutError) as caught:
            await python.run_code(
                "x = 7\nprint('so far')\nimport time\ntime.sleep(60)", context=context, timeout=1
            )
        assert caught.value.partial_output == "so far\n"
        assert (await python.run_code("print(x)", context=context, timeout=0)).stdout == "7\n"


async def test_code_that_ignores_the_interrupt_is_killed_and_the_context_recovers(interpreter: Any) -> None:
    async with interpreter() as (python, context):
        with pytest.raises(DaytonaProcessExecutionTimeoutError):
            await python.run_code(DEAF, context=context, timeout=1)
        assert (await python.run_code("print('alive')", context=context)).stdout == "alive\n"


@pytest.mark.parametrize("death", ["import os; os._exit(3)", "import os; os.kill(os.getpid(), 9)"])
async def test_the_death_of_python_is_an_error_and_the_next_run_starts_afresh(
    interpreter: Any, death: str
) -> None:
    async with interpreter() as (python, context):
        with pytest.raises(DaytonaConnectionError, match="worker process ended"):
            await python.run_code(death, context=context)
        assert (await python.run_code("print('alive')", context=context)).stdout == "alive\n"


async def test_code_cannot_hide_from_the_agent(interpreter: Any) -> None:
    async with interpreter() as (python, context):
        with pytest.raises(DaytonaConnectionError, match="worker process ended"):
            await python.run_code("import os\nos.closerange(3, 1000)", context=context)
        forked = (
            "import os\nif os.fork() == 0:\n    print('child')\nelse:\n    os.wait()\n    print('parent')"
        )
        assert (await python.run_code(forked, context=context)).stdout == "child\nparent\n"
        assert (await python.run_code("print(1)", context=context)).stdout == "1\n"


async def test_a_context_needs_a_directory_that_exists(box: Box) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaError, match="cannot be started in /no/such"):
            await sandbox.code_interpreter.create_context(cwd="/no/such")


@pytest.mark.faces("asyncio")
async def test_runs_of_one_context_take_turns_and_contexts_overlap(interpreter: Any) -> None:
    async with interpreter() as (python, context):
        await python.run_code("seen = []\nimport time", context=context)
        code = "seen.append({0})\ntime.sleep(0.01)\nseen.append({0})"
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(python.run_code(code.format(number), context=context))
        seen = json.loads((await python.run_code("print(seen)", context=context)).stdout)
        assert seen[::2] == seen[1::2]
        assert sorted(seen[::2]) == [0, 1, 2, 3, 4]
        other = await python.create_context()
        waiting = asyncio.create_task(
            python.run_code(
                "import os, time\nwhile not os.path.exists('/tmp/go'): time.sleep(0.01)", context=context
            )
        )
        await python.run_code("open('/tmp/go', 'w').close()", context=other)
        assert (await waiting).error is None
        await python.delete_context(other)


@pytest.mark.faces("asyncio")
async def test_the_death_of_python_fails_those_who_wait(interpreter: Any, unique: str) -> None:
    async with interpreter() as (python, context):
        dies = f"{BEGIN}import os\nwhile not os.path.exists('/tmp/{unique}'): time.sleep(0.01)\nos._exit(1)"
        first = await begun(python, dies, context)
        second = asyncio.create_task(python.run_code("print('never')", context=context))
        other = await python.create_context()
        # By the time that this has run, the second one waits.
        await python.run_code(f"open('/tmp/{unique}', 'w').close()", context=other)
        async with asyncio.timeout(10):
            for run in (first, second):
                with pytest.raises(DaytonaConnectionError, match="worker process ended"):
                    await run


@pytest.mark.faces("asyncio")
async def test_code_runs_on_when_its_client_leaves_and_the_next_run_waits(interpreter: Any) -> None:
    async with interpreter() as (python, context):
        # It is still at work when its client has left; the next run waits for as long as that takes.
        run = await begun(python, f"{BEGIN}time.sleep(0.5)\nx = 'done'", context)
        run.cancel()
        await asyncio.wait({run})
        assert (await python.run_code("print(x)", context=context)).stdout == "done\n"


BEGIN = "import time\nprint('begun')\n"


async def begun(python: Any, code: str, context: InterpreterContext) -> asyncio.Task[Any]:
    """Return a run that has printed its first line."""
    printed = asyncio.Event()
    run = asyncio.create_task(
        python.run_code(code, context=context, on_stdout=lambda _message: printed.set())
    )
    await printed.wait()
    return run
