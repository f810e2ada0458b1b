"""Images: the text of the Dockerfile, and the files it copies."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import TYPE_CHECKING

import pytest

from daytona.build_files import Context
from daytona.errors import DaytonaNotFoundError, DaytonaValidationError
from daytona.image import Image, archive_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def lines(image: Image) -> list[str]:
    """Return what follows the FROM line."""
    assert image.dockerfile().endswith("\n")
    return image.dockerfile().splitlines()[1:]


@pytest.fixture
def base() -> Image:
    return Image.base("debian:12")


def test_base_is_one_line(base: Image) -> None:
    assert base.dockerfile() == "FROM debian:12\n"


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("3.9", "3.9.22"),
        ("3.12", "3.12.10"),
        ("3.13", "3.13.3"),
        ("3.12.1", "3.12.1"),
        ("3.12.0rc1", "3.12.0rc1"),
    ],
)
def test_debian_slim_has_five_lines(version: str, release: str) -> None:
    assert Image.debian_slim(version).dockerfile() == (
        f"FROM python:{release}-slim-bookworm\n"
        "RUN apt-get update\n"
        "RUN apt-get install -y gcc gfortran build-essential\n"
        "RUN pip install --upgrade pip\n"
        "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections\n"
    )


@pytest.mark.parametrize(
    ("running", "release"), [((3, 11), "3.11.12"), ((3, 14), "3.13.3"), ((3, 20), "3.13.3")]
)
def test_debian_slim_fits_the_interpreter_or_comes_near(
    monkeypatch: pytest.MonkeyPatch, running: tuple[int, int], release: str
) -> None:
    class Version:
        major, minor = running

    monkeypatch.setattr(sys, "version_info", Version)
    assert Image.debian_slim().dockerfile().startswith(f"FROM python:{release}-slim-bookworm\n")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("abc", "Invalid"),
        ("3.12.x", "Invalid"),
        ("3", "Invalid"),
        ("3.8", "Unsupported"),
        ("2.7.1", "Unsupported"),
    ],
)
def test_debian_slim_refuses_other_versions(version: str, message: str) -> None:
    with pytest.raises(DaytonaValidationError, match=f"{message} Python version"):
        Image.debian_slim(version)


def test_pip_install_sorts_flattens_and_quotes(base: Image) -> None:
    base.pip_install("requests>=2", ["numpy", "a[b]"])
    assert lines(base) == ["RUN python -m pip install 'a[b]' numpy 'requests>=2'"]


def test_pip_install_of_nothing_adds_nothing(base: Image) -> None:
    assert lines(base.pip_install().pip_install([])) == []


def test_pip_options_come_in_order(base: Image) -> None:
    base.pip_install(
        "x",
        find_links=["l 1", "l2"],
        index_url="i",
        extra_index_urls=["e1", "e2"],
        pre=True,
        extra_options=" --no-cache-dir ",
    )
    (line,) = lines(base)
    assert line.split(" x ")[1] == (
        "--find-links 'l 1' --find-links l2 --index-url i --extra-index-url e1 --extra-index-url e2 --pre --no-cache-dir"
    )


@pytest.mark.parametrize("name", ["requirements.txt", "my requirements.txt"])
def test_requirements_are_copied_and_installed(base: Image, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("x\n")
    base.pip_install_from_requirements(str(file), pre=True)
    inside = str(file).lstrip("/")
    plain = f"COPY {inside} /.requirements.txt"
    quoted = f'COPY ["{inside}", "/.requirements.txt"]'
    assert lines(base) == [
        quoted if " " in name else plain,
        "RUN python -m pip install -r /.requirements.txt --pre",
    ]
    assert base.contexts == (Context(str(file), inside),)


def test_pyproject_gives_its_dependencies(base: Image, tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\ndependencies = ["b", "a"]\n[project.optional-dependencies]\ndev = ["c"]\n')
    base.pip_install_from_pyproject(str(file), ["dev", "unknown"], find_links="l", extra_index_url="e")
    assert lines(base) == ["RUN python -m pip install a b c --find-links l --extra-index-url e"]
    assert base.contexts == ()


def test_local_files_and_directories_are_copied(base: Image, tmp_path: Path) -> None:
    file = tmp_path / 'a "b".txt'
    file.write_text("x")
    base.add_local_file(file, "/opt/").add_local_file(str(file), "/opt/c").add_local_dir(tmp_path, "/dir")
    inside = str(file).lstrip("/").replace('"', '\\"')
    assert lines(base) == [
        f'COPY ["{inside}", "/opt/a \\"b\\".txt"]',
        f'COPY ["{inside}", "/opt/c"]',
        f'COPY ["{str(tmp_path).lstrip("/")}", "/dir"]',
    ]
    assert [context.source_path for context in base.contexts] == [str(file), str(file), str(tmp_path)]


def test_tilde_is_the_home_directory(base: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "f").write_text("x")
    assert base.add_local_file("~/f", "/f").contexts[0].source_path == str(tmp_path / "f")


@pytest.mark.parametrize(
    ("path", "name"), [("/home/u/x", "home/u/x"), ("../x", "../x"), ("./a//b/", "a/b"), ("a/../b", "b")]
)
def test_archive_path_is_normalised_and_relative(path: str, name: str) -> None:
    assert archive_path(path) == name


def test_commands_are_lines_and_lists_are_words(base: Image) -> None:
    base.run_commands("apt-get update", ["echo", 'x "y"', "it's", "a\\b", "größe"])
    assert lines(base) == ["RUN apt-get update", 'RUN "echo" "x \\"y\\"" "it\'s" "a\\\\b" "größe"']


def test_env_and_workdir_are_quoted(base: Image) -> None:
    assert lines(base.env({"A": "b c", "D": "e"}).workdir("/a b")) == [
        "ENV A='b c'",
        "ENV D=e",
        "WORKDIR '/a b'",
    ]


def test_entrypoint_and_cmd_are_json(base: Image) -> None:
    assert lines(base.entrypoint(["a", 'b "c"']).cmd([])) == ['ENTRYPOINT ["a", "b \\"c\\""]', "CMD []"]


def test_dockerfile_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "b.py").write_text("")
    (tmp_path / "src" / "a.py").write_text("")
    text = (
        "FROM x\n"
        "# COPY nothing /\n"
        "COPY --chown=1:1 src/*.py \\\n"
        "\n"
        "  # a comment in between\n"
        "  /app/\n"
        'copy ["src/a.py", "/b"]\n'
        "COPY --from=stage /x /y\n"
        "COPY <<EOF src/b.py /z/\n"
        "COPY nothing /\n"
        "EOF\n"
        "ADD https://example.org/x git@example.org:x src /w/"
    )
    (tmp_path / "Dockerfile").write_text(text)
    image = Image.from_dockerfile(tmp_path / "Dockerfile")
    assert image.dockerfile() == text
    assert [context.archive_path for context in image.contexts] == [
        "src/a.py",
        "src/b.py",
        "src/a.py",
        "src/b.py",
        "src",
    ]
    assert image.contexts[0].source_path == str(tmp_path / "src" / "a.py")


def test_dockerfile_commands_copy_from_their_directory(base: Image, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    base.dockerfile_commands(["RUN x", "COPY a.txt /"], context_dir=tmp_path)
    assert lines(base) == ["RUN x", "COPY a.txt /"]
    assert base.contexts == (Context(str(tmp_path / "a.txt"), "a.txt"),)


def test_strict_context_keeps_sources_inside(base: Image, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("")
    (inside / "link").symlink_to(tmp_path / "secret")
    for source in ("../secret", str(tmp_path / "secret"), "link", "x/../../secret"):
        with pytest.raises(DaytonaValidationError, match="forbidden path outside the build context"):
            base.dockerfile_commands([f"COPY {source} /"], context_dir=inside, strict_context=True)
    base.dockerfile_commands(["COPY ../secret /"], context_dir=inside)
    assert base.contexts[0].source_path.endswith("secret")


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda image: image.add_local_file("/nope", "/x"), DaytonaNotFoundError),
        (lambda image: image.add_local_dir("/nope", "/x"), DaytonaNotFoundError),
        (lambda image: image.add_local_file("/", "/x"), DaytonaValidationError),
        (lambda image: image.add_local_dir(__file__, "/x"), DaytonaValidationError),
        (lambda image: image.pip_install_from_requirements("/nope"), DaytonaNotFoundError),
        (lambda image: image.pip_install_from_pyproject("/nope", []), DaytonaNotFoundError),
        (lambda image: image.dockerfile_commands([], context_dir="/nope"), DaytonaNotFoundError),
        (lambda image: image.dockerfile_commands(["COPY nope /x"], context_dir="/"), DaytonaNotFoundError),
        (lambda image: image.dockerfile_commands(["COPY a /b"], strict_context=True), DaytonaValidationError),
        (lambda image: image.from_dockerfile("/nope"), DaytonaNotFoundError),
        (lambda image: image.env({"A": 1}), TypeError),
        (lambda image: image.entrypoint("ls"), TypeError),
        (lambda image: image.cmd("ls"), TypeError),
    ],
)
def test_mistakes_are_reported_and_change_nothing(
    base: Image, call: Callable[[Image], object], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        call(base)
    assert base == Image.base("debian:12")


def test_other_spellings_are_the_same_methods() -> None:
    assert Image.debianSlim("3.12").pipInstall("numpy") == Image.debian_slim("3.12").pip_install("numpy")
    for name in (
        "pipInstallFromRequirements",
        "pipInstallFromPyproject",
        "addLocalFile",
        "addLocalDir",
        "runCommands",
        "dockerfileCommands",
    ):
        snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)
        assert getattr(Image, name) is getattr(Image, snake)


def test_copies_are_independent(base: Image) -> None:
    for twin in (base.copy(), pickle.loads(pickle.dumps(base)), copy.deepcopy(base)):
        assert twin == base
        assert twin.run_commands("x") != base
    assert lines(base) == []
