"""Images as values: a Dockerfile that is written line by line, and the local files it copies.

Nothing is read before it is needed, except that a missing local path is reported by the call that names it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from daytona.build_files import Context, copied
from daytona.errors import DaytonaNotFoundError, DaytonaValidationError
from daytona.models._records import PydanticField

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SupportedPythonSeries: TypeAlias = Literal["3.9", "3.10", "3.11", "3.12", "3.13"]

_PYTHON_RELEASES = {
    "3.9": "3.9.22",
    "3.10": "3.10.17",
    "3.11": "3.11.12",
    "3.12": "3.12.10",
    "3.13": "3.13.3",
}
_REQUIREMENTS = "/.requirements.txt"


class Image(PydanticField):
    """A Dockerfile that each method extends, and the local files that it copies.

    Start with `Image.base`, `Image.debian_slim` or `Image.from_dockerfile`; all other methods modify the
    image and return it.
    """

    def __init__(self) -> None:
        self._text = ""
        self._context_list: list[Context] = []  # programs that compare images read it, for want of another

    @property
    def contexts(self) -> Sequence[Context]:
        """The local files the build needs."""
        return tuple(self._context_list)

    def dockerfile(self) -> str:
        """Return the text of the Dockerfile."""
        return self._text

    def copy(self) -> Image:
        """Return an independent copy of this image."""
        twin = Image()
        twin._text, twin._context_list = self._text, list(self._context_list)
        return twin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and (self._text, self._context_list) == (
            other._text,
            other._context_list,
        )

    __hash__ = None  # type: ignore[assignment]  # an image changes

    def __repr__(self) -> str:
        return f"<Image of {len(self._text.splitlines())} lines, {len(self._context_list)} contexts>"

    # Where an image starts ----------------------------------------------------------------------------------------

    @classmethod
    def base(cls, image: str) -> Self:
        """Return an image that starts from the named one."""
        return cls()._add(f"FROM {image}")

    @classmethod
    def debian_slim(cls, python_version: SupportedPythonSeries | str | None = None) -> Self:
        """Return a small Debian with Python and compilers.

        Args:
            python_version: "3.12", or "3.12.4" to be exact; None means that of this interpreter, or the nearest one.
        """
        return cls()._add(
            f"FROM python:{_python_release(python_version)}-slim-bookworm",
            "RUN apt-get update",
            "RUN apt-get install -y gcc gfortran build-essential",
            "RUN pip install --upgrade pip",
            "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections",
        )

    @classmethod
    def from_dockerfile(cls, path: str | Path, *, strict_context: bool = False) -> Self:
        """Return the image that a Dockerfile describes; the files that it copies are relative to its directory.

        Files named in `.dockerignore`, or in `Dockerfile.dockerignore`, are left out.

        Args:
            path: The Dockerfile.
            strict_context: Refuse sources outside its directory.
        """
        file = Path(path).expanduser()
        if not file.exists():
            raise DaytonaNotFoundError(f"Dockerfile {path} does not exist")
        image = cls()
        image._text = file.read_text(encoding="utf-8")
        image._context_list += copied(
            image._text, str(file.parent.absolute()), own=file.name, strict=strict_context
        )
        return image

    # What is added ------------------------------------------------------------------------------------------------

    def pip_install(
        self,
        *packages: str | list[str],
        find_links: list[str] | None = None,
        index_url: str | None = None,
        extra_index_urls: list[str] | None = None,
        pre: bool = False,
        extra_options: str = "",
    ) -> Self:
        """Install Python packages."""
        names = sorted(_flat(packages))
        if not names:
            return self
        options = _pip_options(find_links, index_url, extra_index_urls, pre, extra_options)
        return self._add(f"RUN python -m pip install {' '.join(map(_quoted, names))}{options}")

    def pip_install_from_requirements(
        self,
        requirements_txt: str | Path,
        find_links: list[str] | None = None,
        index_url: str | None = None,
        extra_index_urls: list[str] | None = None,
        pre: bool = False,
        extra_options: str = "",
    ) -> Self:
        """Install the packages listed in a local requirements file."""
        path = os.path.expanduser(requirements_txt)
        if not os.path.exists(path):
            raise DaytonaNotFoundError(f"Requirements file {requirements_txt} does not exist")
        options = _pip_options(find_links, index_url, extra_index_urls, pre, extra_options)
        source = self._context(path)
        # COPY takes words apart at blanks, and only its JSON form can hold them.
        plain = shlex.quote(source) == source
        words = f"{source} {_REQUIREMENTS}" if plain else _json([source, _REQUIREMENTS])
        return self._add(f"COPY {words}", f"RUN python -m pip install -r {_REQUIREMENTS}{options}")

    def pip_install_from_pyproject(
        self,
        pyproject_toml: str | Path,
        optional_dependencies: list[str],
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
    ) -> Self:
        """Install the dependencies of a local project, including those of the given optional groups."""
        return self.pip_install(
            *_project_dependencies(pyproject_toml, optional_dependencies),
            find_links=[find_links] if find_links else None,
            index_url=index_url,
            extra_index_urls=[extra_index_url] if extra_index_url else None,
            pre=pre,
            extra_options=extra_options,
        )

    def add_local_file(self, local_path: str | Path, remote_path: str) -> Self:
        """Copy a local file into the image; a remote path that ends in "/" is a directory."""
        path = _local(local_path, "file")
        if not os.path.isfile(path):
            raise DaytonaValidationError(f"Local path {local_path} exists but is not a file")
        target = remote_path + os.path.basename(path) if remote_path.endswith("/") else remote_path
        return self._add(f"COPY {_json([self._context(path), target])}")

    def add_local_dir(self, local_path: str | Path, remote_path: str) -> Self:
        """Copy a local directory into the image."""
        path = _local(local_path, "directory")
        if not os.path.isdir(path):
            raise DaytonaValidationError(f"Local path {local_path} exists but is not a directory")
        return self._add(f"COPY {_json([self._context(path), remote_path])}")

    def run_commands(self, *commands: str | list[str]) -> Self:
        """Run commands while the image is built; a list is a command and its arguments."""
        words = (
            item if isinstance(item, str) else " ".join(map(_in_double_quotes, item)) for item in commands
        )
        return self._add(*[f"RUN {command}" for command in words])

    def env(self, env_vars: Mapping[str, str]) -> Self:
        """Set environment variables for all programs."""
        for name, value in env_vars.items():
            if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a checker
                raise TypeError(f"the value of {name} is {value!r}; it must be a string")
        return self._add(*[f"ENV {name}={_quoted(value)}" for name, value in env_vars.items()])

    def workdir(self, path: str | Path) -> Self:
        """Set the directory in which programs start."""
        return self._add(f"WORKDIR {_quoted(str(path))}")

    def entrypoint(self, entrypoint_commands: list[str]) -> Self:
        """Set the program that is started with the sandbox."""
        return self._add(f"ENTRYPOINT {_json_words(entrypoint_commands)}")

    def cmd(self, cmd: list[str]) -> Self:
        """Set the arguments of the entrypoint."""
        return self._add(f"CMD {_json_words(cmd)}")

    def dockerfile_commands(
        self,
        dockerfile_commands: list[str],
        context_dir: Path | str | None = None,
        *,
        strict_context: bool = False,
    ) -> Self:
        """Add lines of a Dockerfile.

        Args:
            dockerfile_commands: The lines.
            context_dir: The directory of the files that they copy; None means the current directory.
            strict_context: Refuse sources outside *context_dir*.
        """
        if strict_context and not context_dir:
            raise DaytonaValidationError("strict_context needs a context_dir to be strict about")
        root = os.path.expanduser(context_dir or "")
        if root and not os.path.isdir(root):
            raise DaytonaNotFoundError(f"Context directory {context_dir} does not exist")
        text = "\n".join(dockerfile_commands)
        self._context_list += copied(text, root, strict=strict_context)
        return self._add(text)

    def _add(self, *lines: str) -> Self:
        self._text += "".join(f"{line}\n" for line in lines)
        return self

    def _context(self, path: str) -> str:
        name = archive_path(path)
        self._context_list.append(Context(path, name))
        return name

    # The same methods as other languages spell them.
    debianSlim = debian_slim
    fromDockerfile = from_dockerfile
    pipInstall = pip_install
    pipInstallFromRequirements = pip_install_from_requirements
    pipInstallFromPyproject = pip_install_from_pyproject
    addLocalFile = add_local_file
    addLocalDir = add_local_dir
    runCommands = run_commands
    dockerfileCommands = dockerfile_commands


def archive_path(local_path: str | Path) -> str:
    """Return the name of a local path in the build: normalised, without drive and leading separators."""
    path = os.path.splitdrive(os.path.normpath(local_path))[1]
    return path.lstrip("/\\" if os.sep == "\\" else "/")


def _python_release(version: str | None) -> str:
    if version is None:
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        return _PYTHON_RELEASES.get(running, _PYTHON_RELEASES["3.13"])
    match = re.fullmatch(r"(\d+\.\d+)(\.\d+(?:(?:a|b|rc)\d+)?)?", version)
    if not match:
        raise DaytonaValidationError(f"Invalid Python version: {version!r}")
    if match[1] not in _PYTHON_RELEASES:
        known = ", ".join(_PYTHON_RELEASES)
        raise DaytonaValidationError(f"Unsupported Python version: {version!r}; there are {known}")
    return version if match[2] else _PYTHON_RELEASES[version]


def _pip_options(
    find_links: Iterable[str] | None,
    index_url: str | None,
    extra_index_urls: Iterable[str] | None,
    pre: bool,
    extra_options: str,
) -> str:
    options = [f"--find-links {_quoted(link)}" for link in find_links or ()]
    options += [f"--index-url {_quoted(index_url)}"] if index_url else []
    options += [f"--extra-index-url {_quoted(url)}" for url in extra_index_urls or ()]
    options += ["--pre"] if pre else []
    options += [extra_options.strip()] if extra_options.strip() else []
    return "".join(f" {option}" for option in options)


def _project_dependencies(pyproject_toml: str | Path, groups: Iterable[str]) -> list[str]:
    path = Path(pyproject_toml).expanduser()
    if not path.exists():
        raise DaytonaNotFoundError(f"Project file {pyproject_toml} does not exist")
    import tomllib  # only who has such a file pays for its parser

    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    optional = project.get("optional-dependencies", {})
    return [*project.get("dependencies", []), *(name for group in groups for name in optional.get(group, []))]


def _flat(packages: Iterable[str | list[str]]) -> Iterator[str]:
    for package in packages:
        yield from [package] if isinstance(package, str) else package


def _local(path: str | Path, kind: str) -> str:
    expanded = os.path.expanduser(path)
    if not os.path.exists(expanded):
        raise DaytonaNotFoundError(f"Local {kind} {path} does not exist")
    return str(expanded)


def _quoted(text: str) -> str:
    """Return *text* as one word of a shell, or of a Dockerfile."""
    return shlex.quote(_one_line(text))


def _in_double_quotes(text: str) -> str:
    """Return *text* as one word in which the shell still puts values for variables."""
    escaped = _one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _one_line(text: str) -> str:
    """Refuse what would be more than one line: the rest of it would be an instruction of its own."""
    if "\n" in text or "\r" in text:
        raise DaytonaValidationError(f"{text!r} has a line break, which no line of a Dockerfile can hold")
    return text


def _json(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json_words(words: list[str]) -> str:
    if isinstance(words, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a checker
        raise TypeError(f"{words!r} is a string; it must be a list of strings")
    return _json(words)
