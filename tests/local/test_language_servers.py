"""What language servers need from the agent: which program is found, and which file a client means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daytona_plugins.lsp.registry import dialect
from daytona_plugins.lsp.servers.files import CHANGED, CREATED, DELETED, changes, look
from daytona_plugins.lsp.servers.finding import find_servers
from daytona_plugins.lsp.servers.project import to_path, to_uri


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def typescript(modules: Path, version: str) -> None:
    package = modules / "typescript"
    program(package / "bin" / "tsc")
    (package / "package.json").write_text(json.dumps({"version": version}))
    (modules / ".bin").mkdir(exist_ok=True)
    (modules / ".bin" / "tsc").symlink_to("../typescript/bin/tsc")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in which programs are found."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def names(language: str, project: Path) -> list[str]:
    return [Path(command[0]).name for command in find_servers(language, str(project))]


def test_the_fastest_server_comes_first(path: Path, tmp_path: Path) -> None:
    for name in ("pylsp", "jedi-language-server", "ty", "pyright-langserver"):
        program(path / name)
    assert names("python", tmp_path) == ["ty", "pyright-langserver", "pylsp", "jedi-language-server"]


def test_a_program_of_the_project_is_preferred(path: Path, tmp_path: Path) -> None:
    program(path / "ty")
    own = program(tmp_path / ".venv" / "bin" / "ty")
    assert list(find_servers("python", str(tmp_path))) == [[str(own), "server"]]


@pytest.mark.parametrize(("version", "found"), [("7.0.2", ["tsc"]), ("5.9.3", []), ("soon", [])])
def test_only_new_compilers_serve(path: Path, tmp_path: Path, version: str, found: list[str]) -> None:
    typescript(tmp_path / "node_modules", version)
    assert names("typescript", tmp_path) == names("javascript", tmp_path) == found
    program(path / "typescript-language-server")
    assert names("typescript", tmp_path) == [*found, "typescript-language-server"]


def test_dialects_go_by_the_ending() -> None:
    found = [dialect("typescript", name) for name in ("a.ts", "a.tsx", "a.mjs", "a.vue")]
    assert found == ["typescript", "typescriptreact", "javascript", "typescript"]
    assert dialect("python", "a.js") == "python"


@pytest.mark.parametrize(
    ("uri", "project", "meant"),
    [
        ("file:///p/a b.py", "/p", "/p/a b.py"),
        ("/p/a.py", "/p", "/p/a.py"),
        ("file://src/a.py", "/p", "/p/src/a.py"),
        ("file://src/a.py", "work/p", "/home/work/p/src/a.py"),
        ("file://work/p/src/a.py", "work/p", "/home/work/p/src/a.py"),
        ("file://./work/p/a.py", "work/p/", "/home/work/p/a.py"),
        ("file://work/project/a.py", "work/p", "/home/work/p/work/project/a.py"),
        ("file://a.py", ".", "/home/a.py"),
        ("file:///p/a%20b.py", "/p", "/p/a b.py"),
    ],
)
def test_paths_are_what_clients_mean(uri: str, project: str, meant: str) -> None:
    assert to_path(uri, project, "/home") == meant


def test_a_percent_in_a_name_is_one(tmp_path: Path) -> None:
    file = tmp_path / "100%41.py"
    file.touch()
    assert to_path(f"file://{file}", str(tmp_path), "/home") == str(file)
    assert to_uri(str(file)).endswith("/100%2541.py")


def test_changes_are_told_apart(tmp_path: Path) -> None:
    for name in ("kept.py", "edited.py", "gone.py", "note.txt", ".git/hidden.py", "node_modules/theirs.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    before = look(str(tmp_path), (".py",))
    assert {Path(path).name for path in before} == {"kept.py", "edited.py", "gone.py"}
    (tmp_path / "edited.py").write_text("x = 12\n")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "new.py").touch()
    found = {Path(path).name: how for path, how in changes(before, look(str(tmp_path), (".py",)))}
    assert found == {"edited.py": CHANGED, "gone.py": DELETED, "new.py": CREATED}
