"""Which local files a Dockerfile takes along, and which of them `.dockerignore` leaves out."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, strategies as st

from daytona import DaytonaNotFoundError, DaytonaValidationError, Image
from daytona.build_files import copied
from daytona.protocols.dockerignore import Ignore, patterns_of
from daytona.services.build_context import BuildContext

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with what projects have."""
    for name in (
        "app/main.py",
        "app/main.pyc",
        "app/deep/note.md",
        "node_modules/x/y.js",
        "node_modules/keep",
        ".env",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def sources(tree: Path, text: str) -> list[str | None]:
    return [context.archive_path for context in copied(text, str(tree), strict=False)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("COPY app /x", ["app"]),
        ("COPY . /x", ["."]),
        ("COPY * /x/", [".env", "app", "node_modules"]),
        ("COPY --exclude=x --chown=1 app/*.py /x", ["app/main.py"]),
        ("ADD app http://a.example/x https://a.example/y.git /x/", ["app"]),
        ("RUN --mount=type=bind,source=app,target=/x --mount=type=cache,target=/c a", ["app"]),
        ("RUN --mount=target=/x a", ["."]),
        ("RUN --mount=from=s,target=/x --mount=type=secret,id=app a", []),
        ("ONBUILD COPY app /x", ["app"]),
        ("ONBUILD COPY nothing /x", []),
        ("ARG D=app\nENV F=$D/main\nCOPY ${F}.py ${X:-app}/deep /x/", ["app/main.py", "app/deep"]),
        ("COPY --from=app app /x", []),
        ("RUN <<EOF\nCOPY nothing /x\nEOF\nCOPY <<EOF app /x/\nCOPY nothing /\nEOF", ["app"]),
    ],
)
def test_what_is_taken(tree: Path, text: str, names: list[str]) -> None:
    assert sources(tree, text) == names


@pytest.mark.parametrize(
    "text", ["COPY nothing /x", "ADD $UNSET /x", "RUN --mount=source=nothing,target=/x a"]
)
def test_what_is_not_there_is_named(tree: Path, text: str) -> None:
    with pytest.raises(DaytonaNotFoundError, match=r"source .*does not exist in"):
        sources(tree, text)


def test_a_text_that_is_no_dockerfile_is_refused(tree: Path) -> None:
    with pytest.raises(DaytonaValidationError, match="Dockerfile line 1: the here-document EOF has no end"):
        sources(tree, "COPY <<EOF /x\n")


@pytest.mark.parametrize(
    ("patterns", "left_out", "kept"),
    [
        (["*.pyc"], ["a.pyc"], ["d/a.pyc", "a.py"]),
        (["**/*.pyc"], ["a.pyc", "d/e/a.pyc"], ["a.py"]),
        (["/build"], ["build", "build/x/y"], ["a/build"]),
        (["build/"], ["build/x"], ["builds"]),
        (["a/**"], ["a/b", "a/b/c"], ["a"]),
        (["a/**/z"], ["a/z", "a/b/c/z"], ["a/zz"]),
        (["*", "!keep"], ["x", "x/keep"], ["keep", "keep/x"]),
        (["*.md", "!README*.md", "README-secret.md"], ["a.md", "README-secret.md"], ["README.md"]),
        (["a?c", "[xy]z"], ["abc", "xz"], ["ac", "zz", "a/c"]),
        (["./a/../b"], ["b"], ["a"]),
        (["a\\*"], ["a*"], ["ab"]),
        ([".", ""], [], ["a"]),
    ],
)
def test_patterns(patterns: list[str], left_out: list[str], kept: list[str]) -> None:
    ignore = Ignore(patterns)
    assert [ignore.excludes(path) for path in left_out] == [True] * len(left_out)
    assert [ignore.excludes(path) for path in kept] == [False] * len(kept)


def test_lines_of_the_file() -> None:
    assert patterns_of("\ufeff# comment\n\n *.a \r\n!b\n") == ("*.a", "!b")


@example(["[[]"], "[")
@example(["[a&&b]", "[a||b]", "[a~~b]", "[a--b]"], "a")
@given(
    st.lists(st.text("ab*?/!.[]\\^-", max_size=6), max_size=4),
    st.from_regex(r"[ab]{1,2}(/[ab]{1,2}){0,2}", fullmatch=True),
)
def test_any_pattern_is_understood(patterns: list[str], path: str) -> None:
    assert Ignore([*patterns, "**"]).excludes(path)
    assert not Ignore([*patterns, "!**"]).excludes(path)


def sent(image: Image) -> set[str]:
    """Return the names in the contexts of an image."""
    names: set[str] = set()
    for context in image.contexts:
        packed = BuildContext(context.source_path, context.archive_path, context.ignored)
        content = b"".join(part.data for part in packed.parts())
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            names |= {member.name for member in archive if member.isfile()}
    return names


def test_ignored_files_are_not_sent(tree: Path) -> None:
    (tree / ".dockerignore").write_text(
        "# what a build does not need\n.env\nnode_modules\n!node_modules/keep\n**/*.pyc\n"
    )
    (tree / "Dockerfile").write_text("FROM x\nCOPY . /x\n")
    image = Image.from_dockerfile(tree / "Dockerfile")
    everything = {
        "./app/main.py",
        "./app/deep/note.md",
        "./node_modules/keep",
        "./.dockerignore",
        "./Dockerfile",
    }
    assert sent(image) == everything
    (tree / "Dockerfile.dockerignore").write_text("*\n!app/deep\n")
    assert sent(Image.from_dockerfile(tree / "Dockerfile")) == {"./app/deep/note.md"}
    assert sent(Image.base("x").dockerfile_commands(["COPY . /x"], tree)) == everything | {
        "./Dockerfile.dockerignore"
    }


def test_what_is_asked_for_and_ignored_is_named(tree: Path) -> None:
    (tree / ".dockerignore").write_text(".env\nnode_modules\n")
    for source in (".env", "node_modules", "node_modules/x"):
        with pytest.raises(DaytonaNotFoundError, match=f"{source} is left out by .dockerignore"):
            sources(tree, f"COPY {source} /x")
    assert sources(tree, "COPY .env app /x/\n".replace(".env ", "")) == ["app"]


def test_an_ignored_file_does_not_change_the_hash(tree: Path) -> None:
    def hashed() -> str:
        return BuildContext(str(tree), ".", ["node_modules", "**/*.pyc"]).hash()

    before = hashed()
    (tree / "node_modules" / "more").write_text("more")
    (tree / "app" / "other.pyc").write_text("other")
    assert hashed() == before
    (tree / "app" / "other.py").write_text("other")
    assert hashed() != before
