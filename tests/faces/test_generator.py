"""What the generator of faces writes, and what it refuses to guess."""

from __future__ import annotations

import importlib
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from daytona.faces import FaceError, main, write_face
from daytona.service import Api, BlockingStream, Endpoint
from daytona.transport.blocking import BlockingDriver
from daytona.transport.http import HTTPTransport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = """
from __future__ import annotations
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from daytona.service import AsyncService
"""


def face_of(members: str, before: str = "") -> str:
    """Return the face of a class with these members."""
    body = textwrap.indent(textwrap.dedent(members).strip("\n"), "    ")
    return write_face(f"{HEAD}{before}\nclass AsyncThing(AsyncService):\n{body}\n", "package.services.thing")


def test_a_service_that_is_imported_late_is_imported_late_by_the_face_too() -> None:
    before = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .leaf import AsyncLeaf\n"
    face = face_of(
        """
        @property
        def leaf(self) -> AsyncLeaf:
            from .leaf import AsyncLeaf
            return AsyncLeaf(self._api)
        """,
        before,
    )
    top, _, body = face.partition("class Thing")
    assert "if TYPE_CHECKING:\n    from package.blocking.leaf import Leaf" in top
    assert body.rstrip().endswith(
        "from package.blocking.leaf import Leaf\n        return Leaf._over(self._core.leaf)"
    )


def method_of(members: str) -> str:
    """Return the last line of a face: the body of its last method."""
    return face_of(members).rstrip().splitlines()[-1].strip()


# -- One of each kind ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "body"),
    [
        ("async def get(self, id: str) -> int: ...", "return step(self._core.get(id))"),
        ("async def stop(self, *, force: bool = False) -> None: ...", "step(self._core.stop(force=force))"),
        ("async def twin(self) -> AsyncThing: ...", "return Thing._over(step(self._core.twin()))"),
        ("async def use(self, other: AsyncThing) -> None: ...", "step(self._core.use(other._core))"),
        ("def list(self) -> AsyncGenerator[AsyncThing]: ...", None),
        (
            "async def list(self) -> AsyncGenerator[AsyncThing]: ...",
            "return BlockingStream(self._core.list(), Thing._over)",
        ),
        (
            "async def read(self) -> AsyncGenerator[bytes, None]: ...",
            "return BlockingStream(self._core.read(), same)",
        ),
        ("def plain(self, a: int = 1) -> str: ...", "return self._core.plain(a)"),
        ("@property\ndef size(self) -> int: ...", "return self._core.size"),
    ],
)
def test_every_known_shape_has_its_twin(member: str, body: str | None) -> None:
    if body is None:
        with pytest.raises(FaceError):
            face_of(member)
    else:
        assert method_of(member) == body


def test_a_constructor_for_programs_takes_what_the_service_takes() -> None:
    text = face_of("""
        @made_directly
        def __init__(self, name: str, *, api: int = 1) -> None: ...
    """)
    assert "def __init__(self, name: str, *, api: int = 1) -> None:" in text
    assert "super().__init__(AsyncThing(name, api=api))" in text
    assert "__init__" not in face_of("def __init__(self, api: int) -> None: ...")


def test_a_signature_keeps_its_defaults_kinds_and_docstring() -> None:
    text = face_of('''
        async def run(self, a: int, /, b: str = "x", *, c: float | None = None) -> int:
            """Return something."""
    ''')
    assert 'def run(self, a: int, /, b: str = "x", *, c: float | None = None) -> int:' in text.replace(
        "'", '"'
    )
    assert '"""Return something."""' in text


def test_a_callback_that_may_be_awaited_becomes_a_plain_one() -> None:
    text = face_of("async def follow(self, on_line: Callable[[str], Awaitable[None] | None]) -> None: ...")
    assert "on_line: Callable[[str], None]" in text


def test_what_may_be_iterated_either_way_is_iterated_one_way() -> None:
    text = face_of("async def send(self, data: bytes | AsyncIterable[bytes] | Iterable[bytes]) -> None: ...")
    assert "data: bytes | Iterable[bytes]" in text


def test_private_members_stay_private() -> None:
    text = face_of("""
        async def get(self) -> int: ...
        async def _ask(self) -> AsyncIterator[list[AsyncThing]]: ...
        def _keep(self, *args) -> None: ...
    """)
    assert "_ask" not in text
    assert "_keep" not in text


def test_overloads_stay_overloads() -> None:
    text = face_of("""
        @overload
        async def get(self, id: str) -> str: ...
        @overload
        async def get(self, id: int) -> int: ...
        async def get(self, id: str | int) -> str | int: ...
    """)
    assert text.count("@overload") == 2
    assert text.count("step(") == 1


def test_what_is_written_says_by_what_and_compiles() -> None:
    text = face_of("async def get(self) -> int: ...")
    assert "python -m daytona.faces" in text
    assert "package.services.thing" in text
    compile(text, "face", "exec")


