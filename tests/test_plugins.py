"""Plugins as a third party would write them: distributions on the path, with entry points and nothing else."""

from __future__ import annotations

import importlib
import itertools
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from daytona import AsyncDaytona, Daytona, DaytonaConfig, cli, plugins
from daytona.errors import DaytonaPluginError, DaytonaPluginMissingError
from daytona.faces import write_face
from daytona_plugins.lsp.registry import how_to_install, known_servers
from tests.conftest import AwaitBlocking
from tests.wire.stub_server import Recorded, Reply, StubServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.local.platform_process import Platform

    Install = Callable[..., str]

SERVICE = '''
"""Notes."""

from __future__ import annotations

from daytona.service import AsyncService, operation


class AsyncNotes(AsyncService):
    """Short texts."""

    @operation("Failed to read note: ")
    async def read(self, name: str) -> str:
        """Return a note."""
        return await self._api.call("GET", f"/notes/{name}", into=str)
'''
KEY = "KEY"


def forget() -> None:
    """Let plugins be looked for again."""
    plugins._found.cache_clear()
    plugins._installed.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a distribution with one plugin in it, and returns the distribution's name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    numbers = itertools.count(1)
    made: list[str] = []

    def installed(group: str, name: str, source: str = SERVICE, target: str = "AsyncNotes") -> str:
        package = f"third_party_{next(numbers)}"
        made.append(package)
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "service.py").write_text(source)
        if source == SERVICE:
            face = write_face(source, f"{package}.service")
            (tmp_path / package / "blocking.py").write_text(face)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {package}.service:{target}\n")
        importlib.invalidate_caches()
        forget()
        return package

    yield installed
    forget()
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


def _client(face: str, url: str) -> Any:
    config = DaytonaConfig(api_url=f"{url}/api", api_key=KEY)
    return AwaitBlocking(Daytona(config)) if face == "blocking" else AsyncDaytona(config)


def _answer(request: Recorded) -> Reply:
    if "/notes/" in request.path:
        return as_json(f"text at {request.path}")
    return as_json({"id": "sb-1", "toolboxProxyUrl": f"http://{request.headers['Host']}/toolbox"})


async def test_a_service_appears_on_every_client(face: str, install: Install) -> None:
    install(plugins.CLIENT_SERVICES, "notes")
    with StubServer(_answer) as server:
        client = _client(face, server.url)
        notes: Any = client.notes if face != "blocking" else AwaitBlocking(client.wrapped.notes)
        assert await notes.read("a") == "text at /api/notes/a"
        await client.close()


async def test_a_service_appears_on_every_sandbox(face: str, install: Install) -> None:
    install(plugins.SANDBOX_SERVICES, "notes")
    with StubServer(_answer) as server:
        client = _client(face, server.url)
        sandbox = await client.get("sb-1")
        notes: Any = sandbox.notes if face != "blocking" else AwaitBlocking(sandbox.wrapped.notes)
        assert await notes.read("a") == "text at /toolbox/sb-1/notes/a"
        await client.close()


def test_a_service_is_made_once(install: Install) -> None:
    install(plugins.CLIENT_SERVICES, "notes")
    client: Any = AsyncDaytona(DaytonaConfig(api_url="http://127.0.0.1:9/api", api_key=KEY))
    assert client.notes is client.notes


def test_a_service_is_used_by_its_class_as_well(install: Install) -> None:
    package = install(plugins.CLIENT_SERVICES, "notes")
    notes = importlib.import_module(f"{package}.service").AsyncNotes
    face = importlib.import_module(f"{package}.blocking").Notes
    client: Any = AsyncDaytona(_nowhere())
    assert client.use(notes) is client.notes
    assert type(Daytona(_nowhere()).use(face)) is face


def test_a_class_is_used_on_its_own_face(install: Install) -> None:
    package = install(plugins.CLIENT_SERVICES, "notes")
    notes = importlib.import_module(f"{package}.service").AsyncNotes
    face = importlib.import_module(f"{package}.blocking").Notes
    with pytest.raises(DaytonaPluginError, match="Notes is no service for asynchronous code"):
        AsyncDaytona(_nowhere()).use(face)
    with pytest.raises(DaytonaPluginError, match="AsyncNotes is no service for blocking code"):
        Daytona(_nowhere()).use(notes)


def test_a_class_for_another_version_is_not_used(install: Install) -> None:
    package = install(plugins.CLIENT_SERVICES, "notes", f"{SERVICE}\nAsyncNotes.plugin_api = 2")
    notes = importlib.import_module(f"{package}.service").AsyncNotes
    with pytest.raises(DaytonaPluginError, match=r"AsyncNotes cannot be used: .* version 2"):
        AsyncDaytona(_nowhere()).use(notes)


def test_a_plugin_of_ours_that_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_installed", lambda _group: {"notes": ()})
    for client in (Daytona(_nowhere()), AsyncDaytona(_nowhere())):
        with pytest.raises(
            DaytonaPluginMissingError, match=r"'object_storage'.*; install daytona-anyio; installed: notes"
        ) as caught:
            _ = client.object_storage
        assert caught.value.distribution == "daytona-anyio"


