"""Commands and code: what runs, what comes back, and what is left of it when its time is up."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Literal

import pytest

from daytona import (
    CodeRunParams,
    CreateSandboxFromSnapshotParams,
    DaytonaBadRequestError,
    DaytonaCommandFailedError,
    DaytonaNotSupportedError,
    DaytonaProcessExecutionTimeoutError,
    DaytonaTimeoutError,
    DaytonaValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# -- exec ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "exit_code", "result"),
    [
        ("echo hello", 0, "hello\n"),
        ("true", 0, ""),
        ("printf no-newline", 0, "no-newline"),
        ("echo out; echo err >&2; exit 3", 3, "out\nerr\n"),
        ("echo one\necho two\n\n# a comment\necho three", 0, "one\ntwo\nthree\n"),
        ("cat <<'END'\n$HOME is `not` \"expanded\"\nEND\n", 0, '$HOME is `not` "expanded"\n'),
        ("echo \"a  b\" 'c\\d' | tr a-z A-Z", 0, "A  B C\\D\n"),
        ("printf 'h\u00e9llo \u2603 \U0001f40d'", 0, "h\u00e9llo \u2603 \U0001f40d"),
        ("printf 'a\\377\\376b\\303'", 0, "a\ufffd\ufffdb\ufffd"),
        ("read x; echo [$x]\nsecond", 0, "[second]\n"),
        ("(exit 255)", 255, ""),
        ("echo before; kill -9 $$", -1, "before\n"),
        ("exec 2>/dev/null; sh -c 'kill -9 $$'", 137, ""),
    ],
)
async def test_a_command_says_what_it_did(
    box: Callable[[], Any], command: str, exit_code: int, result: str
) -> None:
    async with box() as sandbox:
        answer = await sandbox.process.exec(command)
    assert (answer.exit_code, answer.result) == (exit_code, result)
    assert (answer.artifacts.stdout, answer.artifacts.charts) == (result, [])


async def test_a_missing_program_is_an_exit_code_not_an_exception(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        answer = await sandbox.process.exec("no-such-program --flag")
    assert answer.exit_code == 127
    assert "no-such-program" in answer.result


async def test_a_missing_directory_is_reported_without_running(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        answer = await sandbox.process.exec("touch should-not-exist", cwd="/no/such/dir")
    assert answer.exit_code == -1
    assert "no such file or directory" in answer.result


async def test_the_directory_is_the_one_asked_for(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        work = await sandbox.get_work_dir()
        assert (await sandbox.process.exec("pwd")).result == f"{work}\n"
        assert (await sandbox.process.exec("pwd", cwd="/tmp")).result == "/tmp\n"
        await sandbox.fs.create_folder(f"{folder}/a b", "755")
        assert (await sandbox.process.exec("pwd", cwd=f"{folder}/a b")).result == f"{work}/{folder}/a b\n"


async def test_variables_reach_the_command_as_they_are(box: Callable[[], Any]) -> None:
    values = {"PLAIN": "1", "QUOTED": 'it\'s "x" $HOME `id`', "LINES": "a\nb\n", "EMPTY": ""}
    async with box() as sandbox:
        for name, value in values.items():
            answer = await sandbox.process.exec(f'printf %s. "${name}"', env=values)
            assert answer.result == f"{value}."
        assert (await sandbox.process.exec("echo [$PLAIN]")).result == "[]\n"


async def test_a_variable_no_shell_could_use_is_refused(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaBadRequestError, match="A-B") as caught:
            await sandbox.process.exec("true", env={"A-B": "1"})
    assert caught.value.sandbox_id == sandbox.id


async def test_an_empty_command_is_refused(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError):
            await sandbox.process.exec("  ")


async def test_a_command_of_four_mebibytes_runs(box: Callable[[], Any]) -> None:
    text = "x" * 64 + "\n"
    lines = 4 * 1024 * 1024 // len(text)
    async with box() as sandbox:
        answer = await sandbox.process.exec(f"wc -lc <<'END'\n{text * lines}END\n")
    assert (answer.exit_code, answer.result.split()) == (0, [str(lines), str(lines * len(text))])


async def test_an_output_of_four_mebibytes_comes_whole(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        answer = await sandbox.process.exec("head -c 4194304 /dev/zero | tr '\\0' z; echo; echo end >&2")
    assert answer.result == "z" * 4194304 + "\nend\n"


async def test_a_detached_child_does_not_keep_the_command(box: Callable[[], Any]) -> None:
    """R-13."""
    async with box() as sandbox:
        answer = await sandbox.process.exec("sleep 50 >/dev/null 2>&1 & echo $!")
        assert (await sandbox.process.exec(f"kill {answer.result}")).exit_code == 0


async def test_a_child_in_the_background_may_hold_the_output_for_as_long_as_asked(
    box: Callable[[], Any], folder: str
) -> None:
    """The child waits for a word, which only the second command has somebody say."""
    child = f"(read word < {folder}; echo $word) &"
    said = f"(sleep 0.2; echo late > {folder}) >/dev/null 2>&1 &"
    async with box() as sandbox:
        await sandbox.process.exec(f"mkfifo {folder}")
        assert (await sandbox.process.exec(f"{child} echo hi")).result == "hi\n"
        await sandbox.process.exec(f"echo > {folder}")
        assert (await sandbox.process.exec(f"{said} {child} echo hi", drain=None)).result == "hi\nlate\n"


async def test_what_code_leaves_behind_may_hold_the_output_too(box: Callable[[], Any]) -> None:
    code = "import subprocess\nprint(subprocess.Popen('exec {}', shell=True).pid, flush=True)"
    async with box() as sandbox:
        left = await sandbox.process.code_run(code.format("sleep 50"), drain=0.2)
        assert (await sandbox.process.exec(f"kill {left.result}")).exit_code == 0
        late = await sandbox.process.code_run(code.format('sh -c "sleep 0.2; echo late"'), drain=None)
        assert late.result.endswith("late\n")


async def test_streams_are_kept_apart_on_request(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        apart = await sandbox.process.exec("echo err >&2; echo out; exit 3", separate=True)
        merged = await sandbox.process.exec("echo err >&2; echo out")
    assert (apart.exit_code, apart.stdout, apart.stderr) == (3, "out\n", "err\n")
    assert apart.result == apart.artifacts.stdout == "out\nerr\n"
    assert (merged.result, merged.stdout, merged.stderr) == ("err\nout\n", None, None)
    assert min(apart.duration, merged.duration) > 0


async def test_what_is_checked_and_fails_raises_with_all_that_is_known(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaCommandFailedError, match="exit code 3: why") as caught:
            await sandbox.process.exec("echo so far; echo why >&2; exit 3", check=True, separate=True)
        error = caught.value
        assert (error.exit_code, error.output, error.sandbox_id) == (3, "so far\nwhy\n", sandbox.id)
        assert error.response is not None
        assert (error.response.stdout, error.response.stderr) == ("so far\n", "why\n")
        assert (error.code, error.outcome, error.retryable) == ("COMMAND_FAILED", "done", False)
        with pytest.raises(DaytonaCommandFailedError, match="ZeroDivisionError"):
            await sandbox.process.code_run("1/0", check=True)
        with pytest.raises(DaytonaCommandFailedError, match="exit code 1, and printed nothing"):
            await sandbox.process.exec("false", check=True)
        assert (await sandbox.process.exec("echo fine", check=True)).result == "fine\n"
        assert (await sandbox.process.code_run("print(1)", check=True)).result == "1\n"


@pytest.mark.faces("asyncio")  # 64 MiB: once is enough
async def test_more_output_than_a_sandbox_keeps_is_flagged(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        answer = await sandbox.process.exec("head -c 67108865 /dev/zero | tr '\\0' a")
        assert (answer.truncated, len(answer.result)) == (True, 64 * 1024 * 1024)
        assert not (await sandbox.process.exec("echo little")).truncated


async def test_two_commands_share_no_state(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        await sandbox.process.exec("cd /; X=1; export X")
        assert (await sandbox.process.exec("echo [$X]")).result == "[]\n"


# -- timeouts -----------------------------------------------------------------------------------------------------


async def test_when_time_is_up_the_group_is_dead_and_the_output_kept(
    box: Callable[[], Any], folder: str
) -> None:
    """R-11: and the error says that it was killed."""
    script = f"mkdir {folder}; echo $$ > {folder}/pid; sh -c 'sleep 71 & sleep 72' & echo so far; sleep 73"
    async with box() as sandbox:
        with pytest.raises(DaytonaProcessExecutionTimeoutError) as caught:
            await sandbox.process.exec(script, timeout=1)
        error = caught.value
        assert (error.partial_output, error.killed) == ("so far\n", True)
        assert (error.status_code, error.code, error.outcome) == (408, "PROCESS_EXECUTION_TIMEOUT", "done")
        assert error.sandbox_id == sandbox.id
        assert not error.retryable
        assert str(error).startswith("Failed to execute command: ")
        alive = await sandbox.process.exec(f"ps -o args= -g $(cat {folder}/pid); cat {folder}/pid")
        assert "sleep" not in alive.result


async def test_code_that_takes_too_long_is_ended_too(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaProcessExecutionTimeoutError) as caught:
            await sandbox.process.code_run("import time\nprint('begun')\ntime.sleep(74)", timeout=1)
        assert caught.value.partial_output == "begun\n"
        assert "sleep(74)" not in (await sandbox.process.exec("ps ax -o args=")).result


async def test_less_than_a_second_is_a_timeout_too(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaTimeoutError):
            await sandbox.process.exec("sleep 75", timeout=0.2)
        assert (await sandbox.process.exec("echo usable", timeout=30)).result == "usable\n"


@pytest.mark.parametrize("timeout", [None, 0])
async def test_no_timeout_means_no_limit(box: Callable[[], Any], timeout: int | None) -> None:
    async with box() as sandbox:
        assert (await sandbox.process.exec("sleep 0.3; echo done", timeout=timeout)).result == "done\n"


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
async def test_a_timeout_that_is_no_duration_is_refused(box: Callable[[], Any], timeout: float) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError, match="timeout"):
            await sandbox.process.exec("true", timeout=timeout)


# -- code_run -----------------------------------------------------------------------------------------------------


async def test_python_runs_with_arguments_and_variables(box: Callable[[], Any]) -> None:
    code = "import os, sys\nprint(sys.argv[1:], os.environ['B'])\nsys.exit(4)"
    params = CodeRunParams(argv=["a", "b c", "--n='3'"], env={"B": "two words"})
    async with box() as sandbox:
        answer = await sandbox.process.code_run(code, params)
    assert (answer.exit_code, answer.result) == (4, "['a', 'b c', \"--n='3'\"] two words\n")


async def test_python_that_fails_shows_its_traceback(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        answer = await sandbox.process.code_run("print('start')\n1/0")
        assert answer.exit_code == 1
        assert answer.result.startswith("start\nTraceback (most recent call last):")
        assert answer.result.endswith("ZeroDivisionError: division by zero\n")
        broken = await sandbox.process.code_run("for")
        assert (broken.exit_code, "SyntaxError" in broken.result) == (1, True)


async def test_python_of_four_mebibytes_runs(box: Callable[[], Any]) -> None:
    code = f"text = '''{'y' * 4194304}'''\nprint(len(text))"
    async with box() as sandbox:
        assert (await sandbox.process.code_run(code)).result == "4194304\n"


async def test_a_chart_on_the_output_becomes_a_chart(box: Callable[[], Any]) -> None:
    chart = '{"type":"chart","value":{"type":"line","title":"T","elements":[{"label":"a","points":[[1,2]]}]}}'
    async with box() as sandbox:
        answer = await sandbox.process.code_run(f"print('dtn_artifact_k39fd2:' + '{chart}')\nprint('after')")
    assert answer.result == "after\n"
    (line,) = answer.artifacts.charts
    assert (line.type, line.title, line.elements[0].points) == ("line", "T", [[1, 2]])


async def test_empty_code_is_refused(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.process.code_run("")


@pytest.mark.skipif(
    shutil.which("node") is None, reason="sandboxes see this machine's programs: no node here"
)
async def test_javascript_runs_where_the_sandbox_speaks_it(connect: Callable[[], Any]) -> None:
    params = CreateSandboxFromSnapshotParams(language="javascript")
    async with connect() as daytona, await daytona.create(params) as sandbox:
        code = "console.log(process.argv.slice(1), process.env.B); process.exit(5)"
        answer = await sandbox.process.code_run(code, CodeRunParams(argv=["q", "r s"], env={"B": "2"}))
        assert (answer.exit_code, answer.result) == (5, "[ 'q', 'r s' ] 2\n")
        failed = await sandbox.process.code_run("const a = 1;\nthrow new TypeError('boom')")
        assert (failed.exit_code, "TypeError: boom" in failed.result) == (1, True)


@pytest.mark.parametrize(("language", "program"), [("typescript", "Node.js"), ("python", "python3")])
async def test_code_whose_interpreter_is_missing_says_what_to_install(
    connect: Callable[[], Any], language: Literal["typescript", "python"], program: str
) -> None:
    async with (
        connect() as daytona,
        await daytona.create(CreateSandboxFromSnapshotParams(language=language)) as sandbox,
    ):
        with pytest.raises(DaytonaNotSupportedError, match=f"{language}: install {program}") as caught:
            await sandbox.process.code_run("1", CodeRunParams(env={"PATH": "/nowhere"}))
    assert (caught.value.status_code, caught.value.sandbox_id) == (501, sandbox.id)
