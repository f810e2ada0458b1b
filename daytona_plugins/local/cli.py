"""`daytona local …`: look at the embedded platform, start it, end it, read its log."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING

import click

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.image_commands import image
from daytona_plugins.local.launch import connect, find
from daytona_plugins.local.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import TextIOWrapper

    from daytona_plugins.local.launch import PlatformEndpoint

POLL = 0.25


@click.group()
def local() -> None:
    """The embedded platform on this machine."""


local.add_command(image)


@local.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(as_json: bool) -> None:
    """Say whether a platform runs, and where; exit with 1 when none does."""
    endpoint = find(Paths.from_environment())
    if as_json:
        click.echo(json.dumps(_facts(endpoint)))
    elif endpoint is not None:
        click.echo(f"running at {endpoint.api_url}, isolation {endpoint.isolation}, pid {endpoint.pid}")
    else:
        click.echo("not running; `daytona local start` starts it, and so does a program without an API key")
    if endpoint is None:
        raise SystemExit(1)


@local.command()
def start() -> None:
    """Start the platform, or say that it runs already."""
    try:
        endpoint = connect()
    except DaytonaLocalPlatformError as error:
        raise click.ClickException(error.message) from error
    click.echo(
        f"{'started' if endpoint.started else 'already running'}: {endpoint.api_url}, pid {endpoint.pid}"
    )


@local.command()
def stop() -> None:
    """End the platform and every process in its sandboxes; files of sandboxes that are not ephemeral stay."""
    from daytona_plugins.local.platform.ending import end

    paths = Paths.from_environment()
    endpoint = find(paths)
    if endpoint is None:
        click.echo("not running")
        return
    ended = end(endpoint, paths)
    click.echo(
        f"stopped {_count(ended.sandboxes, 'sandbox', 'sandboxes')}, {_count(ended.processes, 'process', 'processes')}"
    )
    if not ended.clean:
        raise click.ClickException(
            f"left over: processes {ended.processes_left}, mounts {ended.mounts_left}, sockets {ended.sockets_left}"
        )


@local.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "-n", "--lines", default=100, show_default=True, help="How many of the last lines to show first."
)
def logs(follow: bool, lines: int) -> None:
    """Show what the platform has to say."""
    file = Paths.from_environment().log_file
    if not file.exists():
        raise click.ClickException(f"no log yet; it will be {file}")
    with file.open(encoding="utf-8", errors="replace") as log:
        for line in deque(log, lines):
            click.echo(line, nl=False)
        for text in _growth(log) if follow else ():
            click.echo(text, nl=False)


@local.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Try what isolates and limits sandboxes on this machine, and say how to get more; exit with 1 if nothing does."""
    from daytona_plugins.local.diagnosis import diagnose
    from daytona_plugins.local.runtime.probe import probe

    paths = Paths.from_environment()
    paths.make()
    click.echo(f"  data in {paths.data}, sockets in {paths.runtime}")
    endpoint = find(paths)
    click.echo(f"  platform: {f'running, pid {endpoint.pid}' if endpoint else 'not running'}")
    verdict = probe(paths.data)
    if not verdict.full:
        click.echo(f"  isolation: not possible here. {verdict.cause}\n  remedy: {verdict.remedy}")
        ctx.exit(1)
    click.echo(
        f"  isolation: namespace, as {'root' if verdict.kind == 'root' else 'an ordinary user'}; the kernel is shared"
    )
    for line in diagnose(paths):
        click.echo("  " + line.replace("\n", "\n  "))


def _growth(log: TextIOWrapper) -> Iterator[str]:
    """Yield what is added to the file; files cannot be waited for without a watch, so this looks again and again."""
    while True:
        if text := log.read():
            yield text
        else:
            time.sleep(POLL)


def _facts(endpoint: PlatformEndpoint | None) -> dict[str, object]:
    if endpoint is None:
        return {"running": False}
    return {
        "running": True,
        "url": endpoint.api_url,
        "pid": endpoint.pid,
        "version": endpoint.version,
        "isolation": endpoint.isolation,
    }


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