def test_an_attribute_that_nobody_brings_is_missing(install: Install) -> None:
    install(plugins.CLIENT_SERVICES, "notes")
    for client in (Daytona(_nowhere()), AsyncDaytona(_nowhere())):
        assert not hasattr(client, "nots")
        with pytest.raises(AttributeError, match=r"Async\w+ has no attribute 'nots'.*installed: .*notes"):
            _ = client.nots  # type: ignore[union-attr, attr-defined]  # what the test is about


def _nowhere() -> DaytonaConfig:
    return DaytonaConfig(api_url="http://127.0.0.1:9/api", api_key=KEY)


def test_a_missing_plugin_is_named_with_those_that_are_there(install: Install) -> None:
    install(plugins.CLIENT_SERVICES, "notes")
    with pytest.raises(DaytonaPluginMissingError, match=r"No plugin 'other' is installed in .*notes"):
        plugins.load(plugins.CLIENT_SERVICES, "other")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def (", "SyntaxError"),
        ("x = 1", "AttributeError"),
        ("AsyncNotes = 1", "not a class made from daytona.service.AsyncService"),
        ("class AsyncNotes: pass", "not a class made from daytona.service.AsyncService"),
        (f"{SERVICE}\nAsyncNotes.plugin_api = 2", "version 2 of the plugin interface; this is 1"),
    ],
)
def test_a_broken_plugin_says_so_under_its_own_name(install: Install, source: str, why: str) -> None:
    package = install(plugins.CLIENT_SERVICES, "notes", source)
    install(plugins.CLIENT_SERVICES, "good")
    client: Any = AsyncDaytona(_nowhere())
    with pytest.raises(DaytonaPluginError, match=f"'notes' of {package} 1.0 .*is broken: .*{why}") as caught:
        _ = client.notes
    assert caught.value.distribution == package
    assert client.good is not None


def test_two_plugins_of_one_name_stop_that_name_only(install: Install) -> None:
    one = install(plugins.CLIENT_SERVICES, "notes")
    two = install(plugins.CLIENT_SERVICES, "notes")
    install(plugins.CLIENT_SERVICES, "good")
    client: Any = AsyncDaytona(_nowhere())
    with pytest.raises(DaytonaPluginError, match="Two plugins claim 'notes'") as caught:
        _ = client.notes
    assert one in caught.value.message
    assert two in caught.value.message
    assert client.good is not None


def test_a_service_with_a_constructor_of_its_own_is_no_attribute(install: Install) -> None:
    source = f"{SERVICE}\n\n    def __init__(self, api, more): pass\n"
    install(plugins.CLIENT_SERVICES, "notes", source)
    with pytest.raises(AttributeError, match="arguments of its own"):
        _ = AsyncDaytona(_nowhere()).notes  # type: ignore[attr-defined]  # what the test is about


def test_the_command_lists_plugins_and_their_state(install: Install) -> None:
    good = install(plugins.CLIENT_SERVICES, "notes")
    assert f"daytona.client_services  notes  {good} 1.0 ({good}.service:AsyncNotes)  ok" in _listing(0)
    install(plugins.SANDBOX_SERVICES, "bad", "1 / 0")
    assert "ZeroDivisionError" in _listing(1)


LANGUAGES = """
from daytona_plugins.lsp.registry import Server

SERVERS = [Server(("rust-analyzer",), "rustup component add rust-analyzer")]
"""


def test_language_servers_of_plugins_come_first_and_broken_ones_stop_nobody(install: Install) -> None:
    install(plugins.LANGUAGE_SERVERS, "rust", LANGUAGES, "SERVERS")
    install(plugins.LANGUAGE_SERVERS, "python", LANGUAGES, "SERVERS")
    install(plugins.LANGUAGE_SERVERS, "broken", "1 / 0")
    known_servers.cache_clear()
    try:
        known = known_servers()
        assert how_to_install("rust") == "`rustup component add rust-analyzer`"
    finally:
        known_servers.cache_clear()
    assert [server.command[0] for server in known["python"]][:2] == ["rust-analyzer", "ty"]
    assert "broken" not in known


def _listing(status: int) -> str:
    done = CliRunner().invoke(cli.main, ["plugins"])
    assert done.exit_code == status, done.output
    return done.output


async def test_object_storage_is_a_plugin_like_any_other(
    connect: Callable[[], Any], platform: Platform, tmp_path: Path, face: str
) -> None:
    (tmp_path / "f").write_text(face)
    async with connect() as daytona:
        storage = (
            daytona.object_storage if face != "blocking" else AwaitBlocking(daytona.wrapped.object_storage)
        )
        access = await storage.access()
        digest = await storage.upload(str(tmp_path / "f"), "f")
    kept = platform.paths.objects / access.bucket / access.organization_id / digest / "context.tar"
    assert kept.is_file()
    assert access.secret not in repr(access)
