"""What stands in for well-known images where no registry is reached: a system made from Debian's packages, or this machine's own.

`python:…` images have their interpreter in /usr/local, with a pip that may install there. Over this machine's programs
that is a layer: an environment in the sense of `venv`, at /usr/local, of the machine's own Python.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.images import changeable
from daytona_plugins.local.images.image import HOST
from daytona_plugins.local.images.machine import description, host_key
from daytona_plugins.local.runtime.hostimage import PYTHON

if TYPE_CHECKING:
    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.layers import Layers

NO_PIP: Final = "pip is not in it: this machine's Python has none to lend"


class StandIn(NamedTuple):
    """An image in the place of another, and what differs from what was asked for."""

    image: Image
    differences: tuple[str, ...] = ()


class Interpreter(NamedTuple):
    """A Python as a sandbox sees it."""

    path: str
    version: str
    """Major and minor number."""


BOOTSTRAPPED: Final = Interpreter("/usr/bin/python3", "3.11")
"""What the Debian has that is made here."""


def debian(name: str, made_here: Image | None) -> StandIn:
    """Return a Debian made here, or else this machine's own system, in the place of *name*."""
    if made_here is not None:
        return StandIn(made_here, (f"{name} was not pulled: it is {made_here.resolved}",))
    image = HOST if os.getuid() == 0 else HOST.with_layer(changeable.layer_name())
    difference = f"{name} is this machine's own system here"
    return StandIn(image.with_source(f"host: {description()}"), (difference,))


def python(name: str, layers: Layers, made_here: Image | None) -> StandIn:
    """Return the same with `python` and `pip` in /usr/local in the place of *name*."""
    base = debian(name, made_here)
    wanted = wanted_version(name)
    interpreter = find_interpreter(wanted) if made_here is None else BOOTSTRAPPED
    wheel = find_pip()
    layer = _layer_name(base.image, interpreter, wheel)
    if not layers.has(layer):
        _make(layers, layer, base.image, interpreter, wheel)
    differences = list(base.differences)
    if wanted not in ("", interpreter.version):
        differences.append(f"its Python is {interpreter.version}, not {wanted}")
    if wheel is None:
        differences.append(NO_PIP)
    image = base.image.with_layer(layer).with_source(f"{base.image.resolved}, Python {interpreter.version}")
    return StandIn(image, tuple(differences))


def wanted_version(name: str) -> str:
    """Return the major and minor number in the tag of a Python image, or nothing."""
    found = re.search(r":(\d+\.\d+)", name)
    return found[1] if found else ""


def find_interpreter(wanted: str) -> Interpreter:
    """Return the Python of this machine that fits best, as its path will be in a sandbox."""
    for directory in ("/usr/bin", "/usr/local/bin"):
        if wanted and os.access(f"{directory}/python{wanted}", os.X_OK):
            return Interpreter(f"{directory}/python{wanted}", wanted)
    if os.access("/usr/bin/python3", os.X_OK):
        return Interpreter("/usr/bin/python3", _version_of("/usr/bin/python3"))
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Interpreter(f"{PYTHON}/bin/python{own}", own)  # lent, as the runtime does it


def find_pip() -> Path | None:
    """Return the wheel of pip that comes with a Python of this machine."""
    bundled = Path(
        sys.base_prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "ensurepip"
    )
    places = [bundled / "_bundled", Path("/usr/share/python-wheels")]
    wheels = [wheel for place in places if place.is_dir() for wheel in place.glob("pip-*.whl")]
    return max(wheels, key=_wheel_version, default=None)


def _wheel_version(wheel: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", wheel.name.split("-")[1]))


def _version_of(python: str) -> str:
    real = re.search(r"(\d+\.\d+)$", os.path.realpath(python))
    if real:
        return real[1]
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    command = [python, "-I", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 (the machine's own Python)


def _layer_name(base: Image, interpreter: Interpreter, wheel: Path | None) -> str:
    facts = (1, host_key() if base.base == "host" else base.layers, interpreter, wheel.name if wheel else "")
    return f"python-{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}"


def _make(layers: Layers, name: str, base: Image, interpreter: Interpreter, wheel: Path | None) -> None:
    draft = layers.draft()
    files = draft / "usr" / "files" if base.base == "host" else draft / "root" / "files" / "usr"
    local = files / "local"
    packages = local / "lib" / f"python{interpreter.version}" / "site-packages"
    packages.mkdir(parents=True)
    (local / "bin").mkdir()
    (local / "pyvenv.cfg").write_text(
        f"home = {os.path.dirname(interpreter.path)}\ninclude-system-site-packages = false\n",
        encoding="utf-8",
    )
    for alias in ("python", "python3", f"python{interpreter.version}"):
        (local / "bin" / alias).symlink_to(interpreter.path)
    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
        for alias in ("pip", "pip3", f"pip{interpreter.version}"):
            _write_script(local / "bin" / alias)
    layers.adopt(draft, name)
    shutil.rmtree(draft, ignore_errors=True)  # another build was faster


def _write_script(file: Path) -> None:
    file.write_text(
        "#!/usr/local/bin/python\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n",
        encoding="utf-8",
    )
    file.chmod(0o755)
