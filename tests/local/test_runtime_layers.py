"""Sandboxes over layers: what one sandbox wrote is what the next ones start from, and cannot change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.images.layers import Layers
from daytona_plugins.local.runtime.runner import Runner, SandboxSpec, remove_tree
from tests.local.conftest import Agent, LoopThread, temporary_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daytona_plugins.local.paths import Paths


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Any]]:
    """Return a function that starts a sandbox; all of them end with the tests."""
    with temporary_paths() as paths:
        thread = LoopThread()
        runner: Runner = thread.run(Runner.start(paths))

        def spawn(name: str, **fields: Any) -> tuple[Agent, Any]:
            spec = SandboxSpec(id=name, hostname=name, upper=str(paths.sandbox(name)), **fields)
            sandbox = thread.run(runner.spawn(spec))
            return Agent(sandbox.socket_path), lambda: thread.run(sandbox.stop(grace=0))

        try:
            yield lambda name, **fields: (*spawn(name, **fields), str(paths.sandbox(name)))
        finally:
            thread.run(runner.close())
            for directory in paths.sandboxes.iterdir():
                thread.run(remove_tree(directory))
            thread.close()


def test_a_layer_is_what_a_sandbox_left(start: Callable[..., Any]) -> None:
    agent, stop, first = start("first")
    agent.run("echo one > /srv/a; echo tool > /usr/local/bin/made; rm -r /etc/alternatives; mkdir -p /opt/x")
    stop()
    agent, stop, second = start("second", layers=(first,))
    seen = agent.run("cat /srv/a /usr/local/bin/made; ls -d /opt/x /etc/alternatives 2>&1")
    assert {"one", "tool", "/opt/x"} <= set(seen.splitlines())
    assert "cannot access '/etc/alternatives'" in seen
    agent.run("echo two > /srv/a; rm /usr/local/bin/made")
    stop()
    agent, stop, _third = start("third", layers=(first,))
    assert agent.run("cat /srv/a /usr/local/bin/made") == "one\ntool\n"
    stop()
    agent, stop, _fourth = start("fourth", layers=(first, second))
    assert agent.run("cat /srv/a; ls /usr/local/bin/made 2>/dev/null") == "two\n"
    stop()


def test_a_directory_removed_and_made_again_stays_empty(start: Callable[..., Any]) -> None:
    agent, stop, first = start("full")
    agent.run("mkdir /srv/d; touch /srv/d/old")
    stop()
    agent, stop, second = start("emptied", layers=(first,))
    agent.run("rm -r /srv/d; mkdir /srv/d; touch /srv/d/new")
    stop()
    agent, stop, _third = start("seen", layers=(first, second))
    assert agent.run("ls /srv/d") == "new\n"
    stop()


def test_without_a_base_there_is_only_what_the_layers_hold(start: Callable[..., Any]) -> None:
    _agent, stop, upper = start("beside")
    stop()
    layer, outside = Path(upper).parent / "layer", Path(upper).parent / "outside"
    files = layer / "root" / "files"
    files.mkdir(parents=True)
    (files / "hello").write_text("hi")
    (files / "dev").symlink_to(outside)
    agent, stop, _upper = start("bare", base="none", layers=(str(layer),))
    assert agent.read("/hello") == b"hi"
    names = {item["name"] for item in agent.get("/files/", path="/").json}
    assert names == {"dev", "etc", "hello", "home", "proc", "run"}
    assert not outside.exists()
    stop()


def test_a_layer_is_what_was_written_and_nothing_that_names_its_sandbox(paths: Paths) -> None:
    layers = Layers(paths)
    layers.open()
    draft = layers.draft()
    for directory in ("root/files/etc", "usr/files", "opt/files/x", "work/root/work", "work/usr"):
        (draft / directory).mkdir(parents=True)
    for name in ("hostname", "hosts", "resolv.conf"):
        (draft / "root/files/etc" / name).write_text(name)
    (draft / "root/files/kept").write_text("kept")
    asyncio.run(layers.keep(draft, "layer"))
    (kept,) = layers.paths_of(["layer"])
    found = {path.relative_to(kept).as_posix() for path in Path(kept).rglob("*")}
    assert found == {"root", "root/files", "root/files/kept", "opt", "opt/files", "opt/files/x"}
    asyncio.run(throw_away(layers, draft))
    assert list((paths.data / "builds").iterdir()) == []


async def throw_away(layers: Layers, directory: Path) -> None:
    layers.discard(directory)
    await layers.emptied()


def test_no_link_that_a_program_has_made_is_followed_out_of_a_layer(paths: Paths, tmp_path: Path) -> None:
    layers = Layers(paths)
    layers.open()
    (tmp_path / "hosts").write_text("of the machine")
    draft = layers.draft()
    (draft / "root" / "files").mkdir(parents=True)
    (draft / "root" / "files" / "etc").symlink_to(tmp_path)
    asyncio.run(layers.keep(draft, "layer"))
    assert (tmp_path / "hosts").read_text() == "of the machine"
    assert Path(*layers.paths_of(["layer"]), "root/files/etc").is_symlink()
