"""The `daytona` command: run code in sandboxes, look after them, and find out what is wrong.

It is a program on top of the blocking client like any other, and where that client connects, it does. Exit codes: what
the command in the sandbox ended with, 1 when Daytona failed, 2 for a command line that makes no sense.
"""

from __future__ import annotations

import json
import logging
import platform
import shlex
import signal
import sys
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import click

from daytona import plugins
from daytona.errors import DaytonaError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType
    from typing import TypeAlias

    from daytona.blocking.sandbox import Sandbox
    from daytona.client import Daytona
    from daytona.models.params import CreateSandboxFromImageParams, CreateSandboxFromSnapshotParams

    Params: TypeAlias = CreateSandboxFromImageParams | CreateSandboxFromSnapshotParams

PATIENCE = 1.0
"""Seconds after which a person at a terminal is told what is being waited for."""

_LANGUAGES = {
    ".py": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
}
_DISTRIBUTIONS = (
    "daytona-anyio",
    "msgspec",
    "httpcore",
    "h11",
    "wsproto",
    "anyio",
    "trio",
    "click",
    "opentelemetry-api",
)


class Commands(click.Group):
    """Our commands and those of plugins; a plugin is loaded when its command is used or described."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every name."""
        return sorted({*super().list_commands(ctx), *plugins.entry_points(plugins.COMMANDS)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in plugins.entry_points(plugins.COMMANDS):
            return own
        return load_command(cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what Daytona refuses is told in one line."""
        try:
            return super().invoke(ctx)
        except DaytonaError as error:
            raise click.ClickException(error.message or type(error).__name__) from error


def load_command(name: str) -> click.Command:
    """Return the command that a plugin brings."""
    found = plugins.load(plugins.COMMANDS, name)
    if not isinstance(found, click.Command):
        raise click.ClickException(f"the plugin {name!r} is no click command")
    return found


@click.group(cls=Commands)
@click.version_option(package_name="daytona-anyio")
def main() -> None:
    """Sandboxes for programs, on this machine or on a Daytona platform."""
    if not sys.stderr.isatty():
        logging.getLogger("daytona").setLevel(logging.ERROR)  # the notice is for people


@main.command(context_settings={"allow_interspersed_args": False})  # what follows FILE is the program's
@click.argument("file", required=False)
@click.argument("arguments", nargs=-1)
@click.option("-c", "--code", help="Run this instead of a file.")
@click.option(
    "-l",
    "--language",
    type=click.Choice(sorted(set(_LANGUAGES.values()))),
    help="Else told by the file's name.",
)
@click.option("--image", help="Run it in a sandbox made from this image.")
@click.option("--timeout", type=float, help="Seconds until the code is ended.")
@click.option("--keep", is_flag=True, help="Leave the sandbox; its name goes to standard error.")
@click.pass_context
def run(
    ctx: click.Context,
    file: str | None,
    arguments: tuple[str, ...],
    code: str | None,
    language: str | None,
    image: str | None,
    timeout: float | None,
    keep: bool,
) -> None:
    """Run FILE (or - for standard input) in a new sandbox, print its output, and delete the sandbox.

    ARGUMENTS are those of the program. The exit code is the program's.
    """
    from daytona.models.process import CodeRunParams

    if code is not None and file is not None:
        arguments = (file, *arguments)
        file = None
    source = _source(file, code)
    params = _params(image, language=language or _language(file))
    with _client() as client, _temporary(client, params, keep=keep) as sandbox, _telling("running"):
        answer = sandbox.process.code_run(source, CodeRunParams(argv=list(arguments)), timeout)
    click.echo(answer.result, nl=False)
    ctx.exit(answer.exit_code & 0xFF)


@main.command()
@click.option("--name", help="Else it is named by its id.")
@click.option("--image", help="Make it from this image.")
@click.option("--env", "-e", multiple=True, metavar="NAME=VALUE", help="A variable of every program in it.")
@click.option("--label", multiple=True, metavar="NAME=VALUE", help="A label to find it by.")
@click.option("--ephemeral", is_flag=True, help="Delete it when it stops.")
@click.option(
    "--auto-stop", type=int, metavar="MINUTES", help="Stop it when it was not used for so long; 0 is never."
)
def create(
    name: str | None,
    image: str | None,
    env: tuple[str, ...],
    label: tuple[str, ...],
    ephemeral: bool,
    auto_stop: int | None,
) -> None:
    """Make a sandbox and print its id."""
    params = _params(
        image,
        name=name,
        env_vars=_pairs(env),
        labels=_pairs(label),
        ephemeral=ephemeral or None,
        auto_stop_interval=auto_stop,
    )
    with _client() as client, _telling("making a sandbox"):
        click.echo(client.create(params).id)


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(as_json: bool) -> None:
    """List all sandboxes."""
    with _client() as client, _telling("listing"):
        found = [{"id": one.id, "name": one.name, "state": str(one.state)} for one in client.list()]
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found:
        name = "" if one["name"] == one["id"] else one["name"]
        click.echo(f"{one['id']}  {one['state']:<10}  {name}".rstrip())


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("sandbox")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--cwd", help="Directory to run it in.")
@click.option("--env", "-e", multiple=True, metavar="NAME=VALUE", help="A variable of the command.")
@click.option("--timeout", type=float, help="Seconds until it is ended.")
@click.pass_context
def exec_(
    ctx: click.Context,
    sandbox: str,
    command: tuple[str, ...],
    cwd: str | None,
    env: tuple[str, ...],
    timeout: float | None,
) -> None:
    """Run COMMAND in SANDBOX (an id or a name), print its output, and exit with its code.

    One word is given to a shell as it is; several are quoted first, so that they arrive as they are.
    """
    text = command[0] if len(command) == 1 else shlex.join(command)
    with _client() as client, _telling("running"):
        answer = client.get(sandbox).process.exec(text, cwd=cwd, env=_pairs(env) or None, timeout=timeout)
    click.echo(answer.result, nl=False)
    ctx.exit(answer.exit_code & 0xFF)


@main.command()
@click.argument("sandboxes", nargs=-1, required=True, metavar="SANDBOX...")
def delete(sandboxes: tuple[str, ...]) -> None:
    """Delete sandboxes, named by id or name, and everything in them."""
    with _client() as client, _telling("deleting"):
        for sandbox in sandboxes:
            client.get(sandbox).delete()


@main.command()
@click.argument("owner")
@click.option(
    "--older-than", type=float, default=0.0, metavar="SECONDS", help="Only what was made so long ago."
)
@click.option("--dry-run", is_flag=True, help="Delete nothing, only say what would be.")
def reap(owner: str, older_than: float, dry_run: bool) -> None:
    """Delete the sandboxes that clients of OWNER have left behind, and print their ids."""
    with _client() as client, _telling("reaping"):
        for sandbox_id in client.reap(owner, older_than=older_than, dry_run=dry_run):
            click.echo(sandbox_id)


@main.command()
@click.argument("sandbox")
@click.option("--expires", type=int, metavar="MINUTES", help="How long one can log in; an hour if not given.")
def ssh(sandbox: str, expires: int | None) -> None:
    """Print the command that logs in to SANDBOX; every earlier one ends."""
    with _client() as client, _telling("creating access"):
        click.echo(client.get(sandbox).create_ssh_access(expires).ssh_command)


@main.command("plugins")
@click.pass_context
def list_plugins(ctx: click.Context) -> None:
    """List the plugins that are installed, and say which of them cannot be used, and why."""
    found = plugins.installed_plugins()
    for plugin in found:
        click.echo(
            f"{plugin.group}  {plugin.name}  {plugin.origin}  {'ok' if plugin.trouble is None else 'broken'}"
        )
        if plugin.trouble is not None:
            click.echo(f"    {plugin.trouble}")
    ctx.exit(1 if any(plugin.trouble for plugin in found) else 0)


@main.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Say what is installed, where a client would connect and why, and what the plugins find wrong."""
    click.echo(
        f"python {platform.python_version()} on {platform.system()} {platform.release()}, {sys.executable}"
    )
    for name in _DISTRIBUTIONS:
        click.echo(f"{name} {_version(name)}")
    healthy = _diagnose_endpoint()
    for name in plugins.entry_points(plugins.COMMANDS):
        healthy = _diagnose_plugin(ctx, name) and healthy
    ctx.exit(0 if healthy else 1)


def _diagnose_endpoint() -> bool:
    from daytona.config import resolve  # with the models, which take longer than a text of help

    try:
        settings = resolve(None)
    except DaytonaError as error:
        click.echo(f"endpoint: none: {error.message}")
        return False
    click.echo(f"endpoint: {settings.api_url or 'the embedded platform on this machine'} ({settings.why})")
    click.echo(
        f"credential: {'set' if settings.token else 'none'}, target: {settings.target or 'the default'}"
    )
    return True


def _diagnose_plugin(ctx: click.Context, name: str) -> bool:
    """Let a plugin's own `doctor` speak, if it has one; it exits with a code when something is wrong."""
    group = load_command(name)
    own = group.get_command(ctx, "doctor") if isinstance(group, click.Group) else None
    if own is None:
        return True
    click.echo(f"{name}:")
    try:
        ctx.invoke(own)
    except click.exceptions.Exit as ended:
        return ended.exit_code == 0
    return True


def _client() -> Daytona:
    from daytona.client import Daytona

    return Daytona()


@contextmanager
def _temporary(client: Daytona, params: Params, *, keep: bool) -> Generator[Sandbox]:
    """Make a sandbox for a while; should even the end of this program be lost, the platform deletes it when idle."""
    params.name = f"run-{token_hex(6)}"
    params.ephemeral, params.auto_delete_interval = (None, None) if keep else (True, 0)
    sandbox = _create(client, params)
    if keep:
        click.echo(f"sandbox {sandbox.name}", err=True)
    try:
        yield sandbox
    finally:
        if not keep:
            sandbox.delete()


def _create(client: Daytona, params: Params) -> Sandbox:
    """Make a sandbox; one that failed, or that the user lost patience with, is found by its name and deleted."""
    try:
        with _telling("making a sandbox"):
            return client.create(params)
    except (DaytonaError, KeyboardInterrupt):
        with suppress(DaytonaError):
            unwanted = client.get(params.name or "")
            with suppress(DaytonaError):
                unwanted.wait_for_sandbox_start()  # one that is being made cannot be deleted yet
            unwanted.delete()
        raise


def _params(image: str | None, **wanted: object) -> Params:
    given = {name: value for name, value in wanted.items() if value is not None}
    return _kind_of_params(image)(**given)


def _kind_of_params(image: str | None) -> Callable[..., Params]:
    from daytona.models.params import CreateSandboxFromImageParams, CreateSandboxFromSnapshotParams

    if image is None:
        return CreateSandboxFromSnapshotParams
    return partial(CreateSandboxFromImageParams, image=image)


def _source(file: str | None, code: str | None) -> str:
    if code is not None:
        return code
    if file is None:
        raise click.UsageError("give a FILE, or code with -c")
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"cannot read {file}: {error}") from error


def _language(file: str | None) -> str:
    if file is None or file == "-":
        return "python"
    suffix = Path(file).suffix.lower()
    if suffix not in _LANGUAGES:
        raise click.UsageError(f"the name of {file} does not tell its language; say it with --language")
    return _LANGUAGES[suffix]


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise click.UsageError(f"{wrong[0]!r} is not of the form NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


@contextmanager
def _telling(what: str) -> Generator[None]:
    """Tell a person at a terminal what is being waited for, when it takes long; an alarm needs no thread."""
    if not sys.stderr.isatty() or not hasattr(signal, "setitimer"):
        yield
        return

    def tell(_number: int, _frame: FrameType | None) -> None:
        click.echo(f"{what} ...", err=True)

    before = signal.signal(signal.SIGALRM, tell)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    main()