# -- What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ("async def get(self, *args: int) -> None: ...", r"get takes \*args"),
        ("async def get(self, **options: int) -> None: ...", r"get takes \*args or \*\*kwargs"),
        ("async def get(self) -> list[AsyncThing]: ...", r"get returns list\[AsyncThing\]"),
        ("async def get(self) -> AsyncThing | None: ...", r"get returns AsyncThing \| None"),
        ("async def get(self) -> AsyncGenerator[list[AsyncThing]]: ...", r"get yields list\[AsyncThing\]"),
        ("async def get(self) -> AsyncIterator[bytes]: ...", r"get returns AsyncIterator\[bytes\]"),
        ("async def send(self, data: AsyncIterable[bytes]) -> None: ...", r"data: AsyncIterable\[bytes\]"),
        ("async def send(self, data: AsyncIterator[bytes]) -> None: ...", r"data: AsyncIterator\[bytes\]"),
        ("async def send(self, data: bytes | AsyncIterable[bytes]) -> None: ...", "data: bytes"),
        ("async def send(self, act: Callable[[], Awaitable[int]]) -> None: ...", "act: Callable"),
        ("async def send(self, things: list[AsyncThing]) -> None: ...", r"things: list\[AsyncThing\]"),
        ("async def send(self, thing: AsyncThing | None) -> None: ...", "thing: AsyncThing"),
        ("async def send(self, data) -> None: ...", "data has no annotation"),
        ("async def send(self, data=1) -> None: ...", "data has no annotation"),
        ("async def get(self): ...", "get has no return annotation"),
        ("def get(self): ...", "get has no return annotation"),
        ("@staticmethod\ndef get() -> int: ...", "get is a staticmethod"),
        ("@classmethod\ndef get(cls) -> int: ...", "get is a classmethod"),
        ("@classmethod\nasync def get(cls) -> int: ...", "get is a classmethod"),
        ("@property\ndef thing(self) -> list[AsyncThing]: ...", r"thing returns list\[AsyncThing\]"),
    ],
)
def test_an_unknown_shape_is_refused_with_its_place(member: str, why: str) -> None:
    with pytest.raises(FaceError, match=why) as caught:
        face_of(member)
    line = len(HEAD.splitlines()) + 3 + member.count("\n")
    assert f"package.services.thing:{line}: " in str(caught.value)


def test_a_module_without_a_service_is_refused() -> None:
    with pytest.raises(FaceError, match="no public class whose name begins with Async"):
        write_face("class Thing: ...", "package.thing")


# -- The command --------------------------------------------------------------------------------------------------

PLUGIN = '''
"""Weather: what a plugin's author writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona.service import AsyncService, operation, streaming_operation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["AsyncStation", "AsyncWeather"]


class AsyncStation(AsyncService):
    """One place."""

    name = "here"

    @operation("Failed to measure: ")
    async def measure(self, times: int = 1) -> list[int]:
        """Return temperatures."""
        return [20] * times


class AsyncWeather(AsyncService):
    """All places."""

    def __init__(self, api: object) -> None:
        self.main = AsyncStation(api)

    async def nearest(self, to: AsyncStation) -> AsyncStation:
        """Return a neighbour."""
        return to

    @streaming_operation("Failed to list: ")
    async def list(self, limit: int = 2) -> AsyncGenerator[AsyncStation]:
        """Yield places."""
        for _ in range(limit):
            yield self.main
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of somebody else, with a service in it."""
    package = tmp_path / "weather_plugin"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "service.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "weather_plugin"]:
        del sys.modules[name]


def test_a_plugins_face_is_written_and_works(plugin: Path) -> None:
    assert main([str(plugin / "service.py"), str(plugin / "blocking.py")]) == 0
    service: Any = importlib.import_module("weather_plugin.service")
    blocking: Any = importlib.import_module("weather_plugin.blocking")
    api = Api(HTTPTransport(BlockingDriver()), Endpoint("http://weather.invalid", {}))
    weather = blocking.Weather(service.AsyncWeather(api))
    assert isinstance(weather.main, blocking.Station)
    assert weather.main.measure(2) == [20, 20]
    stations = weather.list()
    assert isinstance(stations, BlockingStream)
    assert [type(station) for station in stations] == [blocking.Station] * 2
    assert weather.nearest(weather.main)._core is weather.main._core
    assert sorted(blocking.__all__) == ["Station", "Weather"]


def test_check_compares_and_says_so_in_its_status(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(plugin / "service.py"), str(plugin / "blocking.py")]
    assert main(["--check", *arguments]) == 1
    assert not (plugin / "blocking.py").exists()
    assert main(arguments) == 0
    assert main(["--check", *arguments]) == 0
    (plugin / "blocking.py").write_text("# by hand\n")
    assert main(["--check", *arguments]) == 1
    assert "is not the face of" in capsys.readouterr().err
    assert (plugin / "blocking.py").read_text() == "# by hand\n"


def test_a_refusal_is_a_status_and_a_place(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (plugin / "service.py").write_text("class AsyncX:\n    async def get(self): ...\n")
    assert main([str(plugin / "service.py"), str(plugin / "blocking.py")]) == 1
    assert "weather_plugin.service:2: " in capsys.readouterr().err
    assert not (plugin / "blocking.py").exists()
