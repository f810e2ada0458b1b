"""Every `async def` test is written once and runs three times: stepped over blocking sockets, on asyncio and on trio."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import trio

from daytona.service import BlockingService, step
from tests.local.platform_process import Platform, running_platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

FACES = ("blocking", "asyncio", "trio")

# A test must never find the developer's own platform, credentials or settings.
for _name in [name for name in os.environ if name.startswith("DAYTONA_")]:
    del os.environ[_name]

# No test asserts how long something takes, so none that hypothesis feeds does either.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known that the hook below reads, and interrupts heard: a shell's background jobs ignore them."""
    config.addinivalue_line("markers", "faces(*names): run an async test in these worlds only")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every async test the three faces, or those that its `faces` marker names."""
    if inspect.iscoroutinefunction(metafunc.function):
        marker = metafunc.definition.get_closest_marker("faces")
        metafunc.fixturenames.append("face")
        metafunc.parametrize(
            "face", marker.args if marker is not None else FACES, indirect=True, scope="session"
        )


@pytest.fixture(scope="session")
def face(request: pytest.FixtureRequest) -> str:
    """Which world the test runs in."""
    return getattr(request, "param", "blocking")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test in the world that its parameters name."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    wanted = inspect.signature(function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    marker = pyfuncitem.get_closest_marker("timeout")
    limit = float(marker.args[0] if marker is not None else pyfuncitem.config.getini("timeout"))
    # A little before pytest ends it from a signal: that would not say where in the loop it waited, and trio would
    # refuse to run another test.
    run_in(str(pyfuncitem.callspec.params["face"]), functools.partial(function, **arguments), limit - 10)
    return True


def run_in(face: str, test: Callable[[], Awaitable[Any]], limit: float) -> Any:
    """Return what *test* returns in the world *face*, where a loop gives it *limit* seconds."""
    if face == "blocking":
        return step(test())  # type: ignore[arg-type]
    if face == "asyncio":
        return asyncio.run(_within(test, limit))
    return trio.run(_within_trio, test, limit)


async def _within(test: Callable[[], Awaitable[Any]], limit: float) -> Any:
    async with asyncio.timeout(limit):
        return await test()


async def _within_trio(test: Callable[[], Awaitable[Any]], limit: float) -> Any:
    with trio.fail_after(limit):
        return await test()


class AwaitBlocking:
    """A blocking object that async code may use: its methods are coroutines that block and never suspend.

    So one test body serves the generated faces too, the very objects that a blocking program has.
    """

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.wrapped, name)
        if inspect.ismethod(value):
            return functools.partial(_call, value) if name not in ("create_lsp_server",) else value
        return _awaitable(value)

    async def __aenter__(self) -> AwaitBlocking:
        return AwaitBlocking(self.wrapped.__enter__())

    async def __aexit__(self, *details: Any) -> None:
        self.wrapped.__exit__(*details)

    def __aiter__(self) -> AsyncIterator[Any]:
        return _iterate(self.wrapped)


def _call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    args = tuple(_plain(value) for value in args)
    kwargs = {name: _plain(value) for name, value in kwargs.items()}
    if "BlockingStream" in str(inspect.signature(method).return_annotation):
        return _iterate(method(*args, **kwargs))
    return _later(method, args, kwargs)


async def _later(method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _awaitable(method(*args, **kwargs))


async def _iterate(items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield _awaitable(item)


def _plain(value: Any) -> Any:
    return value.wrapped if isinstance(value, AwaitBlocking) else value


def _awaitable(value: Any) -> Any:
    """Wrap services and handles of the blocking face; data stays what it is."""
    return AwaitBlocking(value) if isinstance(value, BlockingService) else value


@asynccontextmanager
async def open_client(face: str, config: Any = None) -> AsyncIterator[Any]:
    """Yield a client of *face* that a test can await, whichever it is."""
    from daytona import AsyncDaytona, Daytona

    client: Any = AwaitBlocking(Daytona(config)) if face == "blocking" else AsyncDaytona(config)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A real embedded platform in a directory of its own, shared by all tests that ask for it; nothing is left of it."""
    with running_platform() as running:
        yield running


@pytest.fixture
def connect(face: str, platform: Platform) -> Callable[[], Any]:
    """Return a function that opens a client of the test's face on the embedded platform."""
    from daytona import DaytonaConfig

    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)
    return functools.partial(open_client, face, config)


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
