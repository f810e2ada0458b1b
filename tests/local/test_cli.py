"""The `daytona` command, as a person or a script runs it, on a platform of its own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from daytona import plugins
from daytona._entry_points import EntryPoint
from daytona.cli import main
from daytona_plugins.local.cli import local
from daytona_plugins.local.launch import find
from tests.behaviour.ssh_client import needs_openssh
from tests.local.platform_process import Platform, running_platform, short_directory

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(scope="module")
def running() -> Generator[Platform]:
    with running_platform() as platform:
        yield platform


@pytest.fixture
def platform(running: Platform) -> Generator[Platform]:
    running.start()
    yield running
    running.delete_all()


def daytona(platform: Platform, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command and return what it printed."""
    command = [sys.executable, "-m", "daytona.cli", *arguments]
    return subprocess.run(
        command, env=platform.variables, input=stdin, capture_output=True, text=True, timeout=120
    )


def names(platform: Platform) -> list[str]:
    return [item["name"] for item in platform.api("GET", "/sandbox").json["items"]]


def test_code_runs_in_a_sandbox_that_is_gone_afterwards(platform: Platform) -> None:
    done = daytona(platform, "run", "-c", "import sys; print(sys.argv[1:]); sys.exit(7)", "a", "b c")
    assert (done.returncode, done.stdout, done.stderr) == (7, "['a', 'b c']\n", "")
    assert names(platform) == []


def test_what_an_owner_left_behind_is_reaped(platform: Platform) -> None:
    left = platform.create(labels={"daytona-owner": "nightly"})["id"]
    platform.create(name="another")
    assert daytona(platform, "reap", "nightly", "--older-than", "3600").stdout == ""
    assert daytona(platform, "reap", "nightly", "--dry-run").stdout == f"{left}\n"
    assert daytona(platform, "reap", "nightly").stdout == f"{left}\n"
    assert names(platform) == ["another"]


@needs_openssh
def test_the_command_that_logs_in_is_printed(platform: Platform) -> None:
    platform.create(name="box")
    command = daytona(platform, "ssh", "box", "--expires", "5").stdout
    assert command.startswith("ssh -p ")
    logged_in = subprocess.run(
        [*shlex.split(command), "hostname"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert logged_in.stdout == f"{platform.api('GET', '/sandbox/box').json['id']}\n"


def test_a_file_runs_in_the_language_of_its_name(platform: Platform, tmp_path: Path) -> None:
    program = tmp_path / "hello.py"
    program.write_text("print('hello')")
    assert daytona(platform, "run", str(program)).stdout == "hello\n"


def test_options_after_the_file_are_the_programs_own(platform: Platform, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys; print(sys.argv[1:])")
    assert (
        daytona(platform, "run", str(program), "--timeout", "x", "-c").stdout == "['--timeout', 'x', '-c']\n"
    )


def test_a_program_may_come_from_standard_input(platform: Platform) -> None:
    assert daytona(platform, "run", "-", stdin="print(6 * 7)").stdout == "42\n"


def test_a_kept_sandbox_is_named_on_standard_error(platform: Platform) -> None:
    done = daytona(platform, "run", "--keep", "-c", "print(1)")
    assert done.stderr.split() == ["sandbox", *names(platform)]


def test_an_interrupted_run_leaves_no_sandbox(platform: Platform) -> None:
    command = [sys.executable, "-m", "daytona.cli", "run", "-c", "import time; time.sleep(100)"]
    process = subprocess.Popen(command, env=platform.variables, stderr=subprocess.PIPE, text=True)
    while not names(platform):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in complaint
    assert names(platform) == []


def test_a_sandbox_is_made_listed_used_and_deleted(platform: Platform) -> None:
    made = daytona(platform, "create", "--name", "box", "-e", "A=1", "--label", "k=v", "--auto-stop", "0")
    sandbox = platform.api("GET", "/sandbox/box").json
    assert made.stdout.strip() == sandbox["id"]
    assert (sandbox["labels"]["k"], sandbox["autoStopInterval"]) == ("v", 0)
    assert daytona(platform, "list").stdout == f"{sandbox['id']}  started     box\n"
    assert json.loads(daytona(platform, "list", "--json").stdout)[0]["name"] == "box"
    assert daytona(platform, "delete", "box").returncode == 0
    assert names(platform) == []


def test_one_word_is_shell_text_and_several_arrive_as_they_are(platform: Platform) -> None:
    platform.create(name="box")
    assert daytona(platform, "exec", "box", "echo a | tr a b; exit 4").stdout == "b\n"
    done = daytona(
        platform, "exec", "-e", "A=1", "--cwd", "/tmp", "box", "--", "sh", "-c", "pwd; echo $A; exit 4"
    )
    assert (done.returncode, done.stdout) == (4, "/tmp\n1\n")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["run"], 2, "give a FILE"),
        (["run", "/nowhere.py"], 2, "cannot read /nowhere.py"),
        (["run", "-l", "cobol", "program.xyz"], 2, "cobol"),
        (["create", "--env", "A"], 2, "NAME=VALUE"),
        (["exec", "nobody", "ls"], 1, "'nobody' not found"),
        (["delete", "nobody"], 1, "'nobody' not found"),
        (["dance"], 2, "No such command"),
    ],
)
def test_what_fails_says_why_in_one_line(
    platform: Platform, arguments: list[str], code: int, complaint: str
) -> None:
    done = daytona(platform, *arguments)
    assert done.returncode == code
    assert complaint in done.stderr.splitlines()[-1]


