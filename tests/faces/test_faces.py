"""The committed faces: current, and the same as the services but for `await`."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from daytona import faces
from daytona.services import __path__ as services_path

SERVICES = [
    path
    for path in sorted(Path(services_path[0]).glob("*.py"))
    if re.search(r"^class Async", path.read_text(encoding="utf-8"), re.MULTILINE)
]


def face_of(path: Path) -> Path:
    return path.parent.parent / "blocking" / path.name


def module_of(path: Path, package: str) -> Any:
    return importlib.import_module(f"daytona.{package}.{path.stem}")


def pairs() -> list[tuple[type, type]]:
    """Return every async class with its blocking twin."""
    found: list[tuple[type, type]] = []
    for path in filter(lambda path: face_of(path).exists(), SERVICES):
        services, blocking = module_of(path, "services"), module_of(path, "blocking")
        classes = [value for value in vars(services).values() if isinstance(value, type)]
        found += [
            (cls, getattr(blocking, cls.__name__.removeprefix("Async")))
            for cls in classes
            if cls.__module__ == services.__name__ and cls.__name__.startswith("Async")
        ]
    return found


def members() -> list[Any]:
    """Return every public member of an async class with that of its twin."""
    found: list[Any] = []
    for source, face in pairs():
        for name, value in vars(source).items():
            if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                found.append(pytest.param(value, face, name, id=f"{face.__name__}.{name}"))
    return found


def parameters_of(method: Any, moved: set[str] = frozenset()) -> dict[str, tuple[bool, Any]]:  # type: ignore[assignment]
    """Return the parameters by name: whether they are positional, and their defaults."""
    found = inspect.signature(method).parameters.values()
    return {p.name: (p.kind is not p.KEYWORD_ONLY and p.name not in moved, p.default) for p in found}


def keywords_of(face: type, name: str) -> set[str]:
    """Return the parameters that the source marks as keyword-only on the blocking face."""
    text = (Path(services_path[0]) / f"{face.__module__.rpartition('.')[2]}.py").read_text(encoding="utf-8")
    marked = re.search(rf"@keyword_when_blocking\((.*?)\)\s+(?:@.*\s+)*async def {name}\(", text)
    return set(re.findall(r'"(\w+)"', marked[1])) if marked is not None else set()


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_the_committed_face_is_current(path: Path) -> None:
    text = faces.write_face(path.read_text(encoding="utf-8"), f"daytona.services.{path.stem}")
    assert face_of(path).exists(), "run `nox -s faces`"
    assert face_of(path).read_text(encoding="utf-8") == text, "run `nox -s faces`"


def test_there_is_something_to_compare() -> None:
    assert len(SERVICES) >= 4
    assert len(members()) > 60


@pytest.mark.parametrize(("source", "face", "name"), members())
def test_both_faces_have_the_same_members(source: Any, face: type, name: str) -> None:
    twin = inspect.getattr_static(face, name)
    if isinstance(source, property):
        assert hasattr(twin, "__get__")
        return
    assert parameters_of(twin) == parameters_of(source, moved=keywords_of(face, name))
    assert inspect.getdoc(twin) == inspect.getdoc(source)
    assert not inspect.iscoroutinefunction(twin)
    assert not inspect.isasyncgenfunction(twin)


@pytest.mark.parametrize(("source", "face"), pairs(), ids=lambda cls: cls.__name__)
def test_the_twin_has_nothing_of_its_own(source: type, face: type) -> None:
    ours = {name for name in vars(face) if not name.startswith("_")}
    theirs = {name for cls in source.__mro__ for name in [*vars(cls), *getattr(cls, "__annotations__", {})]}
    theirs |= set(re.findall(r"self\.([a-z]\w*)(?::[^=]+)? = ", inspect.getsource(source)))
    assert ours <= theirs
    assert inspect.getdoc(face) == inspect.getdoc(source)
