"""Which toolbox is asked: one that is started here, or the one that TOOLBOX_URL names."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.local.conftest import LoopThread, temporary_paths
from tests.toolbox.raw import Toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = os.environ.get("TOOLBOX_URL", "")
OURS = not URL or bool(os.environ.get("TOOLBOX_OURS"))
ENTRYPOINT = ("sh", "-c", "echo started; echo odd >&2; sleep 3600")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "case(*numbers): the cases of the catalogue that a test shows")
    config.addinivalue_line(
        "markers", "ours(reason): what the embedded toolbox does better, or beyond the real one"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    marker = item.get_closest_marker("ours")
    if marker is not None and not OURS:
        pytest.skip(f"only the embedded toolbox is expected to: {marker.args[0]}")


@pytest.fixture(scope="session")
def toolbox() -> Iterator[Toolbox]:
    """A toolbox that all tests of a run share; use a folder and names of your own."""
    if URL:
        yield Toolbox.at_url(URL, os.environ.get("TOOLBOX_TOKEN", ""), ours=OURS)
    else:
        yield from embedded(())


@pytest.fixture(scope="session")
def toolbox_with_entrypoint() -> Iterator[Toolbox]:
    """Another toolbox, which was given something to run by itself."""
    yield from embedded(ENTRYPOINT)


def embedded(entrypoint: tuple[str, ...]) -> Iterator[Toolbox]:
    from daytona.errors import DaytonaLocalPlatformError
    from daytona_plugins.local.runtime.runner import Runner, SandboxSpec, remove_tree

    with temporary_paths() as paths:
        thread = LoopThread()
        try:
            runner = thread.run(Runner.start(paths))
        except DaytonaLocalPlatformError as error:
            thread.close()
            if error.cause is None:  # not this machine is at fault, but we are
                raise
            pytest.skip(str(error))
        upper = paths.sandbox("shared")
        try:
            spec = SandboxSpec(
                id="shared",
                hostname="shared",
                upper=str(upper),
                env={"FROM_SPEC": "1"},
                entrypoint=entrypoint,
            )
            yield Toolbox.at_path(thread.run(runner.spawn(spec)).socket_path)
        finally:
            thread.run(runner.close())
            thread.run(remove_tree(upper))
            thread.close()


@pytest.fixture
def folder(toolbox: Toolbox) -> str:
    """A fresh directory, relative to the work dir."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    assert toolbox.post("/files/folder", path=name).status == 201
    return name


@pytest.fixture
def unique() -> str:
    """A name that nothing else has."""
    return f"c-{uuid.uuid4().hex[:8]}"