def test_a_file_without_a_language_asks_for_one(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("")
    answer = CliRunner().invoke(main, ["run", str(tmp_path / "program")])
    assert answer.exit_code == 2
    assert "--language" in answer.output


def test_the_doctor_says_where_a_client_would_connect_and_never_the_key(platform: Platform) -> None:
    healthy = daytona(platform, "doctor")
    assert healthy.returncode == 0
    assert "the embedded platform on this machine (no credential" in healthy.stdout
    assert "isolation: namespace" in healthy.stdout
    hosted = CliRunner().invoke(main, ["doctor"], env={"DAYTONA_API_KEY": "dtn_secret", **_at(platform)})
    assert "https://" in hosted.output
    assert "dtn_secret" not in hosted.output


def test_the_doctor_finds_an_address_without_a_credential(platform: Platform) -> None:
    answer = CliRunner().invoke(
        main, ["doctor"], env={"DAYTONA_API_URL": "https://x.example/api", **_at(platform)}
    )
    assert answer.exit_code == 1
    assert "DAYTONA_API_KEY" in answer.output


def test_commands_of_plugins_appear_and_one_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "local": EntryPoint("daytona.commands", "local", "daytona_plugins.local.cli:local"),
        "broken": EntryPoint("daytona.commands", "broken", "json:dumps"),
    }
    monkeypatch.setattr(plugins, "_installed", lambda _group: {name: (one,) for name, one in points.items()})
    context = click.Context(main)
    assert {"local", "broken", "run"} <= set(main.list_commands(context))
    assert main.get_command(context, "local") is local
    refused = CliRunner().invoke(main, ["broken"])
    assert (refused.exit_code, "no click command" in refused.output) == (1, True)


def test_the_platform_is_looked_at_started_and_ended(platform: Platform) -> None:
    platform.create(name="runs")
    told = CliRunner().invoke(local, ["status", "--json"], env=_at(platform))
    assert json.loads(told.output)["pid"] == platform.endpoint.pid
    assert platform.endpoint.api_key not in told.output
    ended = CliRunner().invoke(local, ["stop"], env=_at(platform))
    assert ended.output.startswith("stopped 1 sandbox, ")
    assert find(platform.paths) is None
    assert CliRunner().invoke(local, ["stop"], env=_at(platform)).output == "not running\n"
    assert CliRunner().invoke(local, ["status"], env=_at(platform)).exit_code == 1
    assert (
        CliRunner()
        .invoke(local, ["start"], env=_at(platform))
        .output.startswith("started: http://127.0.0.1:")
    )
    assert CliRunner().invoke(local, ["start"], env=_at(platform)).output.startswith("already running: ")
    assert "serving on" in CliRunner().invoke(local, ["logs", "-n", "1"], env=_at(platform)).output
    platform.start()


def test_a_platform_that_never_ran_has_no_log() -> None:
    with short_directory() as directory:
        answer = CliRunner().invoke(local, ["logs"], env={"DAYTONA_LOCAL_DIR": str(directory)})
        assert (answer.exit_code, "no log yet" in answer.output) == (1, True)


def test_asking_for_help_loads_neither_the_client_nor_the_platform() -> None:
    program = (
        "import sys; from daytona.cli import main; main(['run', '--help'], standalone_mode=False);"
        "print([name for name in ('msgspec', 'httpcore', 'asyncio', 'daytona_plugins') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=_clean()
    )
    assert done.stdout.splitlines()[-1] == "[]"


def _at(platform: Platform) -> dict[str, str]:
    return {"DAYTONA_LOCAL_DIR": str(platform.directory)}


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("DAYTONA_")}
